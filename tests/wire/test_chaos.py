"""A quarter of a minute of everything at once: nothing hangs, leaks, mixes up or runs twice.

Seeded, so that a run can be repeated; threads make it no more than nearly the same.
"""

from __future__ import annotations

import gc
import os
import random
import re
import socket
import struct
import threading
import time
from collections import Counter
from contextlib import ExitStack, suppress
from pathlib import Path

import pytest

from flags.snapshot import NOTHING_SET, FlagSnapshot
from proxy.handover import Closed, Ended, Opened, Unpacker, Whole
from proxy.http1.client_side import ClientConnection
from proxy.http1.request import Request
from proxy.http1.upstream_side import UpstreamConnection
from proxy.journey import Journey
from proxy.routing.route import (
    Fallback,
    FallbackCause,
    Match,
    PathKind,
    PathMatch,
    Pool,
    Route,
    RouteFile,
    Timeouts,
    Upstream,
)
from proxy.settings import Deadlines, Settings
from proxy.shadow_policy import DispatchAt, ObserverPolicy, ShadowPolicy, WriteMode
from proxy.stages import Side, Stage
from proxy.tee.copy import Copy
from tests.rigs.scripted_observer import ScriptedObserver
from tests.rigs.scripted_origin import Conversation, ScriptedOrigin
from tests.rigs.worker_thread import CATCH_ALL, WorkerThread, all_to
from tests.wire.message_bytes import in_chunks

SEED = 20261122
SECONDS = 9.0
CLIENTS = 12
# All deadlines below together, and then some: a connection that is still open has been forgotten.
FORGOTTEN = 20.0

DEADLINES = Deadlines(
    header=0.8,
    body_idle=0.8,
    keep_alive=0.6,
    write=1.5,
    linger=1.0,
    linger_idle=0.4,
    tunnel_idle=0.8,
)
TIMEOUTS = Timeouts(connect=0.5, first_byte=0.8, idle=0.8, queue=0.3, write=1.0)
OBJECTS = (ClientConnection, UpstreamConnection, Journey, Request, Copy)


