"""Asking every replica by itself, when the one that was asked cannot tell the others.

A command asks one figway, which tells the fleet through the shared store. Without the store, and
without that figway, the command asks every replica that it knows of: peers that are configured,
that the figway named, or that it kept in its state directory.
"""

from __future__ import annotations

import argparse
import http.client
import json
import os
import time
import urllib.parse
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from proxy.cli import client
from proxy.cli.output import Failure
from proxy.fleet.spread import PROVEN

# A fleet is asked at once, so that one dead machine does not hold up the others.
_AT_ONCE = 32
# Beyond the wait for acks: connecting, and a store that is asked in vain.
_GRACE_SECONDS = 5.0
# A machine that is silent in the store is most likely dead.
UNHEARD_SECONDS = 3.0
# How long one that the store does not know by its address may take to say that it hears the store.
UNKNOWN_SECONDS = 1.0


def change(args: argparse.Namespace, path: str, body: dict[str, object]) -> Any:
    """Ask for a change; the answer, with one entry in `replicas` for each that was asked.

    Raises Failure when it is refused, or when nobody can be asked.
    """
    try:
        # One that hangs is to be passed over while there is still somebody to be saved.
        patience = float(args.wait) + _GRACE_SECONDS
        said = client.ask(args, "POST", path, body, seen=args.if_revision, timeout=patience)
        answer = _whole(said)
    except client.Unreachable as failure:
        known = _known(args, ())
        if not known:
            raise
        return _without_the_first(args, path, body, known, failure)
    asked, peers = {_address(args)}, answer["fleet"]["peers"]
    match answer["fleet"]["state"]:
        case "unreachable":
            known = _known(args, peers)
        case "alone" | "apart":
            # There is no store, so what is named is all that there is.
            known = _named(peers)
            if not set(known) - asked:
                return answer
        case "shared":
            unknown = (peer for peer in _named(answer["fleet"].get("unknown", ())))
            unheard = [*peers, *_deaf(peer for peer in unknown if peer not in {*asked, *peers})]
            return _with_the_unheard(args, path, body, answer, unheard) if unheard else answer
        case _:
            return answer
    own = _in_its_own_words(answer, _address(args), answer["applied_ms"])
    return _joined(own, _ask_all(args, path, body, known, asked))


def _without_the_first(
    args: argparse.Namespace,
    path: str,
    body: dict[str, object],
    known: tuple[str, ...],
    failure: Failure,
) -> Any:
    asked = {_address(args)}
    answers = _ask_all(args, path, body, known, asked)
    whole = next((each for each in answers.values() if isinstance(each, dict)), None)
    if whole is None:
        raise failure
    nothing = {"changed": False, "still_held": [], "warnings": []}
    first = {**whole, **nothing, "replicas": [_silent(_address(args), failure)]}
    return _joined(first, answers)


def _with_the_unheard(
    args: argparse.Namespace,
    path: str,
    body: dict[str, object],
    answer: dict[str, Any],
    unheard: list[str],
) -> Any:
    """Ask those who are silent in the store: whoever answers serves clients all the same."""
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        found = pool.map(lambda peer: _ask(args, path, body, peer, UNHEARD_SECONDS), unheard)
        answers = dict(zip(unheard, found, strict=True))
    there = {peer: each for peer, each in answers.items() if not _is_dead(each)}
    return _joined(answer, there)


def _deaf(peers: Iterable[str]) -> list[str]:
    """Those that serve and cannot prove that they hear the store; no token is needed to ask."""
    asked = list(peers)
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        return [peer for peer, deaf in zip(asked, pool.map(_is_deaf, asked), strict=True) if deaf]


def _is_deaf(peer: str) -> bool:
    url = urllib.parse.urlsplit(peer)
    kind = http.client.HTTPSConnection if url.scheme == "https" else http.client.HTTPConnection
    try:
        connection = kind(url.hostname or "", url.port, timeout=UNKNOWN_SECONDS)
    except ValueError:
        return False
    try:
        connection.request("GET", "/readyz?verbose")
        return PROVEN not in connection.getresponse().read().decode(errors="replace")
    except (OSError, http.client.HTTPException):
        # One that takes the connection and hangs may serve.
        return connection.sock is not None
    finally:
        connection.close()


def _is_dead(answer: object) -> bool:
    return isinstance(answer, client.Unreachable) and not answer.hangs


def _ask_all(
    args: argparse.Namespace,
    path: str,
    body: dict[str, object],
    known: Iterable[str],
    asked: set[str],
) -> dict[str, Any]:
    """The answer of every peer, by address; a Failure where there was none."""
    answers: dict[str, Any] = {}
    todo = list(known)
    while todo:
        batch = [peer for peer in dict.fromkeys(todo) if peer not in asked]
        asked.update(batch)
        with ThreadPoolExecutor(_AT_ONCE) as pool:
            found = pool.map(lambda peer: _ask(args, path, body, peer), batch)
            answers |= dict(zip(batch, found, strict=True))
        # A peer may know of others.
        todo = [
            peer
            for each in batch
            if isinstance(answers[each], dict)
            for peer in answers[each]["fleet"]["peers"]
            if peer not in asked
        ]
    return answers


