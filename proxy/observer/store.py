"""The evidence store: outcomes, causes, exemplars and books in SQLite, written by one thread."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from random import Random

from proxy.evidence.books import Balance, LedgerRow
from proxy.evidence.epoch import Epoch
from proxy.evidence.exemplar import StoredExemplar
from proxy.evidence.noise import Call
from proxy.evidence.report import RouteReport, RuleReport
from proxy.evidence.settled import Settled
from proxy.gate import Gate
from proxy.shadow_policy import ObserverPolicy


@dataclass(frozen=True, slots=True, kw_only=True)
class RouteTerms:
    """What routes.yaml and the upstreams say at present of one route."""

    gate: Gate = Gate()
    epoch: Epoch | None = None
    # Names of expired rules: `rule:3 ($.legacy_debug, 2026-12-01)`.
    expired_rules: tuple[str, ...] = ()
    stage: str = ""


class StoreError(Exception):
    """The store cannot be used at all; the message says why and what to do."""


class EvidenceStore:
    """Opens or makes the database; a corrupt one is set aside. Close it to write what waits.

    Handing over never blocks and never raises: what cannot be written is kept as bare counts and
    tried again, and `error` says so. Queries block on the disk: call them in a thread.

    Raises StoreError when the folder cannot be used, or the database is of a newer version.
    """

    def __init__(
        self,
        path: Path,
        *,
        policy: ObserverPolicy = ObserverPolicy(),
        random: Random,
        clock: Callable[[], float],
        on_event: Callable[[str, Mapping[str, object]], None] = lambda event, facts: None,
    ) -> None:
        """`clock` gives seconds since 1970; `on_event` gets a log event's name and facts."""
        raise NotImplementedError

    # -- handing over (any thread, never blocks) --------------------------------------------------

    def settle(self, batch: Iterable[Settled]) -> None:
        """Take the ends of eligible requests. All of one call are written in one transaction."""
        raise NotImplementedError

    def enter(
        self,
        rows: Iterable[LedgerRow],
        waiting: Mapping[tuple[str, str], int],
        *,
        recover: bool = False,
    ) -> None:
        """Enter a worker's ledger and balance it with what was settled before this call.

        `waiting` is how many exchanges of (boot, route) were received and not yet given to
        settle(), at this moment. With `recover` (the first ledger of a boot that this process
        hears) what is missing was lost with an earlier observer: it is settled as
        shed{observer_lost}. Without it, what is missing is `unaccounted`.
        """
        raise NotImplementedError

    def end_boot(self, boot: str, waiting: Mapping[tuple[str, str], int]) -> None:
        """The worker is gone. What it had not handed over becomes aborted{worker_lost}."""
        raise NotImplementedError

    def use(self, terms: Mapping[str, RouteTerms], policy: ObserverPolicy) -> None:
        """From now on these gates, epochs and limits are in force."""
        raise NotImplementedError

    def triage(self, route: str, fingerprint: str, *, note: str, ticket: str) -> bool:
        """Note that somebody has looked at a cause. False when there is no such cause. Blocks."""
        raise NotImplementedError

    def flush(self, timeout: float = 5.0) -> bool:
        """Wait until everything handed over before is written, or could not be."""
        raise NotImplementedError

    def close(self) -> None:
        """Write what waits and let go of the database."""
        raise NotImplementedError

    # -- asking (in a thread) ---------------------------------------------------------------------

    @property
    def error(self) -> str:
        """Why evidence is not being written; empty when it is."""
        raise NotImplementedError

    def failures(self) -> Mapping[str, int]:
        """Writes that failed since the start, by reason: locked, full, corrupt, io, ..."""
        raise NotImplementedError

    def calls(self, route: str, epoch: Epoch) -> Mapping[str, Call]:
        """What the paired test says of every path, as of the last batch. Does not block."""
        raise NotImplementedError

    def balances(self) -> tuple[Balance, ...]:
        """The books of every live boot, as of its last ledger. Does not block."""
        raise NotImplementedError

    def report(self, route: str | None = None) -> tuple[RouteReport, ...]:
        """The report of one route, or of all that are known; empty for an unknown one."""
        raise NotImplementedError

    def exemplar(self, id: str) -> StoredExemplar | None:
        """One exemplar by its comparison's id, or by an unambiguous beginning of it."""
        raise NotImplementedError

    def exemplars(self, route: str, fingerprint: str | None = None) -> tuple[StoredExemplar, ...]:
        """The exemplars of a route's current epoch, or of one cause."""
        raise NotImplementedError

    def rules(self, route: str) -> tuple[RuleReport, ...]:
        """What every rule did in the current epoch."""
        raise NotImplementedError
