"""Shadow traffic over the assembled program: no client ever notices, and the books balance."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from tests.journeys.figway_process import FigwayProcess
from tests.rigs.raw_client import RawClient, Response
from tests.rigs.scripted_origin import (
    Conversation,
    Script,
    ScriptedOrigin,
    answer,
    answer_then_reset,
    closed_port,
    never_answer,
    reset_at_once,
)

BODY = b'{"sku": "T-800", "price": 12.5, "tags": ["a", "b"]}'


def response(body: bytes = BODY, *, status: int = 200, more: bytes = b"") -> bytes:
    return b"HTTP/1.1 %d X\r\nContent-Type: application/json\r\n%bContent-Length: %d\r\n\r\n%b" % (
        status,
        more,
        len(body),
        body,
    )


ROUTES = """\
version: 1
shadow: {shared}
upstreams:
  legacy: {{role: legacy, urls: ["{legacy}"]}}
  catalog: {{urls: ["{new}"], version: "1"}}
routes:
  - id: item
    match: {{path: {{prefix: /item}}}}
    new: catalog
    stage: {stage}
    shadow: {{{shadow}}}
  - id: plain
    match: {{path: {{prefix: /plain}}}}
    new: catalog
    stage: shadow
  - id: monolith
    match: {{path: {{prefix: /}}}}
