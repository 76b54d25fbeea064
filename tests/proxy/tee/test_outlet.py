"""The outlet writes what it was given, in order and once, whatever the kernel takes at a time."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from proxy.tee.books import Books
from proxy.tee.outlet import GATHER_BYTES, GATHER_SECONDS, Outlet


class Kernel:
    """A socket that takes as many bytes as the dice say, and the loop that waits for it."""

    def __init__(self, appetites: list[int]) -> None:
        self.appetites = appetites
        self.taken = bytearray()
        self.writes = 0
        self.broken = False
        self.writer: Callable[[], None] | None = None
        self.timers: list[Callable[[], None]] = []
        self.soon: list[Callable[[], None]] = []

    # The socket.

    def send(self, data: memoryview) -> int:
        self.writes += 1
        if self.broken:
            raise BrokenPipeError
        appetite = self.appetites.pop(0) if self.appetites else len(data)
        if appetite == 0:
            raise BlockingIOError
        taken = data[:appetite]
        self.taken += taken
        return len(taken)

    def fileno(self) -> int:
        return 7

    def close(self) -> None:
        pass

    # The loop.

    def call_later(self, _seconds: float, call: Callable[[], None]) -> Any:
        self.timers.append(call)
        return _Timer()

    def call_soon(self, call: Callable[[], None]) -> None:
        self.soon.append(call)

    def add_writer(self, _fd: int, call: Callable[[], None]) -> None:
        assert self.writer is None
        self.writer = call

    def remove_writer(self, _fd: int) -> None:
        assert self.writer is not None
        self.writer = None

    def remove_reader(self, _fd: int) -> None:
        pass

    def turn(self) -> None:
        """One turn of the loop: timers, then the socket if it is waited for."""
        timers, self.timers = self.timers, []
        for timer in timers:
            timer()
        if self.writer is not None:
            self.writer()


class _Timer:
    def cancel(self) -> None:
        pass


def connected(kernel: Kernel) -> Outlet:
    outlet = Outlet("/nowhere", 0, Books())
    outlet._loop = kernel  # type: ignore[assignment]  # as much of a loop as is used
    outlet._socket = kernel  # type: ignore[assignment]  # as much of a socket as is used
    outlet.connection = outlet.connections = 1
    outlet.room = outlet.waiting_limit
    return outlet


SIZES = st.sampled_from([1, 50, 1000, GATHER_BYTES - 1, GATHER_BYTES, 300_000, 600_000])


@given(
    steps=st.lists(st.one_of(st.lists(SIZES, min_size=1, max_size=4), st.none()), max_size=12),
    appetites=st.lists(st.sampled_from([0, 1, 999, 70_000, 1_000_000]), max_size=30),
)
@settings(deadline=None)
def test_every_byte_is_written_once_and_in_order(
    steps: list[list[int] | None], appetites: list[int]
) -> None:
    kernel = Kernel(appetites)
    outlet = connected(kernel)
    given_bytes = bytearray()
    number = 0
    for sizes in steps:
        if sizes is None:
            kernel.turn()
            continue
        parts = tuple(bytes([(number := number + 1) % 256]) * size for size in sizes)
        given_bytes += b"".join(parts)
        outlet.add(parts, sum(sizes))
        assert outlet.waiting == len(given_bytes) - len(kernel.taken)
    for _ in range(200):
        kernel.turn()
    assert kernel.taken == given_bytes
    assert outlet.waiting == 0
    assert outlet.written == len(given_bytes)
    assert not outlet.blocked
    assert kernel.writer is None


def test_small_frames_of_one_moment_are_one_write() -> None:
    kernel = Kernel([])
    outlet = connected(kernel)
    for _ in range(20):
        outlet.add((b"x" * 100,), 100)
    assert kernel.writes == 0
    kernel.turn()
    assert (kernel.writes, len(kernel.taken)) == (1, 2000)


def test_much_at_once_does_not_wait_for_the_clock() -> None:
    kernel = Kernel([])
    outlet = connected(kernel)
    outlet.add((b"x",), 1)
    outlet.add((b"x" * GATHER_BYTES,), GATHER_BYTES)
    assert kernel.writes == 1


class Packed:
    """A copy that puts its hundred bytes."""

    def __init__(self, outlet: Outlet) -> None:
        self.outlet = outlet

    def hand_over(self, _journey: object, _ended_at: float) -> None:
        self.outlet.parts.append(b"x" * 100)
        self.outlet.waiting += 100


def test_what_has_waited_is_written_behind_a_response_and_not_before_the_next() -> None:
    kernel = Kernel([])
    outlet = connected(kernel)
    began = time.perf_counter()
    for late, writes in ((0.0, 0), (GATHER_SECONDS / 2, 0), (1.0, 1), (1.0, 1), (2.0, 2)):
        copy = Packed(outlet)
        outlet.whole.append((copy, None, began + late))  # type: ignore[arg-type] # stand-ins
        outlet.pack_soon()
        kernel.soon.pop()()
        assert kernel.writes == writes
    assert len(kernel.taken) == 500


def test_a_socket_that_breaks_leaves_nothing_behind() -> None:
    kernel = Kernel([0, 0])
    outlet = connected(kernel)
    outlet.add((b"x" * 100,), 100)
    kernel.turn()
    assert outlet.blocked
    kernel.broken = True
    kernel.turn()
    assert (outlet.connection, outlet.waiting, outlet.room, outlet.parts) == (0, 0, 0, [])
    assert kernel.writer is None
