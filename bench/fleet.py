"""Replicas of Figway as the benchmark runs them: one worker each, one Redis, one admin token."""

from __future__ import annotations

import json
import time
import urllib.error
import urllib.request
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from bench.figway import Figway
from bench.ports import free_ports
from bench.priority import shield
from bench.proc import TICKS_PER_SECOND, cpu_ticks, process_tree
from bench.processes import HarnessError
from bench.servers import wait_for
from bench.table import TableFiles

TOKEN = "a-token-that-every-replica-of-the-benchmark-knows"
# Starting a replica is a second of work: more at once only wait for each other.
_STARTED_AT_ONCE = 4
# What a change may take before it is given up, in seconds.
_ANSWER_SECONDS = 30


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """A rollback or a resume that a replica was asked for. Monotonic nanoseconds, milliseconds."""

    called: int
    returned: int
    # The store's word that it has it, and each replica's word that its worker uses it; both count
    # from the moment at which the replica that was asked began, and are when it knew of them.
    stored_ms: float
    acks_ms: Sequence[float]

    @property
    def spread_ms(self) -> float:
        """From the store's word to the last worker of the last replica."""
        return max(0.0, max(self.acks_ms) - self.stored_ms)

    @property
    def whole_ms(self) -> float:
        """From the command to the last worker of the last replica."""
        return max(self.acks_ms)


class Fleet:
    """Replicas that share a Redis. Ends with the `with` block."""

    def __init__(
        self,
        folder: Path,
        files: TableFiles,
        *,
        size: int,
        redis_url: str,
        environ: Mapping[str, str] | None = None,
        options: Sequence[str] = (),
        states: Sequence[Path] = (),
        ports: Sequence[int] = (),
    ) -> None:
        """`states` are state directories; `ports` are those of clients, then those of admins."""
        ports = ports or free_ports(2 * size)
        admins = ports[size:]
        self._stack = ExitStack()
        self.size = size

        def start(number: int) -> Figway:
            place = folder / f"{number}"
            state = states[number] if states else place / "state"
            state.mkdir(parents=True, mode=0o700, exist_ok=True)
            token = state / "admin-token"
            token.touch(mode=0o600)
            token.write_text(f"{TOKEN}\n")
            others = [f"http://127.0.0.1:{port}" for port in admins if port != admins[number]]
            return Figway(
                place,
                files,
                core=None,
                ports=(ports[number], admins[number]),
                options=options,
                state=state,
                environ={
                    "FIGWAY_REPLICA": f"replica-{number}",
                    "FIGWAY_REDIS_URL": redis_url,
                    "FIGWAY_PEERS": ",".join(others),
                    **(environ or {}),
                },
            )

        with ExitStack() as stack, ThreadPoolExecutor(_STARTED_AT_ONCE) as pool:
            starting = [pool.submit(start, number) for number in range(size)]
            problems = [each.exception() for each in starting]
            self.replicas = tuple(
                stack.enter_context(each.result()) for each in starting if not each.exception()
            )
            for problem in filter(None, problems):
                raise problem
            for replica in self.replicas:
                shield(replica.pid)
            wait_for("every replica knows all others", self._know_each_other, 60)
            self._stack = stack.pop_all()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stack.close()

    @property
    def ports(self) -> tuple[int, ...]:
        """Where clients ask."""
        return tuple(replica.port for replica in self.replicas)

    @property
    def admin_urls(self) -> tuple[str, ...]:
        """Where operators ask."""
        return tuple(f"http://127.0.0.1:{replica.admin_port}" for replica in self.replicas)

    def ask(self, number: int, path: str, body: Mapping[str, object] | None = None) -> Any:
        """Ask the admin API of one replica; its JSON. Raises HarnessError when it refuses."""
        asked = urllib.request.Request(
            f"{self.admin_urls[number % self.size]}{path}",
            data=None if body is None else json.dumps(body).encode(),
            headers={"Authorization": f"Bearer {TOKEN}", "Content-Type": "application/json"},
        )
        try:
            with urllib.request.urlopen(asked, timeout=_ANSWER_SECONDS) as answer:
                return json.load(answer)
        except urllib.error.HTTPError as problem:
            with problem:
                words = problem.read(500).decode(errors="replace")
            raise HarnessError(f"{path} was refused: {problem.code} {words}") from problem
        except OSError as problem:
            raise HarnessError(f"{path} was not answered: {problem}") from problem

    def change(self, number: int, action: str) -> Change:
        """Roll everything back, or resume, by one replica; wait until all have confirmed."""
        called = time.monotonic_ns()
        answer = self.ask(number, f"/api/v1/{action}", {"scope": "all", "reason": "bench"})
        returned = time.monotonic_ns()
        return read_change(answer, called, returned, self.size)

    def is_held(self) -> tuple[bool, ...]:
        """Of each replica, whether anything is rolled back there."""
        return tuple(
            bool(self.ask(number, "/api/v1/status")["holds"]) for number in range(self.size)
        )

    def _know_each_other(self) -> bool:
        # Asking all of them twenty times over is work that they then do not start with.
        return all(
            sum(each["live"] for each in self.ask(number, "/api/v1/status")["replicas"])
            == self.size
            for number in {0, self.size - 1}
        )

    def metric(self, name: str) -> float:
        """The sum of all series of a metric, over all replicas."""
        return sum(sum_series(replica.metrics(), name) for replica in self.replicas)

    def cpu_seconds(self) -> float:
        """What all replicas have used so far."""
        trees = (process_tree(replica.pid) for replica in self.replicas)
        return sum(cpu_ticks(tree) for tree in trees) / TICKS_PER_SECOND


def sum_series(page: str, name: str) -> float:
    """The sum of all series of a metric on one page."""
    found = 0.0
    for line in page.splitlines():
        series, _, value = line.rpartition(" ")
        if series.partition("{")[0] == name:
            found += float(value)
    return found


def read_change(answer: Any, called: int, returned: int, size: int) -> Change:
    """The answer to a change, if all replicas confirmed it. Raises HarnessError."""
    replicas = answer["replicas"]
    late = [f"{each['replica']} {each['state']}" for each in replicas if each["state"] != "applied"]
    if late or len(replicas) != size or answer["fleet"]["state"] != "shared":
        raise HarnessError(
            f"{len(replicas)} of {size} replicas answered, not confirmed: {late}; the store: "
            f"{answer['fleet']['state']} {answer['fleet']['detail']}"
        )
    return Change(
        called=called,
        returned=returned,
        stored_ms=answer["fleet"]["ms"],
        acks_ms=[each["ms"] for each in replicas],
    )
