"""An observer in this process, between scripted origins and a worker that the test plays."""

from __future__ import annotations

import asyncio
import os
import socket
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from contextlib import ExitStack, asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from flags.snapshot import FlagSnapshot
from proxy.compare_policy import ComparePolicy
from proxy.evidence.books import Balance
from proxy.evidence.books import LedgerRow as StoredRow
from proxy.evidence.epoch import Epoch
from proxy.evidence.noise import Call
from proxy.evidence.outcome import Outcome
from proxy.evidence.proposal import PairShape
from proxy.evidence.settled import Settled
from proxy.handover import (
    Closed,
    Decided,
    Ended,
    Frame,
    Hello,
    Ledger,
    LedgerRow,
    Opened,
    Packer,
    TakenRequest,
    TakenResponse,
    Whole,
)
from proxy.link import Apply
from proxy.observer.process import Observer
from proxy.observer.store import EvidenceStore, RouteTerms
from proxy.routing.route import Match, PathKind, PathMatch, Route, RouteFile, Timeouts, Upstream
from proxy.settings import Settings
from proxy.shadow_policy import ObserverPolicy, ReprobePolicy, ShadowPolicy
from proxy.stages import Reason, Side, Stage
from tests.rigs.scripted_origin import Script, ScriptedOrigin

PATIENCE = 20.0
NO_REPROBE = ReprobePolicy(rate=0.0, on_mismatch=False)
# Loop lag is no reason in tests: the machine may be busy with others.
CALM = ObserverPolicy(loop_lag_shed=0.0)
BRIEF = replace(CALM, deadline=0.3)


class MemoryStore:
    """What the observer hands over, kept as it came. The books are balanced as the store does."""

    def __init__(self) -> None:
        self.settled: list[Settled] = []
        self.ledgers: dict[tuple[str, str], StoredRow] = {}
        self.unaccounted: dict[tuple[str, str], int] = {}
        self.recovered = 0
        self.ended_boots: list[str] = []
        self.terms: Mapping[str, RouteTerms] = {}

    def settle(self, batch: Iterable[Settled]) -> None:
        self.settled += batch

    def enter(
        self,
        rows: Iterable[StoredRow],
        waiting: Mapping[tuple[str, str], int],
        *,
        recover: bool = False,
    ) -> None:
        for row in rows:
            key = row.boot, row.route
            self.ledgers[key] = row
            own = sum(count for _, _, count in row.own)
            known = sum(1 for s in self.settled if (s.boot, s.route) == key)
            missing = row.eligible - own - row.in_worker - waiting.get(key, 0) - known
            if recover and missing > 0:
                self.recovered += missing
                lost = Settled(
                    boot=row.boot,
                    route=row.route,
                    epoch=None,
                    outcome=Outcome.SHED,
                    detail="observer_lost",
                )
                self.settled += [lost] * missing
                missing = 0
            self.unaccounted[key] = missing

    def end_boot(
        self, boot: str, waiting: Mapping[tuple[str, str], int], *, with_observer: bool = False
    ) -> None:
        self.ended_boots.append(boot)

    def use(self, terms: Mapping[str, RouteTerms], policy: ObserverPolicy) -> None:
        self.terms = terms

    def flush(self, timeout: float = 5.0) -> bool:
        return True

    def close(self) -> None:
        """Nothing is open."""

    @property
    def error(self) -> str:
        return ""

    def failures(self) -> Mapping[str, int]:
        return {}

    def calls(self, route: str, epoch: Epoch) -> Mapping[str, Call]:
        return {}

    def own_shapes(self, route: str, epoch: Epoch) -> Mapping[str, PairShape]:
        return {}

    def balances(self) -> tuple[Balance, ...]:
        return tuple(
            Balance(boot=boot, route=route, unaccounted=n)
            for (boot, route), n in self.unaccounted.items()
        )

    @property
    def outcomes(self) -> Counter[str]:
        """How often every outcome came, as `outcome` or `outcome/detail`."""
        return Counter(
            f"{each.outcome.value}/{each.detail}" if each.detail else each.outcome.value
            for each in self.settled
        )


