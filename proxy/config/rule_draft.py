"""Draft entries of compare.rules from outside a routes.yaml: for a what-if, never put to use."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import Any

from pydantic import TypeAdapter, ValidationError

from proxy.compare.policy import CompareRuleError, CompiledPolicy
from proxy.compare_policy import ComparePolicy, Op, Rule
from proxy.config.compare_model import RuleShape, to_rule
from proxy.config.complaints import sentence, unknown_key
from proxy.config.units import show_duration

MAX_RULES = 100
_RULES = TypeAdapter(list[RuleShape])


class DraftError(ValueError):
    """A draft that cannot be used, with every problem found in it."""

    def __init__(self, problems: tuple[str, ...]) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems


def draft_rules(draft: Sequence[object]) -> tuple[Rule, ...]:
    """Read rules written as in routes.yaml (`{"path": "$.a", "op": "shape"}`). Raises DraftError.

    The `line` of each is its place in the draft, from 1.
    """
    if len(draft) > MAX_RULES:
        raise DraftError((f"draft: {len(draft)} rules are too many, at most {MAX_RULES}",))
    try:
        shapes = _RULES.validate_python(_plain(list(draft)))
    except ValidationError as error:
        raise DraftError(tuple(map(_problem, error.errors(include_url=False)))) from None
    rules = tuple(to_rule(shape, line) for line, shape in enumerate(shapes, start=1))
    problems = tuple(filter(None, map(_why_not, rules)))
    if problems:
        raise DraftError(problems)
    return rules


def rule_as_written(rule: Rule) -> dict[str, object]:
    """A rule as it would stand in routes.yaml, in JSON's types."""
    written: dict[str, object] = {"path": rule.path, "op": rule.op.value}
    if rule.op is Op.DATETIME:
        written["tolerance"] = show_duration(rule.tolerance)
    for key, value in (("abs", rule.absolute), ("rel", rule.relative)):
        if value is not None:
            written[key] = float(value)
    for key in ("key", "reason", "expires"):
        if getattr(rule, key):
            written[key] = getattr(rule, key)
    return written


def _plain(value: object) -> object:
    # A strict reader of JSON keeps decimals exact; in routes.yaml they are floats.
    if isinstance(value, Decimal):
        return float(value)
    if isinstance(value, dict):
        return {key: _plain(below) for key, below in value.items()}
    return [_plain(below) for below in value] if isinstance(value, list) else value


def _problem(error: Any) -> str:
    index, *below = error["loc"]
    place = f"draft[{index}]" + "".join(f".{key}" for key in below)
    match error["type"]:
        case "extra_forbidden":
            return f"{place}: {unknown_key(str(below[-1]), tuple(RuleShape.model_fields))}"
        case "missing":
            description = RuleShape.model_fields[str(below[-1])].description or ""
            return f"{place}: is required: {description.rstrip('.')}"
        case _:
            return f"{place}: {sentence(error)}"


def _why_not(rule: Rule) -> str:
    try:
        CompiledPolicy.compile(ComparePolicy(rules=(rule,)))
    except CompareRuleError as error:
        key = error.place.partition(".")[2]
        return f"draft[{rule.line - 1}].{key}: {error.problem}: {error.mend}"
    return ""
