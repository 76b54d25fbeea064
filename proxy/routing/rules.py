"""Rules of flags on this table's routes: the fields they ask for, and the questions they become."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from flags.evaluate import BASIS_POINTS
from flags.rule import Rule
from flags.unleash.admission import compile_rule
from flags.unleash.asked import KEY, changes_of, fields_of
from flags.unleash.context import Context, UnclearField
from proxy.routing.facts import RequestFacts, cookie_values
from proxy.routing.route import ContextField, ContextKind, StickyKind
from proxy.routing.sticky import as_text
from proxy.routing.target import read_query

if TYPE_CHECKING:
    from proxy.routing.compiled import CompiledRoute

Reader = Callable[[RequestFacts], str | None]

REMOTE_ADDRESS: Final = "remoteAddress"
# Fields that are the route's sticky key where nothing else is said.
_KEYS: Final = frozenset({KEY, "userId", "sessionId"})
# Keys that stand in the request line, which is not part of a header section.
_IN_REQUEST_LINE: Final = frozenset({StickyKind.QUERY, StickyKind.PATH_PARAM})
# Answers kept beside one header section: some routes, and some revisions of their flags.
_ANSWERS: Final = 16


class Admission:
    """Whether a rule lets requests of one route in: the question, and when its answer is kept."""

    __slots__ = ("_ask", "_by_address", "_changes", "_keep", "rule")

    def __init__(
        self, rule: Rule, ask: Callable[[RequestFacts], bool], *, keep: bool, by_address: bool
    ) -> None:
        """`keep`: the answer depends on header section, address and time alone."""
        self.rule = rule
        self._ask: Final = ask
        self._keep: Final = keep
        self._by_address: Final = by_address
        self._changes: Final = changes_of(rule)

    def admits(self, facts: RequestFacts) -> bool:
        """Ask, unless the same was asked before."""
        answers = facts.answers
        if answers is None or not self._keep:
            return self._ask(facts)
        key: object = self._ask
        if self._changes:
            # Both, for the very moment of a change.
            moment = facts.moment
            key = key, bisect_left(self._changes, moment), bisect_right(self._changes, moment)
        if self._by_address:
            key = key, facts.client_ip
        answer = answers.get(key)
        if answer is None:
            if len(answers) >= _ANSWERS:
                answers.clear()
            answer = answers[key] = self._ask(facts)
        return answer


class Rules:
    """The rules that requests asked for, compiled for one table: at most one per route.

    Applying flags compiles nothing, so that a rollback never waits for it; a rule that comes again
    unchanged keeps its question.
    """

    __slots__ = ("_admissions", "_fields")

    def __init__(self, context: tuple[ContextField, ...]) -> None:
        self._fields: Final = {each.field: each for each in context}
        self._admissions: Final[dict[str, Admission]] = {}

    def admission(self, route: CompiledRoute, rule: Rule) -> Admission:
        """Whether a rule lets requests of a route in, below the route's ceiling."""
        known = self._admissions.get(route.id)
        if known is not None:
            if known.rule is rule:
                return known
            if known.rule == rule:
                known.rule = rule
                return known
        made = self._admissions[route.id] = self._compile(route, rule)
        return made

    def is_readable(self, name: str) -> bool:
        """Whether anything is known of how to read a field from a request."""
        return name in self._fields or name in _KEYS or name == REMOTE_ADDRESS

    def context(self, route: CompiledRoute) -> Context[RequestFacts]:
        """How the fields that rules name are read from requests of this route."""
        key = _device_id if route.sticky is None else route.sticky

        def field(name: str) -> Reader | None:
            if name == REMOTE_ADDRESS:
                return _client_ip
            known = self._fields.get(name)
            if known is not None:
                return _reader(known)
            return key if name in _KEYS else None

        return Context(field=field, key=key, moment=_moment, always_keyed=route.sticky is None)

    def _compile(self, route: CompiledRoute, rule: Rule) -> Admission:
        asked = fields_of(rule)
        in_line = route.route.stickiness.kind in _IN_REQUEST_LINE
        keep = not any(
            self._fields[name].kind is ContextKind.QUERY
            if name in self._fields
            else in_line and name in _KEYS
            for name in asked
        )
        ask = compile_rule(
            rule,
            self.context(route),
            own_hash=route.flag,
            ceiling=BASIS_POINTS if route.live else route.ceiling,
        )
        return Admission(rule, ask, keep=keep, by_address=REMOTE_ADDRESS in asked)


def _device_id(facts: RequestFacts) -> str:
    return facts.device_id()


def _client_ip(facts: RequestFacts) -> str:
    return facts.client_ip


def _moment(facts: RequestFacts) -> float:
    return facts.moment


def _reader(context: ContextField) -> Reader:
    name = context.name
    match context.kind:
        case ContextKind.HEADER:
            return lambda facts: as_text(facts.header(name))
        case ContextKind.COOKIE:
            return lambda facts: _cookie(name, facts)
        case ContextKind.QUERY:
            return lambda facts: _query(name, facts)


def _cookie(name: str, facts: RequestFacts) -> str | None:
    value = facts.cookie(name)
    if value is None and cookie_values(facts.header("cookie"), name):
        raise UnclearField(f"cookie {name} came twice with different values")
    return as_text(value)


def _query(name: str, facts: RequestFacts) -> str | None:
    reading = read_query(facts.query, name)
    if not reading.clear:
        raise UnclearField(f"readers of the query disagree about {name}")
    return reading.value or None
