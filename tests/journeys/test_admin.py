"""The admin listener of the real program: bad input changes nothing, good input does."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.journeys.conftest import FLAGS, ROUTES, Shop
from tests.journeys.figway_process import FigwayProcess, ask
from tests.journeys.origin import Origin

ROLLBACK = {"scope": "all", "reason": "try"}
GOOD = json.dumps(ROLLBACK).encode()


@dataclass(frozen=True, slots=True)
class Attempt:
    """A request to the admin listener that must be refused."""

    status: tuple[int, ...]
    method: str = "POST"
    path: str = "/api/v1/rollback"
    body: bytes | None = GOOD
    token: str = "right"
    content_type: str = "application/json"
    headers: tuple[tuple[str, str], ...] = ()


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FigwayProcess]:
    """One figway for every test that changes nothing."""
    folder = tmp_path_factory.mktemp("admin")
    with Origin("legacy") as legacy, Origin("new") as new:
        (folder / "routes.yaml").write_text(ROUTES.format(legacy=legacy.url, new=new.url))
        (folder / "flags.yaml").write_text(FLAGS)
        figway = FigwayProcess(folder, workers=1)
        try:
            yield figway.serving()
        finally:
            figway.close()


def with_token(figway: FigwayProcess, attempt: Attempt) -> dict[str, str]:
    headers = dict(attempt.headers)
    if attempt.token:
        token = figway.token if attempt.token == "right" else attempt.token
        headers["Authorization"] = f"Bearer {token}"
    if attempt.body is not None:
        headers.setdefault("Content-Type", attempt.content_type)
    return headers


def body(**fields: object) -> bytes:
    return json.dumps({**ROLLBACK, **fields}).encode()


# http.md 2E, item 93, and its neighbours.
REFUSED = [
    pytest.param(Attempt((401,), token=""), id="no_token"),
    pytest.param(Attempt((401,), token="x" * 43), id="wrong_token"),
    pytest.param(
        Attempt((401,), token="", path="/api/v1/rollback?token=TOKEN"), id="token_in_query"
    ),
    pytest.param(
        Attempt((401,), token="", headers=(("Cookie", "token=TOKEN"),)), id="token_in_cookie"
    ),
    pytest.param(Attempt((405,), method="GET", body=None), id="mutation_by_get"),
    pytest.param(Attempt((405,), method="HEAD", body=None), id="mutation_by_head"),
    pytest.param(Attempt((405,), method="PUT"), id="mutation_by_put"),
    pytest.param(Attempt((405,), path="/api/v1/status"), id="reading_by_post"),
    pytest.param(Attempt((415,), content_type="text/plain"), id="text_plain"),
    pytest.param(
        Attempt((415,), content_type="application/x-www-form-urlencoded", body=b"scope=all"),
        id="form",
    ),
    pytest.param(
        Attempt((403,), content_type="text/plain", headers=(("Origin", "http://evil.example"),)),
        id="cross_origin_post",
    ),
    pytest.param(Attempt((403,), headers=(("Origin", "null"),)), id="origin_null"),
    pytest.param(Attempt((403,), headers=(("Sec-Fetch-Mode", "no-cors"),)), id="no_cors"),
    pytest.param(Attempt((403,), headers=(("Sec-Fetch-Site", "cross-site"),)), id="cross_site"),
    pytest.param(Attempt((403,), headers=(("Host", "evil"),)), id="host_evil"),
    pytest.param(Attempt((403,), headers=(("Host", "evil.example:9900"),)), id="rebound_host"),
    pytest.param(Attempt((413,), body=b" " * 10_000_000), id="ten_megabytes"),
    pytest.param(Attempt((400,), body=b"[" * 10_000), id="depth_bomb"),
    pytest.param(Attempt((400,), body=b'{"a":' * 5000 + b"1" + b"}" * 5000), id="object_bomb"),
    pytest.param(
        Attempt((400,), body=b'{"scope":"route:x","scope":"all","reason":"x"}'), id="duplicate_name"
    ),
    pytest.param(Attempt((400,), body=b'{"scope":"all","reason":NaN}'), id="nan"),
    pytest.param(Attempt((400,), body=body(force=True)), id="unknown_field"),
    pytest.param(Attempt((400,), body=b""), id="no_body"),
    pytest.param(Attempt((400,), body=b"null"), id="null"),
    pytest.param(Attempt((400,), body=b'["all"]'), id="array"),
    pytest.param(Attempt((400,), body=b'{"scope":"all"}'), id="no_reason"),
    pytest.param(Attempt((400,), body=body(reason="")), id="empty_reason"),
    pytest.param(Attempt((400,), body=body(reason=" \t\n")), id="blank_reason"),
    pytest.param(Attempt((400,), body=body(reason="x" * 1001)), id="endless_reason"),
    pytest.param(Attempt((400,), body=body(reason=7)), id="reason_is_a_number"),
    pytest.param(Attempt((400,), body=b'{"scope":"all","reason":"\\ud800"}'), id="lone_surrogate"),
    pytest.param(Attempt((400,), body=body(scope="everything")), id="unknown_scope"),
    pytest.param(Attempt((400,), body=body(scope="group:")), id="empty_group"),
    pytest.param(Attempt((400,), body=body(scope=["all"])), id="scope_is_a_list"),
    pytest.param(Attempt((404,), body=body(scope="group:nobody")), id="group_there_is_not"),
    pytest.param(Attempt((404,), body=body(scope="route:nobody")), id="route_there_is_not"),
    pytest.param(Attempt((400,), body=body(wait_seconds=0)), id="no_time"),
    pytest.param(Attempt((400,), body=body(wait_seconds=1e6)), id="too_long"),
    pytest.param(Attempt((400,), body=body(wait_seconds=True)), id="time_is_a_boolean"),
    pytest.param(Attempt((404,), path="/api/v2/rollback"), id="another_version"),
    pytest.param(Attempt((404,), path="/api/v1/rollback/"), id="slash_at_the_end"),
    pytest.param(Attempt((404,), path="//api/v1/rollback"), id="slash_at_the_start"),
]


@pytest.mark.parametrize("attempt", REFUSED)
def test_what_must_be_refused_is_and_changes_nothing(
    running: FigwayProcess, attempt: Attempt
) -> None:
    revision = running.status()["revision"]
    token = running.token
    headers = {k: v.replace("TOKEN", token) for k, v in with_token(running, attempt).items()}
    path = attempt.path.replace("TOKEN", token)
    try:
        answer = ask(running.admin, attempt.method, path, attempt.body, headers)
    except ConnectionError:
        # The listener may hang up on a sender of ten megabytes before it has sent them all.
        assert attempt.status == (413,)
    else:
        assert answer.status in attempt.status
        assert answer.headers["content-type"].startswith("application/problem+json")
        assert answer.headers["cache-control"] == "no-store"
        if attempt.method != "HEAD":
            problem = answer.json
            assert problem["status"] == answer.status
            assert problem["detail"]
            assert token not in answer.body.decode()
    status = running.status()
    assert (status["revision"], status["holds"]) == (revision, [])
    assert running.audit() == []


PERCENT = {"name": "product-page", "percent": 5, "reason": "x"}


@pytest.mark.parametrize(
    ("fields", "status", "words"),
    [
        pytest.param({"percent": -0.01}, 400, "between 0 and 100", id="negative"),
        pytest.param({"percent": 100.01}, 400, "between 0 and 100", id="above_100"),
        pytest.param({"percent": 0.001}, 400, "smallest step is 0.01", id="too_fine"),
        pytest.param({"percent": "5"}, 400, "percent", id="text"),
        pytest.param({"percent": True}, 400, "percent", id="boolean"),
        pytest.param({"percent": None}, 400, "percent", id="null"),
        pytest.param({"name": "product-pages"}, 404, "did you mean product-page", id="unknown"),
        pytest.param({"name": "cart"}, 409, "belongs to the group purchase", id="grouped"),
        pytest.param(
            {"name": "capped", "percent": 25.01}, 409, "above max_percent 25", id="ceiling"
        ),
        pytest.param(
            {"name": "purchase", "percent": 41},
            409,
            "max_percent 40 of checkout",
            id="lowest_of_all",
        ),
        pytest.param({"name": "parked"}, 409, "stage shadow", id="stage"),
        pytest.param({"name": "done"}, 409, "stage complete", id="complete"),
        pytest.param({"name": "monolith"}, 409, "no `new` upstream", id="no_new_side"),
    ],
)
def test_a_percentage_that_may_not_be_is_refused_with_the_mend(
    running: FigwayProcess, fields: dict[str, object], status: int, words: str
) -> None:
    answer = running.api("/api/v1/percent", {**PERCENT, **fields})
    assert answer.status == status
    assert words in answer.body.decode()
    if status == 409:
        assert "routes.yaml:" in answer.json["detail"]
    assert running.flags.read_text() == FLAGS
    assert running.audit() == []


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        pytest.param({"method": ""}, "method", id="no_method"),
        pytest.param({"url": ""}, "url", id="no_url"),
        pytest.param({"headers": [["a"]]}, "headers", id="half_a_header"),
        pytest.param({"headers": {"a": "b"}}, "headers", id="headers_as_an_object"),
        pytest.param({"client_ip": 5}, "client_ip", id="number_as_address"),
        pytest.param({"url": "product"}, "url: must be http", id="no_url_at_all"),
        pytest.param({"method": "get"}, "write GET", id="lower_case_method"),
    ],
)
def test_a_request_that_is_none_cannot_be_explained(
    running: FigwayProcess, fields: dict[str, object], words: str
) -> None:
    asked = {"method": "GET", "url": "http://x/", **fields}
    answer = running.api("/api/v1/explain", asked)
    assert answer.status == 400
    assert words in answer.body.decode()


@pytest.mark.parametrize(
    "path",
    ["/api/v1/status", "/api/v1/rollback", "/metrics", "/livez", "/readyz", "/openapi.json"],
)
@pytest.mark.parametrize("form", ["{path}", "http://{admin}{path}", "http://localhost{path}"])
def test_the_data_port_knows_nothing_of_the_admin_listener(
    running: FigwayProcess, path: str, form: str
) -> None:
    target = form.format(path=path, admin=running.admin)
    host, _, port = running.listen.rpartition(":")
    with socket.create_connection((host, int(port)), timeout=20) as client:
        client.sendall(
            f"GET {target} HTTP/1.1\r\nHost: {running.admin}\r\n"
            f"X-Forwarded-Host: {running.admin}\r\nAuthorization: Bearer {running.token}\r\n"
            "Connection: close\r\n\r\n".encode()
        )
        answer = b""
        while chunk := client.recv(65536):
            answer += chunk
    assert b"X-Origin: legacy" in answer or answer.startswith(b"HTTP/1.1 4")


def test_probes_metrics_and_description_are_there(running: FigwayProcess) -> None:
    for path in ("/livez", "/readyz", "/metrics"):
        answer = ask(running.admin, "GET", path)
        assert answer.status == 200
        assert running.token not in answer.body.decode()
    document = running.api("/openapi.json").json
    assert document["openapi"].startswith("3.1")
    # Every call is held against its description in tests/proxy/admin/test_shadow_api.py.
    assert {
        f"/api/v1/{name}"
        for name in ("status", "routes", "explain", "rollback", "resume", "percent", "reload")
    } <= set(document["paths"])
    assert "/api/v1/shadow/report" in document["paths"]


def test_explain_answers_what_the_command_shows_and_traffic_does(running: FigwayProcess) -> None:
    url = f"http://{running.listen}/product/a"
    for header, reason in (("1", "cohort_always"), ("0", "bucket_in")):
        told = running.run("explain", "GET", url, "-H", f"X-Employee: {header}", "--json").json
        assert (told["route"], told["side"], told["reason"]) == ("product-page", "new", reason)
    text = running.run("explain", "GET", url).out
    assert "product-page" in text
    assert "bucket" in text
    offline = running.run(
        *("explain", "GET", url, "--json"),
        *("--config", str(running.config), "--flags", str(running.flags)),
    )
    live = running.run("explain", "GET", url, "--json")
    differing = {"config_revision", "flags_revision"}
    assert {k: v for k, v in offline.json.items() if k not in differing} == {
        k: v for k, v in live.json.items() if k not in differing
    }


def test_numbers_are_summed_over_workers_and_add_up(shop: Shop) -> None:
    figway = shop.start(workers=3).serving()
    for _ in range(30):
        figway.get("/product/a")
        figway.get("/")
    with socket.create_connection(("127.0.0.1", int(figway.listen.rpartition(":")[2]))) as client:
        client.sendall(b"GET / HTTP/1.1\r\n\r\n")  # no Host
        assert client.recv(1000).startswith(b"HTTP/1.1 400")
    labels = {"route": "product-page", "upstream": "catalog", "reason": "bucket_in", "code": "200"}
    assert figway.metric("figway_requests_total", **labels) == 30
    assert figway.metric("figway_requests_total", route="monolith") == 30
    assert figway.metric("figway_request_duration_seconds_count") == 60
    assert figway.metric("figway_request_duration_seconds_bucket", le="+Inf") == 60
    assert figway.metric("figway_refused_requests_total") == 1
    assert figway.metric("figway_client_connections_accepted_total") == 61
    assert figway.metric("figway_workers", state="ready") == 3
    # Paths are never labels: a thousand of them make no new series.
    before = len(ask(figway.admin, "GET", "/metrics").body.splitlines())
    for number in range(100):
        figway.get(f"/product/{number}")
    assert len(ask(figway.admin, "GET", "/metrics").body.splitlines()) == before


def test_a_percentage_is_written_to_the_file_and_used_at_once(shop: Shop) -> None:
    figway = shop.start().serving()
    command = figway.run("percent", "product-page", "0", "--reason", "pause", "--json")
    assert command.code == 0
    assert [ack["worker"] for ack in command.json["workers"]] == [1, 2]
    assert figway.get("/product/a").body == b"legacy\n"
    assert figway.flags.read_text() == FLAGS.replace("percent: 100", "percent: 0")
    assert figway.run("percent", "purchase", "12.34%", "--reason", "try").code == 0
    routes = {r["id"]: r["effective_percent"] for r in figway.api("/api/v1/routes").json["routes"]}
    assert (routes["cart"], routes["checkout"]) == (12.34, 12.34)
    assert "# all of it" in figway.flags.read_text()
    assert [
        (e["scope"], e["before"], e["after"]) for e in figway.audit() if e["phase"] == "done"
    ] == [
        ("route:product-page", "100 %", "0 %"),
        ("group:purchase", "no flag", "12.34 %"),
    ]
    figway.run("rollback", "--all", "--reason", "x")
    told = figway.run("percent", "product-page", "50", "--reason", "x", "--json")
    assert "rolled back" in told.json["warnings"][0]
    assert figway.get("/product/a").body == b"legacy\n"


def test_no_secret_and_no_raw_control_character_reaches_the_log(shop: Shop) -> None:
    figway = shop.start(options=("--access-log", "all")).serving()
    secret = "a-secret-that-must-not-be-told"
    figway.get(f"/x?card={secret}", Authorization=f"Bearer {secret}", Cookie=f"s={secret}")
    reason = "two\nlines \x1b[31mred\x7f \x85 \u2028 end"
    assert figway.api("/api/v1/rollback", {"scope": "all", "reason": reason}).status == 200
    figway.api("/api/v1/status", method="DELETE")
    assert figway.wait_for("rolled_back")["reason"] == reason
    ask(figway.admin, "POST", "/api/v1/rollback", b"{}", {"Authorization": f"Bearer {secret}"})
    token = figway.token
    figway.stop()
    whole = json.dumps(figway.log)
    assert secret not in whole
    assert token not in whole + figway.err
    audit = Path(shop.folder / "state" / "audit.jsonl").read_bytes()
    assert [json.loads(line)["action"] for line in audit.splitlines()] == [
        *("opened", "started", "rollback", "rollback")
    ]
    assert audit.rstrip(b"\n").isascii()


@pytest.mark.parametrize(
    ("words", "code", "text"),
    [
        pytest.param((), 2, "COMMAND", id="nothing"),
        pytest.param(("rolback",), 2, "rolback", id="unknown_command"),
        pytest.param(("rollback", "--reason", "x"), 2, "--all", id="no_scope"),
        pytest.param(("rollback", "--all"), 2, "--reason", id="no_reason"),
        pytest.param(("rollback", "--all", "--route", "x", "--reason", "x"), 2, "--all", id="two"),
        pytest.param(("percent", "x", "much", "--reason", "x"), 2, "much", id="no_number"),
        pytest.param(
            ("percent", "no-such", "5", "--reason", "x"), 1, "no route", id="unknown_route"
        ),
        pytest.param(("explain", "GET", "/", "-H", "x"), 2, "NAME: VALUE", id="no_header"),
        pytest.param(("status", "--admin", "http://127.0.0.1:1"), 2, "cannot reach", id="nobody"),
        pytest.param(("status", "--admin", "nonsense://"), 2, "expected http", id="no_url"),
        pytest.param(("percent", "x", "nan", "--reason", "y"), 2, "from 0 to 100", id="no_number"),
        pytest.param(("status", "--state-dir", "/nowhere"), 2, "no admin token", id="no_token"),
        pytest.param(("--help",), 0, "examples:", id="help"),
        pytest.param(("--version",), 0, "figway ", id="version"),
        *(
            pytest.param((command, "--help"), 0, "example", id=f"help_of_{command}")
            for command in ("serve", "status", "routes", "explain", "percent", "rollback")
        ),
        *(
            pytest.param((command, "--help"), 0, "example", id=f"help_of_{command}")
            for command in ("resume", "reload", "check", "test", "schema", "audit", "token")
        ),
    ],
)
def test_a_command_says_what_is_wrong_and_how_it_ended(
    running: FigwayProcess, words: tuple[str, ...], code: int, text: str
) -> None:
    done = running.run(*words)
    assert done.code == code
    assert text in done.out + done.err
    assert "Traceback" not in done.err


def test_the_token_may_come_from_the_environment(running: FigwayProcess, tmp_path: Path) -> None:
    address = {"FIGWAY_STATE_DIR": str(tmp_path), "FIGWAY_ADMIN": f"http://{running.admin}"}
    (tmp_path / "token").write_text(running.token + "\n")
    for token in ({"FIGWAY_TOKEN": running.token}, {"FIGWAY_TOKEN_FILE": str(tmp_path / "token")}):
        assert running.run("status", environ={**address, **token}).code == 0
    wrong = running.run("status", environ={**address, "FIGWAY_TOKEN": "wrong"})
    assert (wrong.code, "bearer token is wrong" in wrong.err) == (2, True)


def test_json_is_json_also_when_it_is_a_refusal(running: FigwayProcess) -> None:
    for words in (("status",), ("routes",), ("reload",)):
        assert isinstance(running.run(*words, "--json").json, dict)
    refused = running.run("rollback", "--route", "nobody", "--reason", "x", "--json")
    assert (refused.code, refused.json["status"]) == (1, 404)
    assert "\x1b" not in running.run("status").out
