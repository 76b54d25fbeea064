"""Replicas that vanish from the registry: for how long, and who is not one of them."""

from __future__ import annotations

from dataclasses import replace

from proxy.fleet.lost import KEPT_SECONDS, Lost
from proxy.fleet.replica import Facts, Replica


def replica(name: str, *, live: bool = True) -> Replica:
    return Replica(facts=Facts(replica=name, boot=f"boot-{name}"), live=live, seen_seconds=0.1)


A, B, C = map(replica, "abc")
OWN = A.facts.boot


def test_one_that_vanished_is_told_as_not_live_for_a_while() -> None:
    now = [100.0]
    lost = Lost(lambda: now[0])
    assert lost.among((), (A, B), own=OWN) == ()
    assert lost.among((A, B), (), own=OWN) == (replace(B, live=False),)
    now[0] += KEPT_SECONDS - 1
    later = replace(B, live=False).aged(KEPT_SECONDS - 1)
    assert lost.among((replace(B, live=False),), (A,), own=OWN) == (later,)
    now[0] += 2
    assert lost.among((A, replace(B, live=False)), (A,), own=OWN) == ()


def test_one_that_came_back_or_said_that_it_leaves_is_not_lost() -> None:
    lost = Lost(lambda: 100.0)
    assert len(lost.among((A, B, C), (A,), own=OWN)) == 2
    assert lost.among((A,), (A, B), own=OWN) == (replace(C, live=False),)
    lost.left(C.facts.boot)
    assert lost.among((A, B), (A, B), own=OWN) == ()


def test_one_whose_lease_has_ended_before_was_not_lost_now() -> None:
    assert Lost().among((A, replica("b", live=False)), (A,), own=OWN) == ()
