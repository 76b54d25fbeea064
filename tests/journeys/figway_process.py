"""The real program: `figway serve` as a child process, its log, its commands and its admin API."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import signal
import subprocess
import sys
import threading
import time
import urllib.parse
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

PATIENCE = 30.0
FIGWAY = (sys.executable, "-P", "-m", "proxy.cli.main")


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """What a finished figway command left."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """What it printed, as JSON."""
        return json.loads(self.out)


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """One HTTP response, read whole."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        """The body as JSON."""
        return json.loads(self.body)


class FigwayProcess:
    """One `figway serve` and everything it says."""

    def __init__(
        self,
        folder: Path,
        *,
        workers: int = 2,
        options: tuple[str, ...] = (),
        environ: Mapping[str, str] | None = None,
        cwd: Path | None = None,
    ) -> None:
        self.folder = folder
        self.config = folder / "routes.yaml"
        self.flags = folder / "flags.yaml"
        self.state = folder / "state"
        self.log: list[dict[str, Any]] = []
        # Nobody will write to the log any more: it has ended, and so has whoever wrote to it.
        self._silent = False
        self._heard = threading.Condition()
        self.process = subprocess.Popen(
            [
                *FIGWAY,
                "serve",
                *("--config", str(self.config), "--flags", str(self.flags)),
                *("--state-dir", str(self.state), "--workers", str(workers)),
                *("--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0"),
                *options,
            ],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=environment(environ),
            cwd=cwd or folder,
        )
        self.err = ""
        self._readers = (
            threading.Thread(target=self._read_log, daemon=True),
            threading.Thread(target=self._read_err, daemon=True),
        )
        for reader in self._readers:
            reader.start()

    # What it says.

    def _read_log(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            with self._heard:
                self.log.append(json.loads(line))
                self._heard.notify_all()
        with self._heard:
            self._silent = True
            self._heard.notify_all()

    def _read_err(self) -> None:
        assert self.process.stderr is not None
        self.err = self.process.stderr.read().decode()

    def events(self, name: str) -> list[dict[str, Any]]:
        """Every event of this name so far."""
        return [line for line in tuple(self.log) if line.get("event") == name]

    def wait_for(self, name: str, count: int = 1) -> dict[str, Any]:
        """Wait until an event was logged `count` times; return the last of them."""
        with self._heard:
            if self._heard.wait_for(
                lambda: len(self.events(name)) >= count or self._silent, PATIENCE
            ):
                found = self.events(name)
                if len(found) >= count:
                    return found[count - 1]
        raise AssertionError(f"no {name} in {self.log}; stderr: {self.err}")

    def wait_until(self, question: Callable[[], Any]) -> Any:
        """Ask until the answer is true. For state that is shown but not logged."""
        end = time.monotonic() + PATIENCE
        while not (answer := question()):
            assert time.monotonic() < end, "it never became true"
            time.sleep(0.02)
        return answer

    def serving(self) -> FigwayProcess:
        """Wait until it serves."""
        event = self.wait_for("serving")
        self.listen = str(event["listen"])
        self.admin = str(event["admin"])
        return self

    # What is asked of it.

    def get(self, path: str, *, method: str = "GET", **headers: str) -> Answer:
        """One request to the data port on a connection of its own."""
        return ask(self.listen, method, path, headers=headers)

    def api(self, path: str, body: object = None, *, method: str | None = None) -> Answer:
        """One request to the admin API, with the token."""
        headers = {"Authorization": f"Bearer {self.token}"}
        content = None
        if body is not None:
            content = json.dumps(body).encode()
            headers["Content-Type"] = "application/json"
        return ask(
            self.admin, method or ("GET" if body is None else "POST"), path, content, headers
        )

    @property
    def token(self) -> str:
        """The admin token."""
        return (self.state / "admin-token").read_text().strip()

    def run(self, *words: str, environ: Mapping[str, str] | None = None) -> Command:
        """Run a figway command against this process."""
        return figway(*words, environ={"FIGWAY_STATE_DIR": str(self.state), **(environ or {})})

    def status(self) -> Any:
        """What `figway status --json` shows."""
        return self.api("/api/v1/status").json

    def worker_pids(self) -> list[int]:
        """The processes of its workers."""
        return [worker["pid"] for worker in self.status()["workers"]]

    def metric(self, name: str, **labels: str) -> float:
        """The sum of a metric's series that carry these labels."""
        page = ask(self.admin, "GET", "/metrics").body.decode()
        total = 0.0
        for line in page.splitlines():
            series, _, value = line.rpartition(" ")
            if series.partition("{")[0] == name and all(
                f'{key}="{value_}"' in series for key, value_ in labels.items()
            ):
                total += float(value)
        return total

    def audit(self) -> list[dict[str, Any]]:
        """Every change in the audit; not what it writes of itself and of a start."""
        path = self.state / "audit.jsonl"
        lines = path.read_text().splitlines() if path.exists() else []
        return [entry for line in lines if _is_change(entry := json.loads(line))]

    # How it ends.

    def signal(self, name: signal.Signals) -> None:
        """Send a signal to the supervisor."""
        self.process.send_signal(name)

    def wait(self) -> int:
        """Wait for the end; return the exit code."""
        code = self.process.wait(PATIENCE)
        for reader in self._readers:
            reader.join(PATIENCE)
        return code

    def stop(self) -> int:
        """Drain and end."""
        with contextlib.suppress(ProcessLookupError):
            self.process.terminate()
        return self.wait()

    def close(self) -> None:
        """End it, whatever state it is in."""
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(5)
            except subprocess.TimeoutExpired:
                # Its workers see the link close and end by themselves.
                self.process.kill()
        self.wait()
        for stream in (self.process.stdout, self.process.stderr):
            if stream is not None:
                stream.close()


def _is_change(entry: dict[str, Any]) -> bool:
    return entry["scope"] not in ("audit", "figway")


def environment(extra: Mapping[str, str] | None = None) -> dict[str, str]:
    """The environment of a figway: nothing of the tester's own FIGWAY_* variables."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("FIGWAY_")}
    root = str(Path(__file__).resolve().parents[2])
    return {**kept, "PYTHONPATH": root, **(extra or {})}


def figway(
    *words: str, environ: Mapping[str, str] | None = None, cwd: Path | None = None
) -> Command:
    """Run any figway command to its end."""
    done = subprocess.run(
        [*FIGWAY, *words],
        env=environment(environ),
        cwd=cwd,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    return Command(code=done.returncode, out=done.stdout, err=done.stderr)


def ask(
    address: str,
    method: str,
    path: str,
    body: bytes | None = None,
    headers: Mapping[str, str] | None = None,
) -> Answer:
    """One request on a connection of its own."""
    where = urllib.parse.urlsplit(f"http://{address}")
    connection = http.client.HTTPConnection(where.hostname or "", where.port, timeout=PATIENCE)
    try:
        connection.request(method, path, body, dict(headers or {}))
        response = connection.getresponse()
        return Answer(
            status=response.status,
            headers={name.lower(): value for name, value in response.getheaders()},
            body=response.read(),
        )
    finally:
        connection.close()
