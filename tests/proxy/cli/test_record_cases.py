"""figway conform record: what it writes runs."""

from __future__ import annotations

import gzip
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from proxy.cli.main import main
from proxy.conformance.case_file import parse_cases
from tests.proxy.conformance.two_sides import ROUTES, by_target, http
from tests.rigs.scripted_origin import ScriptedOrigin

LOG = """\
192.0.2.7 - - [22/Nov/2026:10:00:00 +0000] "GET /product/saw?page=2 HTTP/1.1" 200 512 "-" "x"
192.0.2.7 - - [22/Nov/2026:10:00:01 +0000] "GET /product/saw?page=3 HTTP/1.1" 200 512 "-" "x"
192.0.2.7 - - [22/Nov/2026:10:00:02 +0000] "GET /product/drill?token=abc HTTP/1.1" 200 512 "-" "x"
192.0.2.7 - - [22/Nov/2026:10:00:03 +0000] "POST /product/saw HTTP/1.1" 200 512 "-" "x"
192.0.2.7 - - [22/Nov/2026:10:00:04 +0000] "GET /cart HTTP/1.1" 200 512 "-" "x"
192.0.2.7 - - [22/Nov/2026:10:00:05 +0000] "\\x16\\x03\\x01" 400 0 "-" "-"
"""


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "routes.yaml").write_text(ROUTES)
    (tmp_path / "access.log").write_text(LOG)
    return tmp_path


