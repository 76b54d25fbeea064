"""The supervisor: wires the control plane together, and brings the whole process up and down."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from aiohttp import web
from structlog.typing import FilteringBoundLogger

from flags.latch import Source
from flags.scope import ALL
from proxy.admin import app as admin
from proxy.admin.audit_api import AuditApi
from proxy.admin.flags_api import FlagsApi
from proxy.admin.guard import Guard
from proxy.admin.hooks import HookApi
from proxy.admin.plan_api import PlanApi
from proxy.admin.token_api import TokenApi
from proxy.admin.token_desk import TokenDesk
from proxy.fleet.opening import admin_address, replica_name
from proxy.fleet.outside import Outside
from proxy.link import Apply
from proxy.routing.flag_usage import flag_usage
from proxy.routing.route import RouteFile
from proxy.supervision.audit import Actor, Audit
from proxy.supervision.background import Background
from proxy.supervision.control import Control
from proxy.supervision.crew import Crew, CrewError
from proxy.supervision.evidence_desk import EvidenceDesk
from proxy.supervision.files import LoadedRoutes
from proxy.supervision.health import HealthChecks
from proxy.supervision.journal import Journal
from proxy.supervision.listener import bound_address, parse_address
from proxy.supervision.log import LogWriter
from proxy.supervision.observer_process import Observer
from proxy.supervision.observer_socket import ObserverSocket
from proxy.supervision.planner import Planner
from proxy.supervision.report import VERSION, Report
from proxy.supervision.started import started
from proxy.supervision.state_directory import ADMIN, AUDIT, EVIDENCE, LISTEN, StateDirectory
from proxy.supervision.status import Phase
from proxy.supervision.switches import Switches
from proxy.supervision.traffic import Traffic
from proxy.supervision.watch import Watch

# Beyond the drain: how long a worker may take to be gone.
GRACE_SECONDS = 2.0

DONE = 0
CUT_SHORT = 1
FAILED = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Paths:
    """The files of one figway."""

    config: Path
    flags: Path
    state_dir: Path
    sentinel: Path
    tokens: Path


class Supervisor:
    """One running figway. `run` returns the exit code of the process."""

    def __init__(
        self,
        *,
        paths: Paths,
        loaded: LoadedRoutes,
        read: Callable[[], LoadedRoutes],
        state: StateDirectory,
        listener: socket.socket,
        admin_listener: socket.socket,
        log: FilteringBoundLogger,
        writer: LogWriter,
    ) -> None:
        self._paths = paths
        self._state = state
        self._listener = listener
        self._admin_listener = admin_listener
        self._log = log
        self._settings = loaded.settings
        self._plane = loaded.plane
        # Known once bound, also for port 0.
        self._listen = bound_address(listener)
        self._admin = bound_address(admin_listener)
        self._background = Background(log)
        self._stop_asked = asyncio.Event()
        self._stop_at_once = asyncio.Event()
        self.observer = self._open_observer()
        self._crew = Crew(
            settings=loaded.settings, listener=listener, log=log, observer=self.observer.path
        )
        self._crew.on_publish = self.observer.follow
        plane = loaded.plane
        switches = Switches(
            paths.flags,
            state,
            provider=plane.flags.provider,
            replica=replica_name(plane.control, self._admin),
            environment=plane.control.environment,
        )
        self.control = Control(
            path=paths.config,
            loaded=loaded,
            read=read,
            switches=switches,
            crew=self._crew,
            journal=Journal(switches=switches, audit=Audit(state.path / AUDIT), log=log),
            sentinel=paths.sentinel,
            log=log,
        )
        self._crew.catch_up = self.control.rollbacks.catch_up
        self._tokens = TokenDesk(paths.tokens, journal=self.control.journal, log=log)
        self._health = HealthChecks(on_change=self._health_changed, log=log)
        self.control.files.on_routes = self._routes_changed
        traffic = Traffic()
        self._crew.on_collected = traffic.look
        self._planner = Planner(
            file=lambda: self.control.file,
            check=lambda scope: self.control.rollbacks.check(scope),
            traffic=traffic,
            failing=lambda: tuple(
                endpoint.url
                for endpoint in self._health.endpoints
                if endpoint.upstream == self.control.file.legacy.name and not endpoint.healthy
            ),
        )
        self._report = Report(
            control=self.control,
            crew=self._crew,
            observer=self.observer,
            health=self._health,
            writer=writer,
            listen=self._listen,
            admin=self._admin,
            state_directory=state.path,
            traffic=traffic,
        )
        # Made on the running loop.
        self._outside: Outside | None = None

    def _open_observer(self) -> Observer:
        socket, why = None, ""
        try:
            socket = ObserverSocket.open(self._state.path)
        except OSError as error:
            why = f"the socket for exchanges could not be opened: {error}"
            self._log.error("observer_not_started", error=why)
        return Observer(
            settings=self._settings,
            socket=socket,
            store=self._state.path / EVIDENCE,
            log=self._log,
            why=why,
        )

    # Up and down.

    async def run(self) -> int:
        """Serve until a signal ends it; return the exit code."""
        self._handle_signals()
        # A large routes.yaml is read in a thread; a rollback may not wait long for its turn.
        sys.setswitchinterval(0.001)
        runner: web.AppRunner | None = None
        paths = self._paths
        watch = Watch((paths.config, paths.flags, paths.sentinel, paths.tokens), self._file_changed)
        try:
            token = self._state.token()
            self._outside = self._report.outside = Outside(
                plane=self._plane,
                control=self.control,
                admin=self._admin,
                state=self._state,
                facts=self._report.facts,
                usage=self._flag_usage,
                log=self._log,
            )
            self._planner.name = self._outside.replica
            self._planner.others = self._outside.traffic_elsewhere
            await self._outside.prepare()
            self._look_at_the_past()
            runner = await self._open_admin(token)
            await self._start_crew()
            self._health.watch(self.control.file)
            watch.start()
            self._announce()
            self._outside.start()
            await self._stop_asked.wait()
            return await self._drain()
        except CrewError as error:
            self._log.error("start_failed", error=str(error))
            return FAILED
        finally:
            watch.stop()
            await self._background.close()
            await self._health.close()
            if self._outside is not None:
                await self._outside.close()
            await self._crew.close()
            await self.observer.close()
            if runner is not None:
                await runner.cleanup()
            self._listener.close()
            self._log.info("stopped")

    async def _flag_usage(self) -> Mapping[str, tuple[int, int]]:
        return flag_usage(self.control.file, await self._crew.collect())

    async def _open_admin(self, token: str) -> web.AppRunner:
        journal = self.control.journal
        desk = EvidenceDesk(
            observer=self.observer,
            file=lambda: self.control.file,
            journal=journal,
            revision=lambda: self.control.revision,
        )
        journal.evidence = desk.verdicts
        self._tokens.start()
        self._report.tokens_problem = lambda: self._tokens.problem
        advertised = admin_address(self._plane.control, self._admin)
        guard = Guard(
            token=token,
            admin_host=parse_address(self._settings.admin, "admin").host,
            access=self._settings.access,
            hosts=(socket.gethostname(), urlsplit(advertised).hostname or ""),
            tokens=self._tokens.current,
        )
        self._report.admin_refusals = lambda: guard.refusals
        calls = (
            *TokenApi(self._tokens).routes(),
            *AuditApi(self._state.path / AUDIT, journal).routes(),
            *PlanApi(self._planner).routes(),
            *FlagsApi(self.control, self._report).routes(),
            *HookApi(None if self._outside is None else self._outside.webhook).routes(),
        )
        app = admin.build(self.control, self._report, desk, guard, self._log, calls=calls)
        return await admin.serve(app, self._admin_listener)

    def _look_at_the_past(self) -> None:
        """Say what was found at the start, and take a sentinel that already stands seriously."""
        control = self.control
        switches = control.switches
        if self._sentinel_stands():
            switches.hold(
                ALL,
                source=Source.SENTINEL,
                actor=str(self._paths.sentinel),
                reason="the sentinel file stood at the start",
            )
        if switches.file.origin == "file" and not switches.file.problems:
            self._background.begin(control.journal.keep_good_flags(), "keep flags")
        elif switches.file.problems:
            self._log.error(
                "flags_refused",
                path=str(switches.file.path),
                problems=switches.file.problems,
                using="the last good flags"
                if switches.file.origin == "last_good"
                else "no flags: every canary is on legacy",
            )
        self._background.begin(control.journal.keep_latch(GRACE_SECONDS), "keep latch")
        line = started(switches, version=VERSION, config_revision=control.file.revision)
        self._background.begin(control.journal.write_down(line), "write down the start")
        for hold in control.holds:
            self._log.warning(
                "rollback_holds", scope=hold.scope, source=hold.source, reason=hold.reason
            )
        for pause in control.shadow.pauses:
            self._log.warning("shadow_pause_holds", by=pause.by, reason=pause.reason)
        for warning in switches.file.warnings(control.file):
            self._log.warning("flag_without_effect", detail=warning)

    async def _start_crew(self) -> None:
        control = self.control
        revision = control.publisher.next_revision()
        starting = asyncio.create_task(
            self._crew.start(
                Apply(
                    revision=revision,
                    flags=control.switches.snapshot(revision),
                    routes=control.file,
                )
            )
        )
        # The crew has its first state after one turn; what is newer comes after it.
        await asyncio.sleep(0)
        if self._outside is not None:
            self._outside.serve()
        stopping = asyncio.create_task(self._stop_asked.wait())
        await asyncio.wait({starting, stopping}, return_when=asyncio.FIRST_COMPLETED)
        stopping.cancel()
        if not starting.done():
            starting.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await starting
            return
        starting.result()

    def _announce(self) -> None:
        if self._stop_asked.is_set():
            return
        self._report.phase = Phase.SERVING
        self._state.write(LISTEN, f"{self._listen.reachable}\n".encode())
        self._state.write(ADMIN, f"{self._admin.reachable}\n".encode())
        if not self._admin.is_loopback:
            self._log.warning(
                "admin_exposed",
                admin=str(self._admin),
                hint="whoever reaches this address and has the token moves traffic; /metrics and"
                " the probes need no token",
            )
        self._log.info(
            "serving",
            listen=str(self._listen),
            admin=str(self._admin),
            workers=self._settings.workers,
            config=str(self._paths.config),
            config_revision=self.control.file.revision,
            flags=str(self._paths.flags),
            flags_from=self.control.switches.file.origin,
            state_dir=str(self._state.path),
            sentinel=str(self._paths.sentinel),
            version=VERSION,
        )

    async def _drain(self) -> int:
        began = time.monotonic()
        seconds = self._settings.deadlines.drain
        self._report.phase = Phase.DRAINING
        self._log.info("draining", seconds=seconds, workers=len(self._crew.workers))
        self._crew.drain(seconds)
        # Workers hold their own copies; once the last one lets go, the kernel refuses clients
        # instead of keeping them waiting for nobody.
        self._listener.close()
        ended = asyncio.create_task(self._crew.ended())
        at_once = asyncio.create_task(self._stop_at_once.wait())
        await asyncio.wait(
            {ended, at_once}, timeout=seconds + GRACE_SECONDS, return_when=asyncio.FIRST_COMPLETED
        )
        at_once.cancel()
        if ended.done():
            await self._drain_observer(seconds - (time.monotonic() - began))
            self._log.info("drained")
            return DONE
        self._log.warning(
            "drain_cut_short",
            cause="second signal" if self._stop_at_once.is_set() else "deadline",
            workers=len(self._crew.workers),
        )
        self._crew.stop()
        await asyncio.wait({ended}, timeout=GRACE_SECONDS / 2)
        self._crew.kill()
        await ended
        return CUT_SHORT

    async def _drain_observer(self, seconds: float) -> None:
        """Clients have their answers: what is left to compare gets what is left of the time."""
        draining = asyncio.create_task(self.observer.drain(max(seconds, GRACE_SECONDS)))
        at_once = asyncio.create_task(self._stop_at_once.wait())
        await asyncio.wait({draining, at_once}, return_when=asyncio.FIRST_COMPLETED)
        at_once.cancel()
        if not draining.done():
            draining.cancel()
        elif not draining.result():
            self._log.warning("observer_cut_short", seconds=seconds)

    # Signals and files.

    def _handle_signals(self) -> None:
        loop = asyncio.get_running_loop()
        for name in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(name, self._stop, name)
        loop.add_signal_handler(signal.SIGHUP, self._reload_by_signal)
        loop.add_signal_handler(signal.SIGUSR1, self._rollback_by_signal)

    def _stop(self, name: signal.Signals) -> None:
        self._log.info("signal_received", signal=name.name)
        if self._stop_asked.is_set():
            self._stop_at_once.set()
        self._stop_asked.set()

    def _reload_by_signal(self) -> None:
        self._log.info("signal_received", signal="SIGHUP")
        actor = Actor(who="SIGHUP", via="signal")
        self._background.begin(self.control.files.reload(actor=actor), "reload")

    def _rollback_by_signal(self) -> None:
        self._log.info("signal_received", signal="SIGUSR1")
        self._background.begin(
            self.control.rollbacks.begin(
                ALL,
                source=Source.SIGNAL,
                actor=Actor(who="SIGUSR1", via="signal"),
                reason="SIGUSR1 was received",
            ),
            "rollback",
        )

    def _sentinel_stands(self) -> bool | None:
        """Whether the sentinel file is there; None when that cannot be told, which is logged."""
        path = self._paths.sentinel
        try:
            os.stat(path)
        except (FileNotFoundError, NotADirectoryError):
            return False
        except OSError as error:
            self._log.error("sentinel_unreadable", path=str(path), error=error.strerror)
            return None
        return True

    def _file_changed(self, path: Path) -> None:
        if path == self._paths.config:
            self._background.begin(self._reload_routes(), "reload routes")
        elif path == self._paths.flags:
            actor = Actor(who=str(path), via="file")
            self._background.begin(self.control.files.reload_flags(actor=actor), "reload flags")
        elif path == self._paths.tokens:
            self._background.begin(self._tokens.look(), "read tokens")
        else:
            self._sentinel_changed()

    def _sentinel_changed(self) -> None:
        path = str(self._paths.sentinel)
        stands = self._sentinel_stands()
        if stands:
            self._background.begin(
                self.control.rollbacks.begin(
                    ALL,
                    source=Source.SENTINEL,
                    actor=Actor(who=path, via="sentinel"),
                    reason="the sentinel file appeared",
                ),
                "rollback",
            )
        elif stands is False:
            self._log.info(
                "sentinel_removed", path=path, hint="figway resume --all ends the rollback"
            )

    async def _reload_routes(self) -> None:
        await self.control.files.reload_routes()

    def _routes_changed(self, file: RouteFile) -> None:
        self._health.watch(file)
        if self._outside is not None:
            self._outside.routes_changed()

    def _health_changed(self) -> None:
        if self._report.phase is not Phase.DRAINING:
            self.control.publisher.publish_health(self._health.unhealthy)
