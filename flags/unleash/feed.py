"""The Unleash feed: when to fetch, what is held, who is told. What an answer means: answers.py."""

from __future__ import annotations

import asyncio
import contextlib
import importlib
import socket
import time
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final

from flags.feed import FeedHealth, FeedListener, FeedNews
from flags.provider import NOTHING_SAID, FlagSourceError, FlagState
from flags.scope import group_of, route_of
from flags.unleash.admin_api import AdminApi
from flags.unleash.answers import EPOCH, Held, Judged, Names, Outcome, judge, read, read_again
from flags.unleash.attribution import Attribution
from flags.unleash.connection import INSTALL, UnleashConnection, missing_extra
from flags.unleash.events import Author, Event
from flags.unleash.features import FeaturesError, read_features
from flags.unleash.fetch import FetchError
from flags.unleash.last_good import Keeper, LastGood
from flags.unleash.pace import HURRY_STEPS, Pace
from flags.unleash.reporter import Reporter, Usage

if TYPE_CHECKING:
    # It loads the official client, which is an extra and takes a third of a second.
    from flags.unleash.client import Client

__all__ = ["Names", "UnleashFeed"]

# Larger answers are read in a thread, so that a rollback does not wait for one.
_LARGE: Final = 64 * 1024
# Unleash takes six registrations a minute from one address.
_REGISTER_SECONDS: Final = 30.0
# An operator's word is for what is there now, not for what comes hours later.
_ACCEPT_SECONDS: Final = 60.0
# Unleash serves a change on a tick of one second, and a busy one misses some.
SERVED_SECONDS: Final = 5.0
_CLOSING_SECONDS: Final = 0.3


