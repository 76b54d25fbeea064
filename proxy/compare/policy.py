"""A compare policy, checked and compiled: what `compare` asks of it, and its hash for epochs."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any

import re2

from proxy.compare.calendar import days_of
from proxy.compare.html_page import drop
from proxy.compare.paths import PathError, parse
from proxy.compare.rule_tree import NamedRule, Pattern, RuleNode, RuleTree
from proxy.compare_policy import (
    CompareLimits,
    ComparePolicy,
    Facet,
    HeaderPolicy,
    HtmlPolicy,
    Op,
    Profile,
    Rule,
)

_ISO_DATE = re.compile(r"(\d{4})-(\d{2})-(\d{2})", re.ASCII).fullmatch
_FLAT = ("header:", "html:", "form:", "xml:", "text")
_ONLY_ARRAYS = frozenset({Op.KEY_BY})
_NEEDS_REASON = frozenset({Op.IGNORE, Op.EXPECTED})
# What they say of a flat path holds for what lies under it too.
_INHERITED = frozenset({Op.IGNORE, Op.EXPECTED, Op.SHAPE})
_REMEMBERED = 4096


class CompareRuleError(ValueError):
    """A rule that cannot be compiled: where it is (`rules[3].path`), what is wrong, the mend."""

    def __init__(self, place: str, problem: str, mend: str, line: int = 0) -> None:
        super().__init__(f"compare.{place}: {problem}; {mend}")
        self.place = place
        self.problem = problem
        self.mend = mend
        self.line = line


@dataclass(frozen=True, slots=True)
class Place:
    """What holds at a flat path such as `html:title`: its rules, and whether it is redacted."""

    rules: tuple[NamedRule, ...] = ()
    redacted: bool = False


class CompiledPolicy:
    """How the answers of one route are compared. Made by `compile`; pickled as what it was made of.

    `root` is the place `$`; `at` gives the places outside JSON. `expired` are rules past their end:
    they are not applied. `hidden` are the last names of the paths into JSON that are redacted, ""
    for a path without any: what to look for in JSON that cannot be read.
    """

    __slots__ = (
        *("_flat", "_places", "_today", "expired", "headers", "hidden", "html", "limits", "php"),
        *("policy", "root"),
    )

    def __init__(self, policy: ComparePolicy, limits: CompareLimits, today: str) -> None:
        if today and _ISO_DATE(today) is None:
            raise CompareRuleError("today", f"{today!r} is no date", "give it as 2026-12-01")
        patterns: list[Pattern] = []
        self._flat: list[tuple[Any, NamedRule | None]] = []
        expired: list[Rule] = []
        for index, rule in enumerate(policy.rules):
            place = f"rules[{index}]"
            _check(rule, place)
            named = NamedRule(f"rule:{index}", rule)
            if today and rule.expires and rule.expires < today:
                expired.append(rule)
            elif rule.path.startswith("$"):
                patterns.append(Pattern(_steps(rule.path, place, rule.line), named))
            else:
                _check_flat(rule.path, place, rule.line)
                # Places in pages are patterns of their own: `html:text` is all of its text.
                inherited = rule.op in _INHERITED or rule.path.startswith("html:")
                self._flat.append((_flat_pattern(rule.path, inherited), named))
        hidden: set[str] = set()
        for index, path in enumerate(policy.redact):
            if path.startswith("$"):
                steps = _steps(path, f"redact[{index}]", 0)
                patterns.append(Pattern(steps, None))
                hidden.add(next((step.name for step in reversed(steps) if step.name), ""))
            elif not path.startswith("query:"):
                _check_flat(path, f"redact[{index}]", 0)
                self._flat.append((_flat_pattern(path, inherited=True), None))
        for index, text in enumerate(policy.html.drop):
            _check_drop(text, f"html.drop[{index}]")
        self.policy = policy
        self.limits = limits
        self.headers: HeaderPolicy = policy.headers
        self.html: HtmlPolicy = policy.html
        self.php = policy.profile is Profile.PHP
        self.expired = tuple(expired)
        self.hidden = frozenset(hidden)
        self.root: RuleNode = RuleTree(tuple(patterns)).root
        self._today = today
        self._places: dict[str, Place] = {}

    @classmethod
    def compile(
        cls, policy: ComparePolicy, limits: CompareLimits | None = None, today: str = ""
    ) -> CompiledPolicy:
        """Check and compile; raises CompareRuleError. `today` (ISO date) ends rules, "" none."""
        return cls(policy, limits or CompareLimits(), today)

    def __reduce__(self) -> tuple[object, ...]:
        return CompiledPolicy, (self.policy, self.limits, self._today)

    def at(self, path: str) -> Place:
        """What holds outside JSON: at `header:etag`, `html:title`, `xml:/feed/id`, `text`."""
        place = self._places.get(path)
        if place is None:
            rules: list[NamedRule] = []
            redacted = False
            # Stray bytes of a field's name stand in it as lone surrogates, which re2 refuses.
            readable = path.encode("utf-8", "replace").decode()
            for matches, rule in self._flat:
                if matches(readable):
                    redacted |= rule is None
                    rules += () if rule is None else (rule,)
            place = Place(tuple(rules), redacted)
            if len(self._places) < _REMEMBERED:
                self._places[path] = place
        return place


def rules_hash(policy: ComparePolicy) -> str:
    """16 hex digits of what decides a comparison: another hash begins another epoch.

    Lines, reasons and ends of rules decide nothing, and neither does their order.
    """
    rules = sorted(
        json.dumps(
            [
                *(rule.path, rule.op.value, rule.tolerance, rule.key),
                *(
                    None if n is None else str(n.normalize())
                    for n in (rule.absolute, rule.relative)
                ),
            ]
        )
        for rule in policy.rules
    )
    content = [
        policy.profile.value,
        rules,
        [sorted(policy.headers.compare), sorted(policy.headers.presence)],
        [sorted(facet.value for facet in policy.html.facets), sorted(policy.html.drop)],
    ]
    return blake2b(json.dumps(content).encode(), digest_size=8).hexdigest()


def _steps(path: str, place: str, line: int) -> Any:
    try:
        return parse(path)
    except PathError as error:
        where = f"{place}.path" if place.startswith("rules") else place
        raise CompareRuleError(where, str(error), "write $.a.b or $.items[*].x", line) from None


def _check_flat(path: str, place: str, line: int) -> None:
    where = f"{place}.path" if place.startswith("rules") else place
    facets = ", ".join(facet.value for facet in Facet)
    if not path.startswith(_FLAT) or (path.startswith("text") and path != "text"):
        kinds = "$, header:, html:, form:, xml:/ or the word text"
        raise CompareRuleError(where, f"{path!r} is no path", f"begin it with {kinds}", line)
    if path.startswith("xml:") and not path.startswith("xml:/"):
        raise CompareRuleError(where, f"{path!r} has no root", "write xml:/order/item/@id", line)
    if path.startswith("html:") and re.split(r"[.\[{/*]", path[5:])[0] not in {
        facet.value for facet in Facet
    }:
        raise CompareRuleError(where, f"{path!r} names no facet", f"choose of {facets}", line)
    if path in ("header:", "form:"):
        raise CompareRuleError(where, f"{path!r} names no field", "add its name", line)


def _check_drop(text: str, place: str) -> None:
    try:
        drop(text)
    except ValueError as error:
        mend = "write a CSS selector, or selector@attribute"
        raise CompareRuleError(place, str(error), mend) from None


def _flat_pattern(path: str, inherited: bool) -> Any:
    """A whole-string matcher. `*` is anything, in XML within a segment, where `//` is any depth."""
    if path.startswith("header:"):
        path = path.lower()
    segment = "[^/]*" if path.startswith("xml:") else ".*"
    text = "".join(
        {"*": segment, "//": "/(?:.*/)?"}.get(piece, re2.escape(piece))
        for piece in re.split(r"(\*|//)", path)
    )
    if inherited:
        text += r"(?:[./\[{].*)?"
    options = re2.Options()
    options.dot_nl = True
    matcher: Any = re2.compile(text, options).fullmatch
    return matcher


def _check(rule: Rule, place: str) -> None:
    op = rule.op

    def wrong(key: str, problem: str, mend: str) -> CompareRuleError:
        return CompareRuleError(f"{place}.{key}", problem, mend, rule.line)

    if op in _NEEDS_REASON:
        if not rule.reason.strip():
            raise wrong("reason", f"{op.value} needs a reason", "say why, with a ticket")
        if not rule.expires:
            raise wrong("expires", f"{op.value} needs an end", "add expires: 2026-12-01")
    if rule.expires:
        found = _ISO_DATE(rule.expires)
        if found is None or days_of(int(found[1]), int(found[2]), int(found[3])) is None:
            raise wrong("expires", f"{rule.expires!r} is no date", "write it as 2026-12-01")
    if op is Op.KEY_BY and not rule.key:
        raise wrong("key", "key_by needs the name of a member", "add key: id")
    if rule.key and op is not Op.KEY_BY:
        raise wrong("key", f"{op.value} takes no key", "drop it, or use op: key_by")
    if op in _ONLY_ARRAYS and not rule.path.startswith("$"):
        raise wrong("path", f"{op.value} is about arrays in JSON", "give a path that begins with $")
    if not 0 <= rule.tolerance < float("inf"):
        raise wrong("tolerance", f"{rule.tolerance} is no span of time", "write it as 5s")
    if rule.tolerance and op is not Op.DATETIME:
        raise wrong("tolerance", f"{op.value} takes no tolerance", "use op: datetime")
    for key, value in (("abs", rule.absolute), ("rel", rule.relative)):
        if value is not None and not (value.is_finite() and value >= 0):
            raise wrong(key, f"{value} is no distance", "give a number from 0 up")
        if value is not None and op is not Op.NUMBER:
            raise wrong(key, f"{op.value} takes no {key}", "use op: number")
