"""Tokens, roles, If-Match and the audit of the real program."""

from __future__ import annotations

import json
import re
import threading
from pathlib import Path

from tests.journeys.conftest import FLAGS, ROUTES, Shop
from tests.journeys.figway_process import Answer, FigwayProcess, ask, figway
from tests.journeys.fleet import Fleet
from tests.rigs.redis_server import RedisServer


def as_somebody(
    running: FigwayProcess,
    token: str,
    path: str,
    body: object = None,
    **headers: str,
) -> Answer:
    """One request with a token of one's own."""
    sent = {"Authorization": f"Bearer {token}", **headers}
    content = None
    if body is not None:
        content = json.dumps(body).encode()
        sent["Content-Type"] = "application/json"
    return ask(running.admin, "GET" if body is None else "POST", path, content, sent)


def token_of(running: FigwayProcess, name: str, role: str, *options: str) -> str:
    done = running.run("token", "create", name, "--role", role, "--reason", "test", *options)
    assert done.code == 0, done.err
    return done.out.strip()


ROLLBACK = {"scope": "all", "reason": "error rate", "ticket": "INC-42", "actor": "ann@laptop"}


def test_a_token_opens_what_its_role_is_for_and_the_audit_names_it(shop: Shop) -> None:
    running = shop.start(workers=1).serving()
    viewer, operator = (token_of(running, name, name) for name in ("viewer", "operator"))
    assert as_somebody(running, viewer, "/api/v1/status").status == 200
    refused = as_somebody(running, viewer, "/api/v1/rollback", ROLLBACK)
    assert (refused.status, "needs the role operator" in refused.json["detail"]) == (403, True)
    assert as_somebody(running, operator, "/api/v1/rollback", ROLLBACK).status == 200
    assert as_somebody(running, operator, "/api/v1/tokens").status == 403
    told = running.wait_for("admin_refused", 2)
    assert (told["status"], told["path"], told["remote"]) == (403, "/api/v1/tokens", "127.0.0.1")
    entry = running.audit()[-1]
    assert (
        entry.items()
        >= {
            "action": "rollback",
            "who": "operator",
            "claimed": "ann@laptop",
            "ticket": "INC-42",
            "reason": "error rate",
        }.items()
    )
    assert re.fullmatch("token [0-9a-f]{10}", entry["credential"])
    # A command with that token is that one too.
    done = running.run("resume", "--all", "--reason", "mended", environ={"FIGWAY_TOKEN": operator})
    assert done.code == 0
    assert running.audit()[-1]["who"] == "operator"


def test_a_revoked_token_is_dead_at_the_next_request_and_after_a_restart(shop: Shop) -> None:
    running = shop.start(workers=1).serving()
    token = token_of(running, "ann", "operator")
    assert as_somebody(running, token, "/api/v1/status").status == 200
    assert running.run("token", "revoke", "ann", "--reason", "left").code == 0
    told = as_somebody(running, token, "/api/v1/status")
    assert (told.status, "is revoked" in told.json["detail"]) == (401, True)
    again = running.run("token", "revoke", "ann", "--reason", "left")
    assert (again.code, "is revoked already" in again.err) == (1, True)
    running.stop()
    running = shop.start(workers=1).serving()
    assert as_somebody(running, token, "/api/v1/status").status == 401
    listed = running.run("token", "list", "--json").json["tokens"]
    assert [(row["name"], row["standing"]) for row in listed] == [("ann", "revoked")]
    changes = [
        (e["phase"], e["action"], e["scope"], e["after"])
        for e in running.audit()
        if e["action"].startswith("token")
    ]
    assert changes == [
        ("begun", "token_create", "token:ann", ""),
        ("done", "token_create", "token:ann", f"operator, id {listed[0]['id']}"),
        ("begun", "token_revoke", "token:ann", ""),
        ("done", "token_revoke", "token:ann", "revoked"),
    ]


