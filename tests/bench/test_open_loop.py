"""The open-loop client: its rate is its own, and waiting for a connection counts."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path

import pytest

from bench import open_loop
from bench.open_loop import OpenLoop, OpenLoopClient, nearest_rank
from bench.processes import HarnessError
from bench.visitors import write_visitors

ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
REQUEST = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"


@contextmanager
def server(answer: Callable[[int], bytes]) -> Iterator[tuple[int, list[int]]]:
    """A server that answers request N with `answer(N)`, and who asked; b"end" ends a connection."""
    asked: list[int] = []
    lock = threading.Lock()
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve(peer: socket.socket) -> None:
            # The client resets its connections.
            with peer, suppress(OSError):
                while b"\r\n\r\n" in peer.recv(65536):
                    with lock:
                        asked.append(peer.fileno())
                        given = answer(len(asked))
                    peer.sendall(given.removesuffix(b"end"))
                    if given.endswith(b"end"):
                        return

        def accept() -> None:
            while True:
                try:
                    peer, _ = listener.accept()
                except OSError:
                    return
                threading.Thread(target=serve, args=(peer,), daemon=True).start()

        threading.Thread(target=accept, daemon=True).start()
        yield listener.getsockname()[1], asked
        listener.shutdown(socket.SHUT_RDWR)


@pytest.mark.parametrize(
    ("percentile", "expected"), [(0, 1), (50, 5), (90, 9), (91, 10), (99, 10), (100, 10)]
)
def test_the_percentile_is_that_of_the_nearest_rank(percentile: float, expected: int) -> None:
    assert nearest_rank(range(1, 11), percentile) == expected


@pytest.mark.parametrize("behind", [False, True])
def test_it_asks_as_often_as_told_and_reports_every_answer(tmp_path: Path, *, behind: bool) -> None:
    visitors = write_visitors(tmp_path / "visitors", 19, 10)
    with (
        server(lambda _: ANSWER) as (port, asked),
        server(lambda _: ANSWER) as (other, asked_other),
        OpenLoopClient(visitors, rate=200, core=None, behind=behind) as client,
    ):
        reports = [client.run(each, 0.25) for each in (port, other, port)]
    for report in reports:
        assert (len(report.latencies), report.errors) == (50, 0)
        assert list(report.latencies) == sorted(report.latencies)
        assert report.latency(50) <= report.latency(99)
    assert (len(asked), len(asked_other)) == (100, 50)


def test_a_server_that_hangs_is_asked_all_the_same_and_counts_with_all_its_time(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(open_loop, "PATIENCE", 0.2)
    monkeypatch.setattr(open_loop, "CONNECTIONS", 4)
    with (
        server(lambda _: b"") as (port, asked),
        closing(OpenLoop(port, [REQUEST], rate=100)) as loop,
    ):
        loop.run(0.2)
    # Four have a connection; the others wait for one, and the clock of each runs.
    assert len(asked) == 4
    assert loop.errors == len(loop.taken) == 20
    assert min(loop.taken) >= 0.2e9


def test_who_was_not_answered_in_one_turn_is_forgotten_in_the_next(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(open_loop, "PATIENCE", 0.2)
    monkeypatch.setattr(open_loop, "CONNECTIONS", 4)
    with (
        server(lambda number: b"" if number <= 4 else ANSWER) as (port, asked),
        closing(OpenLoop(port, [REQUEST], rate=100)) as loop,
    ):
        loop.run(0.2)
        assert loop.errors == 20
        loop.run(0.1)
    assert (loop.errors, len(loop.taken), len(asked)) == (0, 10, 14)


@pytest.mark.parametrize(
    ("wrong", "errors"),
    [
        pytest.param(ANSWER.replace(b"200 OK", b"500 No"), 1, id="another_status"),
        pytest.param(b"end", 1, id="a_connection_that_ends"),
    ],
)
def test_what_fails_is_counted_and_the_rest_goes_on(wrong: bytes, errors: int) -> None:
    with (
        server(lambda number: wrong if number == 3 else ANSWER) as (port, _),
        closing(OpenLoop(port, [REQUEST], rate=100)) as loop,
    ):
        loop.run(0.2)
    assert loop.errors == errors
    assert len(loop.taken) == 20


@pytest.mark.parametrize(("idle", "errors"), [(0.0, 0), (60.0, 4)])
def test_a_connection_that_the_server_may_have_closed_is_not_used_again(
    monkeypatch: pytest.MonkeyPatch, idle: float, errors: int
) -> None:
    monkeypatch.setattr(open_loop, "IDLE", idle)
    with (
        server(lambda _: ANSWER + b"end") as (port, _),
        closing(OpenLoop(port, [REQUEST], rate=10)) as loop,
    ):
        loop.run(0.75)
    # Every other one finds the connection closed.
    assert (loop.errors, len(loop.taken)) == (errors, 8)


def test_an_answer_may_come_in_pieces() -> None:
    large = b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n" + b"x" * 1_000_000
    with (
        server(lambda _: large) as (port, _),
        closing(OpenLoop(port, [REQUEST], rate=100)) as loop,
    ):
        loop.run(0.1)
    assert (loop.errors, len(loop.taken)) == (0, 10)


def test_a_process_that_cannot_ask_says_why(tmp_path: Path) -> None:
    visitors = write_visitors(tmp_path / "visitors", 19, 10)
    with (
        server(lambda _: b"HTTP/1.1 200 OK\r\n\r\n") as (port, _),
        OpenLoopClient(visitors, rate=100, core=None) as client,
        pytest.raises(HarnessError, match="without Content-Length"),
    ):
        client.run(port, 0.1)
