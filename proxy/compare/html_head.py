"""What a page says of itself to search engines and browsers: title, canonical address, robots."""

from __future__ import annotations

from itertools import zip_longest

from proxy.compare.findings import Findings
from proxy.compare.header_values import address, words
from proxy.compare.html_events import Sides
from proxy.compare.html_page import Page, is_own_title
from proxy.compare_policy import Facet, Severity

# Facts beside the canonical address, and how bad it is where they differ.
_META = {
    "robots": Severity.CRITICAL,
    "googlebot": Severity.CRITICAL,
    "refresh": Severity.CRITICAL,
    "description": Severity.MAJOR,
}
_RELATIONS = frozenset({"canonical", "prev", "next", "amphtml"})
_WORDS = frozenset({"robots", "googlebot"})


def compare_head(sides: Sides, facets: frozenset[Facet], found: Findings) -> None:
    """Report how the two pages differ in what they say of themselves."""
    if Facet.TITLE in facets:
        one, other = title(sides.legacy), title(sides.new)
        _compare("html:title", one, other, Severity.MAJOR, found)
    if Facet.CANONICAL in facets:
        left, right = facts(sides.legacy), facts(sides.new)
        if left == right:
            return
        for name in (*left, *(name for name in right if name not in left)):
            path = "html:canonical" if name == "canonical" else f"html:canonical.{name}"
            pairs = zip_longest(left.get(name, ()), right.get(name, ()))
            for number, (was, now) in enumerate(pairs, 1):
                if was != now and not _means_the_same(name, was, now):
                    at = path if number == 1 else f"{path}[{number}]"
                    _compare(path, was, now, _severity(name), found, at)


def _compare(
    path: str,
    legacy: str | None,
    new: str | None,
    severity: Severity,
    found: Findings,
    at: str = "",
) -> None:
    at = at or path
    if legacy is None and new is None:
        return
    if new is None:
        assert legacy is not None
        found.missing(path, at, legacy, severity=severity)
    elif legacy is None:
        worse = path.rpartition(".")[2] in _WORDS or path.endswith("refresh")
        found.extra(path, at, new, severity=severity if worse else Severity.MINOR)
    else:
        found.text(path, at, legacy, new, severity=severity)


def title(page: Page) -> str | None:
    """The text of the first title that is the page's own, not that of a drawing."""
    for element, tag in enumerate(page.tags):
        if tag == "title" and is_own_title(page, element):
            return " ".join(page.texts[element].split())
    return None


def facts(page: Page) -> dict[str, list[str]]:
    """Canonical address, robots, languages and the like, by name; most stand once in a page."""
    named: dict[str, list[str]] = {}

    def add(name: str, value: str) -> None:
        named.setdefault(name, []).append(value)

    for element, tag in enumerate(page.tags):
        attributes = page.attributes[element]
        if tag == "link":
            relations = attributes.get("rel", "").lower().split()
            for relation in _RELATIONS.intersection(relations):
                add(relation, attributes.get("href", "").strip())
            if "alternate" in relations and "hreflang" in attributes:
                language = attributes["hreflang"].strip().lower()
                add(f"hreflang[{language}]", attributes.get("href", "").strip())
        elif tag == "meta":
            name = _meta_name(attributes)
            if name:
                add(name, " ".join(attributes.get("content", "").split()))
        elif tag == "html":
            if "lang" in attributes:
                add("lang", attributes["lang"].strip().lower())
        elif tag == "base":
            add("base", attributes.get("href", "").strip())
    return named


def _meta_name(attributes: dict[str, str]) -> str:
    name = attributes.get("name", attributes.get("http-equiv", "")).strip().lower()
    if name in _META:
        return name
    prop = attributes.get("property", name).strip().lower()
    return prop if prop.startswith(("og:", "twitter:")) else ""


# What of such an element is compared here; the rest is markup.
OF_FACT = {
    "link": frozenset({"rel", "href", "hreflang"}),
    "meta": frozenset({"name", "property", "http-equiv", "content"}),
    "base": frozenset({"href"}),
}


def is_fact(tag: str, attributes: dict[str, str]) -> bool:
    """Whether an element of the head is compared here, and so not as markup."""
    if tag == "link":
        relations = attributes.get("rel", "").lower().split()
        return not _RELATIONS.isdisjoint(relations) or "hreflang" in attributes
    return tag == "base" or (tag == "meta" and bool(_meta_name(attributes)))


def _severity(name: str) -> Severity:
    if name in _META:
        return _META[name]
    if name.startswith(("og:", "twitter:", "amphtml")):
        return Severity.MINOR
    if name in ("canonical", "base"):
        return Severity.CRITICAL
    return Severity.MAJOR


def _means_the_same(name: str, legacy: str | None, new: str | None) -> bool:
    if legacy is None or new is None:
        return False
    if name in _WORDS:
        return words(legacy) == words(new)
    one = address(legacy)
    return name in _RELATIONS and one is not None and one == address(new)
