"""SHADOW, COMPARE and GATE rules: what copies may do, and what comparing them may leave out."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import date, timedelta
from urllib.parse import quote

from proxy.compare_policy import Op, Rule
from proxy.config.lint.finding import Finding
from proxy.config.lint.subject import Subject, named
from proxy.config.yaml_text import Path
from proxy.headers import SAFE_METHODS
from proxy.routing.route import PathKind, Route, ValueKind
from proxy.routing.unsafe_get import compile_unsafe_get
from proxy.shadow_policy import SessionUse, WriteMode
from proxy.stages import Stage

_ACTION = re.compile(
    r"(?:^|[/_.=&-])(log-?out|sign-?out|delete|remove|add-?to-?(?:cart|basket)|empty|unsubscribe"
    r"|subscribe|confirm|activate|vote|cancel|reset|cron)(?:$|[/_.=&-])",
    re.IGNORECASE,
)
_VARIABLE = re.compile(r"\{[^{}]*\}")
# A rule that ends within so many days is told of.
SOON_DAYS = 14
_EVERYTHING = frozenset({"$", "$.*", "$..*", "text"})


def shadow(subject: Subject) -> Iterator[Finding]:
    """Yield what copies nothing, copies too much, or compares less than it seems to."""
    for route in subject.file.routes:
        if route.new:
            yield from _writes(subject, route)
            yield from _sessions(subject, route)
            yield from _actions(subject, route)
            yield from _gate(subject, route)
        for index, rule in enumerate(route.compare.rules):
            yield from _rule(subject, route, index, rule)
    yield from _whole(subject)


def _copies(route: Route) -> bool:
    stages = (Stage.SHADOW, Stage.CANARY, Stage.LIVE)
    return bool(route.new) and route.shadow.sample > 0 and route.stage in stages


def _writes(subject: Subject, route: Route) -> Iterator[Finding]:
    mode, methods = route.shadow.writes, route.match.methods
    reads_only = bool(methods) and set(methods) <= SAFE_METHODS
    if mode is not WriteMode.NEVER and reads_only:
        yield subject.at(
            "SHADOW003",
            route,
            f"matches {', '.join(methods)} only, so writes: {mode} copies nothing",
            "remove writes",
            "shadow",
            "writes",
        )
    elif mode in (WriteMode.DRY_RUN, WriteMode.SANDBOX) and route.stage is Stage.LIVE:
        yield subject.at(
            "SHADOW003",
            route,
            f"is live and has writes: {mode}, but legacy never gets a copied write",
            "remove writes",
            "shadow",
            "writes",
        )
    elif mode is WriteMode.DRY_RUN and route.shadow.sample:
        yield subject.at(
            "SHADOW004",
            route,
            f"sends copies of writes to {route.new}, which must change nothing when a request has "
            "X-Figway-Dry-Run: 1",
            "test that it does not, or use writes: sandbox",
            "shadow",
            "writes",
        )


def _sessions(subject: Subject, route: Route) -> Iterator[Finding]:
    policy = route.shadow
    kept: list[tuple[str, ...]] = []
    if route.stage is Stage.LIVE and policy.sample and policy.sessions is SessionUse.KEEP:
        kept.append(("sessions",))
    if policy.sample and policy.aa.sessions is SessionUse.KEEP:
        kept.append(("aa", "sessions"))
    for below in kept:
        yield subject.at(
            "SHADOW006",
            route,
            f"asks legacy with the visitor's own session ({'.'.join(('shadow', *below))}: keep): "
            "PHP locks it, and the visitor's next request waits",
            "write drop or skip",
            "shadow",
            *below,
        )


def _actions(subject: Subject, route: Route) -> Iterator[Finding]:
    match = route.match
    if not _copies(route) or (match.methods and "GET" not in match.methods):
        return
    path = _VARIABLE.sub("x", match.path.value) if match.path.kind is not PathKind.REGEX else "/"
    query = "&".join(
        f"{quote(each.name)}={quote(each.value)}"
        for each in match.query
        if each.kind is ValueKind.EXACT
    )
    action = _ACTION.search(path) or _ACTION.search(query)
    unsafe = compile_unsafe_get(route.shadow.unsafe_get)
    if action is not None and not (unsafe is not None and unsafe(path, query)):
        yield subject.at(
            "SHADOW007",
            route,
            f"copies GET requests, and {action[1]!r} looks as if they changed something",
            "add a pattern to shadow.unsafe_get, or match POST only",
            "match",
        )


def _gate(subject: Subject, route: Route) -> Iterator[Finding]:
    given = subject.gives(subject.path(route, "gate"))
    if given and not route.shadow.sample:
        yield subject.at(
            "GATE001",
            route,
            "has a gate and copies nothing: its verdict stays NEED-MORE-DATA",
            "set shadow.sample",
            "gate",
        )
    if route.gate.max_critical > route.gate.max_major:
        yield subject.at(
            "GATE002",
            route,
            f"bears more critical mismatches ({route.gate.max_critical:.3%}) than major ones "
            f"({route.gate.max_major:.3%})",
            "change one of the two",
            "gate",
            "max_mismatch",
        )


def _rule(subject: Subject, route: Route, index: int, rule: Rule) -> Iterator[Finding]:
    path: Path = subject.path(route, "compare", "rules", index)
    if rule.expires and subject.today:
        last, today = date.fromisoformat(rule.expires), date.fromisoformat(subject.today)
        if last < today:
            yield subject.finding(
                "COMPARE001",
                (*path, "expires"),
                f"route {route.id} has a rule for {rule.path} that expired on {rule.expires}: it "
                "no longer applies, and the verdict stays NEED-MORE-DATA",
                "mend what it excuses and remove it, or renew it with its reason",
            )
        elif last - today < timedelta(days=SOON_DAYS):
            days = (last - today).days
            left = f"in {days} days" if days > 1 else ("tomorrow" if days else "today")
            yield subject.finding(
                "COMPARE002",
                (*path, "expires"),
                f"route {route.id} has a rule for {rule.path} that ends {left}",
                "mend what it excuses, or renew it",
            )
    if rule.op is Op.IGNORE and rule.path in _EVERYTHING:
        yield subject.finding(
            "COMPARE003",
            (*path, "path"),
            f"route {route.id} ignores {rule.path}, which is the whole body: only status and "
            "fields are compared",
            "name the parts that may differ",
        )


def _whole(subject: Subject) -> Iterator[Finding]:
    copying = [route for route in subject.file.routes if _copies(route)]
    if subject.file.shadow.kill_switch and copying:
        yield subject.finding(
            "SHADOW002",
            ("shadow", "kill_switch"),
            f"nothing is copied, though {named(copying, 3)} would be",
            "set kill_switch to false once the reason is gone",
        )
    blind = [
        route
        for route in subject.file.routes
        if route.new and route.stage is Stage.LIVE and not route.shadow.sample
    ]
    if blind:
        yield subject.finding(
            "SHADOW005",
            (*subject.path(blind[0], "stage"),),
            f"live without a shadow of legacy: {named(blind)}. Whether a rollback would still "
            "answer the same is not known",
            "set shadow.sample, 1% is enough",
        )