@pytest.mark.parametrize("packed", [False, True])
def test_a_log_becomes_cases_that_run(
    packed: bool, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    if packed:
        (folder / "access.log").write_bytes(gzip.compress(LOG.encode()))
    assert main(["conform", "record", "--from-log", "access.log", "--per-shape", "1"]) == 0
    captured = capsys.readouterr()
    assert captured.err.splitlines() == [
        "2 cases of 6 requests",
        "  left out: 1 (method POST)",
        "  left out: 1 (no new side)",
        "  left out: 1 (the client sent no request that could be read)",
        "  1 case is skipped until it is given a value",
    ]
    assert "abc" not in captured.out
    (folder / "cases.yaml").write_text(captured.out)
    with (
        ScriptedOrigin(by_target({b"/product/saw?page=2": http(200)})) as legacy,
        ScriptedOrigin(by_target({b"/product/saw?page=2": http(200)})) as new,
    ):
        assert main(["conform", "cases.yaml", "--legacy", legacy.url, "--new", new.url]) == 0
    out = capsys.readouterr().out
    assert "ok      GET /product/saw?page=2" in out
    assert "skipped GET /product/drill?token=${QUERY_TOKEN} (needs a value for QUERY_TOKEN" in out


def test_json_has_the_counts_and_the_text(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["conform", "record", "--from-log", "access.log", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["seen"], told["cases"], told["left_out"]["no new side"]) == (6, 3, 1)
    assert len(parse_cases(told["text"].encode(), "x").cases) == 3


def test_figways_own_log_is_read(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    served = {"event": "request_served", "method": "GET", "host": "shop.example", "status": 200}
    lines = [
        {**served, "path": "/product/saw", "route": "product"},
        {**served, "path": "/index.php", "route": "old-product"},
        {"event": "reloaded"},
    ]
    (folder / "figway.log").write_text("".join(json.dumps(line) + "\n" for line in lines))
    assert main(["conform", "record", "--from-log", "figway.log"]) == 0
    captured = capsys.readouterr()
    (case,) = parse_cases(captured.out.encode(), "x").cases
    assert case.steps[0].request.url == "http://shop.example/product/saw"
    assert "1 (the log does not hold what chose its route)" in captured.err


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "x.log: cannot be read: No such file"),
        (b"hello\n", "no line tells of a request; x.log:1: neither combined format nor JSON"),
        (gzip.compress(b"a" * 5000)[:30], "x.log: is no whole gzip file"),
    ],
)
def test_a_log_that_is_none_is_said(
    content: bytes | None, message: str, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    if content is not None:
        (folder / "x.log").write_bytes(content)
    assert main(["conform", "record", "--from-log", "x.log"]) == 2
    assert message in capsys.readouterr().err


EXEMPLARS = {
    "e1": ("product", "GET", "/product/saw", []),
    "e2": ("product", "GET", "/product/saw", []),
    "e3": ("product", "GET", "/product/drill", [["Cookie", "PHPSESSID=[redacted]"]]),
    "e4": ("search", "GET", "/search?q=1", []),
}


@pytest.fixture
def admin() -> Iterator[str]:
    """What the admin listener answers about exemplars."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            path, _, query = self.path.removeprefix("/api/v1/shadow/").partition("?")
            if path == "report":
                value: object = {
                    "routes": [
                        {"route": "product", "earlier_epochs": []},
                        {"route": "search", "earlier_epochs": []},
                        {"route": "fresh", "earlier_epochs": []},
                        {"route": "redeployed", "earlier_epochs": [{"id": "e"}]},
                    ]
                }
            elif path == "exemplars":
                route = query.removeprefix("route=")
                value = {
                    "route": route,
                    "exemplars": [
                        {"id": id, "method": e[1], "target": e[2], "replay_of": ""}
                        for id, e in EXEMPLARS.items()
                        if e[0] == route
                    ]
                    + [{"id": "r", "method": "GET", "target": "/r", "replay_of": "e1"}],
                }
            else:
                route, method, target, headers = EXEMPLARS[path.removeprefix("exemplars/")]
                value = {
                    "route": route,
                    "method": method,
                    "target": target,
                    "request_headers": headers,
                    "request_body": "",
                }
            body = json.dumps(value).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.mark.parametrize(
    ("route", "names"),
    [
        (["product"], ["GET /product/saw", "GET /product/drill"]),
        ([], ["GET /product/saw", "GET /product/drill", "GET /search?q=1"]),
    ],
)
def test_exemplars_become_cases(
    route: list[str],
    names: list[str],
    admin: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("FIGWAY_TOKEN", "x" * 20)
    assert main(["conform", "record", "--admin", admin, "--from-shadow", *route]) == 0
    captured = capsys.readouterr()
    file = parse_cases(captured.out.encode(), "cases.yaml")
    assert [case.name for case in file.cases] == names
    assert file.cases[1].skip.startswith("needs a value for COOKIE_PHPSESSID")
    assert "left out: 1 (the same request as another exemplar)" in captured.err
    assert "cookies are not kept: --drop-cookies" in captured.err
    words = ["conform", "record", "--admin", admin, "--drop-cookies", "--from-shadow", *route]
    assert main(words) == 0
    anonymous = parse_cases(capsys.readouterr().out.encode(), "cases.yaml")
    assert not any(case.skip for case in anonymous.cases)


@pytest.mark.parametrize(
    ("route", "earlier"), [pytest.param("fresh", False), pytest.param("redeployed", True)]
)
def test_shadow_traffic_without_exemplars_is_said_and_nothing_is_written(
    route: str,
    earlier: bool,
    admin: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("FIGWAY_TOKEN", "x" * 20)
    words = ["conform", "record", "--admin", admin, "--from-shadow", route]
    assert main(words) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "nothing to record: no case was found in shadow traffic" in captured.err
    assert ("pairs of an earlier epoch do not count" in captured.err) is earlier
    assert main([*words, "--json"]) == 2
    told = json.loads(capsys.readouterr().out)
    assert (told["seen"], told["cases"], told["text"]) == (0, 0, "")
    assert "nothing to record" in told["detail"]


def test_a_log_without_a_case_says_why_and_nothing_is_written(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "posts.log").write_text(LOG.splitlines()[3] + "\n")
    assert main(["conform", "record", "--from-log", "posts.log"]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "left out: 1 (method POST)" in captured.err
    assert "nothing to record: no case was found in posts.log" in captured.err


def test_without_a_running_figway_it_says_so(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("FIGWAY_TOKEN", "x" * 20)
    words = ["conform", "record", "--from-shadow", "--admin", "http://127.0.0.1:1"]
    assert main(words) == 2
    assert "is `figway serve` running?" in capsys.readouterr().err
