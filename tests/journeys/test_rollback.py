"""The one-flag rollback, by every way there is, over the real program."""

from __future__ import annotations

import os
import signal
import socket
import threading
from collections.abc import Callable
from operator import ge
from pathlib import Path

import pytest

from tests.journeys.conftest import FLAGS, Shop
from tests.journeys.figway_process import FigwayProcess, ask

STAFF = {"X-Employee": "1"}


def side(figway: FigwayProcess, path: str = "/product/a", **headers: str) -> str:
    """Who answered."""
    answer = figway.get(path, **headers)
    assert answer.status == 200
    return answer.headers["x-origin"]


def by_command(figway: FigwayProcess) -> None:
    command = figway.run("rollback", "--all", "--reason", "try")
    assert command.code == 0, command.err


def by_signal(figway: FigwayProcess) -> None:
    figway.signal(signal.SIGUSR1)
    figway.wait_for("rolled_back")


def by_sentinel(figway: FigwayProcess) -> None:
    (figway.state / "ROLLBACK").touch()
    figway.wait_for("rolled_back")


def by_flag(figway: FigwayProcess) -> None:
    figway.flags.write_text(FLAGS.replace("rollback: false", "rollback: true"))
    figway.wait_for("flags_applied")


WAYS = [
    pytest.param(by_command, "command", id="command"),
    pytest.param(by_signal, "signal", id="signal"),
    pytest.param(by_sentinel, "sentinel", id="sentinel"),
    pytest.param(by_flag, "flag", id="flag"),
]


@pytest.mark.parametrize(("roll_back", "source"), WAYS)
def test_everything_goes_to_legacy_but_what_is_complete_and_a_restart_changes_nothing(
    shop: Shop, roll_back: Callable[[FigwayProcess], None], source: str
) -> None:
    figway = shop.start().serving()
    assert [side(figway), side(figway, "/account"), side(figway, "/done")] == ["new"] * 3
    roll_back(figway)
    for _ in range(2):  # before and after a restart
        for path in ("/product/a", "/account", "/capped", "/cart", "/other"):
            assert side(figway, path) == "legacy"
        assert side(figway, **STAFF) == "legacy"
        assert side(figway, "/done") == "new"
        assert [hold["source"] for hold in figway.status()["holds"]] == [source]
        assert figway.metric("figway_rollback_active", scope="all") == 1
        explained = figway.run("explain", "GET", "http://shop.example/product/a", "--json")
        assert explained.json["reason"] == "rollback_all"
        assert figway.stop() == 0
        figway = shop.start().serving()


@pytest.mark.parametrize(("roll_back", "source"), WAYS)
def test_a_rollback_ends_where_it_was_started(
    shop: Shop, roll_back: Callable[[FigwayProcess], None], source: str
) -> None:
    figway = shop.start().serving()
    roll_back(figway)
    if source == "sentinel":
        refused = figway.run("resume", "--all", "--reason", "too early")
        assert refused.code == 1
        assert "remove the sentinel file" in refused.out
        assert side(figway) == "legacy"
        (figway.state / "ROLLBACK").unlink()
        figway.wait_for("sentinel_removed")
        assert side(figway) == "legacy"
    if source == "flag":
        refused = figway.run("resume", "--all", "--reason", "not mine to end", "--json")
        assert refused.code == 1
        assert refused.json["still_held"] == ["flag"]
        assert side(figway) == "legacy"
        figway.flags.write_text(FLAGS)
        figway.wait_for("flags_applied", 2)
    else:
        figway.flags.write_text(FLAGS + "# touched\n")
        assert figway.run("reload").code == 0
        assert side(figway) == "legacy"
        resumed = figway.run("resume", "--all", "--reason", "fixed")
        assert resumed.code == 0, resumed.out + resumed.err
    assert side(figway) == "new"
    assert figway.stop() == 0
    figway = shop.start().serving()
    assert side(figway) == "new"
    assert figway.status()["holds"] == []


@pytest.mark.parametrize(
    "damage",
    [
        pytest.param(lambda path: path.unlink(), id="gone"),
        pytest.param(lambda path: path.write_text(""), id="empty"),
        pytest.param(lambda path: path.write_text("rollback: maybe\n"), id="garbled"),
        pytest.param(lambda path: path.write_text("groups: {}\n"), id="silent"),
    ],
)
def test_a_flag_file_that_is_lost_or_garbled_ends_no_rollback(
    shop: Shop, damage: Callable[[Path], None]
) -> None:
    figway = shop.start().serving()
    by_flag(figway)
    damage(figway.flags)
    figway.run("reload")
    assert side(figway) == "legacy"
    figway.stop()
    figway = shop.start().serving()
    assert side(figway) == "legacy"


