"""A diff as Markdown, for the comment of a pull request."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from proxy.cli.diff import words
from proxy.cli.diff.diff import Diff

# Flows and differences beyond it are counted.
_SHOWN = 30


def render(diff: Diff, why: str) -> str:
    """The whole comment; `why` is why the check fails, empty when it does not."""
    return "\n".join(_lines(diff, why)) + "\n"


def _lines(diff: Diff, why: str) -> Iterator[str]:
    forecast = diff.forecast
    if forecast is not None:
        yield f"### Figway: {words.summary(forecast)}"
    else:
        yield f"### Figway: {len(diff.differences)} changes in {_code(diff.after)}"
    yield ""
    if why:
        yield f"**Fails: {_cell(why)}.**"
        yield ""
    flags = diff.flags_after
    if diff.flags_before != flags:
        flags = f"{diff.flags_before} → {flags}"
    revisions = f"{_code(diff.revision_before)} → {_code(diff.revision_after)}"
    yield f"Revision {revisions}, flags: {_cell(flags)}"
    if forecast is not None:
        span = words.span(forecast)
        yield f"{forecast.requests:,} requests replayed" + (f" ({span})." if span else ".")
    yield ""
    for difference in diff.differences[:_SHOWN]:
        yield f"- {_cell(words.change(difference))}"
    if len(diff.differences) > _SHOWN:
        yield f"- and {len(diff.differences) - _SHOWN} more"
    if forecast is None:
        return
    if forecast.flows:
        yield ""
        yield from _table(
            ("route", "requests", "of all", "from → to", "why", "such as"),
            [
                (
                    _cell(words.route(flow)),
                    words.count(flow.requests),
                    words.share(flow.requests, forecast.stands_for),
                    _cell(words.where(flow)),
                    _cell(words.why(flow)),
                    _code(flow.example),
                )
                for flow in forecast.flows[:_SHOWN]
            ],
        )
        if len(forecast.flows) > _SHOWN:
            yield ""
            yield f"and {len(forecast.flows) - _SHOWN} more."
    yield ""
    yield from _table(
        ("upstream", "rps before", "rps after", "busiest minute after"),
        [
            (
                _cell(load.upstream),
                words.rps(load.before),
                words.rps(load.after),
                f"**{words.of_capacity(load)}**" if load.overloaded else words.of_capacity(load),
            )
            for load in forecast.upstreams
        ],
    )
    yield ""
    yield "rps: average / busiest minute; shadow traffic counts in the last column."
    notes = words.notes(diff, quoting=False)
    if notes:
        yield ""
        yield "<details><summary>How far these numbers can be trusted</summary>"
        yield ""
        yield from (f"- {_cell(note)}" for note in notes)
        yield ""
        yield "</details>"


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> Iterator[str]:
    yield f"| {' | '.join(head)} |"
    yield f"|{'---|' * len(head)}"
    for row in rows:
        yield f"| {' | '.join(row)} |"


def _cell(text: str) -> str:
    """Text from files and logs, which may hold anything, as text and nothing else."""
    plain = "".join(c if c.isprintable() else " " for c in text)
    for character in "\\`*_|<>[]#":
        plain = plain.replace(character, f"\\{character}")
    return plain.replace("@", "@\u200b")


def _code(text: str) -> str:
    # A pipe would end the cell, also within code; a backtick would end the code.
    plain = "".join(c if c.isprintable() else " " for c in text)
    return f"`{plain.replace('`', chr(39)).replace('|', '%7C')}`"
