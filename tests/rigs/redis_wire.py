"""A wire to a Redis that fails exactly where a test says: by connection, by kind of message."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import Self

_MESSAGE = b"*3\r\n$7\r\nmessage\r\n"


class RedisWire:
    """Forwards a port of its own to a Redis. A connection that subscribes is the subscription.

    `deaf`: nothing reaches a subscriber any more, and its connection stays open.
    `mute`: messages do not reach it, answers to its pings do.
    `cut()`: every connection is reset; new ones are taken.
    """

    def __init__(self, port: int) -> None:
        self._target = port
        self.port = 0
        self.deaf = False
        self.mute = False
        self.subscriptions = 0
        self._server: asyncio.Server | None = None
        self._writers: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def url(self) -> str:
        """The Redis behind it."""
        return f"redis://127.0.0.1:{self.port}"

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = int(self._server.sockets[0].getsockname()[1])
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._server is not None
        self._server.close()
        self.cut()
        for task in tuple(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def lead_to(self, port: int) -> None:
        """New connections go there; those that exist stay where they are."""
        self._target = port

    def cut(self) -> None:
        """Reset all connections there are."""
        for writer in tuple(self._writers):
            writer.transport.abort()

    async def _serve(self, near: asyncio.StreamReader, back: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        forth: asyncio.StreamWriter | None = None
        try:
            far, forth = await asyncio.open_connection("127.0.0.1", self._target)
            self._writers |= {back, forth}
            subscribed = asyncio.Event()
            down = asyncio.create_task(self._down(far, back, subscribed))
            self._tasks.add(down)
            await self._up(near, forth, subscribed)
        except OSError:
            pass
        finally:
            for writer in (back, forth):
                if writer is not None:
                    self._writers.discard(writer)
                    writer.transport.abort()
            self._tasks.discard(task)

    async def _up(
        self, near: asyncio.StreamReader, forth: asyncio.StreamWriter, subscribed: asyncio.Event
    ) -> None:
        while piece := await near.read(1 << 16):
            if b"\r\nSUBSCRIBE\r\n" in piece:
                self.subscriptions += 1
                subscribed.set()
            forth.write(piece)

    async def _down(
        self, far: asyncio.StreamReader, back: asyncio.StreamWriter, subscribed: asyncio.Event
    ) -> None:
        with suppress(OSError):
            while piece := await far.read(1 << 16):
                if subscribed.is_set() and (self.deaf or (self.mute and _MESSAGE in piece)):
                    continue
                back.write(piece)
        back.transport.abort()
