"""Request bodies of the admin API: what is refused, and that nothing is guessed."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.admin.body import parse
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