def test_a_sentinel_that_cannot_be_looked_at_is_told_and_moves_nobody(shop: Shop) -> None:
    sentinel = shop.folder / "sentinel"
    figway = shop.start(options=("--sentinel", str(sentinel))).serving()
    sentinel.symlink_to("sentinel")
    assert figway.wait_for("sentinel_unreadable")["path"] == str(sentinel)
    assert side(figway) == "new"
    sentinel.unlink()
    sentinel.touch()
    figway.wait_for("rolled_back")
    assert side(figway) == "legacy"


def test_a_percentage_written_to_a_lost_flag_file_ends_no_rollback(shop: Shop) -> None:
    figway = shop.start().serving()
    by_flag(figway)
    figway.flags.unlink()
    assert figway.run("percent", "product-page", "50", "--reason", "try").code == 0
    assert "product-page: {percent: 50}" in figway.flags.read_text()
    assert side(figway) == "legacy"


def test_a_group_and_a_route_are_rolled_back_alone(shop: Shop) -> None:
    shop.write_flags(FLAGS.replace("groups: {}", "groups:\n  purchase: {percent: 40}"))
    figway = shop.start().serving()
    assert figway.run("rollback", "--group", "purchase", "--reason", "x").code == 0
    assert figway.run("rollback", "--route", "account", "--reason", "x").code == 0
    routes = {
        route["id"]: (route["effective_percent"], route["because"])
        for route in figway.api("/api/v1/routes").json["routes"]
    }
    assert routes["cart"] == routes["checkout"] == (0, "rollback_group")
    assert routes["account"] == (0, "rollback_route")
    assert routes["product-page"] == (100, "flag")
    assert (side(figway), side(figway, "/account")) == ("new", "legacy")
    # The end of one scope is not the end of another.
    nothing = figway.run("resume", "--all", "--reason", "x", "--json")
    assert (nothing.code, nothing.json["changed"]) == (0, False)
    assert side(figway, "/account") == "legacy"
    assert figway.run("resume", "--route", "account", "--reason", "x").code == 0
    assert side(figway, "/account") == "new"


def test_a_flip_under_load_fails_no_request_and_none_reaches_new_after_it_returned(
    shop: Shop,
) -> None:
    figway = shop.start().serving()
    stop = threading.Event()
    failures: list[object] = []
    # By client: how many answers it has.
    served = [0] * 4

    def client(number: int) -> None:
        while not stop.is_set():
            try:
                answer = ask(figway.listen, "GET", "/product/x")
                if answer.status != 200:
                    failures.append(answer)
            except OSError as error:
                failures.append(error)
            served[number] += 1

    def more(count: int) -> None:
        """Wait until every client has so many more answers: none of before is on its way."""
        wanted = [each + count for each in served]
        figway.wait_until(lambda: all(map(ge, served, wanted)))

    clients = [threading.Thread(target=client, args=(n,)) for n in range(len(served))]
    for thread in clients:
        thread.start()
    try:
        for _ in range(3):
            more(10)
            body = {"scope": "all", "reason": "under load"}
            assert figway.api("/api/v1/rollback", body).status == 200
            # Whoever was decided before may still be on its way: those 4 at most.
            before = len(shop.new.seen)
            more(10)
            assert len(shop.new.seen) - before <= len(clients)
            settled = len(shop.new.seen)
            more(10)
            assert len(shop.new.seen) == settled
            assert figway.api("/api/v1/resume", body).status == 200
    finally:
        stop.set()
        for thread in clients:
            thread.join()
    assert failures == []
    assert {name for _, name, _ in shop.new.seen} == {"/product/x"}


def test_the_command_says_what_it_did_and_the_audit_keeps_it(shop: Shop) -> None:
    figway = shop.start().serving()
    done = figway.run("rollback", "--all", "--reason", "error rate", "--json").json
    assert done["applied_ms"] > 0
    assert [ack["worker"] for ack in done["workers"]] == [1, 2]
    assert [ack["pid"] for ack in done["workers"]] == figway.worker_pids()
    assert done["unconfirmed"] == []
    assert done["holds"][0]["reason"] == "error rate"
    # The surprise is said: what is complete stays.
    assert done["warnings"] == ["stage complete, stays on the new side: done"]
    figway.run("resume", "--all", "--reason", "mended")
    entries = figway.audit()
    assert [(e["phase"], e["action"]) for e in entries] == [
        ("begun", "rollback"),
        ("done", "rollback"),
        ("begun", "resume"),
        ("done", "resume"),
    ]
    first = entries[1]
    assert first["scope"] == "all"
    assert first["via"] == "api"
    assert "@" in first["who"]
    assert (first["before"], first["after"]) == ("not rolled back", "rolled back by command")
    assert first["revision"] == done["revision"]
    assert first["acks"] == {str(ack["worker"]): ack["ms"] for ack in done["workers"]}
    assert entries[3]["after"] == "not rolled back"


