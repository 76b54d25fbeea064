"""The books of one worker: what became of every request, in numbers and in log lines."""

from __future__ import annotations

import time
from array import array
from bisect import bisect_left
from collections.abc import Callable
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from proxy import tally
from proxy.http1.budget import Budget
from proxy.tally import BUCKETS, HistogramSeries, Series, TallySnapshot

if TYPE_CHECKING:
    from proxy.access_log import Line, Value
    from proxy.errors import ProxyError
    from proxy.journey import Journey
    from proxy.routing.decision import Decision
    from proxy.routing.route import FallbackCause, Route
    from proxy.settings import Settings

_SAMPLE: Final = 1000


class _Row:
    """Everything counted for one decision. Holds the decision, so that its identity stays taken."""

    __slots__ = ("codes", "counts", "decision", "seconds")

    def __init__(self, decision: Decision) -> None:
        self.decision = decision
        self.codes: dict[int, int] = {}
        self.counts = array("Q", bytes(8 * (len(BUCKETS) + 1)))
        self.seconds = 0.0


class Accounts:
    """Counts every request once, when it has ended; writes the line of those worth telling of."""

    def __init__(self, settings: Settings, worker: int, write: Callable[[Line], None]) -> None:
        self._settings = settings
        self._worker = worker
        self._write = write
        self._all = settings.access_log == "all"
        self._off = settings.access_log == "off"
        self._slow = settings.slow_seconds
        # By identity: hashing a decision would hash its whole route.
        self._rows: dict[int, _Row] = {}
        # Rows of decisions that are gone with their route table, by their labels.
        self._settled: dict[tuple[str, tuple[str, ...]], float] = {}
        self._settled_times: dict[tuple[str, str], tuple[list[int], float]] = {}
        self._events: dict[tuple[str, tuple[str, ...]], int] = {}
        self._budgets: dict[str, Budget] = {}
        self._until_sample = 1

    def request_ended(self, journey: Journey) -> None:
        """Count a request and log it if it is worth a line."""
        request = journey.request
        decision = journey.decision
        elapsed = time.perf_counter() - request.started
        row = self._rows.get(id(decision))
        if row is None:
            row = self._rows[id(decision)] = _Row(decision)
        status = journey.status
        codes = row.codes
        codes[status] = codes.get(status, 0) + 1
        row.counts[bisect_left(BUCKETS, elapsed)] += 1
        row.seconds += elapsed
        journey.generation.wire.sent_bytes += journey.sent_bytes
        if self._off:
            return
        self._until_sample -= 1
        if (
            self._until_sample <= 0
            or status >= 500
            or elapsed > self._slow
            or journey.error is not None
            or journey.fell_back
            or self._all
        ):
            if self._until_sample <= 0:
                self._until_sample = _SAMPLE
            self._write(self._line(journey, elapsed))

    def request_refused(self, cause: str, status: int, client: str) -> None:
        """Log a request that got no route; it is counted where it was refused."""
        if self._off:
            return
        self._write(
            {
                "timestamp": datetime.now(UTC).isoformat(timespec="microseconds"),
                "level": "info",
                "event": "request_refused",
                "worker": self._worker,
                "client": client,
                "status": status,
                "cause": cause,
            }
        )

    def event(self, metric: tally.Metric, *labels: str) -> None:
        """Count something that happens rarely."""
        key = (metric.name, tuple(map(str, labels)))
        self._events[key] = self._events.get(key, 0) + 1

    def upstream_error(self, decision: Decision, error: type[ProxyError]) -> None:
        """Count an attempt that an upstream did not answer properly."""
        self.event(tally.UPSTREAM_ERRORS, decision.route.id, decision.upstream.name, error.cause)

    def upstream_status(self, decision: Decision, cause: FallbackCause) -> None:
        """Count an answer that legacy was asked instead of."""
        self.event(tally.UPSTREAM_ERRORS, decision.route.id, decision.upstream.name, cause)

    def retried(self, decision: Decision) -> None:
        """Count an attempt repeated on another connection."""
        self.event(tally.RETRIES, decision.route.id, decision.upstream.name)

    def fell_back(self, route: Route, cause: FallbackCause) -> None:
        """Count a request that legacy answered for the new side."""
        self.event(tally.FALLBACKS, route.id, cause)

    def fallback_refused(self, route: Route, cause: FallbackCause) -> None:
        """Count a fallback that was not taken."""
        self.event(tally.FALLBACKS_REFUSED, route.id, cause)

    def fallback_budget(self, route: Route) -> Budget:
        """The budget of a route's fallbacks; ten to begin with."""
        budget = self._budgets.get(route.id)
        if budget is None:
            ratio = route.fallback.budget if route.fallback is not None else 0.0
            budget = self._budgets[route.id] = Budget(ratio=ratio, reserve=10.0)
        return budget

    def new_table(self) -> None:
        """Fold the rows of decisions that no new request can come to."""
        for row in self._rows.values():
            self._fold(row)
        self._rows = {}
        self._budgets = {}

    def _fold(self, row: _Row) -> None:
        decision = row.decision
        for code, count in row.codes.items():
            key = (
                tally.REQUESTS.name,
                (decision.route.id, decision.upstream.name, str(decision.reason), str(code)),
            )
            self._settled[key] = self._settled.get(key, 0) + count
        times_key = (decision.route.id, decision.upstream.name)
        counts, seconds = self._settled_times.get(times_key, ([0] * len(row.counts), 0.0))
        self._settled_times[times_key] = (
            [a + b for a, b in zip(counts, row.counts, strict=True)],
            seconds + row.seconds,
        )

    def snapshot(self) -> TallySnapshot:
        """Everything counted so far."""
        whole = Accounts(self._settings, self._worker, self._write)
        whole._settled = dict(self._settled)
        whole._settled_times = dict(self._settled_times)
        for row in self._rows.values():
            whole._fold(row)
        series = [
            Series(metric=metric, labels=labels, value=value)
            for (metric, labels), value in (*whole._settled.items(), *self._events.items())
        ]
        histograms = [
            HistogramSeries(
                metric=tally.DURATION.name,
                labels=labels,
                counts=tuple(counts),
                total_seconds=seconds,
            )
            for labels, (counts, seconds) in whole._settled_times.items()
        ]
        return TallySnapshot(series=tuple(series), histograms=tuple(histograms))

    def _line(self, journey: Journey, elapsed: float) -> Line:
        request, decision, generation = journey.request, journey.decision, journey.generation
        line: dict[str, Value] = {
            "timestamp": datetime.now(UTC).isoformat(timespec="microseconds"),
            "level": "warning" if journey.status >= 500 else "info",
            "event": "request_served",
            "worker": self._worker,
            "client": request.client_ip,
            "method": request.method,
            "host": request.host,
            # Without the query: its values are the client's business.
            "path": request.path[:2048],
            "status": journey.status,
            "route": decision.route.id,
            "upstream": decision.upstream.name,
            "side": str(decision.side),
            "reason": str(decision.reason),
            "stage": str(decision.route.stage),
            "config_revision": generation.table.revision,
            "flag_revision": generation.flags.revision,
            "duration_ms": round(elapsed * 1000, 3),
            "first_byte_ms": round((journey.first_byte_at - request.started) * 1000, 3)
            if journey.first_byte_at
            else None,
            "received_bytes": request.received,
            "sent_bytes": journey.sent_bytes,
            "request_id": request.request_id.decode("latin-1"),
            "trace_id": request.trace_id.decode("latin-1"),
        }
        if journey.error is not None:
            line["error"] = journey.error.cause
        if journey.fell_back:
            line["fell_back"] = journey.fell_back
        return line
