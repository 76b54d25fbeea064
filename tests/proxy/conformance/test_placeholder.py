"""`${NAME}` is filled everywhere, escaped when it is meant, and never half."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.conformance.placeholder import (
    Unfilled,
    fill,
    fill_all,
    literal,
    names_in,
    without_placeholders,
)


@pytest.mark.parametrize(
    ("text", "filled"),
    [
        pytest.param("/a/${ID}?t=${T_2}", "/a/7?t=x", id="two"),
        pytest.param("$${ID} $ID ${1} ${}", "${ID} $ID ${1} ${}", id="no placeholder"),
        pytest.param("$$${ID}", "$${ID}", id="escape beside a dollar"),
        pytest.param("", "", id="empty"),
    ],
)
def test_names_are_replaced(text: str, filled: str) -> None:
    assert fill(text, {"ID": "7", "T_2": "x"}) == filled


def test_values_are_not_filled_again() -> None:
    assert fill("${A}", {"A": "${B}", "B": "no"}) == "${B}"


def test_a_missing_value_is_named() -> None:
    with pytest.raises(Unfilled, match="TOKEN"):
        fill("Bearer ${TOKEN}", {})


def test_json_is_filled_inside() -> None:
    value = {"a": ["${X}", 1, None, {"${X}": True}]}
    assert fill_all(value, {"X": "v"}) == {"a": ["v", 1, None, {"v": True}]}
    assert list(names_in(value)) == ["X", "X"]


def test_a_syntax_check_sees_a_letter() -> None:
    assert without_placeholders("/a/${B}/$${c}") == "/a/x/${c}"


@given(st.text(alphabet="${}A$b1_ ", max_size=30))
def test_a_literal_text_comes_back_as_it_was(text: str) -> None:
    assert fill(literal(text), {}) == text
