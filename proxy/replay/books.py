"""The books of a replay: every request is counted once, with what it was before and becomes."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from proxy.headers import SAFE_METHODS
from proxy.replay.load import Minutes
from proxy.replay.log_file import AccessLogs
from proxy.replay.logged_facts import LoggedFacts
from proxy.replay.logged_request import LoggedRequest
from proxy.replay.outcomes import Judge, Outcomes
from proxy.replay.version import Version
from proxy.routing.decision import Decision
from proxy.shadow_policy import WriteMode
from proxy.stages import Side

NO_PATH = "their target is no path"
UNKNOWN_ROUTE = "the log does not hold what chose their route"
_SHOWN = 120
_SENT_WRITES = frozenset({WriteMode.DRY_RUN, WriteMode.SANDBOX})


@dataclass(slots=True)
class Kind:
    """Requests that come to the same outcomes: how many, and the first of them."""

    outcomes: Outcomes
    # Whether copies of them may be sent, by the method.
    safe: bool
    place: str
    example: str
    requests: int = 0


@dataclass(frozen=True, slots=True)
class LoadKey:
    """Whose requests: a route's share of an upstream, answered or only copied there."""

    route: str
    upstream: str
    after: bool
    copies: bool = False


@dataclass(slots=True)
class Books:
    """Takes logged requests one by one."""

    before: Version
    after: Version
    # The host of requests whose log has none.
    host: str = ""
    # When the flags are asked, in seconds since the epoch.
    moment: float = 0.0
    requests: int = 0
    # Requests of which only shares are known: the log does not hold their key.
    shared: int = 0
    # Requests that were not replayed, by the reason.
    left_out: Counter[str] = field(default_factory=Counter)
    # What was asked, is not in the log and was taken as absent, with the number of requests.
    missing: Counter[str] = field(default_factory=Counter)
    untimed: int = 0
    from_figway: bool = False
    minutes: Minutes = field(default_factory=Minutes)
    kinds: dict[tuple[int, bool], Kind] = field(default_factory=dict)
    _judge: Judge = field(init=False)
    _minute: int = 0
    # Of the minute in hand.
    _of_minute: Counter[tuple[int, bool]] = field(default_factory=Counter)
    _keys: dict[tuple[int, bool], tuple[tuple[LoadKey, float], ...]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Set up."""
        self._judge = Judge(self.before, self.after)

    def add(self, request: LoggedRequest, logs: AccessLogs) -> None:
        """Count one request, which `logs` have in hand."""
        facts = LoggedFacts(request, host=self.host, moment=self.moment)
        if not facts.path.startswith("/"):
            self.left_out[NO_PATH] += 1
            return
        outcomes = self._judge.outcomes(facts)
        if request.route:
            self.from_figway = True
            if facts.missing and request.route != outcomes[0].before.route.id:
                self.left_out[UNKNOWN_ROUTE] += 1
                return
        self.requests += 1
        self.shared += len(outcomes) > 1
        for name in facts.missing:
            self.missing[name] += 1
        key = id(outcomes), request.method in SAFE_METHODS
        kind = self.kinds.get(key)
        if kind is None:
            # Without its query, whose values are the client's business; for eyes and terminals.
            path = "".join(c if c.isprintable() else "." for c in facts.path[:_SHOWN])
            example = f"{request.method} {path}"
            kind = self.kinds[key] = Kind(outcomes, key[1], logs.place, example)
        kind.requests += 1
        moment = request.time
        if moment is None:
            self.untimed += 1
            return
        self.minutes.see(moment)
        minute = int(moment) // 60
        if minute != self._minute:
            self.settle()
            self._minute = minute
        self._of_minute[key] += 1

    def settle(self) -> None:
        """Bring the minute in hand into the books."""
        for key, requests in self._of_minute.items():
            for load_key, share in self._load_keys(key):
                self.minutes.add(load_key, self._minute, requests * share)
        self._of_minute.clear()

    def _load_keys(self, key: tuple[int, bool]) -> tuple[tuple[LoadKey, float], ...]:
        known = self._keys.get(key)
        if known is None:
            kind = self.kinds[key]
            known = self._keys[key] = tuple(
                pair
                for outcome in kind.outcomes
                for after, decision in ((False, outcome.before), (True, outcome.after))
                for pair in self._loads(decision, outcome.share, after=after, safe=kind.safe)
            )
        return known

    def _loads(
        self, decision: Decision, share: float, *, after: bool, safe: bool
    ) -> list[tuple[LoadKey, float]]:
        route, policy = decision.route, decision.route.shadow
        loads = [(LoadKey(route.id, decision.upstream.name, after), share)]
        version = self.after if after else self.before
        file = version.table.file
        if (
            decision.shadow is not None
            and policy.sample > 0
            and (safe or policy.writes in _SENT_WRITES)
            and not file.shadow.kill_switch
            and not version.flags.shadow_paused
        ):
            asked = file.legacy.name if decision.shadow is Side.LEGACY else route.new
            if not safe and policy.writes is WriteMode.SANDBOX:
                asked = policy.sandbox
            loads.append((LoadKey(route.id, asked, after, copies=True), share * policy.sample))
        return loads
