"""The control: what is in use now, and where every change of it is made."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from structlog.typing import FilteringBoundLogger

from flags.snapshot import FlagSnapshot
from proxy.routing.explain import Explanation, explain
from proxy.routing.facts import RequestFacts
from proxy.routing.route import RouteFile
from proxy.settings import Settings
from proxy.supervision.change import HoldView
from proxy.supervision.crew import Crew
from proxy.supervision.files import Files, LoadedRoutes
from proxy.supervision.journal import Journal
from proxy.supervision.overview import RouteView, routes
from proxy.supervision.percentages import Percentages
from proxy.supervision.provenance import provenance
from proxy.supervision.publisher import Publisher
from proxy.supervision.rollbacks import Rollbacks
from proxy.supervision.shadow_switch import ShadowSwitch
from proxy.supervision.switches import Switches

# Of a flag that a running figway has not heard of, for `figway explain`.
_NOWHERE = "nowhere: no source of flags speaks of it"


class Control:
    """One state of routes, flags and rollbacks. Each verb has its own object."""

    def __init__(
        self,
        *,
        path: Path,
        loaded: LoadedRoutes,
        read: Callable[[], LoadedRoutes],
        switches: Switches,
        crew: Crew,
        journal: Journal,
        sentinel: Path,
        log: FilteringBoundLogger,
    ) -> None:
        self.switches = switches
        # How long ago the provider of flags confirmed what is in use; None: it has not to.
        self.flags_age: Callable[[], float | None] = _not_asked
        # Whether it has since this start. What it said may come from disk.
        self.flags_confirmed: Callable[[], bool] = lambda: True
        self.journal = journal
        self.publisher = Publisher(crew=crew, switches=switches, log=log)
        self.rollbacks = Rollbacks(
            switches=switches,
            publisher=self.publisher,
            journal=journal,
            file=lambda: self.file,
            sentinel=sentinel,
            cooldown=loaded.plane.control.resume_cooldown,
            log=log,
        )
        self.files = Files(
            path=path,
            loaded=loaded,
            read=read,
            switches=switches,
            publisher=self.publisher,
            journal=journal,
            state_of=self.rollbacks.state_of,
            log=log,
        )
        self.percentages = Percentages(
            switches=switches,
            publisher=self.publisher,
            journal=journal,
            file=lambda: self.file,
            name=path.name,
            read_flags=self.files.read_own_flags,
            log=log,
        )
        self.shadow = ShadowSwitch(
            switches=switches,
            journal=journal,
            file=lambda: self.file,
            publisher=self.publisher,
            log=log,
        )

    @property
    def file(self) -> RouteFile:
        """The routes in use."""
        return self.files.loaded.file

    @property
    def settings(self) -> Settings:
        """The settings in use since the start."""
        return self.files.loaded.settings

    @property
    def revision(self) -> int:
        """The revision of the state that workers were last told to use."""
        return self.publisher.revision

    @property
    def flags(self) -> FlagSnapshot:
        """What workers were last told."""
        return self.switches.snapshot(self.revision)

    @property
    def holds(self) -> tuple[HoldView, ...]:
        """Everything that is rolled back, and by what."""
        return self.switches.holds

    def routes(self) -> tuple[RouteView, ...]:
        """Every route with its flag and the share that comes of it."""
        return routes(self.file, self.flags)

    def explain(self, facts: RequestFacts) -> Explanation:
        """Why this request goes where it goes, now."""
        return explain(self.files.loaded.table, self.flags, facts, self.origins(), _NOWHERE)

    def origins(self) -> Mapping[str, str]:
        """Who says each flag and holds each rollback, by scope and "rollback SCOPE"."""
        return provenance(self.switches, age=self.flags_age(), confirmed=self.flags_confirmed())


def _not_asked() -> None:
    """Take the place of a provider that is not there."""
