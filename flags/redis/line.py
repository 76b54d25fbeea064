"""One connection to one Redis server, and the few that are kept ready for questions."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import Any, Final

from redis.asyncio import Connection, SSLConnection, UnixDomainSocketConnection
from redis.exceptions import RedisError

from flags.redis.faults import Fault, StoreFault, down, fault_of
from flags.redis.url import NOBODY, Credentials, Tls, shown_address

Command = Sequence[str | int | bytes]
_CERTIFICATE: Final = " (a server that asks for a client certificate wants ?cert=FILE&key=FILE)"
_IDLE_LINES: Final = 2
_MOST_LINES: Final = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """One server and how to get in. Either `address` or `path` is there."""

    address: tuple[str, int] = ("", 0)
    path: str = ""
    database: int = 0
    credentials: Credentials = NOBODY
    tls: Tls | None = None

    @property
    def shown(self) -> str:
        """The server, for people."""
        return self.path or shown_address(self.address)


class Line:
    """One connection. Whatever interrupts a question ends it: answers would belong to others."""

    def __init__(self, target: Target, name: str) -> None:
        self.target = target
        self._answered = False
        # 2: the protocol that every version speaks. No timeouts: the callers have theirs.
        options: dict[str, Any] = {
            "db": target.database,
            "username": target.credentials.user or None,
            "password": target.credentials.password or None,
            "client_name": name,
            "protocol": 2,
            "socket_timeout": None,
            "socket_connect_timeout": None,
            "driver_info": None,
        }
        self._connection: Connection | UnixDomainSocketConnection
        if target.path:
            self._connection = UnixDomainSocketConnection(path=target.path, **options)
        else:
            options |= {"host": target.address[0], "port": target.address[1]}
            self._connection = _secured(target.tls, options) or Connection(**options)

    @property
    def usable(self) -> bool:
        """Whether it is connected."""
        return bool(self._connection.is_connected)

    async def open(self, within: float | None = None) -> None:
        """Connect and log in, in `within` seconds. Raises `StoreFault`."""
        try:
            async with asyncio.timeout(within):
                await self._connection.connect()  # type: ignore[no-untyped-call]  # redis-py has no types here
        except (RedisError, OSError, ValueError) as error:
            # TimeoutError is an OSError.
            await self.drop()
            raise self._fault(error) from None
        except BaseException:
            await self.drop()
            raise

    async def ask(self, *commands: Command) -> list[Any]:
        """Send the commands together; their answers. Raises `StoreFault` for the first refused."""
        refused: BaseException | None = None
        answers: list[Any] = []
        try:
            await self._connection.send_packed_command(
                self._connection.pack_commands(commands), check_health=False
            )
            for _ in commands:
                try:
                    answers.append(await self.read())
                except StoreFault as fault:
                    if not self.usable:
                        raise
                    refused = refused or fault
        except (RedisError, OSError) as error:
            await self.drop()
            raise self._fault(error) from None
        except BaseException:
            await self.drop()
            raise
        if refused:
            raise refused
        return answers

    async def tell(self, *command: str) -> None:
        """Send a command whose answer `read` will bring. Raises `StoreFault`."""
        try:
            await self._connection.send_command(*command, check_health=False)
        except (RedisError, OSError) as error:
            await self.drop()
            raise self._fault(error) from None

    async def read(self) -> Any:
        """Wait for one answer or message, as long as it takes. Raises `StoreFault`."""
        try:
            answer = await self._connection.read_response(disconnect_on_error=False)
            self._answered = True
            return answer
        except (RedisError, OSError) as error:
            fault = self._fault(error)
            # A refusal is an answer; after anything else nothing more can be read from here.
            if fault.fault.state == "down" and not fault.fault.elsewhere:
                await self.drop()
            raise fault from None

    async def drop(self) -> None:
        """Close it, without waiting for anybody."""
        await self._connection.disconnect(nowait=True)

    def _fault(self, error: BaseException) -> StoreFault:
        fault, tls = fault_of(error, self.target.shown), self.target.tls
        if fault.state != "down" or self._answered or fault.elsewhere:
            return StoreFault(fault)
        if tls is not None and (unreadable := tls.unreadable()):
            detail = f"{unreadable} cannot be read, which the Redis URL names; correct it there"
            return StoreFault(Fault(state="refused", detail=detail))
        # Who never answered a word may have expected others than ours.
        hint = ""
        if isinstance(error, TimeoutError) and tls is not None:
            hint = " (a server without TLS wants redis://)"
        elif "connection reset" in fault.detail or "closed the connection" in fault.detail:
            hint = " (a server with TLS wants rediss://)" if tls is None else _CERTIFICATE
        return StoreFault(replace(fault, detail=fault.detail + hint))


def _secured(tls: Tls | None, options: dict[str, Any]) -> SSLConnection | None:
    if tls is None:
        return None
    return SSLConnection(
        ssl_ca_certs=tls.ca or None,
        ssl_certfile=tls.cert or None,
        ssl_keyfile=tls.key or None,
        ssl_check_hostname=tls.check_host,
        **options,
    )


class Lines:
    """The lines for questions to the server that is the right one now."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._idle: list[Line] = []
        self._free = asyncio.Semaphore(_MOST_LINES)
        self._target: Target | None = None
        self._aimed = asyncio.Event()

    @property
    def target(self) -> Target | None:
        """Where they lead; None while that is not known."""
        return self._target

    async def aim(self, target: Target | None) -> None:
        """Lead to this server from now on.

        What is idle is dropped: its address may have led to another server when it was opened.
        """
        self._target = target
        await self._drop_idle()
        if target is None:
            self._aimed.clear()
        else:
            self._aimed.set()

    async def close(self) -> None:
        """Drop what is idle; nothing more is asked."""
        await self.aim(None)

    async def ask(self, *commands: Command | Callable[[], Command], within: float) -> list[Any]:
        """Ask on a line of one's own, in `within` seconds; twice if the first one was dead.

        What is callable is called once there is a line. Raises `StoreFault`.
        """
        try:
            async with asyncio.timeout(within):
                await self._aimed.wait()
                if self._idle:
                    try:
                        return await self._ask(commands)
                    except StoreFault as error:
                        # A line may have died in its sleep; the server is fine, then.
                        if error.fault.state != "down" or error.fault.elsewhere:
                            raise
                        await self._drop_idle()
                return await self._ask(commands)
        except TimeoutError:
            where = self._target.shown if self._target else "its URL"
            raise down(where, f"did not answer in {within:.1f} s") from None

    async def _drop_idle(self) -> None:
        idle, self._idle = self._idle, []
        for line in idle:
            await line.drop()

    async def _ask(self, commands: Sequence[Command | Callable[[], Command]]) -> list[Any]:
        async with self._line() as line:
            return await line.ask(*(each() if callable(each) else each for each in commands))

    @asynccontextmanager
    async def _line(self) -> AsyncIterator[Line]:
        async with self._free:
            await self._aimed.wait()
            target = self._target
            if target is None:
                raise StoreFault(Fault(state="down", detail="Redis was lost a moment ago"))
            line = self._idle.pop() if self._idle else Line(target, self._name)
            if not line.usable:
                await line.open()
            try:
                yield line
            finally:
                if not line.usable:
                    pass
                elif line.target == self._target and len(self._idle) < _IDLE_LINES:
                    self._idle.append(line)
                else:
                    await line.drop()
