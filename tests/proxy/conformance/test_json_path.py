"""One place in a JSON document."""

from __future__ import annotations

from typing import Any

import pytest

from proxy.compare.paths import PathError
from proxy.conformance.json_path import ABSENT, look_up, parse_json_path, same_json

DOCUMENT = {"a": [{"b c": 1}, None], "d": {"0": "zero"}}


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("$", DOCUMENT),
        ("$.a[0]['b c']", 1),
        ("$.a[1]", None),
        ("$.a[2]", ABSENT),
        ("$.a.b", ABSENT),
        ("$.d['0']", "zero"),
        ("$.d[0]", ABSENT),
        ("$.x", ABSENT),
        ("$.d['0'].y", ABSENT),
    ],
)
def test_a_path_finds_its_value(path: str, value: object) -> None:
    found = look_up(DOCUMENT, path)
    assert found is value or found == value


@pytest.mark.parametrize("path", ["a", "$.a[*]", "$..a", "$.*", "$.", "$.a{*}"])
def test_a_path_to_many_places_is_refused(path: str) -> None:
    with pytest.raises(PathError):
        parse_json_path(path)


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        (1, 1.0, True),
        (True, 1, False),
        (False, False, True),
        (None, False, False),
        ("1", 1, False),
        ([1, {"a": 2}], [1, {"a": 2.0}], True),
        ([1], [1, 2], False),
        ({"a": 1}, {"a": True}, False),
        ({"a": 1}, {"b": 1}, False),
    ],
)
def test_equality_is_that_of_json(one: Any, other: Any, same: bool) -> None:
    assert same_json(one, other) is same
    assert same_json(other, one) is same
