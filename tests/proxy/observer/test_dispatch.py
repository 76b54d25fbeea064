"""What becomes of an exchange in the observer: exactly one outcome, whatever the shadow does."""

from __future__ import annotations

from pathlib import Path

from tests.proxy.observer.rig import response, rig
from tests.rigs.scripted_origin import answer


async def test_equal_answers_are_a_match(tmp_path: Path) -> None:
    async with rig(tmp_path, new=answer(response(b'{"a": 1}'))) as made:
        player = made.worker()
        player.whole(answered=response(b'{"a": 1}'))
        assert await made.settled(1) == {"match": 1}
        await made.balanced(player)
