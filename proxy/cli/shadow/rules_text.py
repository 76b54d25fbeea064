"""The rules of a route for a terminal: what they did, what is proposed, what a draft hides."""

from __future__ import annotations

from collections.abc import Iterator

from proxy.cli.output import many
from proxy.cli.shadow.paint import Paint
from proxy.cli.shadow.report_text import listed, noise_counts
from proxy.cli.shadow.words import moment, number, printable, rule_line
from proxy.compare_policy import Op
from proxy.evidence.answers import RuleLine, RulesAnswer, WhatIf, WhatIfCause


def rules_text(answer: RulesAnswer, paint: Paint) -> str:
    """Rules in force, equivalences used, proposals with their evidence, and the what-if."""
    parts = [_rules(answer, paint), _built_in(answer), _noise(answer, paint)]
    if answer.what_if is not None:
        parts.append(_what_if(answer.what_if, paint))
    return "\n\n".join("\n".join(lines) for lines in map(list, parts) if lines)


def _rules(answer: RulesAnswer, paint: Paint) -> Iterator[str]:
    if not answer.rules:
        yield f"{printable(answer.route)} has no rules"
        return
    yield paint.bold(f"rules of {printable(answer.route)}")
    for rule in answer.rules:
        yield f"  {printable(rule.rule)}  {printable(rule.path)}  {printable(rule.op)}"
        yield f"    {_use(rule)}"
        if rule.reason or rule.expires:
            until = f"until {printable(rule.expires)}" if rule.expires else "without an end"
            ended = paint.bad("  EXPIRED: no longer applied, and no GO until it is renewed or gone")
            yield (
                f"    {printable(rule.reason) or 'no reason given'}, {until}"
                f"{ended if rule.expired else ''}"
            )


def _use(rule: RuleLine) -> str:
    expects = rule.op == Op.EXPECTED
    if not rule.count:
        return f"{'met no difference' if expects else 'made nothing equal'} in this epoch"
    if expects:
        return (
            f"declared {many(rule.count, 'difference')} expected in"
            f" {many(rule.comparisons, 'comparison')}, last {moment(rule.last_used)}"
        )
    return (
        f"made {many(rule.count, 'value')} equal in {many(rule.comparisons, 'comparison')}, last"
        f" {moment(rule.last_used)}"
    )


def _built_in(answer: RulesAnswer) -> Iterator[str]:
    if not answer.built_in:
        return
    yield "taken for granted (profile and volatile fields)"
    for each in answer.built_in:
        yield (
            f"  {printable(each.rule)}  {many(each.count, 'value')} in"
            f" {many(each.comparisons, 'comparison')}, at {listed(each.paths)}"
        )


def _noise(answer: RulesAnswer, paint: Paint) -> Iterator[str]:
    if not answer.noise:
        return
    yield "evidence of noise (legacy asked twice)"
    for each in answer.noise:
        yield f"  {printable(each.path)}: {printable(each.call)}, {noise_counts(each)}"
        if each.automatic:
            yield paint.dim("    in force: a field that is known to change with every answer")
        elif each.proposal:
            yield f"    {printable(rule_line(each.proposal))}"
            yield paint.dim(f"    accepts {printable(each.accepts)}")
        elif each.refused:
            yield paint.dim(f"    no rule is proposed: {printable(each.refused)}")


def _what_if(what_if: WhatIf, paint: Paint) -> Iterator[str]:
    yield paint.bold("what if these rules were in force")
    yield (
        f"  of {number(what_if.pairs)} stored pairs {number(what_if.before)} mismatch now and"
        f" {number(what_if.after)} would"
    )
    if what_if.skipped:
        yield (
            f"  {number(what_if.skipped)} of the stored pairs could not be compared again: cut,"
            " redacted, or without an answer"
        )
    masked = [each for each in what_if.silenced if not each.noise]
    noise = [each for each in what_if.silenced if each.noise]
    if masked:
        are = "is" if len(masked) == 1 else "are"
        yield paint.bad(f"  {many(len(masked), 'cause')} that {are} no noise would be masked:")
        for each in masked:
            yield from _silenced(each, paint)
    if noise:
        yield paint.good(f"  {many(len(noise), 'cause')} of noise would be gone:")
        for each in noise:
            yield from _silenced(each, paint)
    if not what_if.silenced:
        yield "  nothing would be silenced"
    for index in what_if.unused:
        yield f"  draft rule {index + 1} changes nothing"


def _silenced(each: WhatIfCause, paint: Paint) -> Iterator[str]:
    word = f"{paint.bold(printable(each.cause))}: " if each.cause else ""
    yield f"    {paint.severity(each.severity)}  {word}{printable(each.explanation)}"
    yield f"      at {listed(each.paths)}, in {many(each.pairs, 'pair')}"
    if each.exemplars:
        yield f"      figway shadow show {printable(each.exemplars[0])}"
