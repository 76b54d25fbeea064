"""Memory and descriptors of a worker, measured from outside (http.md C13, D3, D6, 2A-35, 2C-72)."""

from __future__ import annotations

import gzip
import threading
from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from proxy.routing.route import Pool
from proxy.settings import MIB
from tests.rigs.raw_client import RawClient
from tests.rigs.scripted_origin import OK, Conversation, ScriptedOrigin, answer
from tests.rigs.worker_process import WorkerProcess
from tests.rigs.worker_thread import all_to
from tests.wire.conftest import SETTINGS, TIMEOUTS
from tests.wire.message_bytes import get, ok, post

SIZE = 96 * MIB
PIECE = bytes(range(256)) * 256  # 64 KiB
# What a worker may take on top of what it had after its first requests.
GROWTH = 24 * MIB


def transfer(conversation: Conversation) -> None:
    """Script: sends SIZE bytes to a GET, counts what a POST brings."""
    while True:
        head = conversation.read_head()
        if head.startswith(b"GET /large"):
            conversation.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % SIZE)
            for _ in range(SIZE // len(PIECE)):
                conversation.send(PIECE)
        elif head.startswith(b"GET /chunked"):
            conversation.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
            for _ in range(SIZE // len(PIECE)):
                conversation.send(b"%x\r\n%b\r\n" % (len(PIECE), PIECE))
            conversation.send(b"0\r\n\r\n")
        elif head.startswith(b"POST"):
            left = SIZE
            while left:
                piece = conversation.read_some()
                if not piece:
                    return
                left -= len(piece)
            conversation.send(OK)
        else:
            conversation.send(OK)
        conversation.received.clear()  # this process has to stay small as well


@pytest.fixture
def process() -> Iterator[WorkerProcess]:
    with ExitStack() as stack:
        origin = stack.enter_context(ScriptedOrigin(transfer))
        worker = stack.enter_context(WorkerProcess(all_to(origin.url, timeouts=TIMEOUTS), SETTINGS))
        with RawClient(worker.address) as client:
            for _ in range(20):
                client.send(get())
                assert client.read_response().status == 200
        yield worker


@pytest.mark.parametrize("target", [b"/large", b"/chunked"])
def test_C13_a_large_response_takes_no_memory(process: WorkerProcess, target: bytes) -> None:
    before = process.resident_bytes()
    with RawClient(process.address) as client:
        client.send(get(target))
        client.read_until(b"\r\n\r\n")
        received, most = client.buffered(), before
        while received < SIZE:
            piece = client.sock.recv(1 << 20)
            assert piece
            received += len(piece)
            most = max(most, process.resident_bytes())
    assert most - before < GROWTH


def test_C13_a_large_request_takes_no_memory(process: WorkerProcess) -> None:
    before = process.resident_bytes()
    with RawClient(process.address) as client:
        client.send(post(b"Content-Length: %d\r\n" % SIZE))
        most = before
        for _ in range(SIZE // len(PIECE)):
            client.send(PIECE)
            most = max(most, process.resident_bytes())
        assert client.read_response("POST").status == 200
    assert most - before < GROWTH


def test_C13_a_client_that_reads_nothing_takes_no_memory(process: WorkerProcess) -> None:
    before = process.resident_bytes()
    with ExitStack() as stack:
        clients = [
            stack.enter_context(RawClient(process.address, receive_buffer=4096)) for _ in range(20)
        ]
        for client in clients:
            client.send(get(b"/large"))
        for client in clients:
            client.read_until(b"\r\n\r\n")
        # Twenty responses of 96 MiB each are on offer; a second is time for gigabytes on loopback.
        threading.Event().wait(1.0)
        assert process.resident_bytes() - before < GROWTH


def test_D6_pipelined_requests_take_no_memory(process: WorkerProcess) -> None:
    before = process.resident_bytes()
    with RawClient(process.address) as client:
        count = 10_000
        sender = threading.Thread(target=client.send, args=(get() * count,))
        sender.start()
        most = before
        for number in range(count):
            client.read_until(b"\r\n\r\nok")
            if number % 100 == 0:
                most = max(most, process.resident_bytes())
        sender.join()
    assert most - before < GROWTH


def test_2C_72_a_compressed_bomb_stays_compressed(process: WorkerProcess) -> None:
    bomb = gzip.compress(bytes(256 * MIB), compresslevel=1)
    with ExitStack() as stack:
        origin = stack.enter_context(
            ScriptedOrigin(answer(ok(bomb, b"Content-Encoding: gzip\r\n")))
        )
        worker = stack.enter_context(WorkerProcess(all_to(origin.url), SETTINGS))
        before = worker.resident_bytes()
        client = stack.enter_context(RawClient(worker.address))
        client.send(get(fields=b"Accept-Encoding: gzip\r\n"))
        assert client.read_response().body == bomb
        assert worker.resident_bytes() - before < GROWTH


def test_2A_35_trailers_without_end_take_no_memory(process: WorkerProcess) -> None:
    before = process.resident_bytes()
    with RawClient(process.address) as client:
        client.send(post(b"Transfer-Encoding: chunked\r\n", b"5\r\nhello\r\n0\r\nX: "))
        for _ in range(2000):
            client.send_as_far_as_taken(PIECE[0x20:0x7F] * 100)
        assert process.resident_bytes() - before < GROWTH


def test_D3_a_worker_that_runs_out_of_descriptors_pauses_and_serves_on() -> None:
    """256 descriptors, 400 connections: those over the room wait, none is refused, no spinning."""
    with ExitStack() as stack:
        origin = stack.enter_context(ScriptedOrigin())
        worker = stack.enter_context(
            WorkerProcess(all_to(origin.url, timeouts=TIMEOUTS), SETTINGS, descriptors=256)
        )
        clients = [stack.enter_context(RawClient(worker.address)) for _ in range(400)]
        served: set[RawClient] = set()
        for client in clients:
            client.send(get())
        # Those that were taken answer; each that leaves makes room for one that waits.
        for client in clients:
            assert client.read_response().status == 200
            served.add(client)
            client.close()
        assert len(served) == 400
        assert worker.open_descriptors() < 256
        before = worker.cpu_seconds()
        threading.Event().wait(0.5)
        assert worker.cpu_seconds() - before < 0.25


def test_leaving_clients_leave_no_descriptors_behind() -> None:
    with ExitStack() as stack:
        origin = stack.enter_context(ScriptedOrigin())
        worker = stack.enter_context(
            WorkerProcess(all_to(origin.url, pool=Pool(idle_seconds=0.2)), SETTINGS)
        )
        with RawClient(worker.address) as client:
            client.send(get())
            assert client.read_response().status == 200
            baseline = worker.open_descriptors()
            for number in range(300):
                other = RawClient(worker.address)
                other.send((get(), post(b"Content-Length: 9\r\n", b"abc"), b"GET /")[number % 3])
                other.reset() if number % 2 else other.close()
            done = threading.Event()
            for _ in range(400):
                if worker.open_descriptors() <= baseline:
                    break
                done.wait(0.05)
            assert worker.open_descriptors() <= baseline
            client.send(get())
            assert client.read_response().status == 200
