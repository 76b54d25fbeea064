"""Replicas compared: a silence begins no difference and ends none."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest
import structlog

from proxy.fleet.comparison import Comparison
from proxy.fleet.lost import KEPT_SECONDS
from proxy.fleet.replica import LEASE_SECONDS, Facts, Replica

A, B = (
    Replica(facts=Facts(replica=name, boot=name, config=config), live=True, seen_seconds=0.1)
    for name, config in ("a1", "b2")
)
AGREES = replace(B, facts=replace(B.facts, config="1"))


class Watched:
    """A comparison whose clock stands until it is moved."""

    def __init__(self) -> None:
        self.now = 100.0
        self.comparison = Comparison(0.0, structlog.get_logger(), lambda: self.now)

    def look(self, *replicas: Replica, read: bool = True, after: float = 0.0) -> Sequence[str]:
        """The details of what differs, `after` so many seconds."""
        self.now += after
        self.comparison.look(replicas, newest=0, read=read)
        return [each.detail for each in self.comparison.differences]


@pytest.fixture
def watched() -> Watched:
    return Watched()


def test_what_nobody_read_begins_no_difference(watched: Watched) -> None:
    assert watched.look(A, AGREES) == []
    assert watched.look(A, B, read=False) == []
    assert watched.look(A, B.aged(LEASE_SECONDS), read=False, after=9.0) == []


def test_a_known_difference_is_marked_and_ends_when_all_are_heard_again(watched: Watched) -> None:
    [known] = watched.look(A, B)
    assert watched.look(A, B.aged(2.0), read=False, after=2.0) == [known]
    marked = [f"{known} (last known 22 s ago)"]
    assert watched.look(A, B.aged(22.0), read=False, after=20.0) == marked
    assert watched.comparison.differences[0].last_known
    # The registry is read again, and has not heard it yet.
    gone = replace(B, live=False)
    assert watched.look(A, gone) == marked
    assert watched.look(A, AGREES) == []


def test_one_that_does_not_come_back_is_waited_for_no_longer_than_it_could_take(
    watched: Watched,
) -> None:
    watched.look(A, B)
    watched.look(A, B.aged(22.0), read=False, after=22.0)
    gone = replace(B, live=False)
    assert watched.look(A, gone, after=KEPT_SECONDS - 1.0)
    assert watched.look(A, gone, after=1.0) == []


def test_one_that_goes_while_the_registry_is_read_ends_its_difference(watched: Watched) -> None:
    assert watched.look(A, B)
    assert watched.look(A, replace(B, live=False)) == []
