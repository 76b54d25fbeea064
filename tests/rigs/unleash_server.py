"""A real Unleash server on a real PostgreSQL, one for the whole test run.

    def test_something(unleash: Unleash) -> None:            # cleared of flags before every test
        unleash.admin.create_flag("figway-catalog")
        unleash.admin.set_percentage("figway-catalog", 25)   # admin: deploy/unleash/admin.py
        unleash.admin.turn_on("figway-catalog")
        unleash.wait_until_served(lambda features: "figway-catalog" in features)
        client = connect(unleash.api, unleash.client_token)
        unleash.kill()              # the next test gets it back; start() in the same test, 3 s
        unleash.kill_database()     # start_database() brings it back with all it knew

Unleash notices a change on a tick of one second, and serves it from then on.
SPECIFICATION is the folder of Unleash's client specification: index.json and what it names.
"""

from __future__ import annotations

import json
import shutil
import signal
import tempfile
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, Self

import pytest

from deploy.postgres import Postgres, not_root
from deploy.servers import RunError
from deploy.unleash.admin import UnleashAdmin
from deploy.unleash.server import SPECIFICATION, UnleashServer
from tests.rigs.child import Child, free_ports
from tests.rigs.redis_server import wait_until

__all__ = ["SPECIFICATION", "Unleash", "unleash", "unleash_server"]

_START_SECONDS = 60.0


class Unleash:
    """The server, its database, and what a person in front of its page does (`admin`)."""

    def __init__(self) -> None:
        database, port = free_ports(2)
        # The account of the database cannot enter the folders that pytest makes.
        self._folder = Path(tempfile.mkdtemp(prefix="figway-unleash-"))
        self._postgres = Postgres(folder=self._folder, port=database, password="loopback")
        self.server = UnleashServer(port=port, database_url=self._postgres.url())
        self.admin = UnleashAdmin(url=self.server.url, token=self.server.admin_token)
        self._database: Child | None = None
        self._program: Child | None = None

    @property
    def url(self) -> str:
        """The address of its page and of its admin API."""
        return self.server.url

    @property
    def api(self) -> str:
        """What a client SDK is told."""
        return self.server.api

    @property
    def client_token(self) -> str:
        """A backend token of the environment `production`."""
        return self.server.client_token

    @property
    def admin_token(self) -> str:
        """A token that may change flags."""
        return self.server.admin_token

    def __enter__(self) -> Self:
        try:
            self._postgres.make()
            self.start_database()
            return self.start()
        except BaseException:
            self.__exit__()
            raise

    def __exit__(self, *_: object) -> None:
        self.kill()
        self.kill_database()
        shutil.rmtree(self._folder, ignore_errors=True)

    @property
    def is_running(self) -> bool:
        """Whether the server and its database were started, and neither was killed nor died."""
        children = (self._program, self._database)
        return all(child is not None and child.process.poll() is None for child in children)

    def start(self) -> Self:
        """Start the server and wait until it serves."""
        assert self._program is None, "it runs already"
        self._program = Child(
            self.server.command(),
            log=self._folder / "unleash.log",
            environment=self.server.environment(),
            directory=self._folder,
        )
        self._program.wait_until(self._is_healthy, _START_SECONDS)
        return self

    def kill(self) -> None:
        """End the server at once."""
        if self._program is not None:
            self._program.signal_group(signal.SIGKILL)
            self._program.end()
            self._program = None

    def restart(self) -> None:
        """Start server and database anew, whatever is left of them."""
        self.kill()
        self.kill_database()
        self.start_database()
        self.start()

    def freeze(self) -> None:
        """Have it do nothing at all; the kernel still accepts connections for it."""
        assert self._program is not None, "it does not run"
        self._program.process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """End a freeze()."""
        assert self._program is not None, "it does not run"
        self._program.process.send_signal(signal.SIGCONT)

    def start_database(self) -> None:
        """Start the database and wait until it accepts."""
        assert self._database is None, "it runs already"
        self._database = Child(
            self._postgres.command(),
            log=self._folder / "postgres.log",
            directory=self._folder,
            runs_as=not_root(),
        )
        self._database.wait_for_port(self._postgres.port)

    def kill_database(self) -> None:
        """End the database at once."""
        if self._database is not None:
            self._database.signal_group(signal.SIGKILL)
            self._database.end()
            self._database = None

    def features(self) -> Mapping[str, Any]:
        """What clients of `production` are served now, by name of the flag."""
        request = urllib.request.Request(
            f"{self.api}/client/features", headers={"Authorization": self.client_token}
        )
        with urllib.request.urlopen(request, timeout=20) as answer:
            return {feature["name"]: feature for feature in json.load(answer)["features"]}

    def wait_until_served(self, condition: Callable[[Mapping[str, Any]], bool]) -> None:
        """Wait until clients are served what fulfils the condition."""
        wait_until(lambda: condition(self.features()))

    def _is_healthy(self) -> bool:
        with (
            suppress(OSError, urllib.error.URLError),
            urllib.request.urlopen(self.server.health, timeout=5) as answer,
        ):
            return bool(answer.status == 200)
        return False


@pytest.fixture(scope="session")
def unleash_server() -> Iterator[Unleash]:
    """The one of this test run. Take `unleash`, which clears it for each test."""
    try:
        with Unleash() as server:
            yield server
    except RunError as error:
        pytest.fail(str(error))


@pytest.fixture
def unleash(unleash_server: Unleash) -> Unleash:
    """The server without any flag, segment or webhook, running again if a test killed it."""
    if not unleash_server.is_running:
        unleash_server.restart()
    unleash_server.thaw()
    try:
        unleash_server.admin.clear()
    except OSError:
        # Unleash 7.5.1 may die a moment after a test is over, of a database that was gone or of a
        # webhook that was in use.
        unleash_server.restart()
        unleash_server.admin.clear()
    unleash_server.wait_until_served(lambda features: not features)
    return unleash_server
