"""A fleet: several real figways over one shop, a real Redis and a real Unleash, and visitors."""

from __future__ import annotations

import http.client
import resource
import shutil
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Self

from deploy.unleash.seed import hook
from tests.journeys.conftest import Shop
from tests.journeys.figway_process import Command, FigwayProcess
from tests.rigs.child import free_ports
from tests.rigs.redis_server import RedisServer, Sentinels
from tests.rigs.unleash_server import Unleash

TOKEN = "a-token-that-every-replica-of-the-test-knows"
WEBHOOK_TOKEN = "what-unleash-shows-at-the-door"
# What Unleash is to tell at once.
EVENTS = (
    *("feature-environment-enabled", "feature-environment-disabled"),
    *("feature-strategy-add", "feature-strategy-update", "feature-strategy-remove"),
    *("feature-created", "feature-archived", "feature-revived"),
)


class Fleet:
    """Replicas by number, from 1. All know one admin token, each other, Redis, and Unleash if any.

    Each has a folder of its own; routes.yaml and flags.yaml are copies of the shop's. Without Redis
    they know each other by their addresses.
    """

    def __init__(
        self,
        shop: Shop,
        redis: RedisServer | Sentinels | None,
        unleash: Unleash | None = None,
        *,
        size: int = 3,
        **environ: str,
    ) -> None:
        """`environ` is told to every replica."""
        self._environ = environ
        self.shop, self.redis, self.unleash = shop, redis, unleash
        self._started: list[FigwayProcess] = []
        self.replicas: dict[int, FigwayProcess] = {}
        # Known before they start, for each other. One more may join.
        self._admins = dict(enumerate(free_ports(size + 1), start=1))
        self.size = size

    def __enter__(self) -> Self:
        try:
            starting = [self.launch(number) for number in range(1, self.size + 1)]
            for replica in starting:
                replica.serving()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        for replica in self._started:
            # One that was stopped in its tracks would not hear that it shall end.
            with suppress(ProcessLookupError):
                replica.process.terminate()
        for replica in self._started:
            replica.close()

    def launch(self, number: int, **environ: str) -> FigwayProcess:
        """Start a replica, also one that was there before; the caller waits until it serves."""
        folder = self.folder(number)
        if not folder.exists():
            (folder / "state").mkdir(parents=True, mode=0o700)
            token = folder / "state" / "admin-token"
            token.touch(mode=0o600)
            token.write_text(f"{TOKEN}\n")
            for name in ("routes.yaml", "flags.yaml"):
                shutil.copyfile(self.shop.folder / name, folder / name)
        replica = FigwayProcess(
            folder,
            workers=1,
            # Given later, it counts.
            options=("--admin", f"127.0.0.1:{self._admins[number]}"),
            environ={**self._told(number), **self._environ, **environ},
        )
        self.replicas[number] = replica
        self._started.append(replica)
        return replica

    def folder(self, number: int) -> Path:
        """Where a replica has its files."""
        return self.shop.folder / f"replica-{number}"

    def admin_url(self, number: int) -> str:
        """Where a replica is administered."""
        return f"http://127.0.0.1:{self._admins[number]}"

    def _told(self, number: int) -> Mapping[str, str]:
        others = [self.admin_url(n) for n in self._admins if n != number and n <= self.size]
        told = {
            "FIGWAY_REPLICA": f"replica-{number}",
            "FIGWAY_REDIS_URL": self.redis.url if self.redis else "",
            "FIGWAY_PEERS": ",".join(others),
        }
        if self.unleash is not None:
            told |= {
                "FIGWAY_UNLEASH_URL": self.unleash.api,
                "FIGWAY_UNLEASH_TOKEN": self.unleash.client_token,
                "FIGWAY_UNLEASH_ADMIN_TOKEN": self.unleash.admin_token,
                "FIGWAY_UNLEASH_WEBHOOK_TOKEN": WEBHOOK_TOKEN,
            }
        return told

    def seed(self, **percent: int) -> None:
        """Give Unleash the kill switch, these routes' flags, and a webhook to every replica."""
        assert self.unleash is not None
        admin = self.unleash.admin
        admin.create_flag("figway-rollback", kind="kill-switch")
        for name, share in percent.items():
            route = name.replace("_", "-")
            admin.create_flag(f"figway-{route}")
            admin.set_percentage(f"figway-{route}", share, group=route)
            admin.turn_on(f"figway-{route}")
        for number in range(1, self.size + 1):
            admin.add_webhook(
                hook(self.admin_url(number)),
                authorization=f"Bearer {WEBHOOK_TOKEN}",
                events=EVENTS,
            )

    def run(self, *words: str, number: int = 1) -> Command:
        """A figway command that asks one replica."""
        return self.replicas[number].run(*words)

    def sides(self, path: str = "/product/a", **headers: str) -> dict[int, str]:
        """Who answers, at each replica."""
        return {
            number: replica.get(path, **headers).headers["x-origin"]
            for number, replica in self.replicas.items()
        }

    def everywhere(self, side: str) -> dict[int, str]:
        """What sides() says when this side answers at each replica."""
        return dict.fromkeys(self.replicas, side)

    def wait_for_sides(self, side: str, path: str = "/product/a") -> None:
        """Wait until this side answers at each replica."""
        self.wait_until(lambda: self.sides(path) == self.everywhere(side))

    def wait_until(self, condition: Callable[[], Any]) -> None:
        """Wait for what some replica will bring about."""
        next(iter(self.replicas.values())).wait_until(condition)

    @contextmanager
    def visitors(self, path: str = "/product/a") -> Iterator[Visitors]:
        """One visitor at each replica, on a kept-alive connection, until the end of the block."""
        crowd = Visitors([replica.listen for replica in self.replicas.values()], path)
        with crowd:
            yield crowd


class Visitors:
    """Ask again and again, and count. Every answer is that of one of the two sides, with 200."""

    def __init__(self, addresses: list[str], path: str) -> None:
        self._path = path
        self._stopped = threading.Event()
        self._lock = threading.Lock()
        self.answers: Counter[str] = Counter()
        self.failures: list[str] = []
        self._threads = [
            threading.Thread(target=self._visit, args=(address,)) for address in addresses
        ]

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopped.set()
        for thread in self._threads:
            thread.join()

    def more(self, count: int) -> Callable[[], bool]:
        """A condition: this many answers have come since."""
        before = self.answers.total()
        return lambda: self.answers.total() - before >= count

    def _visit(self, address: str) -> None:
        host, _, port = address.rpartition(":")
        connection = http.client.HTTPConnection(host, int(port), timeout=20)
        while not self._stopped.wait(0.003):
            try:
                connection.request("GET", self._path)
                answer = connection.getresponse()
                answer.read()
            except (OSError, http.client.HTTPException) as error:
                self._count(failure=repr(error))
                connection.close()
                continue
            if answer.status != 200:
                self._count(failure=f"{address}: {answer.status}")
            else:
                self._count(side=answer.headers["x-origin"])
        connection.close()

    def _count(self, *, side: str = "", failure: str = "") -> None:
        with self._lock:
            if failure:
                self.failures.append(failure)
            else:
                self.answers[side] += 1


@contextmanager
def full_disk(replica: FigwayProcess) -> Iterator[None]:
    """Within the block no file of a replica's supervisor can grow."""
    pid = replica.process.pid
    before = resource.prlimit(pid, resource.RLIMIT_FSIZE)
    resource.prlimit(pid, resource.RLIMIT_FSIZE, (0, before[1]))
    try:
        yield
    finally:
        resource.prlimit(pid, resource.RLIMIT_FSIZE, before)