def test_a_worker_that_does_not_confirm_is_named_and_the_command_fails(shop: Shop) -> None:
    figway = shop.start().serving()
    frozen = figway.status()["workers"][0]
    os.kill(frozen["pid"], signal.SIGSTOP)
    try:
        command = figway.run("rollback", "--all", "--reason", "x", "--wait", "0.3")
        assert command.code == 1
        assert f"worker 1 (process {frozen['pid']})" in command.out
        assert "NOT confirmed" in command.out
        assert figway.wait_for("state_unconfirmed")["pid"] == frozen["pid"]
        # The others serve, and their state is the new one.
        status = figway.run("status")
        assert "BEHIND" in status.out
        verbose = ask(figway.admin, "GET", "/readyz?verbose").body.decode()
        assert "worker 1 has not confirmed" in verbose
    finally:
        os.kill(frozen["pid"], signal.SIGCONT)
    figway.wait_until(
        lambda: all(
            w["revision"] >= figway.status()["revision"] for w in figway.status()["workers"]
        )
    )
    assert side(figway) == "legacy"


@pytest.mark.parametrize(
    ("verb", "field", "made"),
    [
        pytest.param("resume", "", False, id="a resume"),
        pytest.param(
            "rollback", "X-Figway-If-Waiting: 1\r\n", True, id="but a rollback, if nobody is asked"
        ),
        pytest.param("rollback", "", True, id="but a rollback by hand"),
    ],
)
def test_a_figway_that_was_frozen_makes_no_change_that_was_given_up_on(
    shop: Shop, verb: str, field: str, made: bool
) -> None:
    figway = shop.start(workers=1).serving()
    if verb == "resume":
        by_command(figway)
    before = figway.status()["holds"]
    body = '{"scope": "all", "reason": "too late"}'
    host, _, port = figway.admin.rpartition("/")[2].rpartition(":")
    figway.signal(signal.SIGSTOP)
    try:
        with socket.create_connection((host, int(port))) as given_up:
            given_up.sendall(
                f"POST /api/v1/{verb} HTTP/1.1\r\nHost: {host}\r\n{field}"
                f"Authorization: Bearer {figway.token}\r\nContent-Type: application/json\r\n"
                f"Content-Length: {len(body)}\r\n\r\n{body}".encode()
            )
    finally:
        figway.signal(signal.SIGCONT)
    figway.wait_for("rolled_back" if made else "admin_abandoned")
    assert figway.status()["holds"] == before or made


def test_a_disk_that_takes_nothing_stops_no_rollback_but_everything_toward_new(shop: Shop) -> None:
    (shop.folder / "state").mkdir(mode=0o700)
    (shop.folder / "state" / "audit.jsonl").symlink_to("/dev/full")
    figway = shop.start().serving()
    rolled_back = figway.run("rollback", "--all", "--reason", "x", "--json")
    assert rolled_back.code == 0
    assert "the audit could not be written" in rolled_back.json["warnings"]
    assert side(figway) == "legacy"
    for words in (("resume", "--all"), ("percent", "product-page", "5")):
        refused = figway.run(*words, "--reason", "x")
        assert refused.code == 1
        assert "the audit cannot be written" in refused.err
    assert side(figway) == "legacy"
    assert figway.flags.read_text() == FLAGS
    assert figway.metric("figway_audit_failures_total") >= 3


def test_a_latch_that_cannot_be_trusted_rolls_everything_back(shop: Shop) -> None:
    figway = shop.start().serving()
    by_command(figway)
    figway.stop()
    latch = shop.folder / "state" / "rollback-latch.json"
    latch.write_bytes(latch.read_bytes().replace(b'"all"', b'"route:x"'))
    figway = shop.start().serving()
    assert side(figway) == "legacy"
    assert figway.status()["holds"][0]["source"] == "latch"
    assert figway.run("resume", "--all", "--reason", "looked at it").code == 0
    assert side(figway) == "new"


def test_a_hundred_flips_end_where_the_last_one_said(shop: Shop) -> None:
    figway = shop.start().serving()
    for _ in range(50):
        figway.api("/api/v1/rollback", {"scope": "all", "reason": "storm"})
        assert side(figway) == "legacy"
        figway.api("/api/v1/resume", {"scope": "all", "reason": "storm"})
        assert side(figway) == "new"
    assert len(figway.audit()) == 200
