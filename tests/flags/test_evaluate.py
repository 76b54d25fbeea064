"""The bucket, and what sources and the latch say together."""

from __future__ import annotations

import mmh3
import pytest
from hypothesis import given
from hypothesis import strategies as st

from flags.evaluate import bucket, bucket_of, combine
from flags.latch import NOT_HELD, Hold, Source
from flags.provider import NOTHING_SAID, Flag, FlagState
from flags.scope import ALL, group_scope, route_scope
from flags.snapshot import FlagSnapshot


def test_the_hash_is_the_one_of_unleash() -> None:
    assert mmh3.hash("hello", 0, False) == 613153351
    assert mmh3.hash("group:42", 0, False) == 1292179570


def test_check_values_of_the_bucket() -> None:
    # h % 100 = 70, h // 100 % 100 = 95; the Unleash bucket is 71.
    assert bucket("group", "42") == 7095
    assert bucket_of("group:42") == 7095


@given(st.text(), st.text(), st.integers(0, 100))
def test_the_bucket_agrees_with_unleash_at_every_whole_percent(
    group: str, key: str, percent: int
) -> None:
    unleash = mmh3.hash(f"{group}:{key}", 0, False) % 100 + 1
    assert (bucket(group, key) < percent * 100) == (unleash <= percent)


@given(st.text(), st.text())
def test_a_bucket_is_a_basis_point(group: str, key: str) -> None:
    assert 0 <= bucket(group, key) < 10_000


@pytest.mark.parametrize("percent", [0.1, 0.5, 1, 5, 25])
def test_shares_below_one_percent_are_as_fair_as_whole_ones(percent: float) -> None:
    count = 100_000
    inside = sum(bucket("product-page", str(n)) < percent * 100 for n in range(count))
    expected = count * percent / 100
    assert abs(inside - expected) < 5 * expected**0.5


STATE = FlagState(
    revision=3,
    rollback=False,
    groups={"purchase": Flag(basis_points=500, rollback=True), "silent": Flag()},
    routes={"product-page": Flag(basis_points=1250), "cart": Flag(rollback=False)},
)


def test_silence_is_no_flag_at_all() -> None:
    assert combine(NOTHING_SAID, NOT_HELD, revision=0) == FlagSnapshot()


def test_what_a_source_says_becomes_the_snapshot() -> None:
    assert combine(STATE, NOT_HELD, revision=9) == FlagSnapshot(
        revision=9,
        rollback_groups=frozenset({"purchase"}),
        group_basis_points={"purchase": 500},
        route_basis_points={"product-page": 1250},
    )


def test_a_hold_of_the_latch_goes_before_a_source_that_says_off() -> None:
    latch = NOT_HELD
    for scope in (ALL, route_scope("cart"), group_scope("silent")):
        latch = latch.hold(Hold(scope=scope, source=Source.SIGNAL, reason="try"))
    snapshot = combine(STATE, latch, revision=1)
    assert snapshot.rollback_all
    assert snapshot.rollback_routes == {"cart"}
    assert snapshot.rollback_groups == {"purchase", "silent"}
    assert snapshot.route_basis_points == {"product-page": 1250}
