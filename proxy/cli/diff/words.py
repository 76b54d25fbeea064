"""Numbers, rates and changes as `figway diff` words them, in text and in Markdown."""

from __future__ import annotations

from datetime import UTC, datetime

from proxy.cli.diff.diff import Diff
from proxy.replay.changes import ADDED, REMOVED, Difference
from proxy.replay.forecast import Flow, Forecast, UpstreamLoad
from proxy.replay.load import Rate


def count(number: float) -> str:
    """An expected number: whole from 10 on."""
    if number and abs(number) < 10 and abs(number - round(number)) > 0.05:
        return f"{number:.1f}"
    return f"{number:,.0f}"


def share(part: float, whole: float) -> str:
    """A share in percent, never rounded to nothing or to all."""
    if not whole:
        return "0 %"
    percent = 100 * part / whole
    if 0 < percent < 0.01:
        return "< 0.01 %"
    if 99.99 < percent < 100:
        return "> 99.99 %"
    return f"{percent:.2f}".rstrip("0").rstrip(".") + " %"


def rps(rate: Rate | None) -> str:
    """Average and busiest minute, in requests per second."""
    return "-" if rate is None else f"{_number(rate.average)} / {_number(rate.peak)}"


def of_capacity(load: UpstreamLoad) -> str:
    """How much of its capacity the busiest minute would take."""
    if load.capacity_rps is None:
        return "capacity_rps is not declared"
    if load.after is None:
        return f"of {load.capacity_rps:g} rps"
    part = f"{100 * load.peak_after / load.capacity_rps:.0f} % of {load.capacity_rps:g} rps"
    return f"{part}: OVERLOAD" if load.overloaded else part


def has_copies(load: UpstreamLoad) -> bool:
    """Whether it gets shadow traffic, before or after."""
    return any(rate is not None and rate.peak for rate in (load.copies_before, load.copies_after))


def where(flow: Flow) -> str:
    """Where the requests of a flow go from and to."""
    if flow.other_target:
        return f"{flow.upstream_after}, another target"
    return f"{flow.upstream_before} -> {flow.upstream_after}"


def why(flow: Flow) -> str:
    """The reasons before and after."""
    return f"{', '.join(flow.reasons_before)} -> {', '.join(flow.reasons_after)}"


def route(flow: Flow) -> str:
    """The route, or both where it changes too."""
    if flow.route_before == flow.route_after:
        return flow.route_after
    return f"{flow.route_before} -> {flow.route_after}"


def change(difference: Difference) -> str:
    """A difference between the files on one line."""
    what = (
        difference.part
        if difference.part == difference.name
        else (f"{difference.part} {difference.name}")
    )
    if difference.part == "order":
        return f"order of routes: {difference.before} -> {difference.after}"
    if difference.kind == ADDED:
        return f"{what} is new: {difference.after}"
    if difference.kind == REMOVED:
        return f"{what} is gone: {difference.before}"
    return f"{what}: {difference.key} {difference.before} -> {difference.after}"


def span(forecast: Forecast) -> str:
    """When the requests were made; empty when the log does not say."""
    if not forecast.last:
        return ""
    first, last = (
        datetime.fromtimestamp(moment, UTC).strftime("%Y-%m-%d %H:%M:%S")
        for moment in (forecast.first, forecast.last)
    )
    hours, minutes = forecast.seconds / 3600, forecast.seconds / 60
    long = (
        f"{hours:.1f} h"
        if hours >= 1
        else f"{minutes:.0f} min"
        if minutes >= 2
        else (f"{forecast.seconds:.0f} s")
    )
    return f"{first} to {last} UTC, {long}"


def summary(forecast: Forecast) -> str:
    """How many requests change, in one sentence."""
    if not forecast.changed:
        return "no request changes its upstream"
    parts = [
        f"{count(number)} {what}"
        for number, what in (
            (forecast.to_new, "to the new side"),
            (forecast.to_legacy, "to legacy"),
            (forecast.within_new, "within the new side"),
        )
        if number
    ]
    of_all = share(forecast.changed, forecast.stands_for)
    return f"{count(forecast.changed)} ({of_all}) change upstream: {', '.join(parts)}"


def notes(diff: Diff, *, quoting: bool) -> list[str]:
    """What a reader has to know about how far the numbers can be trusted.

    `quoting` shows lines of the log, which hold addresses: not for places that others read.
    """
    forecast = diff.forecast
    if forecast is None:
        return []
    said = []
    if forecast.shared:
        said.append(
            f"{forecast.shared:,} requests have no sticky key in the log: they count as shares"
        )
    said += [
        f"{name} is not in the log and was taken as absent: {number:,} requests"
        for name, number in forecast.missing
    ]
    said += [f"{number:,} requests were not replayed: {why}" for why, number in forecast.left_out]
    if forecast.untimed:
        said.append(f"{forecast.untimed:,} requests have no time: they are in no rate")
    if forecast.from_figway:
        said.append(
            "Figway's own log holds every request only with --access-log all, and never queries"
        )
    said += [
        f"{bad.count:,} lines could not be used: {why}; the first is {bad.place}"
        + (f": {bad.example}" if quoting else "")
        for why, bad in diff.bad_lines
    ]
    return said


def _number(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.1f}" if value >= 1 else f"{value:.2g}"
