"""A crowd is counted by what it really got: refused and lost visitors show."""

from __future__ import annotations

import asyncio

import pytest

from bench import crowd
from bench.crowd import Crowd

ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


class Host:
    """A server that answers the first `patience` connections, and each of them `answers` times."""

    def __init__(self, *, patience: int, answers: int) -> None:
        self._patience = patience
        self._answers = answers
        self._seen = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._seen += 1
        if self._seen <= self._patience:
            for _ in range(self._answers):
                await reader.readuntil(b"\r\n\r\n")
                writer.write(ANSWER)
        else:
            await reader.read()
        writer.close()


async def visit_all(host: Host, size: int) -> tuple[int, int]:
    server = await asyncio.start_server(host.serve, "127.0.0.1", 0)
    async with server, Crowd(server.sockets[0].getsockname()[1], size) as visitors:
        return visitors.served, await visitors.ask_everyone()


async def test_everyone_served_and_served_again() -> None:
    assert await visit_all(Host(patience=20, answers=2), 20) == (20, 20)


async def test_a_server_that_hangs_up_on_idle_visitors_loses_them() -> None:
    assert await visit_all(Host(patience=20, answers=1), 20) == (20, 0)


async def test_visitors_that_are_never_served_are_not_counted(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(crowd, "PATIENCE_SECONDS", 0.5)
    monkeypatch.setattr(crowd, "ANSWER_SECONDS", 0.1)
    served, _ = await visit_all(Host(patience=15, answers=2), 20)
    assert served == 15