class Origin:
    """Answers, or does not, as the dice fall; writes down what it was asked to do."""

    def __init__(self, seed: int) -> None:
        self._seed = seed
        self._lock = threading.Lock()
        self.executed: Counter[bytes] = Counter()

    def play(self, conversation: Conversation) -> None:
        """Script: one connection."""
        dice = random.Random(self._seed + conversation.number)
        while True:
            head = conversation.read_head()
            number = re.search(rb"X-Number: (\d+)\r\n", head)
            mark = number[0] if number else b""
            if head.startswith(b"POST") and number:
                with self._lock:
                    self.executed[number[1]] += 1
            if dice.random() < 0.1 and not self._misbehave(conversation, dice, mark):
                return
            # The end of a chunked body that is not read passes for a head, and answering that is an
            # answer to nobody: if it meets the next request, no proxy can tell.
            must = b"Transfer-Encoding: chunked" in head
            if (must or dice.random() < 0.9) and not self._read_body(conversation, head):
                return
            if b"Upgrade: websocket" in head and dice.random() < 0.7:
                self._tunnel(conversation, dice)
                return
            if not self._answer(conversation, dice, head, mark):
                return

    def _read_body(self, conversation: Conversation, head: bytes) -> bool:
        length = re.search(rb"Content-Length: (\d+)\r\n", head)
        if length:
            conversation.read_exactly(int(length[1]))
        elif b"Transfer-Encoding: chunked" in head:
            conversation._read_chunked()
        return True

    def _misbehave(self, conversation: Conversation, dice: random.Random, mark: bytes) -> bool:
        match dice.randrange(7):
            case 0:
                conversation.reset()
            case 1:
                conversation.half_close()
            case 2:
                threading.Event().wait(dice.choice([0.3, 1.2]))
                return True
            case 3:
                conversation.send(
                    b"HTTP/1.1 200 OK\r\n" + mark + b"Content-Length: 9000\r\n\r\nshort"
                )
            case 4:
                conversation.send(b"HTTP/1.1 200 OK\r\n" + mark + b"Content-Length: 1\r\n\r\nxy")
            case 5:
                conversation.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n")
            case _:
                conversation.send(
                    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nnot a size"
                )
        return False

    def _tunnel(self, conversation: Conversation, dice: random.Random) -> None:
        conversation.send(
            b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n"
        )
        match dice.randrange(4):
            case 0:
                conversation.send(b"f" * dice.randrange(1, 400_000))
            case 1:
                conversation.half_close()
                conversation.read_to_end()
            case 2:
                while piece := conversation.read_some():
                    conversation.send(piece)
            case _:
                conversation.reset()

    def _answer(
        self, conversation: Conversation, dice: random.Random, head: bytes, mark: bytes
    ) -> bool:
        body = b"" if head.startswith(b"HEAD") else b"b" * dice.choice([0, 1, 50, 3000, 300_000])
        if dice.random() < 0.1:
            conversation.send(b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n")
        status = dice.choice([b"200 OK"] * 8 + [b"503 Busy"])
        first = b"HTTP/1.1 %b\r\n%b" % (status, mark)
        match dice.randrange(5):
            case 0:
                trailers = dice.choice([b"", b"X-T: 1\r\n"])
                answer = first + b"Transfer-Encoding: chunked\r\n\r\n"
                if not head.startswith(b"HEAD"):
                    answer += in_chunks(body, trailers=trailers)
            case 1:
                conversation.send(first + b"\r\n" + body)
                conversation.half_close()
                return False
            case 2:
                answer = b"HTTP/1.1 304 Not Modified\r\n" + mark + b"\r\n"
            case _:
                answer = first + b"Content-Length: %d\r\n\r\n" % len(body) + body
        if len(answer) < 200 and dice.random() < 0.2:
            conversation.send(*(answer[i : i + 1] for i in range(len(answer))))
        else:
            conversation.send(answer)
        return dice.random() > 0.1


class Client:
    """One thread of connections, each of which has to come to an end."""

    def __init__(self, name: int, address: tuple[str, int], until: float) -> None:
        self._dice = random.Random(SEED * 1000 + name)
        self._address = address
        self._until = until
        self._next = name * 1_000_000
        self.connections = 0
        self.answers = 0
        self.wrong: list[str] = []

    def run(self) -> None:
        """Open connections until the time is over."""
        while time.monotonic() < self._until and not self.wrong:
            self._connection()
            self.connections += 1

    def _request(self) -> bytes:
        dice = self._dice
        self._next += 1
        path = dice.choice([b"/legacy", b"/new/page", b"/new/fallback"])
        version = b"1.0" if dice.random() < 0.1 else b"1.1"
        fields = b"Host: a\r\nX-Number: %d\r\n" % self._next
        fields += dice.choice(
            [b"", b"", b"", b"Connection: keep-alive\r\n", b"Connection: TE\r\nTE: trailers\r\n"]
        )
        kind = dice.randrange(10)
        if kind < 5:
            method = dice.choice([b"GET", b"GET", b"HEAD"])
            return b"%b %b HTTP/%b\r\n%b\r\n" % (method, path, version, fields)
        if kind == 5:
            fields += b"Connection: Upgrade\r\nUpgrade: %b\r\n" % dice.choice(
                [b"websocket", b"h2c"]
            )
            return b"GET %b HTTP/1.1\r\n%b\r\n" % (path, fields)
        body = b"u" * dice.choice([0, 5, 2000, 200_000])
        if dice.random() < 0.2 and version == b"1.1":
            fields += b"Expect: 100-continue\r\n"
        if kind < 8 or version == b"1.0":
            fields += b"Content-Length: %d\r\n" % len(body)
        else:
            fields += b"Transfer-Encoding: chunked\r\n"
            body = in_chunks(body[:3], body[3:])
        return b"POST %b HTTP/%b\r\n%b\r\n%b" % (path, version, fields, body)

    def _connection(self) -> None:
        dice = self._dice
        first = self._next + 1
        data = b"".join(self._request() for _ in range(dice.choice([1, 1, 1, 2, 3, 30])))
        match dice.randrange(12):
            case 0:
                data += dice.choice([b"GET  / HTTP/1.1\r\n\r\n", b"\x00", b"POST / HTTP/1.1\r\nHo"])
            case 1:
                data = data[: dice.randrange(len(data))]
            case _:
                pass
        leave = dice.randrange(10)
        with socket.socket() as sock:
            if dice.random() < 0.2:
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            sock.settimeout(FORGOTTEN)
            received = b""
            try:
                sock.connect(self._address)
                if len(data) < 1000 and dice.random() < 0.2:
                    for index in range(len(data)):
                        sock.send(data[index : index + 1])
                else:
                    # What is not taken is not sent: a client that does nothing but send would wait
                    # for a proxy that waits for it to read.
                    sock.setblocking(False)
                    with suppress(BlockingIOError):
                        sock.send(data)
                    sock.settimeout(FORGOTTEN)
                if leave == 0:
                    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                    threading.Event().wait(dice.choice([0.0, 0.01, 0.1]))
                    return
                if leave in (1, 3, 4, 5, 6):
                    sock.shutdown(socket.SHUT_WR)
                if leave == 2:
                    threading.Event().wait(dice.choice([0.0, 0.01, 0.1]))
                    return
                slow = dice.random() < 0.1
                while piece := sock.recv(1 << 16):
                    received += piece
                    if slow:
                        threading.Event().wait(0.002)
            except TimeoutError:
                self.wrong.append(f"forgotten: {data[:300]!r} got {received[-300:]!r}")
            except OSError:
                pass
        self._judge(first, received)

    def _judge(self, first: int, received: bytes) -> None:
        numbers = [int(n) for n in re.findall(rb"X-Number: (\d+)\r\n", received)]
        self.answers += len(numbers)
        if numbers != sorted(set(numbers)) or any(n < first or n > self._next for n in numbers):
            self.wrong.append(f"{first}..{self._next} was answered by {numbers}")


class Onlooker:
    """An observer that reads in fits and starts, leaves when it likes, and keeps count."""

    def __init__(self, seed: int) -> None:
        self._seed = seed
        self._lock = threading.Lock()
        self.taken = 0

    def watch(self, sock: socket.socket, over: threading.Event) -> None:
        """Manner: one connection. What was not opened can be neither closed nor ended."""
        dice = random.Random(self._seed)
        unpacker, opened = Unpacker(), set()
        while not over.is_set():
            with self._lock:
                self._seed += 1
            match dice.randrange(60):
                case 0:
                    return
                case 1:
                    over.wait(dice.choice([0.01, 0.3]))
                case _:
                    pass
            try:
                data = sock.recv(dice.choice([100, 5000, 1 << 18]))
            except OSError:
                return
            if not data:
                return
            for frame in unpacker.feed(data):
                match frame:
                    case Opened(request=request):
                        assert request.id not in opened
                        opened.add(request.id)
                    case Closed(id=number) | Ended(id=number):
                        opened.remove(number)
                    case _:
                        pass
                with self._lock:
                    self.taken += isinstance(frame, Opened | Whole)


def table(
    legacy: ScriptedOrigin, new: ScriptedOrigin, pool: Pool, sample: float = 0.0
) -> RouteFile:
    """Two origins; some routes fall back. Another `pool` is another upstream to the worker."""

    def route(name: str, path: str, fallback: Fallback | None = None) -> Route:
        match = Match(path=PathMatch(kind=PathKind.PREFIX, value=path))
        shadow = ShadowPolicy(
            sample=sample,
            writes=WriteMode.RECORD,
            dispatch=DispatchAt.CONCURRENT if fallback else DispatchAt.ON_RESPONSE,
        )
        return Route(
            id=name, match=match, new="new", stage=Stage.LIVE, fallback=fallback, shadow=shadow
        )

    return RouteFile(
        upstreams=(
            Upstream(
                name="legacy", side=Side.LEGACY, urls=(legacy.url,), timeouts=TIMEOUTS, pool=pool
            ),
            # One of its two addresses is nobody's.
            Upstream(
                name="new",
                side=Side.NEW,
                urls=(new.url, "http://127.0.0.1:1"),
                timeouts=TIMEOUTS,
                pool=pool,
            ),
        ),
        routes=(
            route("fallback", "/new/fallback", Fallback(when=tuple(FallbackCause))),
            route("page", "/new/page"),
            CATCH_ALL,
        ),
        shadow=ObserverPolicy(max_body=100_000),
        revision="chaos",
    )


def descriptors() -> int:
    return len(os.listdir("/proc/self/fd"))


def alive() -> Counter[str]:
    gc.collect()
    return Counter(type(o).__name__ for o in gc.get_objects() if isinstance(o, OBJECTS))


@pytest.mark.parametrize("sample", [0.0, 1.0], ids=["alone", "shadowed"])
def test_under_chaos_everything_ends_and_nothing_is_left(sample: float, tmp_path: Path) -> None:
    with ScriptedOrigin() as origin, WorkerThread(all_to(origin.url), Settings()):
        pass  # what libuv opens once in a process is no leak
    before, alive_before = descriptors(), alive()
    dice = random.Random(SEED)
    scripts = [Origin(SEED + 1), Origin(SEED + 2)]
    with ExitStack() as stack:
        legacy, new = (stack.enter_context(ScriptedOrigin(s.play)) for s in scripts)
        pools = [Pool(connections=6, waiting=20, idle_seconds=0.4), Pool(connections=5, waiting=20)]
        onlooker = Onlooker(SEED)
        observer = stack.enter_context(ScriptedObserver(tmp_path / "observer", onlooker.watch))
        proxy = stack.enter_context(
            WorkerThread(
                table(legacy, new, pools[0], sample),
                Settings(deadlines=DEADLINES, access_log="off", state_max_age=0),
                observer=str(observer.path) if sample else "",
            )
        )
        until = time.monotonic() + SECONDS
        clients = [Client(n + 1, proxy.address, until) for n in range(CLIENTS)]
        threads = [threading.Thread(target=client.run, daemon=True) for client in clients]
        for thread in threads:
            thread.start()
        while time.monotonic() < until:
            threading.Event().wait(dice.uniform(0.05, 0.4))
            match dice.randrange(4):
                case 0:
                    proxy.change(
                        flags=dice.choice(
                            [
                                NOTHING_SET,
                                FlagSnapshot(rollback_all=True),
                                FlagSnapshot(shadow_paused=True),
                            ]
                        )
                    )
                case 1:
                    proxy.change(routes=table(legacy, new, dice.choice(pools), sample))
                case 2:
                    proxy.ask(lambda: time.sleep(0.2))
                case _:
                    pass
        for thread in threads:
            thread.join(FORGOTTEN + SECONDS)
        assert [line for client in clients for line in client.wrong] == []
        assert not any(thread.is_alive() for thread in threads)

        def left() -> tuple[int, ...]:
            worker = proxy.worker
            ends = [e for p in (*worker._pools.values(), *worker._retired) for e in p.endpoints]
            shared = worker.wire
            return (
                len(shared.clients),
                shared.in_flight,
                shared.tunnels,
                sum(abs(e.busy) for e in ends),
                sum(abs(e.connecting) for e in ends),
                sum(len(e.waiting) for e in ends),
                len(worker._retired),
            )

        for _ in range(250):
            if not any(proxy.ask(left)):
                break
            threading.Event().wait(0.02)
        assert proxy.ask(left) == (0,) * 7
        assert proxy.unhandled == []
        books = proxy.ask(proxy.worker.books.all)
        assert [b for b in books if b.under_way != 0] == []
        assert proxy.ask(lambda: proxy.worker.outlet.held) == 0
        assert onlooker.taken <= sum(b.handed for b in books)
        if sample:
            # Much was handed over, some was not, and some of what was opened never closed.
            assert onlooker.taken > 100
            assert {o.value for b in books for o, _ in b.ended} == {"shed", "aborted"}
            assert observer.connections > 2
        # The chaos was one: most of it came through, and much of it did not.
        assert sum(client.connections for client in clients) > 100
        assert sum(client.answers for client in clients) > 100
        for script in scripts:
            assert {n: c for n, c in script.executed.items() if c > 1} == {}
    assert alive() - alive_before == Counter()
    assert descriptors() <= before
