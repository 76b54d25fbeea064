"""Findings: everything one comparison finds, kept within its limits and grouped by cause.

Every difference counts in a cause; so many are kept as examples as `limits.differences` allows.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from proxy.compare.alignment import align
from proxy.compare.causes import Inference, explain, infer
from proxy.compare.comparison import (
    Cause,
    Comparison,
    Difference,
    Kind,
    LegacyDefect,
    Result,
    RuleUse,
)
from proxy.compare.excerpt import around, cut, excerpts, printable
from proxy.compare.fingerprint import cause_key, fingerprint
from proxy.compare.policy import CompiledPolicy
from proxy.compare.redaction import redacted_field
from proxy.compare.rule_tree import NamedRule
from proxy.compare.rules import Bijections, accepting
from proxy.compare.secrets import REDACTED, is_secret_place, opens_named, shown_text, without_named
from proxy.compare_policy import Op, Severity

_SEVERITIES = tuple(Severity)
# Paths are patterns, so a comparison has few; a hostile body has not.
_PLACES = 5000
# Of a longer value so much before and after is looked through for secrets.
_SEARCHED = 2048
_OTHERS = "(others)"
_PATHS = 1000
_PATHS_OF_A_CAUSE = 100
# So many differences of one cause at one path are told; ten thousand alike tell no more.
_TOLD_ALIKE = 10
# Beyond so many differences of one path the rest is taken to have the cause of the last one.
_INFERRED_PER_PATH = 500


@dataclass(slots=True)
class _Place:
    """What happened at one path by one cause."""

    path: str
    cause: str
    kind: Kind
    expected: bool
    example: Difference
    note: str
    count: int = 0
    told: int = 0


class Findings:
    """Collects what readers find; `finish` makes the comparison of it."""

    __slots__ = (
        *("_expecting", "_inferred", "_kept", "_paths", "_places", "_total", "_used"),
        *("bijections", "policy"),
    )

    def __init__(self, policy: CompiledPolicy) -> None:
        self.policy = policy
        self.bijections = Bijections()
        self._kept: dict[Severity, list[Difference]] = {severity: [] for severity in _SEVERITIES}
        self._places: dict[tuple[str, str, int, bool], _Place] = {}
        self._used: dict[tuple[str, str], int] = {}
        # Those of them that made nothing equal: what differed was expected.
        self._expecting: set[str] = set()
        # Where something counts.
        self._paths: set[str] = set()
        self._inferred: dict[str, list[Inference]] = {}
        self._total = 0

    @property
    def different(self) -> bool:
        """Whether a difference was found that counts."""
        return bool(self._paths)

    @property
    def uses(self) -> int:
        """How many rules and equivalences were used so far."""
        return len(self._used)

    def has(self, path: str) -> bool:
        """Whether something was found at a path that counts."""
        return path in self._paths

    def ignores(self, path: str) -> bool:
        """Whether a rule says that nothing at a path outside JSON is compared."""
        return any(rule.op is Op.IGNORE for rule in self.policy.at(path).rules)

    def used(self, rule: str, path: str, count: int = 1) -> None:
        """A rule, or an equivalence such as `php:entity`, made two values equal or expected."""
        self._used[rule, path] = self._used.get((rule, path), 0) + count

    def counted(self, path: str, kind: Kind, cause: str, *, expected: str) -> bool:
        """Count a difference like many before it; False if it is worth telling (`record`).

        `expected` is the name of the rule it falls under, "" without one.
        """
        key = (path, cause, id(kind), bool(expected))
        if len(self._places) >= _PLACES and key not in self._places:
            path = _OTHERS
            key = (path, cause, id(kind), bool(expected))
        place = self._places.get(key)
        if place is None or place.told < _TOLD_ALIKE:
            return False
        place.count += 1
        self._total += 1
        if expected:
            self.used(expected, path)
        return True

    def record(
        self,
        path: str,
        at: str,
        kind: Kind,
        severity: Severity,
        legacy: str | None,
        new: str | None,
        cause: str = "",
        note: str = "",
        *,
        expected: str = "",
        redacted: bool | None = None,
    ) -> None:
        """Note a difference. `note` completes the sentence of the cause ("rounded to 2 places").

        `expected` is the name of the rule it falls under, which is thereby used. `redacted` None
        looks the path up as one outside JSON.
        """
        if self.counted(path, kind, cause, expected=expected):
            return
        if redacted is None:
            redacted = self.policy.at(path).redacted or is_secret_place(path)
        if redacted:
            legacy = None if legacy is None else REDACTED
            new = None if new is None else REDACTED
        elif legacy is not None and new is not None:
            legacy, new = excerpts(*self.harmless(legacy, new, path))
        elif legacy is not None:
            legacy, _ = self.harmless(legacy, "", path)
        elif new is not None:
            _, new = self.harmless("", new, path)
        difference = Difference(
            path=path,
            at=at,
            kind=kind,
            severity=severity,
            legacy=None if legacy is None else printable(cut(legacy)),
            new=None if new is None else printable(cut(new)),
            cause=cause,
            expected=bool(expected),
        )
        self._total += 1
        place = self._place(difference, note)
        place.count += 1
        place.told += 1
        kept = self._kept[severity]
        if len(kept) < self.policy.limits.differences:
            kept.append(difference)
        if expected:
            self._expecting.add(expected)
            self.used(expected, place.path)
        else:
            self._paths.add(place.path)

    def harmless(self, legacy: str, new: str, path: str = "") -> tuple[str, str]:
        """Two texts without secrets, before they are cut; of long ones what may be shown."""
        one, other = around(legacy, new, _SEARCHED)
        return self._clean(one, path), self._clean(other, path)

    def _clean(self, text: str, path: str) -> str:
        if path.startswith("header:"):
            name = path[7:].partition("[")[0]
            # Of cookies only names and attributes come here.
            return text if name == "set-cookie" else redacted_field(name, text, self.policy)
        hidden = self.policy.hidden
        if hidden and opens_named(text, hidden):
            return REDACTED
        return without_named(shown_text(text), hidden)

    def _place(self, difference: Difference, note: str) -> _Place:
        path, cause, kind = difference.path, difference.cause, difference.kind
        key = (path, cause, id(kind), difference.expected)
        place = self._places.get(key)
        if place is None and len(self._places) >= _PLACES:
            path = _OTHERS
            key = (path, cause, id(kind), difference.expected)
            place = self._places.get(key)
        if place is None:
            place = self._places[key] = _Place(
                path, cause, kind, difference.expected, difference, note
            )
        elif _rank(difference) < _rank(place.example):
            place.example, place.note = difference, note
        return place

    def inference(self, path: str, legacy: object, new: object) -> Inference:
        """The cause of two different scalars, in time bounded per path."""
        times = self._inferred.get(path)
        if times is None:
            if len(self._inferred) >= _PATHS:
                return infer(legacy, new)
            times = self._inferred[path] = []
        if len(times) >= _INFERRED_PER_PATH:
            return times[-1]
        last = infer(legacy, new)
        times.append(last)
        return last

    def text(
        self,
        path: str,
        at: str,
        legacy: str,
        new: str,
        *,
        kind: Kind = Kind.VALUE,
        severity: Severity = Severity.MAJOR,
    ) -> None:
        """Compare two texts at one path outside JSON, by the rules of that path."""
        if legacy == new:
            return
        rules = self.policy.at(path).rules
        rule = accepting(rules, legacy, new, self.bijections, php=self.policy.php)
        if rule:
            self.used(rule, path)
            return
        inference = self.inference(path, legacy, new)
        self.record(
            *(path, at, kind, inference.severity or severity, legacy, new),
            *(inference.cause, inference.note),
            expected=expecting(rules),
        )

    def missing(
        self,
        path: str,
        at: str,
        legacy: str,
        *,
        severity: Severity = Severity.CRITICAL,
        cause: str = "missing",
    ) -> None:
        """Something at a path outside JSON is absent on the new side."""
        self._one_sided(path, at, Kind.MISSING, severity, legacy, None, cause)

    def extra(
        self,
        path: str,
        at: str,
        new: str,
        *,
        severity: Severity = Severity.MINOR,
        cause: str = "extra",
    ) -> None:
        """Something at a path outside JSON is absent on the legacy side."""
        self._one_sided(path, at, Kind.EXTRA, severity, None, new, cause)

    def _one_sided(
        self,
        path: str,
        at: str,
        kind: Kind,
        severity: Severity,
        legacy: str | None,
        new: str | None,
        cause: str,
    ) -> None:
        rules = self.policy.at(path).rules
        for rule in rules:
            if rule.op is Op.IGNORE or (rule.op is Op.NULL_EQUALS_MISSING and not (legacy or new)):
                self.used(rule.name, path)
                return
        self.record(path, at, kind, severity, legacy, new, cause, expected=expecting(rules))

    def texts(
        self,
        path: str,
        legacy: Sequence[str],
        new: Sequence[str],
        *,
        severity: Severity = Severity.MAJOR,
        order: Severity = Severity.MINOR,
    ) -> None:
        """Compare two lists of texts at one path outside JSON: missing, added, moved, changed.

        `severity` is that of a missing or changed one, `order` that of another order.
        """
        if legacy == new or self.ignores(path):
            if legacy != new:
                self._use_of(path, Op.IGNORE)
            return
        alignment = align(legacy, new)
        for i, j in alignment.changed:
            self.text(path, f"{path}[{i}]", legacy[i], new[j], severity=severity)
        for i in alignment.missing:
            self.missing(path, f"{path}[{i}]", legacy[i], severity=severity)
        for j in alignment.extra:
            self.extra(path, f"{path}[{j}]", new[j])
        if alignment.moved and not self._use_of(path, Op.UNORDERED):
            i, j = alignment.moved
            self.record(
                *(path, f"{path}[{i}]", Kind.ORDER, order, legacy[i], new[j], "order"),
                expected=expecting(self.policy.at(path).rules),
            )

    def _use_of(self, path: str, op: Op) -> bool:
        for rule in self.policy.at(path).rules:
            if rule.op is op:
                self.used(rule.name, path)
                return True
        return False

    def finish(
        self,
        *,
        incomparable: str = "",
        defects: tuple[LegacyDefect, ...] = (),
        shape: str = "",
    ) -> Comparison:
        """The comparison of all that was found.

        A difference that counts is one, whatever else could not be compared; where it is a minor
        one, nobody knows that there was no worse.
        """
        kept = [difference for severity in _SEVERITIES for difference in self._kept[severity]]
        told = tuple(kept[: self.policy.limits.differences])
        if self._paths and not (incomparable and self._only_minor()):
            result = Result.DIFFERENT
        elif incomparable:
            result = Result.INCOMPARABLE
        elif self._total:
            result = Result.EXPECTED
        else:
            result = Result.NORMALISED if self._used else Result.EQUAL
        return Comparison(
            result=result,
            differences=told,
            more=self._total - len(told),
            causes=self._causes(),
            rules_used=tuple(
                RuleUse(rule=rule, path=path, count=count, expected=rule in self._expecting)
                for (rule, path), count in sorted(self._used.items())
            ),
            incomparable=incomparable,
            legacy_defects=defects,
            shape=shape,
            differing_paths=tuple(sorted(self._paths)[:_PATHS]),
        )

    def _only_minor(self) -> bool:
        counting = (place for place in self._places.values() if not place.expected)
        return all(place.example.severity is Severity.MINOR for place in counting)

    def _causes(self) -> tuple[Cause, ...]:
        grouped: dict[tuple[str, ...], list[_Place]] = {}
        for place in self._places.values():
            if not place.expected:
                key = cause_key(place.cause, place.kind, place.path)
                grouped.setdefault(key, []).append(place)
        causes: list[Cause] = []
        for key, places in grouped.items():
            worst = min(places, key=lambda place: _rank(place.example))
            causes.append(
                Cause(
                    fingerprint=fingerprint(key),
                    cause=worst.cause,
                    explanation=explain(worst.example, worst.note),
                    kind=worst.kind,
                    severity=worst.example.severity,
                    paths=tuple(sorted({place.path for place in places})[:_PATHS_OF_A_CAUSE]),
                    count=sum(place.count for place in places),
                    example=worst.example,
                )
            )
        causes.sort(key=lambda c: (_SEVERITIES.index(c.severity), -c.count, c.paths))
        return tuple(causes)


def _rank(difference: Difference) -> int:
    return _SEVERITIES.index(difference.severity)


def expecting(rules: tuple[NamedRule, ...]) -> str:
    """The rule `expected` that holds, "" without one."""
    return next((rule.name for rule in rules if rule.op is Op.EXPECTED), "")
