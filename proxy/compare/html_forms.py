"""Forms compared: where they lead, and each field by its name, type, value and choices."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field, replace

from proxy.compare.comparison import Kind
from proxy.compare.findings import Findings
from proxy.compare.html_events import Event, Sides
from proxy.compare.html_page import Page
from proxy.compare.html_place import masked
from proxy.compare.sequence import Change, changes
from proxy.compare_policy import Facet, Severity

# What makes an element a field. WHATWG HTML, 4.10.2: "listed" and "submittable".
FIELDS = frozenset({"input", "select", "textarea", "button"})
# Attributes of these that are compared here, and so not as markup.
OF_FORM = frozenset({"action", "method", "enctype"})
OF_OPTION = frozenset({"value", "selected", "disabled"})
_CONSTRAINTS = (
    *("disabled", "readonly", "required", "multiple", "min", "max", "step", "pattern"),
    *("maxlength", "minlength", "accept"),
)
_BARE = frozenset({"disabled", "readonly", "required", "multiple"})
OF_FIELD = frozenset({"name", "type", "value", "checked", *_CONSTRAINTS})
# Tokens against forged requests: new for every visitor, so only that they are there counts.
_TOKEN = re.compile(
    r".*(?:csrf|xsrf|nonce|authenticity|requestverification|form_?key|form_?build_id|honeypot).*"
    r"|_?_?(?:token|sid|sessid|sectok|state|viewstate\w*|eventvalidation)|.*[_\[]token\]?",
    re.IGNORECASE,
).fullmatch
_LONG_TOKEN = re.compile(r"[\w+/=.:-]{16,}", re.ASCII).fullmatch
TOKEN_USE = "html:csrf"  # noqa: S105  # a name for the count, no secret


@dataclass(slots=True)
class Form:
    """A form element (-1 for fields outside of any), and its fields by name in their order."""

    element: int
    fields: dict[str, list[int]] = field(default_factory=dict)


def compare_forms(sides: Sides, found: Findings) -> list[Event]:
    """What of the forms differs."""
    legacy, new = list(forms_of(sides.legacy).values()), list(forms_of(sides.new).values())
    events: list[Event] = []
    gaps = changes(
        [_identity(sides.legacy, f) for f in legacy], [_identity(sides.new, f) for f in new]
    )
    i = j = 0
    for gap in (*gaps, Change(len(legacy), len(legacy), len(new), len(new))):
        width = min(gap.stop - gap.start, gap.new_stop - gap.new_start)
        pairs = [*zip(legacy[i : gap.start], new[j : gap.new_start], strict=True)]
        pairs += zip(
            legacy[gap.start : gap.start + width],
            new[gap.new_start : gap.new_start + width],
            strict=True,
        )
        for one, other in pairs:
            events += _compare(one, other, sides, found)
        events += (_gone(form, sides.legacy) for form in legacy[gap.start + width : gap.stop])
        events += (_added(form, sides.new) for form in new[gap.new_start + width : gap.new_stop])
        i, j = gap.stop, gap.new_stop
    return events


def forms_of(page: Page) -> dict[int, Form]:
    """The forms of a page by element. A field belongs to the form around it."""
    forms: dict[int, Form] = {}
    inside, end = -1, 0
    for element, tag in enumerate(page.tags):
        if element >= end:
            inside = -1
        if tag == "form":
            inside, end = element, page.ends[element]
            forms[element] = Form(element)
        elif tag in FIELDS:
            name = page.attributes[element].get("name", "")
            if name:
                forms.setdefault(inside, Form(inside)).fields.setdefault(name, []).append(element)
    return forms


def _identity(page: Page, form: Form) -> str:
    if form.element < 0:
        return ""
    attributes = page.attributes[form.element]
    named = attributes.get("id") or attributes.get("name")
    return f"#{masked(named)}" if named else attributes.get("action", "").partition("?")[0]


def _gone(form: Form, page: Page) -> Event:
    element = form.element if form.element >= 0 else next(iter(form.fields.values()))[0]
    return Event(
        facet=Facet.FORMS,
        kind=Kind.MISSING,
        severity=Severity.CRITICAL,
        element=element,
        legacy=_told(page, form),
    )


def _added(form: Form, page: Page) -> Event:
    element = form.element if form.element >= 0 else next(iter(form.fields.values()))[0]
    return Event(
        facet=Facet.FORMS,
        kind=Kind.EXTRA,
        severity=Severity.MINOR,
        new_element=element,
        new=_told(page, form),
    )


def _told(page: Page, form: Form) -> str:
    where = "fields"
    if form.element >= 0:
        attributes = page.attributes[form.element]
        where = f"{_method(attributes)} {attributes.get('action', '')}".strip()
    return f"{where}: {', '.join(form.fields)}"


def _method(attributes: dict[str, str]) -> str:
    method = attributes.get("method", "").strip().upper()
    return method if method in ("POST", "DIALOG") else "GET"


def _compare(one: Form, other: Form, sides: Sides, found: Findings) -> Iterator[Event]:
    legacy, new = sides
    if one.element >= 0 and other.element >= 0:
        left, right = legacy.attributes[one.element], new.attributes[other.element]
        for name in ("action", "enctype"):
            yield from _value(
                one.element,
                other.element,
                f"@{name}",
                left.get(name, ""),
                right.get(name, ""),
                Severity.CRITICAL,
            )
        yield from _value(
            one.element, other.element, "@method", _method(left), _method(right), Severity.CRITICAL
        )
    for name, elements in one.fields.items():
        others = other.fields.get(name, [])
        for element, new_element in zip(elements, others, strict=False):
            yield from _compare_fields(element, new_element, name, sides, found)
        for element in elements[len(others) :]:
            yield Event(
                facet=Facet.FORMS,
                kind=Kind.MISSING,
                severity=Severity.CRITICAL,
                element=element,
                legacy=_field_told(legacy, element, name),
                part=_part(name),
            )
    for name, elements in other.fields.items():
        for element in elements[len(one.fields.get(name, ())) :]:
            yield Event(
                facet=Facet.FORMS,
                kind=Kind.EXTRA,
                severity=Severity.MINOR,
                new_element=element,
                new=_field_told(new, element, name),
                part=_part(name),
            )


def _field_told(page: Page, element: int, name: str) -> str:
    return f"{_type(page, element)} {name}"


def _part(name: str) -> str:
    return f".{masked(name)}"


def _type(page: Page, element: int) -> str:
    tag = page.tags[element]
    if tag == "input":
        return page.attributes[element].get("type", "").strip().lower() or "text"
    if tag == "button":
        return page.attributes[element].get("type", "").strip().lower() or "submit"
    return tag


def _value(
    element: int, new_element: int, part: str, legacy: str, new: str, severity: Severity
) -> Iterator[Event]:
    if legacy != new:
        yield Event(
            facet=Facet.FORMS,
            kind=Kind.VALUE,
            severity=severity,
            element=element,
            new_element=new_element,
            legacy=legacy,
            new=new,
            part=part,
        )


def _compare_fields(
    element: int, new_element: int, name: str, sides: Sides, found: Findings
) -> Iterator[Event]:
    legacy, new = sides
    left, right = legacy.attributes[element], new.attributes[new_element]
    part = _part(name)
    kind, new_kind = _type(legacy, element), _type(new, new_element)
    yield from _value(element, new_element, f"{part}@type", kind, new_kind, Severity.CRITICAL)
    for constraint in _CONSTRAINTS:
        bare = constraint in _BARE
        one, other = (
            ("yes" if constraint in side else "no") if bare else side.get(constraint, "")
            for side in (left, right)
        )
        severity = Severity.MAJOR
        yield from _value(element, new_element, f"{part}@{constraint}", one, other, severity)
    if kind == "select" == new_kind:
        yield from _compare_choices(element, new_element, part, sides)
        return
    if kind in ("checkbox", "radio"):
        one, other = ("yes" if "checked" in side else "no" for side in (left, right))
        yield from _value(element, new_element, f"{part}@checked", one, other, Severity.MAJOR)
    one, other = _content(legacy, element), _content(new, new_element)
    if one != other and one and other and is_token(name, one, other):
        found.used(TOKEN_USE, f"html:forms{part}")
    elif kind not in ("submit", "button", "reset") or "value" in left or "value" in right:
        severity = Severity.CRITICAL if kind == "hidden" and not other else Severity.MAJOR
        for event in _value(element, new_element, part, one, other, severity):
            yield replace(event, secret="password" in (kind, new_kind))


def _content(page: Page, element: int) -> str:
    if page.tags[element] == "textarea":
        return page.texts[element].replace("\r\n", "\n").removeprefix("\n")
    return page.attributes[element].get("value", "")


def is_token(name: str, legacy: str, new: str) -> bool:
    """Whether two values are tokens that are made for each answer."""
    return (
        _TOKEN(name[:200]) is not None
        and _LONG_TOKEN(legacy) is not None
        and _LONG_TOKEN(new) is not None
    )


def _compare_choices(element: int, new_element: int, part: str, sides: Sides) -> Iterator[Event]:
    one, chosen = _choices(sides.legacy, element)
    other, new_chosen = _choices(sides.new, new_element)
    for value in (value for value in one if value not in other):
        yield Event(
            facet=Facet.FORMS,
            kind=Kind.MISSING,
            severity=Severity.MAJOR,
            element=one[value],
            legacy=value,
            part=f"{part}.option",
        )
    for value in (value for value in other if value not in one):
        yield Event(
            facet=Facet.FORMS,
            kind=Kind.EXTRA,
            severity=Severity.MINOR,
            new_element=other[value],
            new=value,
            part=f"{part}.option",
        )
    for value in (value for value in one if value in other):
        left = sides.legacy.attributes[one[value]], sides.new.attributes[other[value]]
        was, now = ("yes" if "disabled" in attributes else "no" for attributes in left)
        at = f"{part}.option@disabled"
        yield from _value(one[value], other[value], at, was, now, Severity.MAJOR)
    if one.keys() == other.keys() and list(one) != list(other):
        yield Event(
            facet=Facet.FORMS,
            kind=Kind.ORDER,
            severity=Severity.MINOR,
            element=element,
            new_element=new_element,
            legacy=", ".join(one),
            new=", ".join(other),
            part=f"{part}.option",
            cause="order",
        )
    yield from _value(
        element, new_element, part, ", ".join(chosen), ", ".join(new_chosen), Severity.MAJOR
    )


def is_choice(page: Page, option: int) -> bool:
    """Whether an option is one of a field's; those of a datalist are suggestions."""
    above = page.parents[option]
    while above >= 0 and page.tags[above] == "optgroup":
        above = page.parents[above]
    return above >= 0 and page.tags[above] == "select" and bool(page.attributes[above].get("name"))


def _choices(page: Page, element: int) -> tuple[dict[str, int], list[str]]:
    """The values of a select's options, and which of them are selected."""
    choices: dict[str, int] = {}
    chosen: list[str] = []
    for option in range(element + 1, page.ends[element]):
        if page.tags[option] != "option":
            continue
        attributes = page.attributes[option]
        value = attributes.get("value", page.texts[option])
        choices.setdefault(value, option)
        if "selected" in attributes:
            chosen.append(value)
    if not chosen and choices and "multiple" not in page.attributes[element]:
        # WHATWG HTML, 4.10.7: without a selected one it is the first.
        chosen.append(next(iter(choices)))
    return choices, chosen
