"""The report of routes as Markdown, for a pull request or a ticket. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from proxy.cli.shadow.report_text import MOST_CAUSES, balance, counts, how_far, noise_counts
from proxy.cli.shadow.words import code, markdown, moment, number, rule_line, share
from proxy.evidence.report import RouteReport, VerdictState
from proxy.evidence.verdict import duration

_MARKS = {VerdictState.GO: "✅", VerdictState.NO_GO: "❌", VerdictState.NEED_MORE_DATA: "⏳"}


def report_markdown(reports: Sequence[RouteReport]) -> str:
    """A board of all routes, a section for each, and what the figures do not say."""
    lines = ["# Shadow report", ""]
    lines += ["| route | stage | verdict | so far |", "|---|---|---|---|"]
    for report in reports:
        verdict = f"{_MARKS[report.verdict]} {report.verdict.value}"
        cells = (code(report.route), report.stage or "-", verdict, markdown(how_far(report)))
        lines.append(f"| {' | '.join(cells)} |")
    for report in reports:
        lines += ["", *_route(report)]
    limits = dict.fromkeys(line for report in reports for line in report.limits)
    if limits:
        lines += ["", "## What these figures do not say", ""]
        lines += [f"- {markdown(line)}" for line in limits]
    return "\n".join(lines) + "\n"


def _route(report: RouteReport) -> Iterator[str]:
    yield f"## {code(report.route)}: {report.verdict.value}"
    yield ""
    for reason in report.reasons:
        yield f"- {markdown(reason)}"
    if report.unaccounted:
        yield f"- **{report.unaccounted:+,} requests are unaccounted for: a defect of figway**"
    yield from _causes(report)
    yield from _noise(report)
    if report.defects:
        yield ""
        yield "PHP messages in legacy's own answers:"
        yield ""
        for each in report.defects:
            yield f"- {number(each.count)}× {code(f'{each.level}: {each.message}')}"
    yield from _scope(report)


def _causes(report: RouteReport) -> Iterator[str]:
    if not report.causes:
        return
    yield ""
    yield "| severity | count | cause | where | example | triage |"
    yield "|---|---|---|---|---|---|"
    for cause in report.causes[:MOST_CAUSES]:
        word = code(cause.cause) + " " if cause.cause else ""
        shown = f" {code(f'figway shadow show {cause.exemplars[0]}')}" if cause.exemplars else ""
        cells = (
            cause.severity + (" (noise)" if cause.noise else ""),
            number(cause.count),
            f"{word}{markdown(cause.explanation)}",
            ", ".join(map(code, cause.paths[:4])) + (" …" if len(cause.paths) > 4 else ""),
            f"{code(cause.example)}{shown}",
            markdown(" ".join(filter(None, (cause.ticket, cause.triage)))) or "-",
        )
        yield f"| {' | '.join(cells)} |"
    if len(report.causes) > MOST_CAUSES:
        yield ""
        yield f"{number(len(report.causes) - MOST_CAUSES)} more causes: `--format json` has all."


def _noise(report: RouteReport) -> Iterator[str]:
    proposed = [each for each in report.noise if each.proposal and not each.automatic]
    if not proposed:
        return
    yield ""
    yield "Rules that would silence what legacy says differently when it is asked twice:"
    yield ""
    for each in proposed:
        assert each.proposal is not None
        yield f"- {code(rule_line(each.proposal))}: {markdown(noise_counts(each))}"


def _scope(report: RouteReport) -> Iterator[str]:
    yield ""
    yield f"- {markdown(balance(report))}"
    for outcome, details in report.outcome_details.items():
        if any(details.values()):
            yield f"  - {markdown(outcome)}: {markdown(counts(details))}"
    if report.unsampled or report.ineligible:
        yield (
            f"- not eligible: {markdown(counts(report.ineligible)) or 'none'};"
            f" not sampled {number(report.unsampled)}"
        )
    yield (
        f"- window {duration(report.window_seconds)}, lost {share(report.lost)}, unseen kinds"
        f" {share(report.coverage.unseen)}"
    )
    if report.epoch is not None:
        yield (
            f"- epoch since {moment(report.epoch.started)}: legacy"
            f" {code(report.epoch.legacy_version or '?')}, new"
            f" {code(report.epoch.new_version or '?')}, rules {code(report.epoch.rules_hash)}"
        )
    for line in report.advice:
        yield f"- note: {markdown(line)}"
    for rule in report.expired_rules:
        yield f"- expired rule: {code(rule)}"
