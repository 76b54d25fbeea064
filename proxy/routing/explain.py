"""Why a request goes where it goes: the search, the override chain and the bucket, laid open.

The outcome is `decide`'s own; the account beside it is told from the same values, and a property
test holds the two together. As text: explain_text.py.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

import mmh3

from flags.evaluate import BASIS_POINTS, bucket_of
from flags.scope import ALL, group_scope, route_scope
from flags.snapshot import FlagSnapshot
from flags.unleash.account import RuleAccount
from proxy.routing.compiled import CompiledRoute
from proxy.routing.criteria import Criterion, Fit
from proxy.routing.decision import Decision, decide
from proxy.routing.explain_rule import Step, account_of_rule, rule_chain
from proxy.routing.facts import RequestFacts
from proxy.routing.match import fits_host, fits_path
from proxy.routing.rewrite import compile_rewrite, upstream_target
from proxy.routing.route import Match, PathKind, ValueKind, ValueMatch
from proxy.routing.sticky import sticky_key
from proxy.routing.table import RouteTable
from proxy.routing.target import ambiguity, matching_view
from proxy.stages import Reason, Side, Stage

# A table up to this size is listed whole; of a larger one, the routes whose host and path fit.
_LIST_ALL_UP_TO = 50
_NO_SOURCES: Final[Mapping[str, str]] = MappingProxyType({})


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """One route in the search, in order of precedence."""

    route: str
    match: str
    # The first criterion that did not fit; empty for the chosen one and for those not reached.
    failed: str = ""
    chosen: bool = False
    reached: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Bucketing:
    """How the sticky key becomes in or out. Percentages are basis points, 0..10000."""

    # What the flag is called, and what it says; None is no flag.
    flag: str
    flag_basis_points: int | None
    ceiling: int
    # In when bucket < threshold.
    threshold: int
    stickiness: str
    key: str | None
    hash_input: str | None
    hash: int | None
    bucket: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation:
    """Everything about one decision. The strings are for people, the rest for programs."""

    method: str
    host: str
    path: str
    query: str
    # The path as routes see it; None when it can be read in two ways, which `ambiguous` words.
    matched_path: str | None
    ambiguous: str
    candidates: tuple[Candidate, ...]
    # Routes not listed because neither host nor path fit.
    omitted: int
    steps: tuple[Step, ...]
    bucketing: Bucketing | None
    # What the flag said, where it takes more than a percentage to say it.
    rule: RuleAccount | None
    # Where the flag came from, if the caller knows.
    flag_source: str
    route: str
    stage: Stage
    group: str
    upstream: str
    side: Side
    reason: Reason
    shadow: Side | None
    # The target that the upstream gets.
    target: str
    config_revision: str
    flags_revision: int


def explain(
    table: RouteTable,
    flags: FlagSnapshot,
    facts: RequestFacts,
    sources: Mapping[str, str] = _NO_SOURCES,
    nowhere: str = "",
) -> Explanation:
    """Decide as traffic does, and tell how it came to that.

    `sources` say by scope in words where a flag or a rollback came from; `nowhere` is what is said
    of a flag that none of them speaks of.
    """
    decision = decide(table, flags, facts)
    path = matching_view(facts.path)
    candidates, omitted, unclear = _search(table, facts, path)
    why = ambiguity(facts.path)
    ambiguous = f"the path can be read in two ways: {why}" if why else unclear
    compiled = table.ambiguous if ambiguous else table.compiled(decision.route.id)
    rule = None if ambiguous else account_of_rule(table, compiled, flags, facts)
    bucketing = None if ambiguous or rule else _bucketing(compiled, flags, facts)
    chain = _Chain(compiled, flags, facts, bucketing, rule, sources)
    return Explanation(
        method=facts.method,
        host=facts.host,
        path=facts.path,
        query=facts.query,
        matched_path=path,
        ambiguous=ambiguous,
        candidates=candidates,
        omitted=omitted,
        steps=tuple(chain.steps(ambiguous)),
        bucketing=bucketing,
        rule=rule,
        flag_source=sources.get(compiled.scope, nowhere) if rule or bucketing else "",
        route=decision.route.id,
        stage=decision.route.stage,
        group=decision.route.group,
        upstream=decision.upstream.name,
        side=decision.side,
        reason=decision.reason,
        shadow=decision.shadow,
        target=sent_target(decision, facts),
        config_revision=table.revision,
        flags_revision=flags.revision,
    )


def sent_target(decision: Decision, facts: RequestFacts) -> str:
    """The target that a decision's upstream gets: rewritten on the new side only."""
    if decision.side is Side.NEW:
        return upstream_target(decision.route, facts)
    return f"{facts.path}?{facts.query}" if facts.has_query else facts.path


