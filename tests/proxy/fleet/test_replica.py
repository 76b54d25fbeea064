"""What replicas tell of themselves survives other versions, damage and two of one name."""

from __future__ import annotations

from dataclasses import fields

import pytest

from flags.redis.settings import RedisSettings
from flags.shared import ReplicaView
from proxy.fleet import peers
from proxy.fleet.replica import LEASE_SECONDS, Facts, Replica, read, told, told_of

FACTS = Facts(
    replica="a",
    boot="1",
    admin="http://a:9900",
    flags_age=3.0,
    holds=("all by command",),
    workers=2,
)


def view(facts: str) -> ReplicaView:
    return ReplicaView(replica="a", boot="1", live=True, seen_seconds=0.2, facts=facts)


def test_what_was_told_is_read() -> None:
    assert read(view(told(FACTS))) == Replica(facts=FACTS, live=True, seen_seconds=0.2)


@pytest.mark.parametrize("text", ["", "{torn", "[]", '{"replica": "a"}', '{"workers": "many"}'])
def test_a_replica_whose_facts_cannot_be_read_is_still_there(text: str) -> None:
    assert read(view(text)).facts == Facts(replica="a", boot="1")


def test_facts_of_a_newer_version_are_read_as_far_as_they_are_known() -> None:
    text = told(FACTS).replace('"workers":2', '"workers":2,"moons":4')
    assert read(view(text)).facts == FACTS


def replica(name: str, boot: str, *, live: bool, seen: float) -> Replica:
    return Replica(facts=Facts(replica=name, boot=boot), live=live, seen_seconds=seen)


def test_a_name_is_shown_once_unless_two_live_under_it() -> None:
    old = replica("a", "1", live=False, seen=90.0)
    late = replica("a", "2", live=False, seen=9.0)
    here = replica("a", "3", live=True, seen=0.1)
    twin = replica("a", "4", live=True, seen=0.1)
    other = replica("b", "5", live=False, seen=5.0)
    assert told_of((other, old, here)) == (here, other)
    assert told_of((late, old)) == (late,)
    assert told_of((twin, here, old)) == (here, twin)


def test_what_was_said_is_true_for_as_long_as_the_lease_in_the_store() -> None:
    [lease] = [each.default for each in fields(RedisSettings) if each.name == "lease"]
    assert lease == LEASE_SECONDS
    here = replica("a", "1", live=True, seen=1.0)
    assert here.aged(LEASE_SECONDS - 1.0).state == "live"
    assert here.aged(LEASE_SECONDS).state == "unknown"
    assert replica("a", "1", live=False, seen=1.0).aged(9.0).state == "gone"


def test_configured_peers_come_first_and_nobody_twice() -> None:
    others = [Facts(replica="b", boot="2", admin="http://b:1"), FACTS, Facts(replica="c", boot="3")]
    found = peers.addresses(["http://a:9900", "http://z:1"], others)
    assert found == ("http://a:9900", "http://z:1", "http://b:1")
    assert peers.read(peers.written(found)) == found


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"peers": 1}', b'{"peers": [1]}', b"{}"])
def test_a_damaged_list_of_peers_is_refused(content: bytes) -> None:
    with pytest.raises(ValueError, match=r"."):
        peers.read(content)
