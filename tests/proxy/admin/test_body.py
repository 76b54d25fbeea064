"""Request bodies of the admin API: what is refused, and that nothing is guessed."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import Annotated

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import Field, Strict

from proxy.admin.body import check, parse, typed
from proxy.admin.problem import AdminError


@pytest.mark.parametrize(
    ("raw", "why"),
    [
        pytest.param(b"", "not JSON", id="empty"),
        pytest.param(b"{", "not JSON", id="torn"),
        pytest.param(b"{}{}", "not JSON", id="two_values"),
        pytest.param(b'{"a":1,"a":2}', "occurs twice", id="duplicate_name"),
        pytest.param(b'{"x":{"a":1,"\\u0061":2}}', "occurs twice", id="duplicate_by_escape"),
        pytest.param(b'{"a":NaN}', "no JSON number", id="nan"),
        pytest.param(b'{"a":Infinity}', "no JSON number", id="infinity"),
        pytest.param(b'{"a":-Infinity}', "no JSON number", id="minus_infinity"),
        pytest.param(b'{"a":1e999}', "out of range", id="overflow"),
        pytest.param(b"[" * 10_000, "nested too deeply|not JSON", id="depth_bomb_open"),
        pytest.param(b"[" * 10_000 + b"]" * 10_000, "nested too deeply", id="depth_bomb"),
        pytest.param(b'{"a":' * 9_000 + b"1" + b"}" * 9_000, "nested too deeply", id="object_bomb"),
        pytest.param(b"1" * 5_000, "not JSON", id="huge_integer"),
        pytest.param(b"\xff", "UTF-8", id="not_utf8"),
        pytest.param(b"\xef\xbb\xbf{}", "not JSON", id="byte_order_mark"),
        pytest.param(b'{"a":"\\ud800"}', "UTF-8", id="lone_surrogate"),
        pytest.param(b'{"\\udfff":1}', "UTF-8", id="lone_surrogate_in_a_name"),
        pytest.param(b"{'a':1}", "not JSON", id="python"),
    ],
)
def test_what_is_not_strict_json_is_a_400(raw: bytes, why: str) -> None:
    with pytest.raises(AdminError, match=why) as caught:
        parse(raw)
    assert caught.value.status == 400


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    name: Annotated[str, Field(pattern="^[a-z]+$", max_length=8)]
    reason: Annotated[str, Field(min_length=1)] = "tried"
    percent: Annotated[int, Strict()] | Annotated[Decimal, Strict()] = 0


DOOR = typed(Asked)


@pytest.mark.parametrize(
    ("value", "problems"),
    [
        pytest.param({}, ["name: is required"], id="nothing"),
        pytest.param([], ["body: must be a JSON object, got a list"], id="no object"),
        pytest.param({"name": "a", "nme": "a"}, ["nme: unknown field"], id="unknown"),
        pytest.param({"name": "a b"}, ['name: must match ^[a-z]+$, got "a b"'], id="pattern"),
        pytest.param(
            {"name": "aaaaaaaaa"}, ['name: must be at most 8 long, got "aaaaaaaaa"'], id="long"
        ),
        pytest.param({"name": "a", "reason": ""}, ["reason: must not be empty"], id="empty"),
        pytest.param(
            {"name": "a", "percent": "5"}, ['percent: must be a number, got "5"'], id="number"
        ),
        pytest.param(
            {"name": 1.5, "reason": ""},
            ['name: must be text, got 1.5: write "1.5" in quotes', "reason: must not be empty"],
            id="two",
        ),
    ],
)
def test_each_wrong_field_is_named_with_its_mend(value: object, problems: list[str]) -> None:
    with pytest.raises(AdminError) as caught:
        check(value, DOOR)
    assert caught.value.status == 400
    assert list(caught.value.problems) == problems


def test_a_number_with_a_point_stays_exact() -> None:
    assert parse(b'{"percent": 12.34}') == {"percent": Decimal("12.34")}


@given(st.binary(max_size=200))
def test_no_bytes_are_an_error_of_ours(raw: bytes) -> None:
    statuses = []
    try:
        parse(raw)
    except AdminError as error:
        statuses.append(error.status)
    assert statuses in ([], [400])
