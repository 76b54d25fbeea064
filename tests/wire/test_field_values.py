"""Fields that rules ask for are found however they are spelled, also by the shorter way."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from proxy.http1 import fields as module
from proxy.http1.fields import Fields, learn_request_kind, request_values, values

NAMES = ("x-country", "x-tenant", "x-countrx", "accept", "via", "x-" + "long" * 20)


@st.composite
def spellings(draw: st.DrawFn) -> bytes:
    name = draw(st.sampled_from(NAMES))
    upper = draw(st.sets(st.integers(min_value=0, max_value=9), max_size=3))
    return "".join(c.upper() if i in upper else c for i, c in enumerate(name)).encode()


@pytest.fixture(autouse=True)
def nothing_learned(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "known_request_kinds", {})
    monkeypatch.setattr(module, "_spellings", {})


def parsed(names: list[bytes]) -> Fields:
    """As the parser leaves a head: every name was looked up, and learned where it was new."""
    fields: Fields = []
    for number, name in enumerate(names):
        if name not in module.known_request_kinds:
            learn_request_kind(name)
        fields += [name, b": ", b"value %d" % number, b"\r\n"]
    return fields


@settings(
    max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    st.lists(
        st.tuples(st.lists(spellings(), max_size=6), st.sampled_from(NAMES)),
        min_size=1,
        max_size=12,
    ),
    st.integers(min_value=0, max_value=8),
)
def test_the_shorter_way_finds_what_the_longer_one_finds(
    requests: list[tuple[list[bytes], str]], remembered: int
) -> None:
    module.known_request_kinds.clear()
    module._spellings.clear()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "_REMEMBERED", remembered)
        for names, wanted in requests:
            fields = parsed(names)
            name = wanted.encode()
            assert request_values(fields, name) == values(fields, name)


def test_a_name_spelled_in_too_many_ways_is_still_found() -> None:
    ways = [b"X-COUNTRY", b"x-country", b"X-Country", b"x-Country", b"X-country", b"x-COUNTRY"]
    for way in ways:
        assert request_values(parsed([way, b"Accept"]), b"x-country") == [b"value 0"]
    assert request_values(parsed([*ways]), b"x-country") == [b"value %d" % n for n in range(6)]


def test_a_field_that_the_proxy_writes_itself_is_found_in_its_spelling() -> None:
    parsed([b"content-length"])
    fields = [b"Content-Length", b": ", b"7", b"\r\n"]
    assert request_values(fields, b"content-length") == [b"7"]
