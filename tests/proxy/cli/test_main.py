"""The figway command itself: every command is there, and starting one costs little."""

from __future__ import annotations

import importlib
import json
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from proxy.cli import client
from proxy.cli.main import COMMANDS, main
from proxy.cli.output import table

ROOT = Path(__file__).resolve().parents[3]


@pytest.mark.parametrize(("name", "module", "purpose"), COMMANDS)
def test_every_command_has_a_parser_and_a_run(name: str, module: str, purpose: str) -> None:
    command = importlib.import_module(f"proxy.cli.{module}")
    assert callable(command.add_parser)
    assert callable(command.run)
    assert purpose


@pytest.mark.parametrize("name", [name for name, _, _ in COMMANDS])
def test_help_has_an_example_and_the_exit_codes_and_fits_a_terminal(
    name: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    with pytest.raises(SystemExit) as ended:
        main([name, "--help"])
    assert ended.value.code == 0
    text = capsys.readouterr().out
    assert f"\n  figway {name}" in text
    assert "\nexit codes: 0 " in text
    assert "--json" in text or name == "serve"
    # An example is one command, however long.
    assert max(len(line) for line in text.splitlines() if not line.startswith("  figway ")) <= 80


@pytest.mark.parametrize(
    "words",
    [
        ("--help",),
        ("rollback", "--all", "--reason", "x", "--admin", "http://127.0.0.1:1"),
        ("status", "--admin", "http://127.0.0.1:1"),
        ("shadow", "report", "--admin", "http://127.0.0.1:1"),
        ("shadow", "pause", "--reason", "x", "--admin", "http://127.0.0.1:1"),
    ],
)
def test_a_command_that_asks_the_running_figway_loads_no_framework(words: tuple[str, ...]) -> None:
    """Seconds count when everything has to go back, and imports are what a command spends."""
    script = (
        "import sys, json\n"
        "from proxy.cli.main import main\n"
        "try:\n    main(sys.argv[1:])\nexcept SystemExit:\n    pass\n"
        "print('\\n' + json.dumps(sorted(sys.modules)))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, *words],
        capture_output=True,
        text=True,
        check=True,
        cwd=ROOT,
        env={"FIGWAY_TOKEN": "x" * 20, "PATH": ""},
    )
    loaded = set(json.loads(done.stdout.splitlines()[-1]))
    assert not loaded & {"pydantic", "aiohttp", "yaml", "structlog", "uvloop", "prometheus_client"}


def test_the_module_is_figway_serve(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-P", "-m", "proxy", "--config", "nowhere.yaml"],
        capture_output=True,
        text=True,
        check=False,
        cwd=tmp_path,
        env={"PYTHONPATH": str(ROOT)},
    )
    assert done.returncode == 2
    assert "figway serve:" in done.stderr
    assert "nowhere.yaml" in done.stderr


@pytest.mark.parametrize(
    ("redirection", "code"),
    [
        pytest.param(">&-", 0, id="closed"),
        pytest.param("<&- >&- 2>&-", 0, id="all_closed"),
        pytest.param(">/dev/full", 2, id="full"),
    ],
)
def test_a_stdout_that_takes_nothing_is_no_defect(redirection: str, code: int) -> None:
    done = subprocess.run(
        ["sh", "-c", f'exec "$0" -m proxy.cli.main schema {redirection}', sys.executable],
        capture_output=True,
        text=True,
        check=False,
        cwd=ROOT,
    )
    assert done.returncode == code
    assert "Traceback" not in done.stderr
    assert ("stdout takes nothing" in done.stderr) is (code == 2)


def test_a_failure_with_json_is_json(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FIGWAY_TOKEN", "x")
    assert main(["status", "--json", "--admin", "127.0.0.1:1"]) == 2
    told = capsys.readouterr()
    assert "cannot reach figway at http://127.0.0.1:1" in json.loads(told.out)["detail"]
    assert "cannot reach figway" in told.err


class _Shop(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        body = b'{"error": "not found"}'
        self.send_response(404)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


def test_another_server_is_not_taken_for_the_admin_listener(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FIGWAY_TOKEN", "x")
    with HTTPServer(("127.0.0.1", 0), _Shop) as server:
        answering = threading.Thread(target=server.handle_request)
        answering.start()
        assert main(["status", "--admin", f"127.0.0.1:{server.server_port}"]) == 2
        answering.join()
    assert "answered 404 and is not the admin listener of a figway" in capsys.readouterr().err


def test_a_table_is_as_wide_as_its_cells(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    assert table(("a", "bb"), [("long", "x")]) == "a     bb\nlong  x"


def test_the_default_address_is_that_of_the_documentation() -> None:
    assert client.DEFAULT_ADMIN == "http://127.0.0.1:9900"
