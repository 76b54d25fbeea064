"""The way to the admin listener: what an answer that is no success does to the exit code."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from proxy.cli.main import main

Refusing = Callable[[int], None]


@pytest.fixture
def refusing(monkeypatch: pytest.MonkeyPatch) -> Iterator[Refusing]:
    """An admin listener that refuses everything with the status it is told."""
    told = [0]

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length", "0")))
            body = json.dumps({"detail": f"refused with {told[0]}"}).encode()
            self.send_response(told[0])
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        do_POST = do_GET  # noqa: N815 - the name that http.server calls

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = HTTPServer(("127.0.0.1", 0), Handler)
    serving = threading.Thread(target=server.serve_forever, args=(0.01,))
    serving.start()
    monkeypatch.setenv("FIGWAY_ADMIN", f"127.0.0.1:{server.server_port}")
    monkeypatch.setenv("FIGWAY_TOKEN", "x")
    yield lambda status: told.__setitem__(0, status)
    server.shutdown()
    serving.join()
    server.server_close()


@pytest.mark.parametrize(
    ("status", "code"),
    [
        pytest.param(401, 2, id="no good token"),
        pytest.param(403, 1, id="the role is not enough"),
        pytest.param(409, 1, id="something stands against it"),
    ],
)
@pytest.mark.parametrize(
    "words",
    [("rollback", "--all", "--reason", "R"), ("shadow", "pause"), ("token", "list")],
    ids=["rollback", "pause", "token"],
)
def test_what_a_role_may_not_do_is_refused_and_who_has_no_token_asked_nothing(
    refusing: Refusing,
    capsys: pytest.CaptureFixture[str],
    words: tuple[str, ...],
    status: int,
    code: int,
) -> None:
    refusing(status)
    assert main(list(words)) == code
    assert f"refused with {status}" in capsys.readouterr().err


@pytest.mark.parametrize("status", [401, 403, 409])
def test_without_what_it_judges_by_a_command_has_no_verdict(
    refusing: Refusing, status: int
) -> None:
    refusing(status)
    assert main(["rollback", "--all", "--plan"]) == 2
