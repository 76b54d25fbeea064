"""Which server is the right one now: the one of the URL, the Sentinels' master, the slot's node."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Final, Protocol

from redis.crc import key_slot

from flags.redis.faults import Fault, StoreFault, down
from flags.redis.line import Command, Line, Target
from flags.redis.url import RedisUrl, shown_address

_MOST_NODES: Final = 32


class Finder(Protocol):
    """Knows whom to ask where our keys are."""

    # Whether the answer may change without a word from the server we talk to.
    moving: bool

    async def find(self) -> Target:
        """The server to use now. Raises `StoreFault`."""

    def check_role(self, role: str) -> Fault | None:
        """What is wrong with a server that says it has this role."""

    def explain(self, fault: Fault) -> Fault:
        """What a fault means for a URL of this form."""


def finder_for(url: RedisUrl, tag: str, name: str) -> Finder:
    """The finder of a URL; `tag` is the hash tag that our keys share."""
    if url.form == "sentinel":
        return _Sentinels(url, name)
    if url.form == "cluster":
        return _Cluster(url, tag, name)
    return _Direct(_target(url, url.addresses[0] if url.addresses else ("", 0)))


def _target(url: RedisUrl, address: tuple[str, int]) -> Target:
    return Target(
        address=address,
        path=url.path,
        database=url.database,
        credentials=url.credentials,
        tls=url.tls,
    )


class _Direct:
    moving = False

    def __init__(self, target: Target) -> None:
        self._target = target

    async def find(self) -> Target:
        return self._target

    def check_role(self, role: str) -> Fault | None:
        return None

    def explain(self, fault: Fault) -> Fault:
        if fault.code not in ("MOVED", "CROSSSLOT", "CLUSTERDOWN"):
            return fault
        where = self._target.shown
        detail = f"Redis at {where} is a node of a cluster: begin the URL with redis-cluster://"
        return replace(fault, state="refused", detail=detail)


class _Sentinels:
    """Asks all of them: one that was cut off would name a master of yesterday."""

    moving = True

    def __init__(self, url: RedisUrl, name: str) -> None:
        self._url = url
        self._name = name

    async def find(self) -> Target:
        answers = await asyncio.gather(*map(self._ask, self._url.addresses))
        known = [answer for answer in answers if not isinstance(answer, StoreFault)]
        if not known:
            faults = [answer.fault for answer in answers if isinstance(answer, StoreFault)]
            # A Sentinel that answers knows better than one that is gone.
            worst = next((fault for fault in faults if fault.state != "down"), faults[0])
            raise StoreFault(worst)
        _, address = max(known)
        return _target(self._url, address)

    def check_role(self, role: str) -> Fault | None:
        if role == "master":
            return None
        return Fault(
            state="down",
            detail=f"the Sentinels name a server that is a {role}; waiting for the failover",
            elsewhere=True,
        )

    def explain(self, fault: Fault) -> Fault:
        return fault

    async def _ask(self, address: tuple[str, int]) -> tuple[int, tuple[str, int]] | StoreFault:
        service = self._url.service
        target = Target(
            address=address, credentials=self._url.sentinel_credentials, tls=self._url.tls
        )
        try:
            answer = await _ask_once(target, self._name, ("SENTINEL", "MASTER", service))
        except StoreFault as fault:
            return _of_sentinel(fault, shown_address(address), service)
        said = _pairs(answer)
        return int(said.get("config-epoch", 0)), (said["ip"], int(said["port"]))


def _of_sentinel(fault: StoreFault, where: str, service: str) -> StoreFault:
    detail = fault.fault.detail.replace("Redis at", "the Sentinel at", 1)
    if "No such master" in detail:
        detail = (
            f"the Sentinel at {where} knows no master {service!r}; correct the end of the URL, "
            "/SERVICE"
        )
    elif fault.fault.state == "refused" and "user and password" in detail:
        detail = (
            f"the Sentinel at {where} asks for credentials of its own; add "
            "?sentinel_password=... (and sentinel_user) to the URL"
        )
    return StoreFault(replace(fault.fault, detail=detail))


class _Cluster:
    """Asks one node after the other; what it learns of further nodes it asks next time."""

    moving = False

    def __init__(self, url: RedisUrl, tag: str, name: str) -> None:
        self._url = url
        self._name = name
        self._slot = key_slot(tag.encode())
        self._nodes: tuple[tuple[str, int], ...] = url.addresses

    async def find(self) -> Target:
        faults: list[Fault] = []
        for node in self._nodes:
            try:
                answer = await _ask_once(_target(self._url, node), self._name, ("CLUSTER", "SLOTS"))
            except StoreFault as fault:
                faults.append(fault.fault)
                continue
            owner = self._learn(answer, node)
            if owner is not None:
                return _target(self._url, owner)
            faults.append(
                Fault(
                    state="down",
                    detail=f"the cluster of {shown_address(node)} serves no slot {self._slot}, "
                    "which holds our keys; look at its nodes",
                )
            )
        raise StoreFault(next((fault for fault in faults if fault.state != "down"), faults[0]))

    def check_role(self, role: str) -> Fault | None:
        return None

    def explain(self, fault: Fault) -> Fault:
        return fault

    def _learn(self, answer: Sequence[Any], asked: tuple[str, int]) -> tuple[str, int] | None:
        owner: tuple[str, int] | None = None
        nodes: list[tuple[str, int]] = []
        for first, last, *servers in answer:
            # An empty host is the one that was asked.
            named = [(_text(each[0]) or asked[0], int(each[1])) for each in servers]
            nodes += named
            if first <= self._slot <= last and named:
                owner = named[0]
        self._nodes = tuple(dict.fromkeys((*self._url.addresses, *nodes)))[:_MOST_NODES]
        return owner


async def _ask_once(target: Target, name: str, command: Command) -> Any:
    line = Line(target, name)
    try:
        await line.open(1)
        async with asyncio.timeout(1):
            return (await line.ask(command))[0]
    except TimeoutError:
        raise down(target.shown, "did not answer in 1 s") from None
    finally:
        await line.drop()


def _pairs(answer: Sequence[bytes]) -> dict[str, str]:
    texts = [_text(each) for each in answer]
    return dict(zip(texts[::2], texts[1::2], strict=True))


def _text(raw: bytes | None) -> str:
    return (raw or b"").decode("utf-8", "replace")
