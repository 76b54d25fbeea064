"""The plan that figway rollback prints is never in the way of the rollback."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from proxy.cli.main import main
from proxy.cli.output import Failure

DONE = {
    "unconfirmed": [],
    "workers": [{"worker": 1, "pid": 7, "ms": 1.0}],
    "replicas": [],
    "fleet": {"state": "alone", "peers": []},
    "applied_ms": 1.0,
    "holds": [],
    "warnings": [],
}
PLAN = {"verdict": "exceeds", "summary": "legacy would get 9 rps"}


@contextmanager
def admin(plan: Callable[[], bytes | None]) -> Iterator[tuple[str, list[str]]]:
    """An admin listener that answers the plan with these bytes; gives its URL and what it did."""
    did: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.answer(plan())

        def do_POST(self) -> None:
            size = int(self.headers["Content-Length"])
            did.append(json.loads(self.rfile.read(size))["scope"])
            self.answer(json.dumps(DONE).encode())

        def answer(self, body: bytes | None) -> None:
            if body is None:
                return
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}", did
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.fixture(autouse=True)
def token(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FIGWAY_TOKEN", "t")


def say(value: object) -> Callable[[], bytes]:
    return lambda: json.dumps(value).encode()


@pytest.mark.parametrize(
    ("plan", "said"),
    [
        pytest.param(say(PLAN), "plan: legacy would get 9 rps: MORE THAN IT BEARS\n", id="a plan"),
        pytest.param(say({}), "rolled back all", id="another version"),
        pytest.param(say([]), "rolled back all", id="another answer"),
        pytest.param(lambda: b"<html>", "rolled back all", id="no JSON"),
        pytest.param(lambda: None, "rolled back all", id="a connection that ends"),
    ],
)
def test_everything_is_rolled_back_whatever_becomes_of_the_plan(
    plan: Callable[[], bytes | None], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with admin(plan) as (url, did):
        assert main(["rollback", "--all", "--reason", "r", "--admin", url]) == 0
    assert did == ["all"]
    assert capsys.readouterr().out.startswith(said)


def test_a_plan_that_never_comes_is_not_waited_for(capsys: pytest.CaptureFixture[str]) -> None:
    rolled_back = threading.Event()

    def plan() -> bytes | None:
        assert rolled_back.wait(20)
        return None

    with admin(plan) as (url, did):
        assert main(["rollback", "--all", "--reason", "r", "--admin", url]) == 0
        rolled_back.set()
    assert did == ["all"]


def test_a_terminal_that_is_gone_stops_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    class Gone:
        def __getattr__(self, _: str) -> Any:
            raise BrokenPipeError

    with admin(say(PLAN)) as (url, did):
        monkeypatch.setattr("sys.stdout", Gone())
        monkeypatch.setattr("sys.stderr.close", lambda: None)
        assert main(["rollback", "--all", "--reason", "r", "--admin", url]) == 0
    assert did == ["all"]


def test_a_part_is_rolled_back_without_a_word_of_the_plan(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with admin(say(PLAN)) as (url, did):
        assert main(["rollback", "--route", "product", "--reason", "r", "--admin", url]) == 0
    assert did == ["route:product"]
    assert "plan" not in capsys.readouterr().out


def test_json_stays_one_value_on_stdout(capsys: pytest.CaptureFixture[str]) -> None:
    with admin(say(PLAN)) as (url, _):
        assert main(["rollback", "--all", "--reason", "r", "--admin", url, "--json"]) == 0
    out, err = capsys.readouterr()
    assert json.loads(out)["workers"] == DONE["workers"]
    assert "MORE THAN IT BEARS" in err


@pytest.mark.parametrize(
    ("words", "scope"),
    [
        pytest.param([], "all", id="everything, where nothing is named"),
        pytest.param(["--all"], "all", id="everything"),
        pytest.param(["--route", "a b"], "route%3Aa%20b", id="a route"),
    ],
)
def test_what_only_looks_needs_neither_scope_nor_reason(
    words: list[str],
    scope: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    asked: list[object] = []

    def ask(_: object, *call: object) -> object:
        asked.append(call)
        return {**PLAN, "scope": "all", "seconds": 0}

    monkeypatch.setattr("proxy.cli.client.ask", ask)
    assert main(["rollback", *words, "--plan"]) == 1
    assert asked == [("GET", f"/api/v1/plan?scope={scope}")]
    assert "MORE THAN IT BEARS" in capsys.readouterr().out


def test_no_plan_is_no_verdict(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def ask(*_: object) -> object:
        raise Failure(1, "there is no route 'x'")

    monkeypatch.setattr("proxy.cli.client.ask", ask)
    assert main(["rollback", "--route", "x", "--plan"]) == 2
    assert "there is no route" in capsys.readouterr().err


def test_what_acts_needs_a_scope(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["rollback", "--reason", "r"])
    assert ended.value.code == 2
    assert "--all --group --route is required" in capsys.readouterr().err
