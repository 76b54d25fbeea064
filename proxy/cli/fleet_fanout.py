"""Asking every replica by itself, when the one that was asked cannot tell the others.

A command asks one figway, which tells the fleet through the shared store. Without the store, and
without that figway, the command asks every replica that it knows of: peers that are configured,
that the figway named, or that it kept in its state directory. While that figway says nothing, a
rollback is asked of the others as well: made twice it is the same.
"""

from __future__ import annotations

import argparse
import http.client
import json
import os
import sys
import threading
import time
import urllib.parse
from collections.abc import Callable, Iterable
from concurrent import futures
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from proxy.cli import client
from proxy.cli.output import Failure
from proxy.cli.scope import GRACE_SECONDS
from proxy.fleet.spread import PROVEN

# A fleet is asked at once, so that one dead machine does not hold up the others.
_AT_ONCE = 32
# How long the first replica may say nothing before the others are asked as well.
HEDGE_SECONDS = 1.0
# A machine that is silent in the store is most likely dead.
UNHEARD_SECONDS = 3.0
# How long one that the store does not know by its address may take to say that it hears the store.
UNKNOWN_SECONDS = 1.0


class _Call(NamedTuple):
    """What is asked for, of whom first, and since when."""

    args: argparse.Namespace
    path: str
    body: dict[str, object]
    # A reading of `time.perf_counter`.
    began: float

    @property
    def first(self) -> str:
        return _address(self.args)

    @property
    def patience(self) -> float:
        return float(self.args.wait) + GRACE_SECONDS

    def say(self, text: str) -> None:
        """Tell a person what goes on; stdout is for the result."""
        print(f"figway {self.args.command}: {text}", file=sys.stderr, flush=True)


def change(
    args: argparse.Namespace,
    path: str,
    body: dict[str, object],
    *,
    hedged: bool = False,
    began: float | None = None,
) -> Any:
    """Ask for a change; the answer, with one entry in `replicas` for each that was asked.

    With `hedged` the others are asked as well while the first says nothing: for what may be made
    twice, and where only some hear of it. `began` is when the command did, by
    `time.perf_counter`. Raises Failure when it is refused, or when nobody can be asked.
    """
    call = _Call(args, path, body, time.perf_counter() if began is None else began)
    others = _Others(call)
    first = _begin(partial(_first, call))
    if _is_silent(call, first) and (known := set(_known(args, ())) - others.asked):
        # What was looked at on one replica is a condition to that one alone.
        if hedged and args.if_revision is None:
            call.say(f"{_not_yet(call, HEDGE_SECONDS)}; asking the others as well")
            others.since = call.began
            others.ask(sorted(known))
            others.hear(first)
            _tell_meanwhile(call, first, others)
        else:
            call.say(
                f"{_not_yet(call, HEDGE_SECONDS)};"
                f" the others are asked after {call.patience:g} s without an answer"
            )
    said = _awaited(call, first, others)
    if isinstance(said, Failure):
        return _without_the_first(call, said, others)
    return _with_the_others(call, said, others)


def _first(call: _Call) -> Any:
    """What the one that is asked first says: its answer, or a Failure."""
    seen = call.args.if_revision
    try:
        # One that hangs is to be passed over while there is still somebody to be saved.
        said = client.ask(call.args, "POST", call.path, call.body, seen=seen, timeout=call.patience)
    except Failure as failure:
        return failure
    return _whole(said)


def _is_silent(call: _Call, first: Future[Any]) -> bool:
    left = call.began + HEDGE_SECONDS - time.perf_counter()
    return not futures.wait([first], timeout=max(left, 0.0)).done


def _not_yet(call: _Call, seconds: float) -> str:
    return f"{call.first} has not answered after {seconds:.3g} s"


def _tell_meanwhile(call: _Call, first: Future[Any], others: _Others) -> None:
    """Say who is safe while the first is still waited for: an incident goes on."""
    words = [word for each in others.answered.values() for word in each["replicas"]]
    safe = sorted({word["replica"] for word in words if word["state"] == "applied"})
    if safe and not first.done():
        left = call.began + call.patience - time.perf_counter()
        call.say(f"{', '.join(safe)} confirmed; waiting up to {left:.0f} s for {call.first}")


def _awaited(call: _Call, first: Future[Any], others: _Others) -> Any:
    """The answer of the first, or a Failure; nobody waits long for one that left the store."""
    patience = None
    if call.first in others.left:
        patience = max(call.began + UNHEARD_SECONDS - time.perf_counter(), 0.0)
    try:
        return first.result(patience)
    except TimeoutError:
        failure = client.Unreachable(2, _not_yet(call, time.perf_counter() - call.began))
        failure.hangs = True
        return failure


def _with_the_others(call: _Call, answer: dict[str, Any], others: _Others) -> Any:
    asked, peers = {call.first}, answer["fleet"]["peers"]
    match answer["fleet"]["state"]:
        case "unreachable":
            known = _known(call.args, peers)
        case "alone" | "apart":
            # There is no store, so what is named is all that there is.
            known = _named(peers)
            if not set(known) - asked and not others.answered:
                return answer
        case "shared":
            unknown = (peer for peer in _named(answer["fleet"].get("unknown", ())))
            unheard = [*peers, *_deaf(peer for peer in unknown if peer not in {*asked, *peers})]
            unheard = [peer for peer in unheard if peer not in others.answered]
            there = {**others.answered, **_answers_of_the_unheard(call, unheard)}
            return _joined(answer, there) if there else answer
        case _:
            return answer
    others.ask(known)
    others.hear()
    named = {*known, *(peer for each in others.answered.values() for peer in _peers(each))}
    own = _in_its_own_words(answer, call.first, answer["applied_ms"])
    # Whom the first need not have been asked of, and who did not answer, is no replica of today.
    told = {p: each for p, each in others.there.items() if p in named or p in others.answered}
    return _joined(own, told)