def describe_match(match: Match) -> str:
    """A match on one line: `GET,HEAD *.shop.example template /product/{slug} query tab present`."""
    parts = [",".join(match.methods), ",".join(match.hosts)]
    parts.append(f"{match.path.kind.value} {match.path.value}")
    for source, values in (
        ("header", match.headers),
        ("query", match.query),
        ("cookie", match.cookies),
    ):
        parts += [f"{source} {_describe_value(value)}" for value in values]
    return " ".join(filter(None, parts))


def _describe_value(match: ValueMatch) -> str:
    if match.kind is ValueKind.PRESENT:
        return f"{match.name} present"
    return f"{match.name} {'=' if match.kind is ValueKind.EXACT else '~'} {match.value}"


def _search(
    table: RouteTable, facts: RequestFacts, path: str | None
) -> tuple[tuple[Candidate, ...], int, str]:
    """The candidates, how many were left out, and the criterion that ended it as not clear."""
    if path is None:
        return (), len(table.order), ""
    found: list[Candidate] = []
    omitted = 0
    over = False
    unclear = ""
    listed_whole = len(table.order) <= _LIST_ALL_UP_TO
    for pattern, compiled in table.order:
        match = compiled.route.match
        place = _misfit_of_place(pattern, compiled, facts, path)
        if place and not listed_whole:
            omitted += 1
            continue
        failed = ""
        chosen = False
        if not over:
            failed, doubt = (place, None) if place else _misfit(compiled, facts)
            if doubt is not None:
                unclear = f"{doubt.describe()}: readers of this request disagree about the value"
                failed = unclear
            chosen = not failed
        found.append(
            Candidate(
                route=compiled.id,
                match=describe_match(match),
                failed=failed,
                chosen=chosen,
                reached=not over,
            )
        )
        over = over or chosen or bool(unclear)
    return tuple(found), omitted, unclear


def _misfit_of_place(pattern: str, compiled: CompiledRoute, facts: RequestFacts, path: str) -> str:
    if not fits_host(pattern, facts.host):
        return f"host {facts.host or '(none)'} is not {pattern}"
    if not fits_path(compiled.route, path):
        wanted = compiled.route.match.path
        hint = ""
        if wanted.kind in (PathKind.EXACT, PathKind.TEMPLATE) and path.endswith("/"):
            hint = " (a slash at the end counts)"
        return f"path is not {wanted.kind.value} {wanted.value}{hint}"
    return ""


def _misfit(compiled: CompiledRoute, facts: RequestFacts) -> tuple[str, Criterion | None]:
    if compiled.methods is not None and facts.method not in compiled.methods:
        return f"method {facts.method} is not {','.join(compiled.route.match.methods)}", None
    fits = [(criterion, criterion.fit(facts)) for criterion in compiled.criteria]
    for criterion, fit in fits:
        if fit is Fit.NO:
            return criterion.describe(), None
    doubt = next((criterion for criterion, fit in fits if fit is Fit.UNCLEAR), None)
    return "", doubt


def _bucketing(
    compiled: CompiledRoute, flags: FlagSnapshot, facts: RequestFacts
) -> Bucketing | None:
    if compiled.settled is not None or compiled.parked is not None:
        return None
    route = compiled.route
    said = flags.group_basis_points if route.group else flags.route_basis_points
    flag = said.get(compiled.flag)
    if compiled.live:
        threshold = BASIS_POINTS if flag is None else flag
    else:
        threshold = min(compiled.ceiling, flag or 0)
    sticky = route.stickiness
    key = sticky_key(route, facts)
    hash_input = None if key is None else f"{compiled.flag}:{key}"
    return Bucketing(
        flag=f"{'group' if route.group else 'route'} {compiled.flag}",
        flag_basis_points=flag,
        ceiling=BASIS_POINTS if compiled.live else compiled.ceiling,
        threshold=threshold,
        stickiness=f"{sticky.kind.value} {sticky.name}".strip(),
        key=key,
        hash_input=hash_input,
        hash=None if hash_input is None else mmh3.hash(hash_input, 0, False),
        bucket=None if hash_input is None else bucket_of(hash_input),
    )