def test_a_file_of_tokens_is_made_elsewhere_and_used_when_it_arrives(
    shop: Shop, tmp_path: Path
) -> None:
    shared = tmp_path / "shared" / "tokens.json"
    shared.parent.mkdir()
    running = shop.start(workers=1, environ={"FIGWAY_TOKENS_FILE": str(shared)}).serving()
    draft = tmp_path / "draft.json"
    words = ("token", "create", "ci", "--role", "viewer", "--file", str(draft), "--reason", "x")
    made = figway(*words)
    assert made.code == 0
    token = made.out.strip()
    assert as_somebody(running, token, "/api/v1/status").status == 401
    draft.rename(shared)
    event = running.wait_for("tokens_changed")
    assert "ci viewer" in event["tokens"]
    assert as_somebody(running, token, "/api/v1/status").status == 200
    running.wait_until(lambda: running.audit())
    assert (running.audit()[-1]["via"], running.audit()[-1]["before"]) == ("file", "none")
    # A mistake in the file changes nothing, and is told.
    shared.write_text("{}")
    assert "version" in running.wait_for("tokens_refused")["error"]
    assert as_somebody(running, token, "/api/v1/status").status == 200
    assert "version" in running.run("token", "list").err
    assert "tokens refused" in running.run("status").out
    assert "tokens refused" in ask(running.admin, "GET", "/readyz?verbose").body.decode()


def test_no_token_stands_in_any_file_log_or_listing(shop: Shop) -> None:
    running = shop.start(workers=1).serving()
    token = token_of(running, "ann", "admin", "--expires", "1d")
    secret = token.rpartition("_")[2]
    as_somebody(running, token, "/api/v1/tokens")
    listed = running.run("token", "list")
    assert "ann" in listed.out
    assert secret not in listed.out
    running.stop()
    written = [path.read_bytes() for path in running.state.iterdir() if path.is_file()]
    assert not any(secret.encode() in content for content in written)
    assert secret not in json.dumps(running.log) + running.err


def test_identity_comes_from_the_proxy_that_is_named_and_from_nobody_else(shop: Shop) -> None:
    environ = {
        "FIGWAY_ACCESS_IDENTITY_HEADER": "X-Forwarded-Email",
        "FIGWAY_ACCESS_IDENTITY_PROXIES": "127.0.0.1/32",
        "FIGWAY_ACCESS_IDENTITY_OPERATORS": "ann@example.org",
    }
    running = shop.start(workers=1, environ=environ).serving()
    body = json.dumps({"scope": "all", "reason": "x"}).encode()
    sent = {"Content-Type": "application/json", "X-Forwarded-Email": "ann@example.org"}
    assert ask(running.admin, "POST", "/api/v1/rollback", body, sent).status == 200
    entry = running.audit()[-1]
    assert (entry["who"], entry["credential"]) == (
        "ann@example.org",
        "x-forwarded-email from 127.0.0.1",
    )
    nobody = {**sent, "X-Forwarded-Email": "bob@example.org"}
    assert ask(running.admin, "POST", "/api/v1/rollback", body, nobody).status == 403
    running.stop()
    elsewhere = {**environ, "FIGWAY_ACCESS_IDENTITY_PROXIES": "192.0.2.1/32"}
    running = shop.start(workers=1, environ=elsewhere).serving()
    assert ask(running.admin, "POST", "/api/v1/rollback", body, sent).status == 401


def test_a_change_that_would_overtake_another_is_refused_with_the_revision_now(shop: Shop) -> None:
    running = shop.start(workers=1).serving()
    seen = running.api("/api/v1/status")
    revision = seen.json["revision"]
    assert seen.headers["etag"] == f'"{revision}"'
    # A repeated command changes nothing, so what was seen before it still holds.
    assert running.run("resume", "--all", "--reason", "nothing there").code == 0
    words = ("percent", "product-page", "50", "--reason", "x", "--if-revision")
    first = running.run(*words, str(revision), "--json")
    assert first.code == 0, first.err
    second = running.run("percent", "capped", "5", "--reason", "x", "--if-revision", str(revision))
    assert second.code == 1
    assert str(first.json["revision"]) in second.err
    # Nothing was written for what was refused.
    assert [e["scope"] for e in running.audit() if e["action"] == "percent"] == [
        "route:product-page"
    ] * 2
    scoped = {"scope": "all", "reason": "x"}
    for verb, asked in (
        ("rollback", scoped),
        ("resume", scoped),
        ("shadow/pause", {"reason": "x"}),
        ("shadow/resume", {"reason": "x"}),
    ):
        stale = running.api(f"/api/v1/{verb}", asked)
        assert stale.status == 200
        body = json.dumps(asked).encode()
        headers = {
            "Authorization": f"Bearer {running.token}",
            "Content-Type": "application/json",
            "If-Match": f'"{revision}"',
        }
        refused = ask(running.admin, "POST", f"/api/v1/{verb}", body, headers)
        assert refused.status == 412
        for wrong in ("1", 'W/"1"', '"a"', '"1", "2"', ""):
            bad = ask(
                running.admin, "POST", f"/api/v1/{verb}", body, {**headers, "If-Match": wrong}
            )
            assert bad.status == 400, wrong