def _without_the_first(call: _Call, failure: Failure, others: _Others) -> Any:
    if isinstance(failure, client.Unreachable):
        others.since = call.began
        others.ask(_known(call.args, ()))
    others.hear()
    whole = next(iter(others.answered.values()), None)
    if whole is None:
        raise failure
    nothing = {"changed": False, "still_held": [], "warnings": []}
    if others.is_gone(call.first, failure):
        call.say(f"{failure}; it is gone, by the word of the others")
        return _joined({**whole, **nothing, "replicas": []}, others.there)
    silent = _silent(call.first, failure)
    joined = _joined({**whole, **nothing, "replicas": [silent]}, others.there)
    gone = [word for word in joined["replicas"] if word["state"] == "gone"]
    if others.left == {call.first} and len(gone) == 1:
        # The same replica, by its name: it left the store, and its address is not free.
        joined["replicas"].remove(gone[0])
    return joined


def _answers_of_the_unheard(call: _Call, unheard: list[str]) -> dict[str, Any]:
    """Ask those who are silent in the store: whoever answers serves clients all the same."""
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        found = pool.map(lambda peer: _ask(call, peer, UNHEARD_SECONDS), unheard)
        answers = dict(zip(unheard, found, strict=True))
    return {peer: each for peer, each in answers.items() if not _is_dead(each)}


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


class _Others:
    """The peers that are asked, each once and all at the same time, and what they answered."""

    def __init__(self, call: _Call) -> None:
        self._call = call
        self._pending: dict[Future[Any], str] = {}
        self.asked = {call.first}
        # Where milliseconds are counted from; None: from when each is asked.
        self.since: float | None = None
        # By address; a Failure where there was no answer.
        self.answers: dict[str, Any] = {}

    @property
    def answered(self) -> dict[str, Any]:
        """The answers that are no Failure."""
        return {peer: each for peer, each in self.answers.items() if isinstance(each, dict)}

    @property
    def left(self) -> set[str]:
        """Where replicas listen whose lease has ended, by the word of one whose store works."""
        shared = (e for e in self.answered.values() if e["fleet"]["state"] == "shared")
        return {peer for each in shared for peer in _peers(each)}

    @property
    def there(self) -> dict[str, Any]:
        """What all said but those that are gone."""
        return {peer: e for peer, e in self.answers.items() if not self.is_gone(peer, e)}

    def is_gone(self, peer: str, answer: object) -> bool:
        """Whether the store and the machine itself agree that nobody is there."""
        # A replica that ended long ago is forgotten, and its address is one that nobody has.
        shared = (e for e in self.answered.values() if e["fleet"]["state"] == "shared")
        unknown = {u for each in shared for u in each["fleet"].get("unknown", ())}
        return _is_dead(answer) and peer in self.left | unknown

    def ask(self, peers: Iterable[str]) -> None:
        """Begin to ask whoever was not asked yet."""
        for peer in peers:
            if peer not in self.asked:
                self.asked.add(peer)
                asking = partial(_ask, self._call, peer, self._call.patience, self.since)
                self._pending[_begin(asking)] = peer

    def hear(self, meanwhile: Future[Any] | None = None) -> None:
        """Wait until all have answered, or `meanwhile` is there."""
        until = set() if meanwhile is None else {meanwhile}
        while self._pending and not (meanwhile and meanwhile.done()):
            ended = futures.wait({*self._pending, *until}, return_when=FIRST_COMPLETED).done
            for each in ended - until:
                peer = self._pending.pop(each)
                self.answers[peer] = each.result()
                # A peer may know of others.
                if peer in self.answered:
                    self.ask(_peers(self.answers[peer]))


def _begin(work: Callable[[], Any]) -> Future[Any]:
    """Do it in a thread that holds up nobody at the end, unlike one of a pool."""
    future: Future[Any] = Future()

    def run() -> None:
        try:
            future.set_result(work())
        except BaseException as error:  # noqa: BLE001 - whoever waits for it raises it
            future.set_exception(error)

    threading.Thread(target=run, daemon=True).start()
    return future


def _ask(call: _Call, peer: str, patience: float, since: float | None = None) -> Any:
    """The answer of a peer, or a Failure. Milliseconds count from `since`, else from here."""
    there = argparse.Namespace(**{**vars(call.args), "admin": peer})
    now = time.perf_counter()
    began = now if since is None else since
    try:
        answer = _whole(client.ask(there, "POST", call.path, call.body, timeout=patience))
    except Failure as failure:
        return failure
    before_ms = (now - began) * 1000
    asked_ms = round((time.perf_counter() - began) * 1000, 3)
    words = [{**word, "ms": round(word["ms"] + before_ms, 3)} for word in answer["replicas"]]
    own = _in_its_own_words({**answer, "replicas": words}, peer, asked_ms)
    return {**own, "asked_ms": asked_ms}


def _peers(answer: dict[str, Any]) -> list[str]:
    return list(answer["fleet"]["peers"])


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


def elsewhere(args: argparse.Namespace) -> tuple[str, ...]:
    """Who else can be asked: the peers that are known without asking anybody."""
    first = _address(args)
    return tuple(peer for peer in _known(args, ()) if peer != first)


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
