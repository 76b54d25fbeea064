"""A TCP proxy that does harm on purpose: toxiproxy's toxics, seeded, between any two peers.

Toxics of one direction are applied in the order given. Time that a toxic takes is waited for on an
event that closing the rig sets, so a test never outlives its rig.
"""

from __future__ import annotations

import random
import socket
import struct
import threading
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from typing import Self


@dataclass(frozen=True, slots=True, kw_only=True)
class Latency:
    """Every piece arrives `seconds` later, give or take `jitter`."""

    seconds: float
    jitter: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Bandwidth:
    """No more than this many bytes per second."""

    bytes_per_second: int


@dataclass(frozen=True, slots=True, kw_only=True)
class SlowClose:
    """The end of the connection arrives `seconds` later."""

    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Timeout:
    """Nothing gets through any more after `after_bytes`; the connection stays open."""

    after_bytes: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class ResetPeer:
    """After `after_bytes` the receiving side gets RST."""

    after_bytes: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Slicer:
    """Pieces are cut into parts of `size` bytes, give or take `variation`."""

    size: int
    variation: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class LimitData:
    """After `size` bytes the receiving side gets FIN."""

    size: int


Toxic = Latency | Bandwidth | SlowClose | Timeout | ResetPeer | Slicer | LimitData


class _End(Exception):
    """A toxic ends the connection."""

    def __init__(self, *, reset: bool) -> None:
        self.reset = reset


class _Pump:
    """One direction of one connection."""

    def __init__(
        self,
        source: socket.socket,
        sink: socket.socket,
        toxics: tuple[Toxic, ...],
        rng: random.Random,
        stopped: threading.Event,
    ) -> None:
        self._source, self._sink, self._toxics = source, sink, toxics
        self._rng, self._stopped = rng, stopped
        self._passed = 0

    def run(self) -> None:
        """Move bytes until either side, or a toxic, ends it."""
        try:
            while piece := self._source.recv(1 << 16):
                for part in self._cut(piece):
                    self._pass(part)
            for toxic in self._toxics:
                if isinstance(toxic, SlowClose):
                    self._stopped.wait(toxic.seconds)
            self._sink.shutdown(socket.SHUT_WR)
        except _End as end:
            self._finish(reset=end.reset)
        except ConnectionResetError:
            self._finish(reset=True)
        except OSError:
            self._finish(reset=False)

    def _finish(self, *, reset: bool) -> None:
        if reset:
            with suppress(OSError):
                self._sink.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                # The descriptor is closed by the connection's owner; that sends the RST.
        for sock in (self._sink, self._source):
            with suppress(OSError):
                sock.shutdown(socket.SHUT_RD) if reset else sock.shutdown(socket.SHUT_RDWR)

    def _cut(self, piece: bytes) -> Iterable[bytes]:
        slicer = next((t for t in self._toxics if isinstance(t, Slicer)), None)
        if slicer is None:
            yield piece
            return
        start = 0
        while start < len(piece):
            size = slicer.size + self._rng.randint(-slicer.variation, slicer.variation)
            yield piece[start : (start := start + max(1, size))]

    def _pass(self, part: bytes) -> None:
        for toxic in self._toxics:
            match toxic:
                case Latency():
                    delay = toxic.seconds + self._rng.uniform(-toxic.jitter, toxic.jitter)
                    self._stopped.wait(max(0.0, delay))
                case Bandwidth():
                    self._stopped.wait(len(part) / toxic.bytes_per_second)
                case Timeout() if self._passed + len(part) > toxic.after_bytes:
                    self._send(part[: max(0, toxic.after_bytes - self._passed)])
                    self._swallow()
                case ResetPeer() if self._passed + len(part) > toxic.after_bytes:
                    self._send(part[: max(0, toxic.after_bytes - self._passed)])
                    raise _End(reset=True)
                case LimitData() if self._passed + len(part) > toxic.size:
                    self._send(part[: max(0, toxic.size - self._passed)])
                    raise _End(reset=False)
                case _:
                    pass
        self._send(part)

    def _send(self, part: bytes) -> None:
        if part:
            self._sink.sendall(part)
            self._passed += len(part)

    def _swallow(self) -> None:
        while self._source.recv(1 << 16):
            pass
        raise _End(reset=False)


class FaultProxy:
    """Listens on a port of its own and forwards to `target`. Use as a context manager.

    `upward` is applied to what the connecting side sends, `downward` to what it receives. Both may
    be replaced at any time and count for later connections. `down` refuses further connections.
    """

    def __init__(
        self,
        target: tuple[str, int],
        *,
        upward: tuple[Toxic, ...] = (),
        downward: tuple[Toxic, ...] = (),
        seed: int = 1,
    ) -> None:
        self.target = target
        self.upward, self.downward = upward, downward
        # Decides per connection whether the toxics apply to it; the default is always.
        self.applies: Callable[[random.Random], bool] = lambda _: True
        self.connections = 0
        self._rng = random.Random(seed)
        self._stopped = threading.Event()
        self._threads: list[threading.Thread] = []
        self._sockets: list[socket.socket] = []
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=512)
        self.port = int(self._listener.getsockname()[1])
        self._accepting = threading.Thread(target=self._accept, daemon=True, name="fault")

    @property
    def url(self) -> str:
        """What an upstream's `urls` says of this proxy."""
        return f"http://127.0.0.1:{self.port}"

    def __enter__(self) -> Self:
        self._accepting.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.down()
        self._stopped.set()
        for sock in self._sockets:
            with suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join(20)

    def down(self) -> None:
        """Refuse connections from now on; those that exist live on."""
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._accepting.join(20)

    def _accept(self) -> None:
        while True:
            try:
                near, _ = self._listener.accept()
            except OSError:
                return
            self.connections += 1
            # Drawn here, by one thread in order of arrival: the same seed gives the same faults.
            rng = random.Random(self._rng.random())
            poisoned = self.applies(rng)
            thread = threading.Thread(
                target=self._serve,
                args=(
                    near,
                    self.upward if poisoned else (),
                    self.downward if poisoned else (),
                    rng,
                ),
                daemon=True,
            )
            self._threads.append(thread)
            thread.start()

    def _serve(
        self,
        near: socket.socket,
        upward: tuple[Toxic, ...],
        downward: tuple[Toxic, ...],
        rng: random.Random,
    ) -> None:
        try:
            far = socket.create_connection(self.target, timeout=20)
        except OSError:
            near.close()
            return
        far.settimeout(None)
        for sock in (near, far):
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._sockets.append(sock)
        seeds = (random.Random(rng.random()), random.Random(rng.random()))
        up = threading.Thread(
            target=_Pump(near, far, upward, seeds[0], self._stopped).run, daemon=True
        )
        up.start()
        _Pump(far, near, downward, seeds[1], self._stopped).run()
        up.join()
        for sock in (near, far):
            sock.close()