def test_too_many_changes_wait_and_a_rollback_does_not(shop: Shop) -> None:
    environ = {"FIGWAY_ACCESS_CHANGES_PER_SECOND": "1", "FIGWAY_ACCESS_READS_PER_SECOND": "1"}
    running = shop.start(workers=1, environ=environ).serving()
    body = {"scope": "all", "reason": "x"}
    answers = [running.api("/api/v1/resume", body) for _ in range(12)]
    refused = [answer for answer in answers if answer.status == 429]
    assert refused
    assert all(int(answer.headers["retry-after"]) >= 1 for answer in refused)
    assert running.metric("figway_admin_refusals_total", code="429") == len(refused)
    assert running.api("/api/v1/rollback", body).status == 200
    # A command takes as long to start as an allowance to come: somebody takes every one of them.
    over = threading.Event()

    def hammer() -> None:
        while not over.wait(0.01):
            running.api("/api/v1/resume", body)

    hammering = threading.Thread(target=hammer)
    hammering.start()
    try:
        running.wait_until(
            lambda: "too many calls" in running.run("resume", "--all", "--reason", "x").err
        )
    finally:
        over.set()
        hammering.join()


def test_the_audit_is_shown_and_verified_by_command_and_offline(shop: Shop) -> None:
    running = shop.start(workers=1).serving()
    running.run("rollback", "--all", "--reason", "error rate", "--ticket", "INC-42")
    running.run("resume", "--all", "--reason", "mended")
    shown = running.run("audit")
    assert [line.split("  ")[1:3] for line in shown.out.splitlines()] == [
        ["opened", "audit"],
        ["started", "figway"],
        ["rollback", "all"],
        ["resume", "all"],
    ]
    assert "INC-42" in shown.out
    assert "not rolled back -> rolled back by command" in shown.out
    entries = running.run("audit", "--scope", "all", "--limit", "1", "--json").json["entries"]
    assert [(e["phase"], e["action"]) for e in entries] == [("begun", "resume"), ("done", "resume")]
    assert running.run("audit", "--since", "2999-01-01").out == ""
    sound = running.run("audit", "--verify")
    assert (sound.code, sound.out.startswith("sound: lines 1 to 6,")) == (0, True)
    anchor = sound.out.split()[-1]
    running.stop()
    # Without a running figway, and after somebody has been at it.
    state = str(running.state)
    assert figway("audit", "--verify", state).code == 0
    assert figway("audit", "--verify", state, "--anchor", anchor).code == 0
    path = running.state / "audit.jsonl"
    path.write_text(path.read_text().replace("error rate", "error ratf", 1))
    altered = figway("audit", "--verify", state)
    assert altered.code == 1
    assert "audit.jsonl:3: line 3 was changed" in altered.out
    assert figway("audit", state, "--json").json["entries"][-1]["reason"] == "mended"
    # The next figway goes on behind it, and still says so.
    running = shop.start(workers=1).serving()
    running.run("rollback", "--all", "--reason", "again")
    still = running.run("audit", "--verify", "--json")
    assert (still.code, len(still.json["findings"]), still.json["lines"]) == (1, 1, 9)


