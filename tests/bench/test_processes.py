"""What the benchmark starts it also ends: whole trees, by id, and nothing else."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from bench.ports import free_ports, status_of, wait_until_answering
from bench.proc import ProcessEntry, process_tree
from bench.processes import HarnessError, OwnedProcess, require

# Starts a child that ignores SIGTERM and leaves the process group, then answers on a port.
STUBBORN = """
import http.server, signal, subprocess, sys
child = subprocess.Popen(
    [sys.executable, "-c", "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN);"
     "print('ready', flush=True); signal.pause()"],
    stdout=subprocess.PIPE, start_new_session=True)
child.stdout.readline()
class Quiet(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200); self.send_header("Content-Length", "0"); self.end_headers()
    def log_message(self, *a): pass
http.server.HTTPServer(("127.0.0.1", int(sys.argv[1])), Quiet).serve_forever()
"""


def test_a_whole_tree_ends_even_a_child_that_left_the_group(tmp_path: Path) -> None:
    (port,) = free_ports(1)
    command = [sys.executable, "-c", STUBBORN, str(port)]
    with OwnedProcess("stubborn", command, core=None, log=tmp_path / "log") as process:
        wait_until_answering(process, port)
        tree = process_tree(process.pid)
        assert len(tree) == 2

    assert status_of(port) is None
    assert all((left := ProcessEntry.of(entry.pid)) is None or left.state == "Z" for entry in tree)


def test_the_tree_ends_when_the_measurement_fails(tmp_path: Path) -> None:
    command = [sys.executable, "-c", "import signal; signal.pause()"]
    with (
        pytest.raises(ZeroDivisionError),
        OwnedProcess("waiting", command, core=None, log=tmp_path / "log") as process,
    ):
        raise ZeroDivisionError

    assert ProcessEntry.of(process.pid) is None


def test_a_server_that_ends_early_is_reported_with_its_last_words(tmp_path: Path) -> None:
    (port,) = free_ports(1)
    command = [sys.executable, "-c", "raise SystemExit('port is taken')"]
    with (
        OwnedProcess("broken", command, core=None, log=tmp_path / "log") as process,
        pytest.raises(HarnessError, match="broken ended with status 1:\nport is taken"),
    ):
        wait_until_answering(process, port)


def test_a_missing_command_names_its_package() -> None:
    with pytest.raises(HarnessError, match=r"bench/install-peers.*package wrk-package"):
        require("no-such-command-anywhere", "wrk-package")


def test_free_ports_are_distinct() -> None:
    assert len(set(free_ports(20))) == 20
