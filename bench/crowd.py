"""A crowd of idle kept-alive connections, each of which has been served once."""

from __future__ import annotations

import asyncio
import resource
from types import TracebackType
from typing import Self

from bench.processes import HarnessError
from bench.visit import Visit, request

# Descriptors the benchmark, its peers and the origin need beside the crowd.
SPARE_DESCRIPTORS = 2_000
# Connections being opened at one time: fewer than any listener's queue.
AT_ONCE = 100
# How long the whole crowd may take to be served, and one visitor to be answered again. Shorter than
# any proxy's patience with an idle connection: those that came first are to be there still.
PATIENCE_SECONDS = 30.0
ANSWER_SECONDS = 5.0
# One source address has about 28,000 ports; the crowd is spread over several addresses.
SOURCES = tuple(f"127.0.1.{number}" for number in range(1, 5))


def raise_descriptor_limit(connections: int) -> None:
    """Allow this process and its children enough open files, or raise HarnessError."""
    wanted = connections + SPARE_DESCRIPTORS
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft >= wanted:
        return
    if hard != resource.RLIM_INFINITY and hard < wanted:
        raise HarnessError(
            f"{connections:,} connections need {wanted:,} open files, the hard limit is {hard:,}: "
            f"raise it (`ulimit -Hn {wanted}` as root) and run again"
        )
    resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


class Crowd:
    """Many idle connections to 127.0.0.1:`port`. Closed with the `async with` block.

    `served` says how many got their first answer: a proxy may take fewer than come.
    """

    def __init__(self, port: int, size: int) -> None:
        self._port = port
        self._size = size
        self._visits: list[Visit] = []
        self.served = 0

    async def __aenter__(self) -> Self:
        gate = asyncio.Semaphore(AT_ONCE)
        arrivals = [
            asyncio.create_task(self._arrive(number, gate), name=f"visit {number}")
            for number in range(self._size)
        ]
        try:
            _, waiting = await asyncio.wait(arrivals, timeout=PATIENCE_SECONDS)
            for arrival in waiting:
                arrival.cancel()
            results = await asyncio.gather(*arrivals, return_exceptions=True)
        except BaseException:
            self._close()
            raise
        self.served = sum(result == 200 for result in results)
        return self

    async def _arrive(self, number: int, gate: asyncio.Semaphore) -> int:
        source = (SOURCES[number % len(SOURCES)], 0)
        async with gate:
            _, visit = await asyncio.get_running_loop().create_connection(
                Visit, "127.0.0.1", self._port, local_addr=source
            )
            self._visits.append(visit)
            return await visit.ask(request(number))

    async def ask_everyone(self) -> int:
        """Send one more request on every connection; how many were answered 200."""
        gate = asyncio.Semaphore(AT_ONCE)

        async def ask(number: int, visit: Visit) -> bool:
            async with gate:
                try:
                    async with asyncio.timeout(ANSWER_SECONDS):
                        return await visit.ask(request(number)) == 200
                except (ConnectionError, TimeoutError):
                    return False

        answers = await asyncio.gather(*(ask(n, visit) for n, visit in enumerate(self._visits)))
        return sum(answers)

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._close()
        # Let the sockets really close before the next crowd comes.
        await asyncio.sleep(0.2)

    def _close(self) -> None:
        for visit in self._visits:
            visit.close()
