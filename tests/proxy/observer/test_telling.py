"""What the observer's log says of defects."""

from __future__ import annotations

from pathlib import Path

import pytest

from proxy.observer import examine
from proxy.observer.telling import defect_of
from proxy.shadow_policy import ObserverPolicy
from tests.proxy.observer.rig import response, rig
from tests.rigs.scripted_origin import answer


def test_a_defect_is_told_by_kind_and_place_without_what_a_client_sent() -> None:
    try:
        {}["secret"]
    except KeyError as error:
        told = defect_of(error)
    assert told.startswith("KeyError at test_telling.py:")
    assert "secret" not in told


async def test_a_comparison_that_fails_is_told_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def defect(*_: object, **__: object) -> None:
        raise ZeroDivisionError("a defect")

    monkeypatch.setattr(examine, "compare", defect)
    policy = ObserverPolicy(loop_lag_shed=0.0)
    async with rig(tmp_path, new=answer(response()), policy=policy) as made:
        player = made.worker()
        for _ in range(3):
            player.whole()
        assert await made.settled(3) == {"incomparable/internal": 3}
        (facts,) = [facts for event, facts in made.told if event == "exchange_failed"]
        assert facts["route"] == "a"
