"""The report of routes as text for a terminal. Pure: a report and a paint in, lines out."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from proxy.cli.output import many
from proxy.cli.shadow.paint import Paint
from proxy.cli.shadow.words import milliseconds, moment, number, printable, rule_line, share
from proxy.evidence.report import CauseReport, NoiseReport, RouteReport, VerdictState
from proxy.evidence.verdict import duration

NO_CAUSE = "no known cause"
# Causes that are told in full; the rest is a number.
MOST_CAUSES = 20


def report_text(reports: Sequence[RouteReport], paint: Paint) -> str:
    """Every route with its verdict; with several routes a board of all stands first."""
    blocks = []
    if len(reports) > 1:
        blocks.append("\n".join(_board(reports, paint)))
    blocks += ["\n".join(_route(report, paint)) for report in reports]
    limits = dict.fromkeys(line for report in reports for line in report.limits)
    if limits:
        said = [paint.dim("What these figures do not say:")]
        blocks.append("\n".join((*said, *(paint.dim(f"  - {printable(line)}") for line in limits))))
    return "\n\n".join(blocks)


def _board(reports: Sequence[RouteReport], paint: Paint) -> Iterator[str]:
    width = max(len(report.route) for report in reports)
    for report in reports:
        state = paint.verdict(report.verdict) + " " * (14 - len(report.verdict.value))
        yield f"{report.route:<{width}}  {state}  {how_far(report)}"


def how_far(report: RouteReport) -> str:
    """What there is, and what is missing until GO, in a few words."""
    compared = f"{number(report.compared)} compared"
    if report.verdict is not VerdictState.NEED_MORE_DATA:
        return compared
    if report.to_go is None:
        return f"{compared}, and no number of comparisons would do"
    if not report.to_go:
        return f"{compared}, enough; {_rest(report)}"
    eta = f", about {duration(report.eta_seconds)} at this rate" if report.eta_seconds else ""
    return f"{compared}, {number(report.to_go)} to go{eta}"


def _rest(report: RouteReport) -> str:
    if report.eta_seconds:
        return f"about {duration(report.eta_seconds)} of the window are missing"
    return "see the reasons"


def _route(report: RouteReport, paint: Paint) -> Iterator[str]:
    stage = paint.dim(f"  stage {printable(report.stage)}") if report.stage else ""
    yield f"{paint.bold(printable(report.route))}  {paint.verdict(report.verdict)}{stage}"
    for reason in report.reasons:
        yield f"  {printable(reason)}"
    if report.verdict is VerdictState.NEED_MORE_DATA:
        yield f"  {how_far(report)}"
    if report.store_error:
        yield paint.bad(f"  evidence is not being written: {printable(report.store_error)}")
    if report.unaccounted:
        yield paint.bad(
            f"  {report.unaccounted:+,} requests are unaccounted for: a defect of figway"
        )
    yield from _rates(report)
    yield from _causes(report, paint)
    yield from _noise(report.noise, paint)
    yield from _defects(report)
    yield from _books(report)
    yield from _scope(report)
    for line in report.advice:
        yield f"  note: {printable(line)}"


def _rates(report: RouteReport) -> Iterator[str]:
    if not report.compared:
        return
    yield ""
    yield "  severity   limit     mismatches  may be noise  rate is below  to go"
    for rate in report.rates:
        refuted = rate.e_no_go >= rate.needed
        to_go = "-" if rate.to_go is None or refuted else number(rate.to_go)
        yield (
            f"  {rate.severity:<9}  {share(rate.limit):<8}  {number(rate.mismatches):>10}"
            f"  {number(rate.doubtful):>12}  {share(rate.upper_bound):>13}  {to_go:>5}"
        )


def _causes(report: RouteReport, paint: Paint) -> Iterator[str]:
    if not report.causes:
        return
    yield ""
    yield f"  {many(len(report.causes), 'cause')}"
    for cause in report.causes[:MOST_CAUSES]:
        yield from _cause(cause, report.compared, paint)
    if len(report.causes) > MOST_CAUSES:
        yield f"  ... and {number(len(report.causes) - MOST_CAUSES)} more: --format json has all"


def _cause(cause: CauseReport, compared: int, paint: Paint) -> Iterator[str]:
    of = f" of {number(compared)}" if compared else ""
    word = printable(cause.cause) or NO_CAUSE
    head = f"  {paint.severity(cause.severity)}  {number(cause.count)}{of}  {paint.bold(word)}"
    yield head + (paint.dim("  noise: does not count") if cause.noise else "")
    if cause.cause:
        yield f"    {printable(cause.explanation)}"
    yield f"    at {listed(cause.paths)}"
    if cause.example and not _is_told(cause):
        yield f"    e.g. {printable(cause.example)}"
    seen = f"{moment(cause.first_seen)} to {moment(cause.last_seen)}"
    yield paint.dim(f"    {printable(cause.fingerprint)}, {seen}")
    if cause.triage or cause.ticket:
        yield f"    triaged: {printable(' '.join(filter(None, (cause.ticket, cause.triage))))}"
    if cause.exemplars:
        first, *others = map(printable, cause.exemplars)
        more = paint.dim(f"  (or {', '.join(others)})") if others else ""
        yield f"    figway shadow show {first}{more}"


def _is_told(cause: CauseReport) -> bool:
    """Whether the explanation has the values of the example, and the paths its place."""
    place, _, values = cause.example.partition(": ")
    return bool(cause.cause) and place in cause.paths and cause.explanation.startswith(values)


def listed(paths: Sequence[str], most: int = 4) -> str:
    """Paths in one line, as many as a reader wants to see."""
    more = f" and {len(paths) - most} more" if len(paths) > most else ""
    return printable(", ".join(paths[:most])) + more


def _noise(noise: Sequence[NoiseReport], paint: Paint) -> Iterator[str]:
    # Regressions are causes, and told there.
    told = [each for each in noise if each.call == "noise" or each.proposal]
    if not told:
        return
    yield ""
    yield "  asked twice, legacy says of"
    for each in told:
        yield f"  {printable(each.path)}: {printable(each.call)}, {noise_counts(each)}"
        if each.automatic:
            yield paint.dim("    in force: a field that is known to change with every answer")
        elif each.proposal:
            yield f"    proposed: {printable(rule_line(each.proposal))}"
            yield paint.dim(f"    accepts {printable(each.accepts)}")
        elif each.refused:
            yield paint.dim(f"    no rule is proposed: {printable(each.refused)}")


def noise_counts(each: NoiseReport) -> str:
    """The paired test in words."""
    return (
        f"the new side alone differs {number(each.b)}x, legacy alone {number(each.c)}x,"
        f" all differ {number(each.d)}x (p = {each.p_value:.2g})"
    )


def _defects(report: RouteReport) -> Iterator[str]:
    if not report.defects:
        return
    yield ""
    yield "  PHP messages in legacy's own answers"
    for each in report.defects:
        yield f"  {number(each.count)}x  {printable(each.level)}: {printable(each.message)}"


def _books(report: RouteReport) -> Iterator[str]:
    yield ""
    yield f"  {balance(report)}"
    for outcome, details in report.outcome_details.items():
        if details:
            yield f"    {printable(outcome)}: {counts(details)}"
    if report.unsampled or report.ineligible:
        unsampled = f"not sampled {number(report.unsampled)}"
        yield f"  not eligible: {counts(report.ineligible) or 'none'}; {unsampled}"


def balance(report: RouteReport) -> str:
    """The books in one line: what was eligible, and what became of it."""
    parts = [
        f"{name} {number(count)}"
        for name, count in report.outcomes.items()
        if count or name == "match"
    ]
    parts.append(f"in flight {number(report.pending)}")
    return f"{number(report.eligible)} eligible = {' + '.join(map(printable, parts))}"


def counts(found: Mapping[str, int]) -> str:
    """Names with their counts, the largest first."""
    ordered = sorted(found.items(), key=lambda item: (-item[1], item[0]))
    return ", ".join(f"{printable(name)} {number(count)}" for name, count in ordered if count)


def _scope(report: RouteReport) -> Iterator[str]:
    window = f"window {duration(report.window_seconds)}"
    if report.min_window:
        window += f" of {duration(report.min_window)}"
    coverage = report.coverage
    yield (
        f"  {window}; lost {share(report.lost)} (limit {share(report.max_lost)}); unseen kinds"
        f" {share(coverage.unseen)} (limit {share(coverage.limit)}, {number(coverage.signatures)}"
        " seen)"
    )
    if report.repeats:
        yield f"  {many(report.repeats, 'repeat')} of requests that were counted already"
    latency = report.latency
    if latency is not None:
        yield (
            f"  p95 legacy {milliseconds(latency.legacy_p95)}, new {milliseconds(latency.new_p95)}"
            f" (x{latency.p95_ratio:.2f}); shadow latency is not production latency"
        )
    epoch = report.epoch
    if epoch is not None:
        yield (
            f"  epoch {printable(epoch.id)} since {moment(epoch.started)}: legacy"
            f" {printable(epoch.legacy_version) or '?'}, new {printable(epoch.new_version) or '?'},"
            f" rules {printable(epoch.rules_hash)}"
        )
    if report.earlier_epochs:
        yield f"  not counted: {many(len(report.earlier_epochs), 'earlier epoch')}"
    for rule in report.expired_rules:
        yield f"  expired rule: {printable(rule)}"
