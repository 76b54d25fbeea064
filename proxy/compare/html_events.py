"""What facets find in a page before it is reported, so that one fault is told once.

A product that is gone from a list lacks a link, some words and a dozen tags: one fault. Events that
lie in one element which has no other half are joined to one, in the heaviest of their facets.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import NamedTuple

from proxy.compare.comparison import Kind
from proxy.compare.findings import Findings, expecting
from proxy.compare.html_page import Page
from proxy.compare.html_place import pattern, selector
from proxy.compare.rules import accepting
from proxy.compare_policy import Facet, Op, Severity

_WEIGHT = (Facet.FORMS, Facet.LINKS, Facet.TEXT, Facet.MARKUP)
_SEVERITIES = tuple(Severity)
# Places for which a selector is worked out; the differences that are kept are fewer.
_PLACED = 300


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """One difference. `element` and `new_element` are where, -1 for nowhere.

    `core` are the two values that rules look at, `whole` those of the whole element; both None
    where they are what is shown. `part` is what of the element: `@href`, a field's name.
    """

    facet: Facet
    kind: Kind
    severity: Severity
    element: int = -1
    new_element: int = -1
    legacy: str = ""
    new: str = ""
    part: str = ""
    cause: str = ""
    note: str = ""
    core: tuple[str, str] | None = None
    # What is shown of it is redacted, whatever it looks like.
    secret: bool = False
    whole: tuple[str, str] | None = None


class Sides(NamedTuple):
    """The two pages."""

    legacy: Page
    new: Page


def joined(events: list[Event], tops: list[int], new_tops: list[int], sides: Sides) -> list[Event]:
    """Events with those in one missing or added element made one; `tops` are such elements."""
    for kind, heads, page, element_of in (
        (Kind.MISSING, tops, sides.legacy, _legacy_element),
        (Kind.EXTRA, new_tops, sides.new, _new_element),
    ):
        events = _joined(events, kind, heads, page, element_of)
    return events


def _legacy_element(event: Event) -> int:
    return event.element


def _new_element(event: Event) -> int:
    return event.new_element


def _joined(
    events: list[Event],
    kind: Kind,
    heads: list[int],
    page: Page,
    element_of: Callable[[Event], int],
) -> list[Event]:
    placed = sorted((event for event in events if element_of(event) >= 0), key=element_of)
    places = [element_of(event) for event in placed]
    rest = [event for event in events if element_of(event) < 0]
    result: list[Event] = []
    position = 0
    for head in heads:
        begin = bisect_left(places, head, position)
        end = bisect_left(places, page.ends[head], begin)
        result += placed[position:begin]
        position = end
        inside = placed[begin:end]
        others = [event for event in inside if event.kind is not kind]
        if others:
            # It has another half after all, in words or fields: that is the fault.
            result += others
            result += [e for e in inside if e.kind is kind and e.facet is not Facet.MARKUP]
        elif inside:
            result.append(_one(inside, head, page))
    return [*rest, *result, *placed[position:]]


def _one(inside: list[Event], head: int, page: Page) -> Event:
    fields = [event for event in inside if event.facet is Facet.FORMS]
    if len(fields) == 1:
        return fields[0]
    heaviest = min(inside, key=lambda event: _WEIGHT.index(event.facet))
    worst = min((event.severity for event in inside), key=_SEVERITIES.index)
    told = page.text_within(head) or heaviest.legacy or heaviest.new
    if heaviest.kind is Kind.MISSING:
        return replace(heaviest, element=head, legacy=told, severity=worst, part="")
    return replace(heaviest, new_element=head, new=told, severity=worst, part="")


def report(events: list[Event], sides: Sides, found: Findings) -> None:
    """Hand events to the findings, with the place where a person finds each."""
    for number, event in enumerate(events):
        page, element = (
            (sides.legacy, event.element) if event.element >= 0 else (sides.new, event.new_element)
        )
        root = f"html:{event.facet.value}"
        path = f"{root}[{pattern(page, element)}]{event.part}"
        at = path if number >= _PLACED else f"{root}[{selector(page, element)}]{event.part}"
        match event.kind:
            case Kind.MISSING:
                found.missing(path, at, event.legacy, severity=event.severity)
            case Kind.EXTRA:
                found.extra(path, at, event.new, severity=event.severity)
            case _:
                _report_pair(event, path, at, found)


def _report_pair(event: Event, path: str, at: str, found: Findings) -> None:
    rules = found.policy.at(path).rules
    if event.kind is Kind.ORDER:
        unordered = next((rule for rule in rules if rule.op is Op.UNORDERED), None)
        if unordered is not None:
            found.used(unordered.name, path)
            return
    for legacy, new in filter(None, (event.core or (event.legacy, event.new), event.whole)):
        rule = accepting(rules, legacy, new, found.bijections, php=found.policy.php)
        if rule:
            found.used(rule, path)
            return
    cause, note, severity = event.cause, event.note, event.severity
    if not cause:
        inference = found.inference(path, event.legacy, event.new)
        if not inference.cause and event.core and all(event.core):
            inference = found.inference(path, *event.core)
        cause, note = inference.cause, inference.note
        severity = inference.severity or severity
    found.record(
        *(path, at, event.kind, severity, event.legacy, event.new, cause, note),
        expected=expecting(rules),
        redacted=event.secret or None,
    )