def response(body: bytes = b"{}", *, status: int = 200, more: bytes = b"") -> bytes:
    """A whole response with a JSON body."""
    return b"HTTP/1.1 %d X\r\nContent-Type: application/json\r\n%bContent-Length: %d\r\n\r\n%b" % (
        status,
        more,
        len(body),
        body,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """A client's request as the worker that the test plays has seen it."""

    target: bytes = b"/a/1"
    method: bytes = b"GET"
    fields: bytes = b""
    body: bytes = b""
    route: str = "a"
    side: Side = Side.LEGACY
    revision: str = "r1"
    flags: int = 1

    @property
    def head(self) -> bytes:
        length = b"Content-Length: %d\r\n" % len(self.body) if self.body else b""
        return b"%b %b HTTP/1.1\r\nHost: shop.example\r\n%b%b\r\n" % (
            self.method,
            self.target,
            self.fields,
            length,
        )


class Player:
    """A worker, played by the test: it keeps books and writes frames."""

    def __init__(self, path: str, boot: str = "b" * 32) -> None:
        self.boot = boot
        self._packer = Packer()
        self._id = 0
        self.handed: Counter[str] = Counter()
        self.eligible: Counter[str] = Counter()
        self.own: dict[str, Counter[tuple[Outcome, str]]] = {}
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.connect(path)
        self.send(Hello(boot=boot, worker=1, pid=os.getpid()))

    def send(self, frame: Frame) -> None:
        self.socket.sendall(self._packer.pack(frame))

    def request(self, asked: Asked) -> TakenRequest:
        self._id += 1
        return TakenRequest(
            boot=self.boot,
            id=self._id,
            decided=Decided(
                route=asked.route,
                stage=Stage.SHADOW,
                side=asked.side,
                upstream="legacy" if asked.side is Side.LEGACY else "new",
                shadow=Side.NEW if asked.side is Side.LEGACY else Side.LEGACY,
                reason=Reason.STAGE_SHADOW,
                config_revision=asked.revision,
                flag_revision=asked.flags,
            ),
            started=time.time(),
            target=asked.target,
            head=asked.head,
            body=asked.body,
        )

    def whole(self, asked: Asked = Asked(), answered: bytes | None = None) -> None:
        """Hand over an exchange with its response."""
        request = self.request(asked)
        self.eligible[asked.route] += 1
        self.handed[asked.route] += 1
        self.send(Whole(request=request, response=taken(answered)))

    def open(self, asked: Asked = Asked()) -> int:
        """Hand over a request whose response is still to come; return its id."""
        request = self.request(asked)
        self.eligible[asked.route] += 1
        self.handed[asked.route] += 1
        self.send(Opened(request=request))
        return request.id

    def close(self, number: int, answered: bytes | None = None) -> None:
        self.send(Closed(id=number, response=taken(answered)))

    def end(self, number: int, outcome: Outcome, detail: str) -> None:
        self.send(Ended(id=number, outcome=outcome, detail=detail))

    def tell_books(self) -> None:
        self.send(
            Ledger(
                rows=tuple(
                    LedgerRow(route=route, eligible=n, handed=self.handed[route])
                    for route, n in self.eligible.items()
                )
            )
        )


def taken(answered: bytes | None) -> TakenResponse:
    """A response as the worker hands it over."""
    head, _, body = (response() if answered is None else answered).partition(b"\r\n\r\n")
    return TakenResponse(
        status=int(head.split(b" ")[1]),
        first_byte=0.01,
        elapsed=0.02,
        head=head + b"\r\n\r\n",
        body=body,
    )


@dataclass
class Rig:
    """Everything a test needs, wired together."""

    legacy: ScriptedOrigin
    new: ScriptedOrigin
    observer: Observer
    store: MemoryStore
    path: str
    file: RouteFile
    told: list[tuple[str, dict[str, object]]] = field(default_factory=list)
    players: list[Player] = field(default_factory=list)
    revision: int = 1

    def worker(self, boot: str = "b" * 32) -> Player:
        player = Player(self.path, boot)
        self.players.append(player)
        return player

    def apply(self, file: RouteFile | None = None, *, paused: bool = False) -> None:
        self.revision += 1
        flags = FlagSnapshot(revision=self.revision, shadow_paused=paused)
        self.observer.apply(Apply(revision=self.revision, flags=flags, routes=file))

    async def until(self, question: Callable[[], Any]) -> None:
        async with asyncio.timeout(PATIENCE):
            while not question():  # noqa: ASYNC110 -- what is asked for is not announced
                await asyncio.sleep(0.005)

    async def settled(self, count: int) -> Counter[str]:
        """Wait until so many exchanges have their outcome."""
        await self.until(lambda: len(self.store.settled) >= count)
        return self.store.outcomes

    async def balanced(self, player: Player) -> None:
        """Tell the books and wait until they balance; nothing may be in hand then."""
        count = len(self.store.ledgers)
        player.tell_books()
        await self.until(lambda: len(self.store.ledgers) >= max(1, count))
        assert not any(self.store.unaccounted.values())
        assert self.observer.dispatch.lost() == 0

    def value(self, metric: str, *labels: str) -> float:
        """One number of the metrics page."""
        return sum(
            s.value
            for s in self.observer.snapshot().series
            if s.metric == metric and s.labels[: len(labels)] == labels
        )


@asynccontextmanager
async def rig(
    folder: Path,
    *,
    new: Script | None = None,
    legacy: Script | None = None,
    stage: Stage = Stage.SHADOW,
    shadow: ShadowPolicy | None = None,
    policy: ObserverPolicy | None = None,
    compare: ComparePolicy | None = None,
    timeouts: Timeouts | None = None,
    evidence: EvidenceStore | None = None,
    **route: Any,
) -> AsyncIterator[Rig]:
    """An observer with one route `a` (prefix /a), its loop this test's."""
    with ExitStack() as stack:
        legacy_origin = stack.enter_context(ScriptedOrigin(legacy))
        new_origin = stack.enter_context(ScriptedOrigin(new))
        listener = stack.enter_context(socket.socket(socket.AF_UNIX))
        path = str(folder / "o")
        listener.bind(path)
        listener.listen(16)
        patience = timeouts or Timeouts()
        file = RouteFile(
            upstreams=(
                Upstream(
                    name="legacy", side=Side.LEGACY, urls=(legacy_origin.url,), timeouts=patience
                ),
                Upstream(name="new", side=Side.NEW, urls=(new_origin.url,), timeouts=patience),
            ),
            routes=(
                Route(
                    id="a",
                    match=Match(path=PathMatch(kind=PathKind.PREFIX, value="/a")),
                    new="new",
                    stage=stage,
                    shadow=shadow or ShadowPolicy(sample=1.0, aa=NO_REPROBE),
                    compare=compare or ComparePolicy(),
                    **route,
                ),
            ),
            # A busy machine is no reason to shed in a test.
            shadow=replace(policy or ObserverPolicy(), loop_lag_shed=0.0)
            if policy is None
            else policy,
            revision="r1",
        )
        told: list[tuple[str, dict[str, object]]] = []

        def tell(level: str, event: str, **fields: object) -> None:
            told.append((event, {"level": level, **fields}))

        store = MemoryStore()
        observer = Observer(Settings(), listener, evidence or store, tell)  # type: ignore[arg-type] -- a double
        made = Rig(legacy_origin, new_origin, observer, store, path, file, told)
        made.apply(file)
        try:
            yield made
        finally:
            for player in made.players:
                player.socket.close()
            observer.close()
            await observer.comparer.ended()
            await made.until(lambda: not observer.dispatch.at_work)
