"""Where in a page something stands: a pattern that many pages share, a selector for one place."""

from __future__ import annotations

import re

from proxy.compare.html_page import Page

# Parts of class names, ids and field names that are made, not chosen: numbers and digests.
_MADE = re.compile(r"[0-9a-fA-F]{8,}(?:-[0-9a-fA-F]+)*|\d+")
_NAME = re.compile(r"[\w-]+")
_PLAIN = re.compile(r"-?[A-Za-z_][\w-]*", re.ASCII).fullmatch
# Ancestors that are looked through for a name.
_NEAR = 6
# Steps of a selector; the way to the root of a page is longer than a line.
_STEPS = 12


def masked(name: str) -> str:
    """A name with its made-up parts as `*`: `row-17` is `row-*`."""
    return _MADE.sub("*", name)


def pattern(page: Page, element: int) -> str:
    """A short selector without positions and made-up names: `span.price`, `.product p`."""
    own = _named(page, element)
    tag = page.tags[element]
    if own:
        return f"{tag}{own}"
    above = page.parents[element]
    for _ in range(_NEAR):
        if above < 0 or page.tags[above] in ("body", "html"):
            break
        own = _named(page, above)
        if own:
            return f"{own} {tag}"
        if page.tags[above] in _LANDMARKS:
            return f"{page.tags[above]} {tag}"
        above = page.parents[above]
    return tag


# Of these a page has one.
_ONCE = frozenset({"html", "head", "body", "main", "h1", "title"})
_LANDMARKS = frozenset(
    {"main", "header", "footer", "nav", "aside", "article", "table", "form", "head"}
)


def _named(page: Page, element: int) -> str:
    attributes = page.attributes[element]
    if not attributes:
        return ""
    names: list[str] = [masked(name) for name in _NAME.findall(attributes.get("class", ""))[:2]]
    # A name that is made up from end to end says nothing.
    names = [name for name in names if name.strip("*-_")]
    if names:
        return f".{names[0]}"
    name = masked(attributes.get("id", "")[:60])
    return f"#{name}" if name.strip("*-_") and _NAME.match(name.replace("*", "x")) else ""


def selector(page: Page, element: int) -> str:
    """A selector that finds the element in a browser: `main > div.p:nth-child(3) > span.price`."""
    steps: list[str] = []
    while element >= 0 and len(steps) < _STEPS:
        tag = page.tags[element]
        name = page.attributes[element].get("id", "")
        if _PLAIN(name) and len(name) <= 60:
            steps.append(f"{tag}#{name}")
            break
        steps.append(f"{tag}{_class(page, element)}{_position(page, element)}")
        element = page.parents[element]
        if element >= 0 and page.tags[element] == "html":
            break
    return " > ".join(reversed(steps))


def _class(page: Page, element: int) -> str:
    names = page.attributes[element].get("class", "").split()
    return f".{names[0]}" if names and len(names[0]) <= 60 and _PLAIN(names[0]) else ""


def _position(page: Page, element: int) -> str:
    """`:nth-child(3)` where it has brothers and sisters."""
    parent = page.parents[element]
    if page.tags[element] in _ONCE or parent < 0 or page.children[parent] == 1:
        return ""
    return f":nth-child({page.numbers[element]})"
