"""Elements and their attributes compared: links, pictures, and the markup around the text."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from proxy.compare.comparison import Kind
from proxy.compare.findings import Findings
from proxy.compare.header_values import address
from proxy.compare.html_events import Event, Sides
from proxy.compare.html_forms import (
    FIELDS,
    OF_FIELD,
    OF_FORM,
    OF_OPTION,
    is_choice,
    is_token,
)
from proxy.compare.html_head import OF_FACT, is_fact
from proxy.compare.html_page import READABLE, Page
from proxy.compare.html_pairs import Pairs, topmost
from proxy.compare.html_place import masked
from proxy.compare.secrets import REDACTED, is_secret_name
from proxy.compare_policy import Facet, Severity

_LINKS = {"a": "href", "area": "href"}
# What is loaded to be seen. Scripts and style sheets are how a page is made: markup.
_SEEN = {
    **dict.fromkeys(("img", "iframe", "embed", "audio", "track", "source"), "src"),
    "video": "src",
    "object": "data",
}
# Made for one answer, and checked by the browser against the same answer.
_NONCE = "nonce"
# Elements that the parser makes or that say nothing by themselves.
_SILENT = frozenset({"html", "head", "body", "title", "tbody"})
_CODE = frozenset({"script", "style"})
# Their content is text to the parser, and none that is compared as the page's.
_RAW = _CODE | {"xmp", "noembed", "noframes", "iframe"}


def compare_elements(
    sides: Sides, pairs: Pairs, facets: frozenset[Facet], found: Findings
) -> list[Event]:
    """What differs in links and, if asked for, in markup. Moved parts are told by `moved`."""
    events: list[Event] = []
    markup = Facet.MARKUP in facets
    links = Facet.LINKS in facets
    for element, new_element in pairs.changed:
        if sides.legacy.tags[element] != sides.new.tags[new_element]:
            continue
        events += _compare_attributes(element, new_element, sides, found, links, markup)
        tag = sides.legacy.tags[element]
        if markup and (
            tag in _RAW or (tag == "textarea" and not _is_field(sides, element, new_element))
        ):
            events += _compare_code(element, new_element, sides)
    for kind, page, elements in (
        (Kind.MISSING, sides.legacy, pairs.missing),
        (Kind.EXTRA, sides.new, pairs.extra),
    ):
        if links:
            events += _one_sided_links(kind, page, elements)
        if markup:
            events += _one_sided_markup(kind, page, elements)
    return events


def address_attribute(tag: str) -> str:
    """The attribute that holds where a link leads or a picture comes from; "" without one."""
    return _LINKS.get(tag) or _SEEN.get(tag, "")


def _compare_attributes(
    element: int, new_element: int, sides: Sides, found: Findings, links: bool, markup: bool
) -> Iterator[Event]:
    tag = sides.legacy.tags[element]
    left, right = sides.legacy.attributes[element], sides.new.attributes[new_element]
    if left == right:
        return
    elsewhere = _elsewhere(element, new_element, sides)
    for name in (*left, *(name for name in right if name not in left)):
        was, now = left.get(name), right.get(name)
        if was == now or name in elsewhere or (name in READABLE and (_reads(was) or _reads(now))):
            continue
        if name == _NONCE and was and now:
            found.used("html:nonce", f"html:markup[{tag}]@nonce")
            continue
        if name == address_attribute(tag):
            if links:
                yield from _compare_addresses(element, new_element, tag, was, now, found)
        elif markup and _meaning(name, was) != _meaning(name, now):
            if (
                tag == "meta"
                and name == "content"
                and is_token(left.get("name", ""), was or "", now or "")
            ):
                found.used("html:csrf", "html:markup[meta]@content")
            else:
                event = _attribute(Facet.MARKUP, element, new_element, name, was, now)
                named = left.get("name", ""), right.get("name", "")
                yield replace(event, secret=tag == "meta" and any(map(is_secret_name, named)))


def _compare_addresses(
    element: int, new_element: int, tag: str, was: str | None, now: str | None, found: Findings
) -> Iterator[Event]:
    one, other = address(was or ""), address(now or "")
    if was is not None and now is not None and one is not None and one == other:
        found.used("html:address", f"html:links[{tag}]")
        return
    name = address_attribute(tag)
    yield _attribute(Facet.LINKS, element, new_element, name, was, now, Severity.MAJOR)


_NOTHING: frozenset[str] = frozenset()
_PUSHED = frozenset({"submit", "button", "reset"})


def _elsewhere(element: int, new_element: int, sides: Sides) -> frozenset[str]:
    """The attributes of an element that another facet looks at."""
    tag = sides.legacy.tags[element]
    if tag in OF_FACT:
        left, right = sides.legacy.attributes[element], sides.new.attributes[new_element]
        return OF_FACT[tag] if is_fact(tag, left) or is_fact(tag, right) else _NOTHING
    if tag == "html":
        return _LANGUAGE
    if tag == "form":
        return OF_FORM
    if tag == "option":
        both = zip(sides, (element, new_element), strict=True)
        return OF_OPTION if all(is_choice(page, place) for page, place in both) else _NOTHING
    if tag not in FIELDS:
        return _NOTHING
    if _is_field(sides, element, new_element):
        return OF_FIELD
    return _VALUE if tag == "input" and _is_pushed(sides, element, new_element) else _NOTHING


_LANGUAGE = frozenset({"lang"})
_VALUE = frozenset({"value"})


def _is_field(sides: Sides, element: int, new_element: int) -> bool:
    """Whether one of two elements has a name, and so is a field of a form."""
    left, right = sides.legacy.attributes[element], sides.new.attributes[new_element]
    return bool(left.get("name") or right.get("name"))


def _is_pushed(sides: Sides, element: int, new_element: int) -> bool:
    """Whether two elements are buttons, whose value is text of the page."""
    kinds = (
        page.attributes[place].get("type", "").lower()
        for page, place in zip(sides, (element, new_element), strict=True)
    )
    return all(kind in _PUSHED for kind in kinds)


def _reads(value: str | None) -> bool:
    """Whether people read something there."""
    return value is not None and value != "" and not value.isspace()


def _meaning(name: str, value: str | None) -> object:
    if value is None:
        return None
    if name in ("class", "rel", "headers", "aria-describedby"):
        return frozenset(value.split())
    return " ".join(value.split())


def _attribute(
    facet: Facet,
    element: int,
    new_element: int,
    name: str,
    was: str | None,
    now: str | None,
    severity: Severity = Severity.MINOR,
) -> Event:
    kind = Kind.MISSING if now is None else Kind.EXTRA if was is None else Kind.VALUE
    if kind is Kind.EXTRA:
        severity = Severity.MINOR
    return Event(
        facet=facet,
        kind=kind,
        severity=severity,
        element=-1 if kind is Kind.EXTRA else element,
        new_element=-1 if kind is Kind.MISSING else new_element,
        legacy=was or "",
        new=now or "",
        part=f"@{masked(name)}",
    )


def _compare_code(element: int, new_element: int, sides: Sides) -> Iterator[Event]:
    legacy, new = sides
    if is_embedded_json(legacy, element) and is_embedded_json(new, new_element):
        return
    was, now = (" ".join(p.texts[e].split()) for p, e in ((legacy, element), (new, new_element)))
    if was != now:
        yield Event(
            facet=Facet.MARKUP,
            kind=Kind.VALUE,
            severity=Severity.MINOR,
            element=element,
            new_element=new_element,
            legacy=was,
            new=now,
            cause="code",
            note=f"the content of a {legacy.tags[element]} element differs",
        )


def is_embedded_json(page: Page, element: int) -> bool:
    """Whether an element holds JSON: for search engines (ld+json), or as data for a script."""
    if page.tags[element] != "script":
        return False
    kind = page.attributes[element].get("type", "").partition(";")[0].strip().lower()
    return kind == "application/json" or kind.endswith("+json") or kind == "importmap"


def _one_sided_links(kind: Kind, page: Page, elements: tuple[int, ...]) -> Iterator[Event]:
    for element in elements:
        name = address_attribute(page.tags[element])
        if not name or name not in page.attributes[element]:
            continue
        severity = Severity.MAJOR if kind is Kind.MISSING else Severity.MINOR
        yield _whole(kind, Facet.LINKS, severity, element, page.attributes[element][name])


def _one_sided_markup(kind: Kind, page: Page, elements: tuple[int, ...]) -> Iterator[Event]:
    for element in topmost(page, elements):
        tag, attributes = page.tags[element], page.attributes[element]
        if tag not in _SILENT and not is_fact(tag, attributes):
            yield _whole(kind, Facet.MARKUP, Severity.MINOR, element, _opened(tag, attributes))


def _opened(tag: str, attributes: dict[str, str]) -> str:
    secret = attributes.get("type", "").lower() == "password" or any(
        is_secret_name(attributes.get(name, "")) for name in ("name", "id", "property")
    )
    shown = "".join(
        f' {name}="{REDACTED if secret and name in ("value", "content") else value}"'
        for name, value in list(attributes.items())[:3]
    )
    return f"<{tag}{shown}>"


def _whole(kind: Kind, facet: Facet, severity: Severity, element: int, told: str) -> Event:
    missing = kind is Kind.MISSING
    return Event(
        facet=facet,
        kind=kind,
        severity=severity,
        element=element if missing else -1,
        new_element=-1 if missing else element,
        legacy=told if missing else "",
        new="" if missing else told,
    )
