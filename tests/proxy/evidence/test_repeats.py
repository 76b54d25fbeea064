"""Repeats: what makes two requests the same, and how many of them count in an hour."""

from __future__ import annotations

from typing import Any

import pytest

from proxy.evidence.repeats import counts, hour_of, request_key

PLAIN: dict[str, Any] = {"method": "GET", "target": b"/a?b=c", "body": b"", "client": ""}


@pytest.mark.parametrize(
    "changed",
    [
        {"method": "HEAD"},
        {"target": b"/a?b=d"},
        {"body": b"x"},
        {"client": "alice"},
        {"target": b"/a?b=", "client": "c"},
    ],
)
def test_requests_that_differ_anywhere_are_not_the_same(changed: dict[str, Any]) -> None:
    assert request_key(**(PLAIN | changed)) != request_key(**PLAIN)


def test_the_first_so_many_of_an_hour_count() -> None:
    assert [counts(seen, 2) for seen in range(4)] == [True, True, False, False]


def test_hours_begin_on_the_hour() -> None:
    assert hour_of(7199.9) == 1
    assert hour_of(7200.0) == 2