class _Chain:
    """The reasons in their order, and whether each is the one."""

    def __init__(
        self,
        compiled: CompiledRoute,
        flags: FlagSnapshot,
        facts: RequestFacts,
        bucketing: Bucketing | None,
        rule: RuleAccount | None,
        sources: Mapping[str, str],
    ) -> None:
        self._compiled = compiled
        self._route = compiled.route
        self._flags = flags
        self._facts = facts
        self._bucketing = bucketing
        self._rule = rule
        self._sources = sources

    def steps(self, ambiguous: str) -> Iterator[Step]:
        """The chain up to the reason that applies."""
        for step in self._all(ambiguous):
            yield step
            if step.applies:
                return

    def _all(self, ambiguous: str) -> Iterator[Step]:
        route, compiled, facts = self._route, self._compiled, self._facts
        rewriter = compile_rewrite(route)
        lacking = rewriter is not None and rewriter.path(facts) is None
        yield Step(
            reason=Reason.AMBIGUOUS_TARGET,
            applies=bool(ambiguous),
            detail=ambiguous or "path and values can be read in one way only",
        )
        complete = route.stage is Stage.COMPLETE
        if complete and lacking:
            yield _lacking_step(lacking=True)
        yield Step(
            reason=Reason.COMPLETE,
            applies=complete,
            detail=f"stage is {route.stage.value}",
        )
        yield from self._rollbacks()
        yield Step(
            reason=Reason.STAGE_LEGACY,
            applies=not route.new or route.stage is Stage.LEGACY,
            detail=f"stage is {route.stage.value}" if route.new else "the route has no new side",
        )
        yield Step(
            reason=Reason.STAGE_SHADOW,
            applies=route.stage is Stage.SHADOW,
            detail=f"stage is {route.stage.value}",
        )
        yield _lacking_step(lacking=lacking)
        never = None if compiled.never is None else compiled.never.perhaps_holding(facts)
        yield Step(
            reason=Reason.COHORT_NEVER,
            applies=never is not None,
            detail=f"the request is in segment {never}"
            if never
            else "in no segment of cohorts.never",
        )
        always = None if compiled.always is None else compiled.always.holding(facts)
        yield Step(
            reason=Reason.COHORT_ALWAYS,
            applies=always is not None,
            detail=f"the request is in segment {always}"
            if always
            else "in no segment of cohorts.always",
        )
        if self._rule is not None:
            yield from rule_chain(self._rule, compiled, facts)
            return
        assert self._bucketing is not None
        yield from _bucket_chain(compiled, self._bucketing)

    def _rollbacks(self) -> Iterator[Step]:
        flags, route = self._flags, self._route
        yield Step(
            reason=Reason.ROLLBACK_ALL,
            applies=flags.rollback_all,
            detail=self._rolled_back("everything", ALL)
            if flags.rollback_all
            else "no rollback of everything",
        )
        rolled = bool(route.group) and route.group in flags.rollback_groups
        detail = "the route is in no group"
        if rolled:
            detail = self._rolled_back(f"group {route.group}", group_scope(route.group))
        elif route.group:
            detail = f"group {route.group} is not rolled back"
        yield Step(reason=Reason.ROLLBACK_GROUP, applies=rolled, detail=detail)
        rolled = route.id in flags.rollback_routes
        detail = f"route {route.id} is not rolled back"
        if rolled:
            detail = self._rolled_back(f"route {route.id}", route_scope(route.id))
        yield Step(reason=Reason.ROLLBACK_ROUTE, applies=rolled, detail=detail)

    def _rolled_back(self, what: str, scope: str) -> str:
        source = self._sources.get(f"rollback {scope}", "")
        return f"{what} is rolled back" + (f" ({source})" if source else "")


def _lacking_step(*, lacking: bool) -> Step:
    return Step(
        reason=Reason.REWRITE_VALUE_MISSING,
        applies=lacking,
        detail="a value of the rewrite is not there exactly once"
        if lacking
        else "no value of a rewrite is missing",
    )


def _bucket_chain(compiled: CompiledRoute, bucketing: Bucketing) -> Iterator[Step]:
    flag = bucketing.flag_basis_points
    said = f"{bucketing.flag} has no flag" if flag is None else f"flag {percent(flag)} %"
    if compiled.live:
        yield Step(reason=Reason.LIVE, applies=bucketing.threshold >= BASIS_POINTS, detail=said)
    else:
        said = f"{said}, max_percent {percent(bucketing.ceiling)} %"
    if bucketing.key is None:
        yield Step(
            reason=Reason.NO_STICKY_KEY,
            applies=True,
            detail=f"stickiness {bucketing.stickiness} gives this request no key",
        )
        return
    yield Step(
        reason=Reason.NO_STICKY_KEY,
        applies=False,
        detail=f"key {bucketing.key} (stickiness {bucketing.stickiness})",
    )
    assert bucketing.bucket is not None
    inside = bucketing.bucket < bucketing.threshold
    sign = "<" if inside else ">="
    yield Step(
        reason=Reason.BUCKET_IN if inside else Reason.BUCKET_OUT,
        applies=True,
        detail=f"bucket {percent(bucketing.bucket)} {sign} {percent(bucketing.threshold)} ({said})",
    )


def percent(basis_points: int) -> str:
    """Basis points as a percentage with both decimals: 417 is `4.17`."""
    return f"{basis_points / 100:.2f}"
