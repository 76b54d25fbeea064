"""The shape of `compare:`: rules, headers, HTML facets and what is never written down."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import date
from typing import Annotated

from pydantic import AfterValidator, Field, Strict, model_validator

from proxy.compare_policy import (
    ComparePolicy,
    Facet,
    HeaderPolicy,
    HtmlPolicy,
    Op,
    Profile,
    Rule,
)
from proxy.config.shapes import Shape, Text, token
from proxy.config.units import Amount, Duration, Part
from proxy.config.yaml_scalar import quoted

_COMPARE = ComparePolicy()
_HEADERS = HeaderPolicy()

# Words of an enum stand in the file as text.
_OpWord = Annotated[Op, Strict(False)]
_ProfileWord = Annotated[Profile, Strict(False)]
_FacetWord = Annotated[Facet, Strict(False)]

_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
# What each op needs besides its path; of several keys one is enough.
_NEEDS: dict[Op, tuple[str, ...]] = {
    Op.DATETIME: ("tolerance",),
    Op.NUMBER: ("abs", "rel"),
    Op.KEY_BY: ("key",),
}
_PARAMETERS = {key: op for op, keys in _NEEDS.items() for key in keys}
_SUCH_AS = {
    Op.DATETIME: "such as 5s, or 0s for the same instant in another spelling",
    Op.NUMBER: "such as abs: 0.005 or rel: 0.1%",
    Op.KEY_BY: "the member by which elements are paired, such as sku",
}
_EXCUSES = (Op.IGNORE, Op.EXPECTED)


def _iso_date(text: str) -> str:
    """Check a calendar date. Raises ValueError with the mend."""
    try:
        if _DATE.fullmatch(text):
            date.fromisoformat(text)
            return text
    except ValueError:
        pass  # 2026-02-30 looks like a date and is none
    raise ValueError(f"must be a date such as 2026-12-01, got {quoted(text)}")


def _header_pattern(text: str) -> str:
    """Check the name of a response field; a star at its end stands for any ending."""
    name = text[:-1] if text.endswith("*") else text
    if "*" in name:
        raise ValueError(f"a star may stand at the end only, got {quoted(text)}")
    if name or text != "*":
        token(name)
    return text.lower()


_RulePath = Annotated[Text, Field(min_length=1)]
_HeaderPattern = Annotated[str, AfterValidator(_header_pattern)]


class RuleShape(Shape):
    """What counts as equal at one path."""

    path: _RulePath = Field(
        description="Where: $.a.b, $.items[*].c, $..d, $.map.*.e, header:NAME, html:FACET, "
        "form:FIELD, xml:/order/item/@id or text."
    )
    op: _OpWord = Field(description="What is done with the two values there; see below.")
    tolerance: Duration | None = Field(
        default=None, description="datetime: how far the two points in time may lie apart."
    )
    abs: Amount | None = Field(
        default=None, description="number: how far the two may lie apart, absolutely."
    )
    rel: Part | None = Field(
        default=None, description="number: the same as a share of the larger one, such as 0.1%."
    )
    key: str = Field(
        default="",
        min_length=1,
        description="key_by: the member by which elements are paired.",
    )
    reason: Text = Field(
        default="",
        min_length=1,
        description="Why, with a ticket. Required by ignore and expected.",
    )
    expires: Annotated[str, AfterValidator(_iso_date)] = Field(
        default="",
        description="Last day on which the rule holds, 2026-12-01; an expired one stops a GO. "
        "Required by ignore and expected.",
    )

    @model_validator(mode="after")
    def _complete(self) -> RuleShape:
        given = self.model_fields_set
        needs = _NEEDS.get(self.op, ())
        if needs and not given & set(needs):
            raise ValueError(f"op {self.op} needs {' or '.join(needs)}: {_SUCH_AS[self.op]}")
        for key, op in _PARAMETERS.items():
            if key in given and op is not self.op:
                raise ValueError(f"{key} goes with op {op}, not with {self.op}: remove it")
        missing = [key for key in ("reason", "expires") if not getattr(self, key)]
        if self.op in _EXCUSES and missing:
            raise ValueError(
                f"op {self.op} needs {' and '.join(missing)}, so that somebody looks at it again: "
                "reason: TICKET-12, expires: 2026-12-01"
            )
        return self


class HeadersShape(Shape):
    """Which response fields are compared."""

    compare: list[_HeaderPattern] = Field(
        default=list(_HEADERS.compare),
        description="Fields whose values are compared; a * at the end stands for any ending.",
    )
    presence: list[_HeaderPattern] = Field(
        default=list(_HEADERS.presence), description="Fields that both must have, or neither."
    )


class HtmlShape(Shape):
    """What of a page is compared."""

    facets: list[_FacetWord] = Field(
        default=list(Facet),
        min_length=1,
        description="Parts of a page that are compared.",
    )
    drop: list[_RulePath] = Field(
        default=[],
        description="CSS selectors of what is not compared; SELECTOR@ATTRIBUTE is one attribute.",
    )


class CompareShape(Shape):
    """How the two answers are compared."""

    profile: _ProfileWord = Field(
        default=_COMPARE.profile,
        description="Equivalences taken for granted: strict (none), or php (10 and 10.0, [] and "
        "{}, spellings of entities and escapes).",
    )
    rules: list[RuleShape] = Field(default=[], description="What counts as equal, path by path.")
    headers: HeadersShape = Field(
        default=HeadersShape(), description="Which response fields are compared."
    )
    html: HtmlShape = Field(default=HtmlShape(), description="What of a page is compared.")
    redact: list[_RulePath] = Field(
        default=[],
        description="Paths as in rules, header:NAME and query:NAME: compared, and never written "
        "down. authorization and cookie never are.",
    )


def to_compare(shape: CompareShape, lines: Sequence[int] = ()) -> ComparePolicy:
    """Turn the validated shape into the policy of a route; `lines` are those of its rules."""
    return ComparePolicy(
        profile=shape.profile,
        rules=tuple(
            to_rule(rule, lines[index] if index < len(lines) else 0)
            for index, rule in enumerate(shape.rules)
        ),
        headers=HeaderPolicy(
            compare=tuple(shape.headers.compare), presence=tuple(shape.headers.presence)
        ),
        html=HtmlPolicy(facets=tuple(shape.html.facets), drop=tuple(shape.html.drop)),
        redact=tuple(shape.redact),
    )


def to_rule(shape: RuleShape, line: int = 0) -> Rule:
    """Turn one validated rule into its definition."""
    return Rule(
        path=shape.path,
        op=shape.op,
        line=line,
        tolerance=shape.tolerance or 0.0,
        absolute=shape.abs,
        relative=shape.rel,
        key=shape.key,
        reason=shape.reason,
        expires=shape.expires,
    )
