"""What moved between two moments, in the words of the audit."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flags.latch import Hold, Source
from flags.snapshot import FlagSnapshot
from proxy.supervision.flag_moves import MAX_MOVES, Move, Position, moves


def stood(*holds: tuple[str, Source], **flags: dict[str, int]) -> Position:
    return Position(
        tuple(Hold(scope=scope, source=source, reason="x") for scope, source in holds),
        FlagSnapshot(
            group_basis_points=flags.get("groups", {}), route_basis_points=flags.get("routes", {})
        ),
    )


NOTHING = stood()


@pytest.mark.parametrize(
    ("before", "after", "moved"),
    [
        pytest.param(NOTHING, NOTHING, [], id="nothing"),
        pytest.param(
            NOTHING,
            stood(("all", Source.FLAG)),
            [("all", "not rolled back", "rolled back by flag")],
            id="rolled back",
        ),
        pytest.param(
            stood(("all", Source.COMMAND)),
            stood(("all", Source.COMMAND), ("all", Source.FLAG)),
            [("all", "rolled back by command", "rolled back by command, flag")],
            id="held by one more",
        ),
        pytest.param(
            stood(("group:purchase", Source.FLAG)),
            NOTHING,
            [("group:purchase", "rolled back by flag", "not rolled back")],
            id="freed",
        ),
        pytest.param(
            stood(routes={"page": 500}, groups={"purchase": 100}),
            stood(routes={"page": 1250, "new": 0}, groups={"purchase": 100}),
            [("route:new", "no flag", "0 %"), ("route:page", "5 %", "12.5 %")],
            id="percentages",
        ),
        pytest.param(
            stood(routes={"page": 500}), NOTHING, [("route:page", "5 %", "no flag")], id="gone"
        ),
    ],
)
def test_what_moved_is_told_scope_by_scope(
    before: Position, after: Position, moved: list[tuple[str, str, str]]
) -> None:
    expected = tuple(Move(scope=scope, before=was, after=now) for scope, was, now in moved)
    assert moves(before, after) == expected


@given(st.dictionaries(st.text(min_size=1), st.integers(0, 10_000)))
def test_nothing_moves_between_equal_positions_and_every_difference_does(
    routes: dict[str, int],
) -> None:
    position = stood(routes=routes)
    assert moves(position, stood(routes=dict(routes))) == ()
    assert len(moves(NOTHING, position)) == min(len(routes), MAX_MOVES + 1)


def test_a_flood_is_counted() -> None:
    flood = moves(NOTHING, stood(routes={str(number): 1 for number in range(MAX_MOVES + 7)}))
    assert len(flood) == MAX_MOVES + 1
    assert flood[-1].after == "7 more flags moved"
