"""`figway check`: everything about a routes.yaml that can be said without a server."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from flags.snapshot import FlagSnapshot
from flags.unleash.flag_state import Complaint
from proxy.config.lint.cohorts import cohorts
from proxy.config.lint.finding import RULES, Finding, Rule, Severity
from proxy.config.lint.flags import live_flags
from proxy.config.lint.overlap import overlaps
from proxy.config.lint.paths import path_traps
from proxy.config.lint.shadow import shadow
from proxy.config.lint.stages import stages
from proxy.config.lint.subject import Subject
from proxy.config.lint.upstreams import upstreams
from proxy.config.load_settings import check_together
from proxy.config.parse import parse_routes
from proxy.config.settings_model import SettingsShape, to_settings
from proxy.config.yaml_text import read_yaml
from proxy.errors import ConfigError, Problem
from proxy.routing.route import RouteFile
from proxy.routing.table import RouteTable

__all__ = ["RULES", "Finding", "Rule", "Severity", "check_text", "lint", "lint_live", "lint_plan"]


def check_text(
    text: bytes, name: str, *, against: RouteFile | None = None, today: str = ""
) -> tuple[Finding, ...]:
    """Return every finding in the bytes of a routes.yaml, whether it can be loaded or not."""
    try:
        file = parse_routes(text, name)
        RouteTable.compile(file)
    except ConfigError as error:
        return tuple(sorted(_from_problem(problem, name) for problem in error.problems))
    return lint(file, text, name, against=against, today=today)


def lint(
    file: RouteFile, text: bytes, name: str, *, against: RouteFile | None = None, today: str = ""
) -> tuple[Finding, ...]:
    """Return every finding in a file that was loaded from this text.

    `against` is the file that is live now: with it, transitions of stages are judged too. `today`
    is an ISO date: with it, ends of comparison rules are.
    """
    subject = _subject(file, text, name, against=against, today=today)
    return tuple(sorted(finding for family in _FAMILIES for finding in family(subject)))


def lint_live(
    file: RouteFile,
    text: bytes,
    name: str,
    flags: FlagSnapshot,
    complaints: Sequence[Complaint] = (),
) -> tuple[Finding, ...]:
    """Return what is wrong between a file and the flags that are set now; see flags.py."""
    return tuple(sorted(live_flags(_subject(file, text, name), flags, complaints)))


def lint_plan(file: RouteFile, text: bytes, name: str, overload: str) -> tuple[Finding, ...]:
    """Return that a rollback now would send legacy more than it bears.

    `overload` says so in one sentence, from the traffic that there is; empty: it would not.
    """
    if not overload:
        return ()
    found = _subject(file, text, name).finding(
        "CAP001",
        ("upstreams", file.legacy.name),
        f"a rollback of everything now would be too much: {overload}",
        "see figway rollback --plan; keep legacy warm, or roll back group by group",
    )
    return (found,)


def _subject(
    file: RouteFile, text: bytes, name: str, *, against: RouteFile | None = None, today: str = ""
) -> Subject:
    return Subject(
        file=file,
        document=read_yaml(text, name),
        against=against,
        today=today,
        positions={route.id: index for index, route in enumerate(file.routes)},
    )


def _from_problem(problem: Problem, name: str) -> Finding:
    rule = RULES.get(problem.rule, RULES["TABLE"])
    return Finding(
        file=problem.file if problem.rule != "TABLE" else name,
        line=problem.line,
        column=problem.column,
        rule=rule.id,
        severity=rule.severity,
        key=problem.key,
        message=problem.message,
        mend="",
    )


def _settings(subject: Subject) -> Iterator[Finding]:
    """Yield settings that do not go together."""
    node = subject.document.root.child("settings")
    raw = node.plain() if node is not None else None
    for problem in check_together(to_settings(SettingsShape.model_validate(raw or {}))):
        yield subject.finding("SETTING", ("settings", *problem.key.split(".")), problem.message)


_FAMILIES = (overlaps, path_traps, stages, shadow, cohorts, upstreams, _settings)
