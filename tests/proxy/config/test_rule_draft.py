"""Draft rules: read as in routes.yaml, refused with every problem, written back as they stood."""

from __future__ import annotations

from decimal import Decimal

import pytest

from proxy.compare_policy import Op, Rule
from proxy.config.rule_draft import MAX_RULES, DraftError, draft_rules, rule_as_written

DRAFT: list[object] = [
    {"path": "$.at", "op": "datetime", "tolerance": "5s"},
    {"path": "$..price", "op": "number", "abs": Decimal("0.005"), "rel": "0.1%"},
    {"path": "$.items[*]", "op": "key_by", "key": "sku"},
    {"path": "$.debug", "op": "ignore", "reason": "SHOP-12", "expires": "2026-12-01"},
]
RULES = (
    Rule(path="$.at", op=Op.DATETIME, line=1, tolerance=5.0),
    Rule(
        path="$..price",
        op=Op.NUMBER,
        line=2,
        absolute=Decimal("0.005"),
        relative=Decimal("0.001"),
    ),
    Rule(path="$.items[*]", op=Op.KEY_BY, line=3, key="sku"),
    Rule(path="$.debug", op=Op.IGNORE, line=4, reason="SHOP-12", expires="2026-12-01"),
)


def test_a_draft_is_read_as_in_the_file() -> None:
    assert draft_rules(DRAFT) == RULES


def test_a_rule_is_written_as_it_can_be_read() -> None:
    assert draft_rules([rule_as_written(rule) for rule in RULES]) == RULES


@pytest.mark.parametrize(
    ("draft", "problems"),
    [
        pytest.param(
            [{"path": "$.a"}, {"path": "$.b", "op": "shap"}],
            ["draft[0].op: is required: What is done", 'draft[1].op: must be one of ignore, '],
            id="all together",
        ),
        pytest.param(
            [{"path": "$.a", "op": "shape", "tolerence": "5s"}],
            ['draft[0].tolerence: unknown key; did you mean "tolerance"?'],
            id="unknown key",
        ),
        pytest.param(
            [{"path": "$.a", "op": "ignore"}],
            ["draft[0]: op ignore needs reason and expires"],
            id="no end",
        ),
        pytest.param(["$.a"], ["draft[0]: must be a mapping"], id="no mapping"),
        pytest.param(
            [{"path": "a", "op": "shape"}],
            ["draft[0].path: 'a' is no path"],
            id="no path",
        ),
        pytest.param(
            [{"path": "$.a", "op": "shape"}] * (MAX_RULES + 1),
            ["draft: 101 rules are too many"],
            id="too many",
        ),
    ],
)  # fmt: skip
def test_a_draft_with_mistakes_is_refused_with_all_of_them(
    draft: list[object], problems: list[str]
) -> None:
    with pytest.raises(DraftError) as refused:
        draft_rules(draft)
    assert len(refused.value.problems) == len(problems)
    for said, expected in zip(refused.value.problems, problems, strict=True):
        assert said.startswith(expected), said
