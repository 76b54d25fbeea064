"""What a figway has beyond its own host: the fleet and the flag provider, up, down and told of."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Mapping
from dataclasses import asdict
from functools import partial

from structlog.typing import FilteringBoundLogger

from flags.shared import Mark, Share, SharedState, SharedStore
from flags.unleash.connection import UnleashConnection
from flags.unleash.feed import Names, UnleashFeed
from flags.unleash.reporter import Usage
from flags.unleash.webhook import Webhook
from proxy.control_plane import ControlPlane, Provider
from proxy.fleet import peers
from proxy.fleet.acks import ReplicaAck
from proxy.fleet.freshness import fresh_peer
from proxy.fleet.membership import DISK_AFTER_SECONDS, Fleet
from proxy.fleet.opening import admin_address, new_boot, open_store, replica_name, shown_store
from proxy.fleet.replica import Facts, Replica
from proxy.fleet.spread import Spread, apart
from proxy.fleet.view import FleetView, ProviderView, ReplicaStatus
from proxy.supervision.audit import Actor
from proxy.supervision.background import Background
from proxy.supervision.control import Control
from proxy.supervision.crew import Acknowledgement
from proxy.supervision.flag_moves import Move
from proxy.supervision.listener import Address
from proxy.supervision.provider_feed import ProviderFeed
from proxy.supervision.staleness import FRESH, staleness
from proxy.supervision.state_directory import LAST_GOOD_UNLEASH, PEERS, StateDirectory
from proxy.supervision.traffic import TrafficView

# How long a start waits for what others know.
FIRST_WORD_SECONDS = 2.0
# How often the age of the flags is looked at.
LOOK_SECONDS = 1.0


class Outside:
    """Everything beyond this host. `start` once the workers run."""

    def __init__(
        self,
        *,
        plane: ControlPlane,
        control: Control,
        admin: Address,
        state: StateDirectory,
        facts: Callable[[], Facts],
        usage: Usage,
        log: FilteringBoundLogger,
        store: SharedStore | None = None,
    ) -> None:
        """`facts` is what this replica says of itself, `usage` how often each flag was on and off.

        `store` takes the place of Redis.
        """
        self.plane = plane
        self.replica = replica_name(plane.control, admin)
        self.boot = new_boot()
        self.admin = admin_address(plane.control, admin)
        self._control = control
        self._state = state
        self._log = log
        self._background = Background(log)
        self._staleness = FRESH
        # Who can serve while this replica is stale; empty: nobody, or it is not.
        self.fresh_peer = ""
        self._peers_kept: tuple[str, ...] = ()
        self.store = store = store or open_store(
            plane.control, replica=self.replica, boot=self.boot
        )
        self.fleet = None if store is None else self._join(store, facts)
        if plane.control.peers:
            control.rollbacks.reach = self._apart
            control.percentages.has_peers = True
        self._unleash: UnleashFeed | None = None
        self.feed, self.webhook = self._feed(usage)
        control.flags_age = lambda: self.flags_age
        control.flags_confirmed = lambda: self.flags_confirmed

    def _join(self, store: SharedStore, facts: Callable[[], Facts]) -> Fleet:
        control = self._control
        fleet = Fleet(
            store=store,
            switches=control.switches,
            publisher=control.publisher,
            facts=facts,
            standing=control.rollbacks.standing,
            keep=partial(control.journal.keep_latch, 5.0),
            diverged_after=self.plane.control.diverged_after,
            log=self._log,
        )
        fleet.peers = fleet.configured = self.plane.control.peers
        fleet.on_replicas = self._met
        fleet.on_nudged = self._nudged
        fleet.on_moved = self._moved
        control.switches.now_us = store.now_us
        control.rollbacks.fleet = fleet
        control.percentages.fleet = fleet
        return fleet

    def _apart(self, confirmed: Acknowledgement) -> Spread:
        """How far a command gets where the others are known by their addresses alone."""
        own = ReplicaAck(
            replica=self.replica,
            boot=self.boot,
            state="unconfirmed" if confirmed.missing else "applied",
            ms=confirmed.ms,
            applied_ms=confirmed.ms,
        )
        return apart(own, self.plane.control.peers)

    def _feed(self, usage: Usage) -> tuple[ProviderFeed | None, Webhook | None]:
        unleash, control = self.plane.flags.unleash, self._control
        if self.plane.flags.provider is not Provider.UNLEASH:
            return None, None
        feed = self._unleash = UnleashFeed(
            UnleashConnection(
                url=unleash.url,
                token=unleash.token,
                admin_token=unleash.admin_token,
                webhook_token=unleash.webhook_token,
                app_name=unleash.app_name,
                instance=self.replica,
                poll=unleash.poll,
            ),
            names=self._names,
            last_good=self._state.path / LAST_GOOD_UNLEASH,
            newest=control.switches.latch.newest_flag("unleash"),
            usage=usage,
        )
        provided = ProviderFeed(
            feed,
            where=unleash.url,
            switches=control.switches,
            publisher=control.publisher,
            journal=control.journal,
            log=self._log,
        )
        if self.fleet is not None:
            provided.on_changed = self.fleet.nudge
        control.percentages.feed = provided
        control.files.on_reload = feed.accept
        return provided, Webhook(feed, token=unleash.webhook_token)

    def _names(self) -> Names:
        file = self._control.file
        return Names(
            groups=tuple(group.name for group in file.groups),
            routes=tuple(route.id for route in file.routes),
            members=tuple((route.id, route.group) for route in file.routes if route.group),
        )

    # Up and down.

    async def prepare(self) -> None:
        """Hear what holds before the first request is decided, as far as that is quick.

        What the disk kept is there at once. A store or a provider that does not answer is waited
        for a moment only: without them, what was known last holds.
        """
        waits = []
        if self.feed is not None:
            self.feed.start()
            waits.append(self.feed.answered.wait())
        if self.fleet is not None:
            self.fleet.connect()
            waits.append(self.fleet.answered.wait())
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(asyncio.gather(*waits), FIRST_WORD_SECONDS)

    def serve(self) -> None:
        """The first workers are being started: whatever is heard is published from now on."""
        if self.feed is not None:
            self.feed.serve()
        if self.fleet is not None:
            self.fleet.serve()
        # What was heard since they were given their first state.
        self._control.publisher.tell()

    def start(self) -> None:
        """The workers are ready: confirm to the others, from now on."""
        if self.fleet is not None:
            self.fleet.start()
        self._background.begin(self._look_regularly(), "look at the age of flags")

    async def close(self) -> None:
        """Let go of everything."""
        await self._background.close()
        if self.feed is not None:
            await self.feed.close()
        if self.fleet is not None:
            await self.fleet.close()

    def routes_changed(self) -> None:
        """Other names are in use: what the provider says is read again."""
        if self.feed is not None:
            self.feed.feed.reread()

    def _nudged(self, what: str) -> None:
        if self.feed is not None and what == self.feed.feed.name:
            self.feed.feed.refetch()

    # The others.

    def _moved(self, moved: tuple[Move, ...], state: SharedState) -> None:
        """Write down what another replica was told and this one heard."""
        for move in moved:
            turned = "rolled back" in move.before + move.after
            words: Mapping[str, Mark | Share] = state.marks if turned else state.shares
            word = words.get(move.scope)
            # What was told here is written down by whoever was told.
            if word is not None and word.replica != self.replica:
                self._background.begin(self._write_down(move, word), "write down what was heard")

    async def _write_down(self, move: Move, word: Mark | Share) -> None:
        publisher = self._control.publisher
        used = await publisher.used(publisher.revision)
        # Whoever was told has written it down before; here workers come first.
        await asyncio.sleep(DISK_AFTER_SECONDS)
        actor = Actor(
            who=word.actor or "unknown", via="fleet", credential=f"replica {word.replica}"
        )
        reason = word.reason if isinstance(word, Mark) else ""
        await self._control.journal.write_moves((move,), "heard", actor, reason, used)

    def _met(self, replicas: tuple[Replica, ...]) -> None:
        assert self.fleet is not None
        others = [each.facts for each in replicas if each.live and each.facts.boot != self.boot]
        known = peers.addresses(self.plane.control.peers, others)
        # Whoever is not live any more may still serve: it is asked while nobody else is known.
        self.fleet.peers = known or self.fleet.peers
        if self.fleet.peers != self._peers_kept:
            self._peers_kept = self.fleet.peers
            self._background.begin(self._keep_peers(self._peers_kept), "keep peers")

    async def _keep_peers(self, known: tuple[str, ...]) -> None:
        try:
            await asyncio.to_thread(self._state.write, PEERS, peers.written(known))
        except OSError as error:
            self._log.error("peers_not_kept", error=f"{PEERS}: {error.strerror or error}")

    # The age of the flags.

    @property
    def flags_age(self) -> float | None:
        """Seconds since the provider confirmed what is held; None: the file has not to."""
        match self.plane.flags.provider:
            case Provider.FILE:
                return None
            case Provider.REDIS:
                return None if self.fleet is None else self.fleet.unproven_seconds
            case Provider.UNLEASH:
                return None if self.feed is None else self.feed.age

    @property
    def flags_confirmed(self) -> bool:
        """Whether the provider has confirmed what is held since this start; the file has not to."""
        match self.plane.flags.provider:
            case Provider.FILE:
                return True
            case Provider.REDIS:
                return self.fleet is not None and self.fleet.health.confirmed_at > 0
            case Provider.UNLEASH:
                return self.feed is not None and self.feed.health.confirmed_at > 0

    @property
    def flags_revision(self) -> int:
        """The revision of the flags as their source counts it; 0: it does not."""
        if self._unleash is not None:
            return self._unleash.source_revision
        switches = self._control.switches
        return switches.provided.revision or switches.file.state.revision

    @property
    def flags_from(self) -> str:
        """What says the flags now: the provider, last_good (kept from before), file or nothing."""
        if self.feed is not None and not self.feed.health.confirmed_at:
            return "last_good" if self.feed.health.from_disk else self._control.switches.file.origin
        if self.plane.flags.provider is Provider.FILE:
            return self._control.switches.file.origin
        return self.plane.flags.provider.value

    async def _look_regularly(self) -> None:
        while not self._background.closed:
            self._look_at_the_age()
            await self._look_for_a_fresh_peer()
            await asyncio.sleep(LOOK_SECONDS)

    async def _look_for_a_fresh_peer(self) -> None:
        limit = self.plane.control.unready_after
        if self.fleet is None or not limit or self.fleet.unproven_seconds < limit:
            self.fresh_peer = ""
        else:
            self.fresh_peer = await fresh_peer(self.fleet.peers)

    def _look_at_the_age(self) -> None:
        age = self.flags_age
        before, now = self._staleness, staleness(age, self.plane.flags, self._control.file)
        self._staleness = now
        if now.state != before.state:
            provider, seconds = self.plane.flags.provider.value, round(age or 0.0, 1)
            if now.state == "fresh":
                self._log.info("flags_confirmed_again", provider=provider)
            elif now.state == "late":
                self._log.warning("flags_late", provider=provider, age_seconds=seconds)
            else:
                self._log.error(
                    "flags_stale",
                    provider=provider,
                    age_seconds=seconds,
                    to_legacy=sorted(now.routes),
                )
        switches = self._control.switches
        if now.routes != switches.stale_routes:
            switches.stale_routes = now.routes
            self._control.publisher.tell()

    # Told.

    def fetches(self) -> Mapping[str, int]:
        """How often the provider was asked, by what came of it."""
        return {} if self._unleash is None else self._unleash.fetches

    def provider_view(self) -> ProviderView:
        """The provider as operators see it."""
        switches = self._control.switches
        age = self.flags_age
        health = None if self.feed is None else self.feed.health
        return ProviderView(
            name=self.plane.flags.provider.value,
            where=self._provider_where(),
            state=self._staleness.state,
            connection="ok" if health is None else health.state,
            detail="" if health is None else health.detail,
            revision=self.flags_revision,
            confirmed=self.flags_confirmed,
            age_seconds=None if age is None else round(age, 3),
            from_disk=health is not None and health.from_disk,
            held=() if health is None else health.held,
            problems=() if health is None else health.problems,
            to_legacy=tuple(sorted(switches.stale_routes)),
        )

    def _provider_where(self) -> str:
        if self.feed is not None:
            return self.feed.where
        if self.plane.flags.provider is Provider.REDIS:
            return shown_store(self.plane.control)
        return str(self._control.switches.file.path)

    def fleet_view(self) -> FleetView | None:
        """The fleet as operators see it; None: there is none."""
        fleet = self.fleet
        if fleet is None:
            return None
        unproven = fleet.unproven_seconds
        return FleetView(
            environment=self.plane.control.environment,
            store=shown_store(self.plane.control),
            state=fleet.health.state,
            detail=fleet.health.detail,
            subscribed=fleet.health.subscribed,
            revision=fleet.health.revision,
            applied=fleet.applied,
            unproven_seconds=round(unproven, 3),
            stale=unproven > self.plane.control.stale_after,
            fresh_peer=self.fresh_peer,
            peers=fleet.peers,
        )

    def traffic_elsewhere(self) -> dict[str, TrafficView | None]:
        """What the other replicas say of their traffic, by name; None: it cannot be told now."""
        return {
            each.facts.replica: each.facts.traffic if each.state == "live" else None
            for each in (() if self.fleet is None else self.fleet.shown)
            if each.live and each.facts.boot != self.boot
        }

    async def look(self) -> None:
        """Ask the registry now, if it answers at once."""
        if self.fleet is not None:
            await self.fleet.look_soon()

    def replica_views(self) -> tuple[ReplicaStatus, ...]:
        """Every replica of the fleet; none without one."""
        return tuple(
            ReplicaStatus(
                **{**asdict(each.facts), "traffic": None},
                live=each.state == "live",
                state=each.state,
                this=each.facts.boot == self.boot,
                seen_seconds=round(each.seen_seconds, 3),
            )
            for each in (() if self.fleet is None else self.fleet.shown)
        )