def test_what_a_full_disk_did_not_take_is_in_the_audit_once_it_takes_something(shop: Shop) -> None:
    state = shop.folder / "state"
    state.mkdir(mode=0o700)
    (state / "audit.jsonl").symlink_to("/dev/full")
    running = shop.start(workers=1).serving()
    running.run("rollback", "--all", "--reason", "error rate")
    refused = running.run("percent", "product-page", "5", "--reason", "not now")
    assert refused.code == 1
    assert "wait in memory" in running.run("audit").err
    assert "4 entries of the audit wait in memory" in running.run("status").out
    assert running.metric("figway_audit_entries_owed") == 4
    (state / "audit.jsonl").unlink()
    assert running.wait_for("audit_caught_up")["entries"] == 4
    entries = running.audit()
    assert [(e["phase"], e["action"], e["late"]) for e in entries] == [
        ("begun", "rollback", True),
        ("done", "rollback", True),
        ("begun", "percent", True),
    ]
    assert entries[2]["outcome"].startswith("refused")
    assert running.run("audit", "--verify").code == 0


def test_a_rollback_is_in_the_audit_before_it_is_with_the_workers(shop: Shop) -> None:
    running = shop.start(workers=1).serving()
    for _ in range(5):
        running.api("/api/v1/rollback", {"scope": "all", "reason": "x"})
        running.api("/api/v1/resume", {"scope": "all", "reason": "x"})
    running.wait_for("rolled_back", 5)
    told = {event["revision"]: event for event in running.events("rolled_back")}
    done = [e for e in running.audit() if (e["phase"], e["action"]) == ("done", "rollback")]
    begun = [e for e in running.audit() if (e["phase"], e["action"]) == ("begun", "rollback")]
    assert len(begun) == len(done) == 5
    for before, after in zip(begun, done, strict=True):
        assert before["seq"] < after["seq"]
        assert before["revision"] < after["revision"]
        assert after["revision"] in told


def test_what_git_and_the_flag_file_changed_is_in_the_audit_too(shop: Shop) -> None:
    running = shop.start(workers=1).serving()
    shop.write_flags(FLAGS.replace("percent: 100", "percent: 40"))
    running.wait_until(lambda: len(running.audit()) == 1)
    shop.write_routes(ROUTES.replace("max_percent: 25", "max_percent: 30"))
    running.wait_until(lambda: len(running.audit()) == 2)
    flag, config = running.audit()
    assert (flag["action"], flag["scope"], flag["before"], flag["after"]) == (
        *("flag", "route:product-page"),
        *("100 %", "40 %"),
    )
    assert (flag["via"], flag["who"]) == ("file", str(running.flags))
    assert (config["action"], config["scope"], config["via"]) == ("config", "routes", "file")
    assert config["before"] != config["after"]
    # A percentage by command is written down once, by whoever gave it.
    running.run("percent", "product-page", "50", "--reason", "x")
    running.wait_until(lambda: len(running.audit()) == 4)
    assert [e["action"] for e in running.audit()][2:] == ["percent", "percent"]


def test_each_replica_writes_down_what_it_heard_and_from_whom(
    shop: Shop, redis_server: RedisServer
) -> None:
    with Fleet(shop, redis_server) as fleet:
        done = fleet.run("rollback", "--all", "--reason", "INC-42", "--wait", number=2)
        assert done.code == 0, done
        first, second = fleet.replicas[1], fleet.replicas[2]
        first.wait_until(first.audit)
        (heard,) = first.audit()
        assert (heard["action"], heard["scope"], heard["after"]) == (
            *("heard", "all"),
            "rolled back by command",
        )
        assert (heard["via"], heard["credential"], heard["reason"]) == (
            *("fleet", "replica replica-2"),
            "INC-42",
        )
        begun, told = second.audit()
        assert (begun["phase"], told["action"], told["via"]) == ("begun", "rollback", "api")
        assert heard["who"] == told["who"]
        assert set(told["replicas"]) == {"replica-1", "replica-2", "replica-3"}
        for replica in fleet.replicas.values():
            assert replica.run("audit", "--verify").code == 0


def test_what_changed_while_nothing_ran_can_be_told_from_the_line_of_the_start(shop: Shop) -> None:
    shop.start(workers=1).serving().stop()
    shop.write_flags(FLAGS.replace("percent: 100", "percent: 40"))
    (shop.folder / "state" / "ROLLBACK").touch()
    running = shop.start(workers=1).serving()
    entries = running.run("audit", "--scope", "figway", "--json").json["entries"]
    first, second = (entry["after"].split("; ")[1:] for entry in entries)
    assert first == ["route:product-page 100 %"]
    assert second == ["all rolled back by sentinel", "route:product-page 40 %"]
    assert {entry["via"] for entry in entries} == {"start"}
