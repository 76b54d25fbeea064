"""The books of one worker's shadow traffic: what was eligible, and where each of it ended."""

from __future__ import annotations

from proxy import tally
from proxy.evidence.outcome import Outcome
from proxy.handover import LedgerRow
from proxy.tally import Metric, Series


class RouteBooks:
    """One route's books since the worker's boot.

    Eligible requests are counted when they are decided, ends where they happen, so that the two can
    be held against each other.
    """

    __slots__ = ("changed", "eligible", "ended", "handed", "ineligible", "route")

    def __init__(self, route: str) -> None:
        self.route = route
        self.eligible = 0
        self.handed = 0
        self.ended: dict[tuple[Outcome, str], int] = {}
        self.ineligible: dict[str, int] = {}
        # Since the observer was last told.
        self.changed = False

    def end(self, outcome: Outcome, detail: str) -> None:
        """Count an eligible request that the observer does not get."""
        key = (outcome, detail)
        self.ended[key] = self.ended.get(key, 0) + 1
        self.changed = True

    def leave_out(self, reason: str) -> None:
        """Count a request that is not eligible."""
        self.ineligible[reason] = self.ineligible.get(reason, 0) + 1
        self.changed = True

    @property
    def under_way(self) -> int:
        """Eligible requests that have not ended here and are not handed over."""
        return self.eligible - self.handed - sum(self.ended.values())

    def row(self) -> LedgerRow:
        """The books as the observer is told of them."""
        return LedgerRow(
            route=self.route,
            eligible=self.eligible,
            handed=self.handed,
            ended=dict(self.ended),
            ineligible=dict(self.ineligible),
        )

    def __repr__(self) -> str:
        return f"<RouteBooks {self.route} [{self.eligible} eligible, {self.under_way} under way]>"


class Books:
    """The books of all routes. They outlive route tables: an id keeps its counts."""

    def __init__(self) -> None:
        self._routes: dict[str, RouteBooks] = {}

    def of(self, route: str) -> RouteBooks:
        """The books of a route, opened with the first question."""
        books = self._routes.get(route)
        if books is None:
            books = self._routes[route] = RouteBooks(route)
        return books

    def all(self) -> tuple[RouteBooks, ...]:
        """The books of every route that had a request."""
        return tuple(self._routes.values())

    def all_changed(self) -> None:
        """Tell everything again: there is a new reader."""
        for books in self._routes.values():
            books.changed = True

    def take_changed(self, most: int) -> tuple[LedgerRow, ...]:
        """At most so many rows that have changed since they were last taken."""
        rows = []
        for books in self._routes.values():
            if books.changed:
                books.changed = False
                rows.append(books.row())
                if len(rows) >= most:
                    break
        return tuple(rows)

    def series(self) -> list[Series]:
        """The worker's share of the metrics; the other outcomes are the observer's."""
        found: list[Series] = []

        def add(metric: Metric, labels: tuple[str, ...], value: int) -> None:
            found.append(Series(metric=metric.name, labels=labels, value=value))

        for books in self._routes.values():
            route = books.route
            add(tally.SHADOW_ELIGIBLE, (route,), books.eligible)
            add(tally.SHADOW_HANDED_OVER, (route,), books.handed)
            outcomes: dict[Outcome, int] = {}
            for (outcome, detail), count in books.ended.items():
                outcomes[outcome] = outcomes.get(outcome, 0) + count
                add(tally.SHADOW_DROPS, (route, outcome.value, detail), count)
            for outcome, count in outcomes.items():
                add(tally.SHADOW_OUTCOMES, (route, outcome.value, ""), count)
            for reason, count in books.ineligible.items():
                add(tally.SHADOW_INELIGIBLE, (route, reason), count)
        return found
