"""The servers that a fleet shares: a Redis, and an Unleash on its PostgreSQL. Loopback only."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Self

from bench.ports import free_ports, wait_until_answering
from bench.priority import put_ahead
from bench.processes import HarnessError, OwnedProcess, require
from deploy.postgres import Postgres, not_root
from deploy.servers import RunError
from deploy.unleash.admin import UnleashAdmin
from deploy.unleash.server import UnleashServer

_PATIENCE_SECONDS = 60.0


def wait_for(what: str, condition: Callable[[], bool], seconds: float = 30.0) -> None:
    """Wait until something is so. Raises HarnessError naming `what`."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise HarnessError(f"waited {seconds:.0f} s in vain: {what}")
        time.sleep(0.02)


class Redis:
    """One redis-server that keeps nothing on disk. It stands for another machine."""

    def __init__(self, folder: Path, *, core: int | None = None) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        (self.port,) = free_ports(1)
        self.url = f"redis://127.0.0.1:{self.port}"
        self._folder, self._core = folder, core
        self._process: OwnedProcess | None = None

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.kill()

    def start(self) -> Self:
        """Start it, empty, and wait until it answers."""
        words = ("--bind", "127.0.0.1", "--port", str(self.port), "--save", "", "--appendonly")
        process = self._process = OwnedProcess(
            "redis",
            [require("redis-server", "redis-server"), *words, "no"],
            core=self._core,
            log=self._folder / "log",
            folder=self._folder,
        )
        put_ahead(process.pid)
        wait_for("redis-server answers", lambda: self._answers(process))
        return self

    def kill(self) -> None:
        """End it at once: nothing is written, no connection is closed in order."""
        if self._process is not None:
            self._process.kill()
            self._process = None

    def command(self, *words: str) -> str:
        """What redis-cli prints for a command. Raises HarnessError for one that fails."""
        done = self._cli(*words)
        if done.returncode != 0 or done.stdout.startswith(("ERR ", "NOPERM")):
            raise HarnessError(f"redis-cli {' '.join(words)}: {done.stdout}{done.stderr}")
        return done.stdout.strip()

    def _answers(self, process: OwnedProcess) -> bool:
        process.check_alive()
        return self._cli("PING").stdout.strip() == "PONG"

    def _cli(self, *words: str) -> subprocess.CompletedProcess[str]:
        command = [require("redis-cli", "redis-tools"), "-p", str(self.port), *words]
        return subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)


class Unleash:
    """The real server on a real database, and what a person clicks in its page (`admin`)."""

    def __init__(self, folder: Path) -> None:
        """`folder` must not lie below one that only root may enter."""
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder
        database, port = free_ports(2)
        data = folder / "data"
        data.mkdir()
        self._postgres = Postgres(folder=data, port=database, password="loopback")
        self.server = UnleashServer(port=port, database_url=self._postgres.url())
        self.admin = UnleashAdmin(url=self.server.url, token=self.server.admin_token)
        self._program: OwnedProcess | None = None
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            try:
                self._postgres.make()
                as_whom, command = not_root(), self._postgres.command()
            except RunError as problem:
                raise HarnessError(f"Unleash's database: {problem}") from problem
            log = self._folder / "postgres.log"
            stack.enter_context(
                OwnedProcess(
                    "postgres",
                    command,
                    core=None,
                    log=log,
                    folder=self._folder / "data",
                    runs_as=as_whom,
                )
            )
            wait_for("PostgreSQL accepts", lambda: "ready to accept" in log.read_text())
            stack.callback(self.kill)
            self.start()
            self._stack = stack.pop_all()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stack.close()

    def start(self) -> None:
        """Start the server and wait until it serves."""
        try:
            command = self.server.command()
        except RunError as problem:
            raise HarnessError(str(problem)) from problem
        process = self._program = OwnedProcess(
            "unleash",
            command,
            core=None,
            log=self._folder / "unleash.log",
            environ=self.server.environment(),
            folder=self._folder,
        )
        wait_until_answering(process, self.server.port, "/health", seconds=_PATIENCE_SECONDS)

    def kill(self) -> None:
        """End the server at once."""
        if self._program is not None:
            self._program.kill()
            self._program = None
