"""Shadow traffic when processes die or freeze: the books balance, and no client notices."""

from __future__ import annotations

import os
import signal
import threading
from pathlib import Path

import pytest

from tests.journeys.figway_process import FigwayProcess
from tests.journeys.shadow_stand import (
    BODY,
    Stand,
    ask,
    client,
    get,
    pid_of_observer,
    report,
    response,
    settled,
    stand,
)
from tests.rigs.scripted_origin import Conversation, answer

__all__ = ["stand"]


def test_the_observer_gives_its_processor_to_any_worker(stand: Stand) -> None:
    figway = stand.start()
    observer = pid_of_observer(figway)
    assert os.sched_getscheduler(observer) == os.SCHED_IDLE
    for worker in figway.worker_pids():
        assert os.sched_getscheduler(worker) == os.SCHED_OTHER
        # In another session a policy would mean nothing to a worker (sched(7), autogroup).
        assert os.getsid(worker) == os.getsid(observer)


def kill(figway: FigwayProcess, which: str) -> None:
    """End processes without a warning, and wait for their successors."""
    victims = []
    if which in ("observer", "both"):
        victims.append(pid_of_observer(figway))
    if which in ("worker", "both"):
        victims += figway.worker_pids()
    for pid in victims:
        os.kill(pid, signal.SIGKILL)

    def replaced() -> bool:
        status = figway.status()
        now = [status["observer"]["pid"], *(w["pid"] for w in status["workers"])]
        return (
            not set(now) & set(victims)
            and status["observer"]["state"] == "ready"
            and len(status["workers"]) == 2
            and all(w["state"] == "ready" for w in status["workers"])
        )

    figway.wait_until(replaced)


@pytest.mark.parametrize("which", ["observer", "worker", "both"])
def test_the_books_balance_after_a_kill(stand: Stand, which: str) -> None:
    slow = threading.Event()

    def held(conversation: Conversation) -> None:
        while True:
            request = conversation.read_request()
            if b"held" in request.target:
                slow.wait(20)
            conversation.send(response())

    stand.new.script = held
    figway = stand.start()
    for number in range(30):
        assert ask(figway, get(f"/item/{number}")).status == 200
    assert settled(figway, 30) == {"match": 30}
    # Five are in the middle of it when it happens.
    for number in range(5):
        assert ask(figway, get(f"/item/held{number}")).status == 200
    stand.new.wait_for_requests(35)
    # What a worker has not told of yet when it dies, nobody knows of.
    figway.wait_until(lambda: report(figway)["eligible"] == 35)
    kill(figway, which)
    slow.set()
    for number in range(30):
        assert ask(figway, get(f"/item/{number}")).status == 200
    found = settled(figway, 65)
    if which == "worker":
        assert found == {"match": 65}
    else:
        # Where both are gone, what had not left the worker cannot be told from what had.
        assert found == {"match": 60, "shed": 5}
        assert report(figway)["outcome_details"]["shed"] == {"observer_lost": 5}


def test_a_worker_that_dies_takes_no_open_exchange_with_it_unseen(stand: Stand) -> None:
    """The primary is in the middle of its answer: what was opened ends as worker_lost."""
    release = threading.Event()

    def slow_body(conversation: Conversation) -> None:
        conversation.read_request()
        conversation.send(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nab")
        release.wait(20)
        conversation.send(b"cd")

    stand.legacy.script = slow_body
    figway = stand.start()
    with client(figway) as connection:
        connection.send(get("/item/1"))
        stand.new.wait_for_requests(1)
        kill(figway, "worker")
    release.set()
    settled(figway, 1)
    assert report(figway)["outcome_details"]["aborted"] == {"worker_lost": 1}


def test_a_frozen_observer_costs_clients_nothing_and_is_counted(stand: Stand) -> None:
    body = b"x" * 200_000
    stand.legacy.script = answer(response(body))
    figway = stand.start()
    ask(figway, get("/item/0"))
    settled(figway, 1)
    pid = pid_of_observer(figway)
    os.kill(pid, signal.SIGSTOP)
    try:
        with client(figway) as connection:
            for number in range(300):
                connection.send(get(f"/item/{number}"))
                assert connection.read_response("GET").body == body
    finally:
        os.kill(pid, signal.SIGCONT)
    found = settled(figway, 301)
    assert found["shed"] > 0


def test_an_observer_that_cannot_start_is_seen_and_costs_nothing(stand: Stand) -> None:
    (stand.folder / "state").mkdir(mode=0o700)
    # The store cannot be made where a directory stands.
    (stand.folder / "state" / "evidence.sqlite3").mkdir()
    figway = FigwayProcess(stand.folder)
    stand.started.append(figway)
    figway.serving()
    for number in range(5):
        assert ask(figway, get(f"/item/{number}")).body == BODY
    figway.wait_for("observer_died", 2)
    status = figway.run("status")
    assert status.code == 0
    assert "observer" in status.out
    assert figway.api("/api/v1/shadow/report").status == 503
    assert figway.metric("figway_observer_up") == 0
    assert figway.stop() == 0


def test_a_frozen_observer_does_not_hold_up_the_stop(stand: Stand) -> None:
    stand.write(shared="{loop_lag_shed: 0s, deadline: 500ms}")
    figway = stand.start()
    pid = pid_of_observer(figway)
    os.kill(pid, signal.SIGSTOP)
    ask(figway, get("/item/1"))
    assert figway.stop() == 0
    assert figway.events("observer_cut_short")
    assert not Path(f"/proc/{pid}").exists()


def test_evidence_survives_the_death_of_the_supervisor(stand: Stand) -> None:
    figway = stand.start()
    for number in range(20):
        ask(figway, get(f"/item/{number}"))
    figway.signal(signal.SIGKILL)
    figway.wait()
    again = stand.start()
    ask(again, get("/item/20"))
    assert settled(again, 21) == {"match": 21}
