"""A store on a folder of its own, with a clock that the test moves, and ends to hand over."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from random import Random
from typing import Any

from proxy.compare_policy import Severity
from proxy.evidence.books import LedgerRow
from proxy.evidence.epoch import Epoch, epoch_of
from proxy.evidence.exemplar import Exemplar, KeptAnswer, KeptDifference
from proxy.evidence.outcome import Outcome
from proxy.evidence.report import RouteReport
from proxy.evidence.settled import CauseSeen, Mark, PathDifference, Settled
from proxy.gate import Gate
from proxy.observer.store import EvidenceStore, RouteTerms
from proxy.shadow_policy import ObserverPolicy

ROUTE, BOOT = "product", "boot-1"
EPOCH = epoch_of(legacy_version="8.1", new_version="4.2", rules_hash="r1")
NEXT_EPOCH = epoch_of(legacy_version="8.1", new_version="4.3", rules_hash="r1")
BEGIN = 1_800_000_000.0
PATH = "$.price"
FINGERPRINT = "ab" * 8


class Clock:
    """Seconds since 1970, as the test says."""

    def __init__(self) -> None:
        self.now = BEGIN

    def __call__(self) -> float:
        return self.now


class Events(list[tuple[str, Mapping[str, object]]]):
    """What the store told the log."""

    def tell(self, event: str, facts: Mapping[str, object]) -> None:
        self.append((event, facts))

    @property
    def names(self) -> list[str]:
        return [name for name, _ in self]


def open_store(
    path: Path, *, clock: Clock | None = None, events: Events | None = None, seed: int = 1
) -> EvidenceStore:
    """A store at `path`; close it."""
    return EvidenceStore(
        path,
        random=Random(seed),
        clock=clock or Clock(),
        on_event=(events if events is not None else Events()).tell,
    )


@contextmanager
def a_store(
    folder: Path,
    *,
    epoch: Epoch | None = EPOCH,
    policy: ObserverPolicy = ObserverPolicy(),
    gate: Gate = Gate(),
    clock: Clock | None = None,
    events: Events | None = None,
    seed: int = 1,
) -> Iterator[EvidenceStore]:
    """An open store with one route."""
    store = open_store(folder / "evidence.sqlite", clock=clock, events=events, seed=seed)
    try:
        store.use({ROUTE: RouteTerms(gate=gate, epoch=epoch)}, policy)
        yield store
    finally:
        store.close()


def end(number: int = 0, **changed: Any) -> Settled:
    """A match."""
    return replace(
        Settled(
            boot=BOOT,
            route=ROUTE,
            epoch=EPOCH,
            outcome=Outcome.MATCH,
            at=BEGIN,
            id=f"{number:032x}",
            signature=f"kind-{number % 5}",
            legacy_status=200,
            new_status=200,
            legacy_seconds=0.02,
            new_seconds=0.01,
            skew_seconds=0.002,
        ),
        **changed,
    )


def mismatch(
    number: int = 0,
    *,
    mark: Mark = Mark.STABLE,
    severity: Severity = Severity.MAJOR,
    path: str = PATH,
    fingerprint: str = FINGERPRINT,
    with_exemplar: bool = True,
    **changed: Any,
) -> Settled:
    """A mismatch with one cause, and an exemplar of it."""
    id = f"{number:032x}"
    found = end(
        number,
        outcome=Outcome.MISMATCH,
        detail=severity.value,
        differences=(PathDifference(path=path, severity=severity, mark=mark),),
        causes=(
            CauseSeen(
                fingerprint=fingerprint,
                cause="rounding",
                explanation="rounded to 2 places",
                severity=severity,
                paths=(path,),
                count=1,
                example=f"{path}: legacy 1.005, new 1.01",
            ),
        ),
        exemplar=exemplar(id) if with_exemplar else None,
    )
    return replace(found, **changed)


def exemplar(id: str, *, size: int = 40) -> Exemplar:
    """A pair of answers with bytes that are no text."""
    return Exemplar(
        id=id,
        method="GET",
        target="/product/red-drill?a=1",
        request_headers=(("host", "shop.example"), ("accept", "*/*"), ("accept", "text/html")),
        request_body=b"\x00\xff",
        legacy=KeptAnswer(
            upstream="legacy",
            status=200,
            headers=(("content-type", "application/json"),),
            body=Random(id).randbytes(size),
            seconds=0.02,
        ),
        new=KeptAnswer(upstream="catalog", status=200, body=b"\xfe", cut=True),
        differences=(
            KeptDifference(
                path=PATH,
                at=PATH,
                kind="value",
                severity="major",
                legacy="1.005",
                new=None,
                cause="rounding",
                fingerprint=FINGERPRINT,
            ),
        ),
        more=3,
        redacted=("authorization",),
        trace_id="t",
    )


def ledger(eligible: int, *, boot: str = BOOT, **changed: Any) -> LedgerRow:
    """What a worker says of the one route."""
    return replace(LedgerRow(boot=boot, route=ROUTE, eligible=eligible), **changed)


def report_of(store: EvidenceStore) -> RouteReport:
    """The report of the one route."""
    (report,) = store.report(ROUTE)
    return report


def balanced(report: RouteReport) -> bool:
    """The rule of the books."""
    return report.eligible == sum(report.outcomes.values()) + report.pending
