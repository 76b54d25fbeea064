"""Things that hang in threads, and one that does not."""

from __future__ import annotations

import asyncio
import threading

from proxy.supervision.waiting import leave, make_room


async def test_a_file_is_read_while_many_look_ups_hang() -> None:
    over = threading.Event()
    make_room()
    hanging = [asyncio.create_task(asyncio.to_thread(over.wait)) for _ in range(60)]
    try:
        await asyncio.sleep(0)
        assert await asyncio.wait_for(asyncio.to_thread(lambda: "read"), 20) == "read"
    finally:
        over.set()
        await asyncio.gather(*hanging)


async def test_what_still_hangs_at_the_end_is_told_and_not_waited_for() -> None:
    begun, over = threading.Event(), threading.Event()

    def hang() -> bool:
        begun.set()
        return over.wait(20)

    room = make_room()
    hanging = asyncio.create_task(asyncio.to_thread(hang))
    try:
        # What a thread has not taken up yet is called off, and does not hang.
        assert await asyncio.to_thread(begun.wait, 20)
        assert not leave(room, 0.01)
    finally:
        over.set()
        assert await hanging
    assert leave(room, 20)
