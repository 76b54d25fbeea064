"""A diff as text for a terminal."""

from __future__ import annotations

from collections.abc import Iterator

from proxy.cli.diff import words
from proxy.cli.diff.diff import Diff
from proxy.cli.output import bad, bold, good, table
from proxy.replay.forecast import Forecast, RouteLoad


def render(diff: Diff) -> str:
    """The whole page."""
    return "\n".join(_lines(diff))


def _lines(diff: Diff) -> Iterator[str]:
    yield (
        f"{diff.before} ({diff.revision_before}) -> {diff.after} ({diff.revision_after}),"
        f" flags: {_flags(diff)}"
    )
    yield ""
    yield bold("files")
    for difference in diff.differences:
        yield f"  {words.change(difference)}"
    if not diff.differences:
        yield "  the same routes"
    forecast = diff.forecast
    if forecast is None:
        yield ""
        yield "--access-log FILE tells which requests that moves, and the load it makes"
        return
    yield ""
    yield bold("requests")
    span = words.span(forecast)
    scaled = forecast.stands_for / forecast.requests if forecast.requests else 1
    each = f", each for {scaled:g}" if scaled != 1 else ""
    yield f"  {forecast.requests:,} replayed{each}" + (f", {span}" if span else "")
    yield f"  {words.summary(forecast)}"
    if forecast.flows:
        yield ""
        yield table(
            ("route", "requests", "from -> to", "why", "such as"),
            [
                (
                    words.route(flow),
                    words.count(flow.requests),
                    words.where(flow),
                    words.why(flow),
                    flow.example,
                )
                for flow in forecast.flows
            ],
        )
    yield from _loads(forecast)
    notes = words.notes(diff, quoting=True)
    if notes:
        yield ""
        yield bold("notes")
        yield from (f"  {note}" for note in notes)


def _loads(forecast: Forecast) -> Iterator[str]:
    moved = [load for load in forecast.routes if _moves(load)]
    head = ("route", "upstream", "before", "after", "rps before", "rps after")
    if moved:
        yield ""
        yield table(
            head,
            [
                (
                    load.route,
                    load.upstream,
                    words.count(load.requests_before),
                    words.count(load.requests_after),
                    words.rps(load.before),
                    words.rps(load.after),
                )
                for load in moved
            ],
        )
    yield ""
    rows = []
    for upstream in forecast.upstreams:
        rows.append(
            (
                upstream.upstream,
                words.count(upstream.requests_before),
                words.count(upstream.requests_after),
                words.rps(upstream.before),
                words.rps(upstream.after),
                words.of_capacity(upstream),
            )
        )
        if words.has_copies(upstream):
            rows.append(
                (
                    "  copies, at most",
                    "",
                    "",
                    words.rps(upstream.copies_before),
                    words.rps(upstream.copies_after),
                    "",
                )
            )
    yield table(
        ("upstream", "before", "after", "rps before", "rps after", "busiest minute after"), rows
    )
    yield "rps: average / busiest minute"
    for upstream in forecast.upstreams:
        if upstream.overloaded:
            yield bad(f"{upstream.upstream} would get more than its capacity_rps")
    if (
        forecast.upstreams
        and not any(load.overloaded for load in forecast.upstreams)
        and any(
            load.capacity_rps is not None and load.after is not None for load in forecast.upstreams
        )
    ):
        yield good("no upstream would get more than its capacity_rps")


def _moves(load: RouteLoad) -> bool:
    return abs(load.requests_after - load.requests_before) > 1e-6


def _flags(diff: Diff) -> str:
    if diff.flags_before == diff.flags_after:
        return diff.flags_after
    return f"{diff.flags_before} -> {diff.flags_after}"
