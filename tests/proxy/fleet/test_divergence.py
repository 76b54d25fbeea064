"""Where replicas differ: what counts, for how long, and that changes on their way do not."""

from __future__ import annotations

from dataclasses import replace

import pytest

from proxy.fleet.divergence import Watchdog
from proxy.fleet.replica import Facts

ONE = Facts(replica="a", boot="1", config="c1", version="1.0", applied=10, phase="serving")
TWO = replace(ONE, replica="b", boot="2")
THREE = replace(ONE, replica="c", boot="3")


def kinds(watchdog: Watchdog, *facts: Facts, newest: int = 10, now: float = 0.0) -> list[str]:
    return [each.kind for each in watchdog.look(facts, newest=newest, now=now)]


def test_what_is_the_same_everywhere_is_no_difference() -> None:
    assert kinds(Watchdog(0.0), ONE, TWO, THREE) == []


@pytest.mark.parametrize(
    ("other", "kind"),
    [
        pytest.param(replace(THREE, config="c2"), "config", id="routes"),
        pytest.param(replace(THREE, version="1.1"), "version", id="version"),
        pytest.param(replace(THREE, applied=9), "state", id="not all workers"),
    ],
)
def test_a_difference_is_told_once_it_lasts(other: Facts, kind: str) -> None:
    watchdog = Watchdog(30.0)
    assert kinds(watchdog, ONE, TWO, other) == []
    assert kinds(watchdog, ONE, TWO, other, now=29.0) == []
    assert kinds(watchdog, ONE, TWO, other, now=30.0) == [kind]
    assert kinds(watchdog, ONE, TWO, THREE, now=31.0) == []


def test_the_odd_one_is_named() -> None:
    [difference] = Watchdog(0.0).look([ONE, TWO, replace(THREE, config="c2")], newest=10, now=0.0)
    assert difference.detail == "revision of routes.yaml: 2 have c1, c has c2"


def test_flags_are_compared_where_the_source_counts_for_all() -> None:
    fed = [replace(each, provider="unleash", flags_revision=5) for each in (ONE, TWO)]
    assert kinds(Watchdog(0.0), fed[0], replace(fed[1], flags_revision=6)) == ["flags"]
    # The revision of a file is the time at which this host got it.
    filed = [replace(each, flags_revision=number) for number, each in enumerate((ONE, TWO), 5)]
    assert kinds(Watchdog(0.0), *filed) == []


def test_one_that_follows_every_change_is_not_behind_however_many_there_are() -> None:
    watchdog = Watchdog(5.0)
    for second in range(60):
        # Each look finds it one change behind, and that change used by the next look.
        newest, behind = replace(ONE, applied=11 + second), replace(THREE, applied=10 + second)
        assert kinds(watchdog, newest, behind, newest=11 + second, now=float(second)) == []


def test_one_that_starts_or_drains_is_left_out() -> None:
    starting = replace(THREE, config="c2", applied=0, phase="starting")
    assert kinds(Watchdog(0.0), ONE, TWO, starting) == []
