"""One exemplar for a terminal: what was asked, the causes with their rules, both answers. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from proxy.cli.shadow.paint import Paint
from proxy.cli.shadow.side_by_side import MOST_LINES, body_lines, columns, heading, rows
from proxy.cli.shadow.words import milliseconds, moment, printable, rule_line, short
from proxy.evidence.answers import ShownAnswer, ShownCause, ShownExemplar
from proxy.evidence.exemplar import KeptDifference

MOST_DIFFERENCES = 30


def exemplar_text(shown: ShownExemplar, width: int, paint: Paint, *, whole: bool = False) -> str:
    """Everything about one pair, side by side. `whole` shows equal lines too."""
    parts = [_head(shown, paint), _causes(shown, paint), _differences(shown, paint)]
    parts.append(_sides(shown, width, paint, whole=whole))
    return "\n\n".join("\n".join(part) for part in map(list, parts) if part)


def _head(shown: ShownExemplar, paint: Paint) -> Iterator[str]:
    outcome = " ".join(filter(None, (shown.outcome, shown.detail)))
    yield (
        f"{paint.bold(printable(shown.id))}  {printable(shown.method)} {printable(shown.target)}"
        f"  {paint.severity(shown.detail) if shown.detail else printable(outcome)}"
    )
    yield f"route {printable(shown.route)}, {printable(outcome)}, {moment(shown.at)}"
    if shown.replay_of:
        yield f"a replay of {printable(shown.replay_of)}"
    if shown.trace_id:
        yield paint.dim(f"trace {printable(shown.trace_id)}, epoch {printable(shown.epoch)}")
    for name, value in shown.request_headers:
        yield paint.dim(f"  {printable(name)}: {printable(value)}")
    if shown.request_body:
        yield paint.dim(f"  {short(printable(shown.request_body), 300)}")
    if shown.redacted:
        yield paint.dim(f"  taken out: {printable(', '.join(shown.redacted))}")


def _causes(shown: ShownExemplar, paint: Paint) -> Iterator[str]:
    for cause in shown.causes:
        yield from _cause(cause, paint)


def _cause(cause: ShownCause, paint: Paint) -> Iterator[str]:
    # Without a word for it the explanation says just that.
    word = f"{paint.bold(printable(cause.cause))}: " if cause.cause else ""
    yield f"{paint.severity(cause.severity)}  {word}{printable(cause.explanation)}"
    yield f"  at {printable(', '.join(cause.paths))}"
    if cause.triage or cause.ticket:
        yield f"  triaged: {printable(' '.join(filter(None, (cause.ticket, cause.triage))))}"
    if cause.rule is not None:
        yield "  if it is meant to be so, this rule under compare.rules silences it:"
        yield f"    {printable(rule_line(cause.rule))}"
    else:
        yield "  no rule silences it: mend it"


def _differences(shown: ShownExemplar, paint: Paint) -> Iterator[str]:
    for each in shown.differences[:MOST_DIFFERENCES]:
        yield from _difference(each, paint)
    rest = len(shown.differences) - MOST_DIFFERENCES
    more = shown.more + max(0, rest)
    if more:
        yield paint.dim(f"... and {more} differences more")


def _difference(each: KeptDifference, paint: Paint) -> Iterator[str]:
    cause = f"  {each.cause}" if each.cause else ""
    yield f"{paint.severity(each.severity)}  {printable(each.kind)}  {printable(each.at + cause)}"
    yield f"  legacy {paint.bad(_value(each.legacy))}"
    yield f"  new    {paint.good(_value(each.new))}"


def _value(value: str | None) -> str:
    return "(not there)" if value is None else printable(value)


def _sides(shown: ShownExemplar, width: int, paint: Paint, *, whole: bool) -> Iterator[str]:
    legacy, new = shown.legacy, shown.new
    yield heading(_title("legacy", legacy), _title("new", new), width, paint)
    heads = rows(_head_lines(legacy), _head_lines(new))
    yield from columns(heads, width, paint, whole=True)
    if legacy.binary or new.binary:
        part = "their beginning" if legacy.body == new.body else "where they first differ"
        yield paint.dim(
            f"the bodies are not text; this is {part}, in hexadecimal, each line with its offset"
        )
    differ = _bodies_differ(shown)
    left, right = body_lines(legacy.body), body_lines(new.body)
    if differ and left == right:
        # Spread out, JSON has the last of a name that stands twice.
        left, right = (_raw_lines(answer.body) for answer in (legacy, new))
    if left or right:
        yield ""
        yield from columns(rows(left, right), width, paint, whole=whole)
    if left == right and (left or right):
        unseen = "what differed in the bodies is not visible in what was kept of them"
        yield paint.dim(unseen if differ else "the kept bodies are equal")
    if max(len(left), len(right)) > MOST_LINES:
        yield paint.dim(f"only the first {MOST_LINES} lines of each are shown")
    if (legacy.cut and not legacy.body) or (new.cut and not new.body):
        yield paint.dim("the bodies are not kept: compare.redact names something in them")
    elif legacy.cut or new.cut:
        yield paint.dim("a body was longer than what is kept")


def _bodies_differ(shown: ShownExemplar) -> bool:
    """Whether something was found outside status and headers."""
    paths = [path for cause in shown.causes for path in cause.paths]
    paths += (each.path for each in shown.differences)
    return any(path != "status" and not path.startswith("header:") for path in paths)


def _raw_lines(body: str) -> list[str]:
    return [printable(line) for line in body.splitlines()]


def _title(side: str, answer: ShownAnswer) -> str:
    told = str(answer.status) if answer.status else f"no answer: {answer.error}"
    return printable(f"{side} ({answer.upstream})  {told}  {milliseconds(answer.seconds)}")


def _head_lines(answer: ShownAnswer) -> list[str]:
    return sorted(printable(f"{name.lower()}: {value}") for name, value in answer.headers)