"""
# A busy machine is no reason to shed in a test, and legacy is asked no more than the test does.
SHARED = "{loop_lag_shed: 0s, deadline: 5s}"
SHADOW = "sample: 100%, aa: {rate: 0%, on_mismatch: false}"


@dataclass
class Stand:
    """Two scripted origins, a folder, and figways over them."""

    legacy: ScriptedOrigin
    new: ScriptedOrigin
    folder: Path
    started: list[FigwayProcess] = field(default_factory=list)

    def write(
        self,
        *,
        stage: str = "shadow",
        shadow: str = SHADOW,
        shared: str = SHARED,
        new: str = "",
        flags: str = "rollback: false\n",
    ) -> None:
        text = ROUTES.format(
            legacy=self.legacy.url,
            new=new or self.new.url,
            stage=stage,
            shadow=shadow,
            shared=shared,
        )
        (self.folder / "routes.yaml").write_text(text)
        (self.folder / "flags.yaml").write_text(flags)

    def start(self, **options: Any) -> FigwayProcess:
        figway = FigwayProcess(self.folder, **options)
        self.started.append(figway)
        figway.serving()
        figway.wait_until(lambda: figway.status()["observer"]["state"] == "ready")
        return figway


@pytest.fixture
def stand(tmp_path: Path) -> Iterator[Stand]:
    with ExitStack() as stack:
        legacy = stack.enter_context(ScriptedOrigin(answer(response())))
        new = stack.enter_context(ScriptedOrigin(answer(response())))
        made = Stand(legacy, new, tmp_path)
        made.write()
        yield made
        for figway in made.started:
            figway.close()


def client(figway: FigwayProcess) -> RawClient:
    host, _, port = figway.listen.rpartition(":")
    return RawClient((host, int(port)))


def get(target: str, *fields: str) -> bytes:
    lines = "".join(f"{line}\r\n" for line in fields)
    return f"GET {target} HTTP/1.1\r\nHost: shop.example\r\n{lines}\r\n".encode()


def ask(figway: FigwayProcess, request: bytes) -> Response:
    with client(figway) as connection:
        connection.send(request)
        return connection.read_response(request.partition(b" ")[0].decode())


def report(figway: FigwayProcess) -> dict[str, Any]:
    """The evidence of the route `item`."""
    answered = figway.api("/api/v1/shadow/report?route=item")
    assert answered.status == 200, answered.body
    (found,) = answered.json["routes"]
    return dict(found)


def is_balanced(found: dict[str, Any]) -> bool:
    """Whether every eligible request has its one outcome, or is known to be under way."""
    settled = sum(found["outcomes"].values())
    return bool(found["eligible"] == settled + found["pending"] and not found["unaccounted"])


def settled(figway: FigwayProcess, eligible: int) -> dict[str, int]:
    """Wait until so many requests have ended; return the outcomes that came at all."""

    def whole() -> dict[str, Any] | None:
        found = report(figway)
        return found if found["eligible"] >= eligible and not found["pending"] else None

    found = figway.wait_until(whole)
    assert is_balanced(found), found
    assert found["eligible"] == eligible
    assert figway.metric("figway_shadow_unaccounted") == 0
    return {name: count for name, count in found["outcomes"].items() if count}


# No client ever notices.


def endless(conversation: Conversation) -> None:
    """Ten megabytes, for every request."""
    while True:
        conversation.read_request()
        conversation.send(b"HTTP/1.1 200 OK\r\nContent-Length: 10485760\r\n\r\n")
        for _ in range(160):
            conversation.send(bytes(65_536))


def drip(conversation: Conversation) -> None:
    """A byte a second, as good as."""
    conversation.read_request()
    conversation.send(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")
    while not conversation.left.wait(0.2):
        conversation.send(b"x")


BRIEF = "{loop_lag_shed: 0s, deadline: 500ms}"
FAULTS = [
    pytest.param(answer(response()), SHARED, {"match"}, id="healthy"),
    pytest.param(never_answer, BRIEF, {"shadow_timeout", "shed"}, id="hangs"),
    pytest.param(reset_at_once, SHARED, {"shadow_error", "shed"}, id="resets"),
    pytest.param(
        answer_then_reset(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc"),
        SHARED,
        {"shadow_error", "shed"},
        id="resets_in_the_body",
    ),
    pytest.param(answer(response(status=500)), SHARED, {"mismatch"}, id="500"),
    pytest.param(endless, SHARED, {"incomparable"}, id="ten_megabytes"),
    pytest.param(drip, BRIEF, {"shadow_timeout", "shed"}, id="a_byte_a_second"),
    pytest.param(answer(b"\x16\x03\x01 garbage"), SHARED, {"shadow_error", "shed"}, id="garbage"),
    pytest.param(
        answer(response(more=b"Set-Cookie: sid=evil; Path=/\r\nX-Shadow-Leak: 1\r\n")),
        SHARED,
        {"mismatch", "match_normalised"},
        id="cookies_of_its_own",
    ),
]


@pytest.mark.parametrize(("script", "shared", "expected"), FAULTS)
def test_whatever_the_shadow_does_the_client_gets_the_primarys_bytes(
    stand: Stand, script: Script, shared: str, expected: set[str]
) -> None:
    stand.new.script = script
    stand.write(shared=shared)
    figway = stand.start()
    with client(figway) as connection:
        connection.send(get("/plain/1"))
        untouched = connection.read_response("GET").raw
        for number in range(20):
            connection.send(get(f"/item/{number}"))
            assert connection.read_response("GET").raw == untouched
    assert set(settled(figway, 20)) <= expected
    assert len(stand.legacy.requests) == 21


def test_a_shadow_side_that_is_not_there_is_an_error_and_no_more(stand: Stand) -> None:
    stand.write(new=f"http://127.0.0.1:{closed_port()}")
    figway = stand.start()
    for number in range(10):
        assert ask(figway, get(f"/item/{number}")).body == BODY
    found = settled(figway, 10)
    # Those under way when the fifth failed were asked as well.
    assert found["shadow_error"] >= 5
    assert found["shadow_error"] + found["shed"] == 10
    assert figway.metric("figway_shadow_breaker_open", upstream="catalog") == 1


def test_with_the_whole_sample_and_no_budget_every_request_is_shadowed(stand: Stand) -> None:
    figway = stand.start()
    with client(figway) as connection:
        for number in range(600):
            connection.send(get(f"/item/{number}?n={number}"))
            assert connection.read_response("GET").status == 200
    assert settled(figway, 600) == {"match": 600}
    assert sorted(stand.new.targets) == sorted(b"/item/%d?n=%d" % (n, n) for n in range(600))


def test_bodies_of_both_sides_may_be_of_any_size_up_to_the_cap(stand: Stand) -> None:
    large = b"[" + b"1," * 300_000 + b"1]"
    stand.legacy.script = answer(response(large))
    stand.new.script = answer(response(large.replace(b"1]", b"2]")))
    figway = stand.start()
    assert ask(figway, get("/item/1")).body == large
    assert settled(figway, 1) == {"mismatch": 1}
    (cause,) = report(figway)["causes"]
    assert cause["paths"] == ["$[*]"]


LARGE = response(b"x" * 500_000)


def hung(conversation: Conversation) -> None:
    conversation.read_request()
    conversation.wait_until_left()


def half(conversation: Conversation) -> None:
    """The head at once, the rest never."""
    conversation.read_request()
    conversation.send(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\n")
    conversation.wait_until_left()


MEMORY = [
    pytest.param(answer(LARGE), hung, id="large_primaries_and_a_hung_shadow"),
    pytest.param(half, answer(LARGE), id="large_shadows_and_a_hung_primary"),
    pytest.param(answer(LARGE), endless, id="large_primaries_and_ten_megabytes"),
    pytest.param(answer(LARGE), answer(LARGE.replace(b"xx", b"yx")), id="large_and_different"),
]


@pytest.mark.parametrize(("legacy", "new"), MEMORY)
def test_the_memory_of_the_observer_has_a_bound(stand: Stand, legacy: Script, new: Script) -> None:
    """200 times half a megabyte, and no more in hand than 64 largest bodies and 16 on their way."""
    stand.legacy.script, stand.new.script = legacy, new
    stand.write(shared="{loop_lag_shed: 0s, deadline: 20s, queue: 5000}")
    figway = stand.start()
    pid, workers = pid_of_observer(figway), figway.worker_pids()
    clients = []
    for number in range(200):
        connection = client(figway)
        clients.append(connection)
        connection.send(get(f"/item/{number}", "Connection: close"))
        if legacy is not half:
            connection.read_response("GET")
            connection.close()
    figway.wait_until(
        lambda: (
            figway.metric("figway_shadow_handed_over_total")
            + figway.metric("figway_shadow_drops_total")
            == 200
        )
    )
    figway.wait_until(lambda: figway.metric("figway_shadow_queue") < 200)
    assert figway.metric("figway_shadow_held_bytes") <= (64 + 16) * 1024 * 1024
    assert resident(pid) < 256 * 1024 * 1024
    for connection in clients:
        connection.close()
    # All of it would be waited for.
    figway.signal(signal.SIGKILL)
    for each in (pid, *workers):
        os.kill(each, signal.SIGKILL)


def resident(pid: int) -> int:
    """Bytes of a process that are in memory."""
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


# What the shadow side sees.


def test_the_copy_is_marked_and_carries_the_same_names(stand: Stand) -> None:
    figway = stand.start()
    trace = "0af7651916cd43dd8448eb211c80319c"
    ask(
        figway,
        get(
            "/item/7?q=%C3%A4&x",
            f"traceparent: 00-{trace}-b7ad6b7169203331-01",
            "baggage: tenant=a",
            "X-Request-Id: r-1",
            "Accept-Encoding: br, gzip",
            "If-None-Match: W/1",
            "If-Modified-Since: Mon, 01 Jan 2024 00:00:00 GMT",
            "Cookie: theme=dark; PHPSESSID=abc",
            "Connection: keep-alive, X-Hop",
            "X-Hop: 1",
            "X-Figway-Shadow: 0",
        ),
    )
    settled(figway, 1)
    shadow, primary = stand.new.one_request(), stand.legacy.one_request()
    assert shadow.target == primary.target == b"/item/7?q=%C3%A4&x"
    for name in (
        *(b"host", b"x-request-id", b"accept-encoding", b"cookie"),
        *(b"x-forwarded-for", b"x-forwarded-proto", b"x-forwarded-host", b"via"),
    ):
        assert shadow.values(name) == primary.values(name) != [], name
    (ours,), (theirs,) = shadow.values(b"traceparent"), primary.values(b"traceparent")
    assert ours.split(b"-")[1] == theirs.split(b"-")[1] == trace.encode()
    assert ours.split(b"-")[2] != theirs.split(b"-")[2]
    assert shadow.values(b"baggage") == [b"tenant=a,shadow=1"]
    assert shadow.values(b"x-figway-shadow") == [b"1"]
    assert primary.values(b"x-figway-shadow") == []
    assert primary.values(b"if-none-match") == [b"W/1"]
    for name in (b"if-none-match", b"if-modified-since", b"x-hop", b"connection"):
        assert not shadow.has(name), name


def test_a_304_is_told_apart_from_a_difference(stand: Stand) -> None:
    stand.legacy.script = answer(b"HTTP/1.1 304 Not Modified\r\nETag: 1\r\n\r\n")
    figway = stand.start()
    assert ask(figway, get("/item/1", "If-None-Match: 1")).status == 304
    settled(figway, 1)
    assert report(figway)["outcome_details"]["incomparable"] == {"conditional": 1}


LIVE_FLAGS = "rollback: false\nroutes:\n  item: {percent: 100}\n"


def test_after_the_cut_over_legacy_is_the_shadow_without_the_visitors_session(stand: Stand) -> None:
    stand.write(stage="live", flags=LIVE_FLAGS)
    figway = stand.start()
    served = ask(figway, get("/item/1", "Cookie: theme=dark; PHPSESSID=abc"))
    assert served.status == 200
    assert settled(figway, 1) == {"match": 1}
    assert stand.new.one_request().values(b"cookie") == [b"theme=dark; PHPSESSID=abc"]
    shadow = stand.legacy.one_request()
    assert shadow.values(b"cookie") == [b"theme=dark"]
    assert shadow.values(b"x-figway-shadow") == [b"1"]


def test_of_a_canary_the_part_that_legacy_serves_is_copied_until_it_is_rolled_back(
    stand: Stand,
) -> None:
    stand.write(stage="canary")
    figway = stand.start()
    ask(figway, get("/item/1"))
    assert settled(figway, 1) == {"match": 1}
    assert stand.new.one_request().values(b"x-figway-shadow") == [b"1"]
    assert figway.run("rollback", "--all", "--reason", "drill", "--wait").code == 0
    ask(figway, get("/item/2"))
    assert figway.run("resume", "--all", "--reason", "over").code == 0
    # All of it on the new side: nobody is the shadow of a canary's new part.
    stand.write(stage="canary", flags=LIVE_FLAGS)
    assert figway.run("reload").code == 0
    assert ask(figway, get("/item/3")).status == 200
    assert settled(figway, 1) == {"match": 1}
    assert stand.new.targets == [b"/item/1", b"/item/3"]
    assert stand.legacy.targets == [b"/item/1", b"/item/2"]


def test_a_write_is_copied_only_in_a_mode_that_says_so(stand: Stand) -> None:
    figway = stand.start()
    post = b"POST /item/1 HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nx=1"
    assert ask(figway, post).status == 200
    stand.write(shadow=f"{SHADOW}, writes: dry_run")
    figway.run("reload")
    figway.wait_until(lambda: figway.metric("figway_shadow_ineligible_total", reason="method") == 1)
    assert ask(figway, post).status == 200
    assert settled(figway, 1) == {"match": 1}
    shadow = stand.new.one_request()
    assert (shadow.method, shadow.body) == (b"POST", b"x=1")
    assert shadow.values(b"x-figway-dry-run") == [b"1"]


# Switches.


def test_a_pause_stops_with_the_next_request_and_outlives_a_restart(stand: Stand) -> None:
    figway = stand.start()
    ask(figway, get("/item/1"))
    settled(figway, 1)
    assert figway.run("shadow", "pause", "--reason", "deploy").code == 0
    for number in range(5):
        assert ask(figway, get(f"/item/{number}")).body == BODY
    assert len(stand.new.requests) == 1
    assert figway.stop() == 0
    again = stand.start()
    ask(again, get("/item/2"))
    assert len(stand.new.requests) == 1
    assert again.run("shadow", "resume", "--reason", "done").code == 0
    ask(again, get("/item/3"))
    stand.new.wait_for_requests(2)
    assert stand.new.targets == [b"/item/1", b"/item/3"]


def test_a_reload_in_the_middle_ends_what_is_no_longer_shadowed(stand: Stand) -> None:
    held, release = threading.Event(), threading.Event()

    def slow(conversation: Conversation) -> None:
        while True:
            conversation.read_request()
            held.set()
            release.wait(20)
            conversation.send(response())

    stand.new.script = slow
    stand.write(shared="{loop_lag_shed: 0s, deadline: 20s, workers: 1}")
    figway = stand.start()
    for number in range(3):
        ask(figway, get(f"/item/{number}"))
    assert held.wait(20)
    figway.wait_until(lambda: figway.metric("figway_shadow_queue") == 2)
    stand.write(stage="legacy", shared="{loop_lag_shed: 0s, deadline: 20s, workers: 1}")
    assert figway.run("reload").code == 0
    release.set()
    assert settled(figway, 3) == {"match": 1, "incomparable": 2}
    assert len(stand.new.requests) == 1


def test_a_stop_finishes_the_shadows_that_were_begun(stand: Stand) -> None:
    release = threading.Event()

    def slow(conversation: Conversation) -> None:
        while True:
            conversation.read_request()
            release.wait(20)
            conversation.send(response())

    stand.new.script = slow
    figway = stand.start()
    for number in range(5):
        ask(figway, get(f"/item/{number}"))
    stand.new.wait_for_requests(5)
    figway.signal(signal.SIGTERM)
    figway.wait_for("draining")
    release.set()
    assert figway.wait() == 0
    assert not figway.events("observer_cut_short")
    again = stand.start()
    assert settled(again, 5) == {"match": 5}


# Crashes.


def test_the_observer_gives_its_processor_to_any_worker(stand: Stand) -> None:
    figway = stand.start()
    observer = pid_of_observer(figway)
    assert os.sched_getscheduler(observer) == os.SCHED_IDLE
    for worker in figway.worker_pids():
        assert os.sched_getscheduler(worker) == os.SCHED_OTHER
        # In another session a policy would mean nothing to a worker (sched(7), autogroup).
        assert os.getsid(worker) == os.getsid(observer)


def pid_of_observer(figway: FigwayProcess) -> int:
    return int(figway.status()["observer"]["pid"])


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