class UnleashFeed:
    """Flags from Unleash, as a FlagFeed."""

    name = "unleash"

    def __init__(
        self,
        connection: UnleashConnection,
        *,
        names: Callable[[], Names],
        last_good: Path,
        newest: int = 0,
        usage: Usage | None = None,
    ) -> None:
        """`newest` is the newest revision that the latch knows of this source.

        `usage` counts how often each flag was on and off.
        """
        self.connection = connection
        # How often a fetch ended how.
        self.fetches = dict.fromkeys((*(o.value for o in Outcome), "failed"), 0)
        self.health = FeedHealth(state="starting", detail="Unleash has not answered yet")
        self._names = names
        self._read = partial(
            read_features, app_name=connection.app_name, host_name=socket.gethostname()
        )
        self._newest = newest
        self._last_good = LastGood(
            last_good, api=connection.api, environment=connection.environment
        )
        self._admin = AdminApi(connection)
        self._reporter = None if usage is None else Reporter(usage)
        self._listener: FeedListener | None = None
        self._held: Held | None = None
        self._told: FlagState = NOTHING_SAID
        self._disk_problem = ""
        # Only that of an answer that was taken: an unchanged answer then confirms what is held.
        self._etag = ""
        self._full_at = 0.0
        self._accept_until = 0.0
        self._registered = False
        self._register_at = 0.0
        self._wake = asyncio.Event()
        self._pace = Pace(connection.poll)
        self._others_know = False
        self._looked = asyncio.Condition()
        self._attribution = Attribution(self._admin if connection.admin_token else None)
        self._tasks: set[asyncio.Task[None]] = set()
        self._keeper = Keeper(self._last_good.save, self._disk_says)
        self._client: Client | None = None

    @property
    def source_revision(self) -> int:
        """Unleash's own revision of what is held; 0 where it does not count, or nothing is held.

        The same on all replicas that hold the same, which our own revision need not be.
        """
        return 0 if self._held is None else self._held.features.revision

    @property
    def reports(self) -> Mapping[str, int]:
        """How many reports were sent and failed."""
        return {} if self._reporter is None else self._reporter.counts

    # What the supervisor calls.

    def start(self, listener: FeedListener) -> None:
        """Tell what the disk kept, at once, then begin to fetch; never waits, never raises."""
        self._listener = listener
        self._from_disk()
        self._tell_health(self.health)
        self._spawn(self._poll(), "unleash-poll")

    def refetch(self) -> None:
        """Fetch now, and again shortly: Unleash serves a change up to a second after it."""
        self._others_know = True
        self._hurry()

    def accept(self) -> None:
        """Fetch now; if answers are refused, take the next one even if it is older or lost flags.

        An operator says so, who was told of the refusal: what nobody has heard of is not accepted.
        """
        if self.health.state == "rejected":
            self._accept_until = time.monotonic() + _ACCEPT_SECONDS
            self._full_at = 0.0
        self._hurry()

    def reread(self) -> None:
        """Read what is held again: the names in routes.yaml are others."""
        if self._held is None:
            return
        self._held = read_again(self._held, self._names())
        self._tell(self._held.state, Author())
        self._tell_health(self._health_of(self._held))

    def heard(self, event: Event | None) -> None:
        """The webhook says that Unleash has changed: fetch until that is seen, and tell others."""
        awaited = 0
        if event is not None:
            self._attribution.heard(event)
            if not event.environment or event.environment == self._environment:
                awaited = event.id
        # A change that is in no environment may leave the ETag as it is.
        self._full_at = 0.0
        self._hurry(awaited)
        if self._listener is not None:
            self._others_know = True
            self._listener.on_changed_elsewhere()

    async def set_percent(self, scope: str, basis_points: int) -> None:
        """Write a percentage through, and wait until Unleash serves it.

        Raises FlagSourceError that says where to do it by hand, or that it is written and not
        served yet.
        """
        await self._admin.set_percent(scope, basis_points, self._environment)
        try:
            async with asyncio.timeout(SERVED_SECONDS):
                while not await self._served_soon(scope, basis_points):
                    pass
        except TimeoutError:
            raise FlagSourceError(
                f"it is written to Unleash, which has not served it within {SERVED_SECONDS:g} s:"
                " it takes effect once it does, see `figway routes`"
            ) from None

    async def attribute(self, news: FeedNews) -> FeedNews:
        """The same news with who made the change, as far as Unleash can tell; never raises."""
        return await self._attribution.complete(news, self._environment)

    async def close(self) -> None:
        """Let go of everything, within a second."""
        await self._keeper.close(_CLOSING_SECONDS)
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        client, self._client = self._client, None
        if client is None:
            return
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_CLOSING_SECONDS):
                if self._reporter is not None:
                    await self._report_once(self._reporter, client)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_CLOSING_SECONDS):
                await client.close()

    # The disk.

    def _from_disk(self) -> None:
        kept, self._disk_problem = self._last_good.load()
        if kept is None:
            return
        connection = self.connection
        self._newest = max(self._newest, kept.revision)
        if kept.environment != connection.environment:
            # Flags of another environment say nothing of this one, and its revisions neither.
            self._newest = _next_epoch(self._newest)
            return
        try:
            features = self._read(kept.answer)
        except FeaturesError as error:
            self._disk_problem = f"what was kept of Unleash is {error}"
            return
        self._held = read(
            kept.answer, features, self._names(), revision=kept.revision, before=kept.held
        )
        if kept.api != connection.api:
            self._newest = _next_epoch(self._newest)
        self.health = replace(
            self.health,
            from_disk=True,
            held=self._held.silent,
            problems=_problems(self._held),
        )
        self._tell(self._held.state, Author())

    def _disk_says(self, problem: str) -> None:
        if problem != self._disk_problem:
            self._disk_problem = problem
            self._tell_health(self.health)

    # Fetching.

    async def _poll(self) -> None:
        missing = missing_extra()
        if missing:
            self._tell_health(replace(self.health, state="down", detail=missing))
            return
        try:
            module = await asyncio.to_thread(importlib.import_module, "flags.unleash.client")
            self._client = client = module.Client(self.connection)
        except (ImportError, OSError, RuntimeError, AttributeError, TypeError) as error:
            # Its engine is a library of the platform, and its insides are not promised.
            detail = f"the Unleash client cannot be used ({error}): {INSTALL}"
            self._tell_health(replace(self.health, state="down", detail=detail))
            return
        if self._reporter is not None:
            self._spawn(self._report(self._reporter, client), "unleash-report")
        while True:
            self._wake.clear()
            began = time.monotonic()
            try:
                await self._look(client)
            except Exception as error:  # noqa: BLE001 - a defect may not end the polling in silence
                self.fetches["failed"] += 1
                detail = f"an answer of Unleash met a defect: {error!r}"
                self._tell_health(replace(self.health, state="rejected", detail=detail))
            async with self._looked:
                self._looked.notify_all()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._pause()):
                    await self._wake.wait()
            await asyncio.sleep(self._pace.rest(time.monotonic(), began=began))

    async def _look(self, client: Client) -> None:
        now = time.monotonic()
        full = now - self._full_at >= self.connection.full_fetch or self._full_at == 0.0
        if full:
            # Before it is asked: who wants another full fetch meanwhile gets one after this.
            self._full_at = now
        try:
            answer = await client.fetch("" if full else self._etag)
        except FetchError as error:
            self._full_at = 0.0 if full else self._full_at
            self.fetches["failed"] += 1
            state = "refused" if error.credentials else "down"
            self._tell_health(replace(self.health, state=state, detail=str(error)))
            return
        if answer.text is None:
            self.fetches[Outcome.UNCHANGED] += 1
            if self._held is not None:
                self._confirmed(self._held)
            return
        names = self._names()
        judged = await self._judge(answer.text, names, accept=now < self._accept_until)
        self.fetches[judged.outcome] += 1
        if judged.reason or judged.held is None:
            self._refused(judged)
            return
        self._accept_until = 0.0
        self._etag = answer.etag
        held = judged.held
        if self._names() != names:
            # Others came into use while it was read beside the loop.
            held = read_again(held, self._names())
        self._take(held)
        self._confirmed(held)
        if judged.outcome is Outcome.CHANGED:
            self._keeper.keep(held)
        now = time.monotonic()
        if not self._registered and now >= self._register_at:
            self._register_at = now + _REGISTER_SECONDS
            self._spawn(self._register(client), "unleash-register")

    async def _register(self, client: Client) -> None:
        self._registered = await client.register()

    async def _judge(self, text: str, names: Names, *, accept: bool) -> Judged:
        held, newest = self._held, self._newest

        def judged() -> Judged:
            return judge(held, text, names, newest=newest, accept=accept, reader=self._read)

        return judged() if len(text) < _LARGE else await asyncio.to_thread(judged)

    def _take(self, held: Held) -> None:
        before, self._held = self._held, held
        self._newest = max(self._newest, held.state.revision)
        if held.state == self._told:
            return
        self._tell(held.state, self._attribution.author_of(before, held, self._environment))
        # What has changed while this process did not run is no news to the others.
        if self._listener is not None and not self._others_know and self.health.confirmed_at:
            self._listener.on_changed_elsewhere()
        self._others_know = False

    def _refused(self, judged: Judged) -> None:
        # A refused answer confirms nothing, so the clock of staleness goes on. What it says is told
        # only where it rolls back, which makes it newer.
        if judged.state.revision > self._told.revision:
            self._tell(judged.state, Author())
        self._tell_health(replace(self.health, state="rejected", detail=judged.reason))

    def _confirmed(self, held: Held) -> None:
        if self.health.state == "down":
            # It may be another one than before.
            self._registered = False
        self._tell_health(self._health_of(held, confirmed_at=time.monotonic()))

    def _pause(self) -> float:
        now = time.monotonic()
        refused = self.health.state == "refused"
        pause = self._pace.pause(now, seen=self.source_revision, refused=refused)
        # Others were told of a change only as long as it may be on its way.
        self._others_know = self._others_know and self._pace.in_a_hurry(now)
        return pause

    async def _served_soon(self, scope: str, basis_points: int) -> bool:
        """Whether a percentage is served by the time that a hurry takes."""
        self._full_at = 0.0
        self._hurry()
        try:
            async with asyncio.timeout(sum(HURRY_STEPS)), self._looked:
                await self._looked.wait_for(lambda: self._serves(scope, basis_points))
        except TimeoutError:
            return False
        return True

    def _hurry(self, awaited: int = 0) -> None:
        self._pace.hurry(time.monotonic(), awaited=awaited)
        self._wake.set()

    # Reporting.

    async def _report(self, reporter: Reporter, client: Client) -> None:
        while True:
            await asyncio.sleep(self._pace.spread(self.connection.report))
            await self._report_once(reporter, client)

    async def _report_once(self, reporter: Reporter, client: Client) -> None:
        if self._registered and self._held is not None:
            await reporter.report(client, self._held.features.rules)

    # Telling.

    def _tell(self, state: FlagState, author: Author) -> None:
        self._told = state
        if self._listener is not None:
            self._listener.on_flags(FeedNews(state=state, who=author.who, event=author.event))

    def _tell_health(self, health: FeedHealth) -> None:
        self.health = health
        if self._disk_problem:
            health = replace(health, problems=(*health.problems, self._disk_problem))
        if self._listener is not None:
            self._listener.on_health(health)

    def _health_of(self, held: Held, *, confirmed_at: float | None = None) -> FeedHealth:
        return FeedHealth(
            state="ok" if confirmed_at else self.health.state,
            detail="" if confirmed_at else self.health.detail,
            confirmed_at=confirmed_at or self.health.confirmed_at,
            from_disk=self.health.from_disk and not confirmed_at,
            held=held.silent,
            problems=_problems(held),
        )

    @property
    def _environment(self) -> str:
        said = "" if self._held is None else self._held.features.environment
        return said or self.connection.environment

    def _serves(self, scope: str, basis_points: int) -> bool:
        if self._held is None:
            return False
        group, route = group_of(scope), route_of(scope)
        state = self._held.state
        flag = state.groups.get(group) if group else state.routes.get(route or "")
        if flag is None or flag.rule is None:
            return flag is not None and flag.basis_points == basis_points
        return basis_points in flag.rule.percentages()

    def _spawn(self, work: Coroutine[object, object, None], name: str) -> asyncio.Task[None]:
        task = asyncio.create_task(work, name=name)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task


def _next_epoch(revision: int) -> int:
    return (revision // EPOCH + 1) * EPOCH


def _problems(held: Held) -> tuple[str, ...]:
    return (
        *(f"{each.flag}: {each.message}" for each in held.complaints),
        *(
            f"Unleash has no flag for {scope} any more, so what it said last holds: bring it back"
            " and set it to 0 %"
            for scope in held.silent
        ),
    )
