"""A snapshot survives the way over JSON."""

from __future__ import annotations

import json

import pytest

from flags.rule import Constraint, Parent, Rule, Strategy
from flags.snapshot import NOTHING_SET, FlagSnapshot
from flags.snapshot_json import from_json, to_json

RULE = Rule(
    flag="figway-product",
    strategies=(
        Strategy(
            name="flexibleRollout",
            basis_points=2500,
            hash_group="product",
            constraints=(Constraint(field="country", operator="IN", values=("DE", "AT")),),
        ),
    ),
    parents=(Parent(flag="figway-parent", on=False),),
)


@pytest.mark.parametrize(
    "snapshot",
    [
        pytest.param(NOTHING_SET, id="nothing"),
        pytest.param(
            FlagSnapshot(
                revision=7,
                rollback_groups=frozenset({"purchase", "search"}),
                route_basis_points={"product": 1, "ü": 10_000},
                group_basis_points={"purchase": 0},
                rules={"route:product": RULE},
                shadow_paused=True,
            ),
            id="everything",
        ),
        pytest.param(FlagSnapshot(rollback_all=True), id="a rollback"),
    ],
)
def test_a_snapshot_comes_back_as_it_was(snapshot: FlagSnapshot) -> None:
    assert from_json(json.loads(json.dumps(to_json(snapshot)))) == snapshot


@pytest.mark.parametrize("value", [None, [], "x", {"rollback_all": "maybe"}, {"rules": {"a": 1}}])
def test_what_is_no_snapshot_is_said(value: object) -> None:
    with pytest.raises(ValueError, match="is no flag snapshot"):
        from_json(value)
