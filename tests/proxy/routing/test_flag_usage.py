"""Yes and no of flags, as Unleash's page shows them."""

from __future__ import annotations

import pytest

from proxy.routing.flag_usage import flag_usage
from proxy.stages import Reason, Stage
from proxy.tally import DURATION, REQUESTS, Series, TallySnapshot
from tests.proxy.routing.samples import MONOLITH, route, route_file

FILE = route_file(
    route("r", "^/r", stage=Stage.CANARY),
    route("g", "^/g", stage=Stage.CANARY, group="purchase"),
    MONOLITH,
)


def counted(*rows: tuple[str, Reason | str, int]) -> TallySnapshot:
    return TallySnapshot(
        series=tuple(
            Series(metric=REQUESTS.name, labels=(name, "legacy", str(reason), "200"), value=value)
            for name, reason, value in rows
        )
    )


@pytest.mark.parametrize(
    ("reason", "flag"),
    [
        pytest.param(Reason.BUCKET_IN, (3, 0), id="in"),
        pytest.param(Reason.FLAG_ON, (3, 0), id="let in by a rule"),
        pytest.param(Reason.FALLBACK, (3, 0), id="in, and legacy answered"),
        pytest.param(Reason.BUCKET_OUT, (0, 3), id="out"),
        pytest.param(Reason.FLAG_OFF, (0, 3), id="kept out by a rule"),
        pytest.param(Reason.NO_STICKY_KEY, (0, 3), id="out for want of a key"),
        pytest.param(Reason.COHORT_ALWAYS, None, id="not asked"),
    ],
)
def test_a_flag_counts_whom_it_was_asked_for(reason: Reason, flag: tuple[int, int] | None) -> None:
    usage = flag_usage(FILE, counted(("r", reason, 3)))
    assert usage.get("figway-r") == flag
    assert usage["figway-rollback"] == (0, 3)
    assert usage["figway-rollback-r"] == (0, 3)


def test_a_rollback_is_a_yes_of_its_flag_and_asks_no_other() -> None:
    usage = flag_usage(
        FILE, counted(("g", Reason.ROLLBACK_GROUP, 5), ("g", Reason.ROLLBACK_ALL, 2))
    )
    assert usage == {"figway-rollback": (2, 5), "figway-rollback-purchase": (5, 0)}


def test_routes_of_a_group_count_together() -> None:
    usage = flag_usage(FILE, counted(("g", Reason.BUCKET_IN, 1), ("g", Reason.BUCKET_OUT, 4)))
    assert usage["figway-purchase"] == (1, 4)
    assert "figway-g" not in usage


def test_what_asked_no_flag_counts_for_none() -> None:
    tally = counted(
        ("r", Reason.COMPLETE, 1), ("r", Reason.AMBIGUOUS_TARGET, 1), ("gone", Reason.BUCKET_IN, 1)
    )
    other = Series(metric=DURATION.name, labels=("r", "legacy"), value=1)
    assert flag_usage(FILE, TallySnapshot(series=(*tally.series, other))) == {}