def _ask(
    args: argparse.Namespace,
    path: str,
    body: dict[str, object],
    peer: str,
    timeout: float = 0.0,
) -> Any:
    there = argparse.Namespace(**{**vars(args), "admin": peer})
    began = time.perf_counter()
    try:
        patience = timeout or float(args.wait) + _GRACE_SECONDS
        answer = client.ask(there, "POST", path, body, timeout=patience)
    except Failure as failure:
        return failure
    asked_ms = round((time.perf_counter() - began) * 1000, 3)
    return {**_in_its_own_words(_whole(answer), peer, asked_ms), "asked_ms": asked_ms}


def _in_its_own_words(answer: dict[str, Any], where: str, ms: float) -> dict[str, Any]:
    """The answer of one that speaks of no replicas: its workers' word is that of the replica."""
    if answer["replicas"]:
        return answer
    state = "unconfirmed" if answer["unconfirmed"] else "applied"
    word = {"replica": where, "boot": "", "state": state, "ms": ms, "applied_ms": 0.0}
    return {**answer, "replicas": [word]}


def _whole(answer: dict[str, Any]) -> dict[str, Any]:
    """The answer, with what a figway of before there were fleets does not say."""
    return {"replicas": [], "fleet": {"state": "alone", "peers": []}, **answer}


def _joined(answer: dict[str, Any], answers: dict[str, Any]) -> dict[str, Any]:
    """One answer of many: who confirmed anywhere has confirmed, what holds anywhere holds."""
    words = {_key(word): word for word in answer["replicas"]}
    changed, held = bool(answer["changed"]), list(answer["still_held"])
    warnings = list(answer["warnings"])
    # One that is known by two addresses is heard once.
    spoken = {_key(word) for word in answer["replicas"]}
    for peer, each in answers.items():
        if isinstance(each, Failure):
            words[peer] = _silent(peer, each)
            continue
        # With a store that works it speaks for all, else of itself.
        itself = each["fleet"]["state"] in ("unreachable", "apart", "alone")
        name, key = (
            (each["replicas"][0]["replica"], _key(each["replicas"][0])) if itself else (peer, peer)
        )
        if key not in spoken:
            spoken.add(key)
            changed = changed or each["changed"]
            held += (f"{source} on {name}" for source in each["still_held"])
            warnings += (f"{name}: {text}" for text in each["warnings"] if text not in warnings)
        for word in each["replicas"]:
            # Its own word comes by this command's clock; others' by that of the peer.
            told = {**word, "ms": each["asked_ms"]} if itself else word
            before = words.get(_key(word))
            if before is None or (before["state"] != "applied" and told["state"] == "applied"):
                words[_key(word)] = told
    replicas = sorted(words.values(), key=lambda word: (word["replica"], word["boot"]))
    said = {"changed": changed, "still_held": held, "warnings": warnings}
    return {**answer, **said, "replicas": replicas}


def _silent(peer: str, failure: Failure) -> dict[str, Any]:
    """The word of a replica that did not answer, or refused."""
    state = "refused" if failure.answer else "unreachable"
    word = {"replica": peer, "boot": "", "state": state, "detail": str(failure)}
    return {**word, "ms": 0.0, "applied_ms": 0.0}


def _key(word: dict[str, Any]) -> str:
    return str(word["boot"] or word["replica"])


def _known(args: argparse.Namespace, told: Iterable[str]) -> tuple[str, ...]:
    """Every peer there is to ask, each once."""
    return _named((*told, *_kept(client.state_directory(args))))


def _named(told: Iterable[str]) -> tuple[str, ...]:
    """The peers that the environment names, and those that were told of, each once."""
    configured = os.environ.get("FIGWAY_PEERS", "").split(",")
    every = (peer.strip().rstrip("/") for peer in (*configured, *told))
    urls = (peer if "://" in peer else f"http://{peer}" for peer in every if peer)
    return tuple(dict.fromkeys(urls))


def _kept(state_dir: Path) -> tuple[str, ...]:
    """The peers that the figway of this state directory knew last."""
    try:
        peers = json.loads((state_dir / "peers.json").read_bytes())["peers"]
        return tuple(str(peer) for peer in peers)
    except (OSError, ValueError, KeyError, TypeError):
        return ()


def _address(args: argparse.Namespace) -> str:
    url: urllib.parse.SplitResult = client.address(args)
    return f"{url.scheme}://{url.netloc}"
