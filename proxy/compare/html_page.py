"""A page as it is compared: its elements and visible words in the order of the document."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from selectolax.lexbor import LexborHTMLParser, LexborNode

from proxy.compare.charset import text_of
from proxy.compare.nesting import check_nesting
from proxy.compare.reader import Body, Incomparable
from proxy.compare_policy import CompareLimits

# Words go on across these: `12<sup>99</sup>` is one word.
INLINE = frozenset(
    {
        *("a", "abbr", "acronym", "b", "bdi", "bdo", "big", "cite", "code", "data", "del", "dfn"),
        *("em", "font", "i", "ins", "kbd", "label", "mark", "nobr", "q", "s", "samp", "small"),
        *("span", "strike", "strong", "sub", "sup", "time", "tt", "u", "var", "wbr"),
    }
)
# Their text is not part of the page's; it is kept with the element.
_APART = frozenset({"script", "style", "title", "textarea", "noembed", "noframes", "xmp", "iframe"})
# What people read though it stands in an attribute.
READABLE = ("alt", "title", "placeholder", "aria-label")
_META_CHARSET = re.compile(
    rb"<meta[^>]{0,200}?charset\s*=\s*[\"']?\s*([A-Za-z0-9_:.-]+)", re.IGNORECASE
)
# WHATWG HTML, 13.2.3.2: the declaration stands within the first 1024 bytes.
_PRESCAN = 1024
# A byte that its charset does not have, as a character that stands for nothing else.
_STRAY = {0xDC00 + byte: 0xF700 + byte for byte in range(0x80, 0x100)}
# As the parser writes it: every value in quotes, and no quote in it.
_TEMPLATE = re.compile(r'\A<template(?:\s[^\s="]+(?:="[^"]*")?)*\s*>')
# An @ within brackets belongs to the selector: `[href="a@b"]`.
_OF_ATTRIBUTE = re.compile(r"(.*?)@([\w:.-]+)\s*", re.DOTALL).fullmatch
MARK = "\x00"


@dataclass(slots=True)
class Page:
    """Lists with one entry an element, in document order, and the words with their elements.

    `ends[i]` is the first element behind the subtree of i; `word_ranges[i]` are the words in it.
    A readable attribute is one word: MARK, the attribute's name, MARK, its value.
    """

    tags: list[str] = field(default_factory=list)
    attributes: list[dict[str, str]] = field(default_factory=list)
    parents: list[int] = field(default_factory=list)
    depths: list[int] = field(default_factory=list)
    # How many child elements it has, and which of its parent's it is, from 1 on.
    children: list[int] = field(default_factory=list)
    numbers: list[int] = field(default_factory=list)
    ends: list[int] = field(default_factory=list)
    # The text directly in the element, white space as one space.
    texts: list[str] = field(default_factory=list)
    words: list[str] = field(default_factory=list)
    owners: list[int] = field(default_factory=list)
    word_ranges: list[tuple[int, int]] = field(default_factory=list)

    def text_within(self, element: int, words: int = 40) -> str:
        """The first words of an element, for people."""
        start, stop = self.word_ranges[element]
        return " ".join(readable(word) for word in self.words[start : min(stop, start + words)])


def readable(word: str) -> str:
    """A word as people read it: of an attribute its value."""
    return word.rpartition(MARK)[2]


@dataclass(frozen=True, slots=True)
class Drop:
    """A CSS selector whose elements, or one attribute of them, are not compared."""

    selector: str
    attribute: str


def drop(text: str) -> Drop:
    """Read `selector` or `selector@attribute`; raises ValueError for what is no CSS selector."""
    found = _OF_ATTRIBUTE(text)
    selector, attribute = (found[1], found[2]) if found else (text, "")
    try:
        LexborHTMLParser("<p>").css(selector.strip())
    except Exception as error:  # noqa: BLE001  # the binding raises several, all mean the same
        raise ValueError(f"{selector!r} is no CSS selector: {error}") from None
    if not selector.strip():
        raise ValueError(f"{text!r} has no CSS selector")
    return Drop(selector.strip(), attribute.strip().lower())


def source_of(body: Body) -> str:
    """The text of a page; its charset is that of the header, or of a meta element."""
    charset = body.charset
    if not charset and not body.content.startswith((b"\xef\xbb\xbf", b"\xfe\xff", b"\xff\xfe")):
        declared = _META_CHARSET.search(body.content, 0, _PRESCAN)
        charset = declared[1].decode("ascii").lower() if declared else ""
    text = text_of(body.content, charset)
    try:
        text.encode()
    except UnicodeEncodeError:
        text = text.translate(_STRAY).encode("utf-8", "replace").decode()
    return text


def parse(text: str, drops: tuple[Drop, ...], limits: CompareLimits) -> LexborHTMLParser:
    """Parse and leave out what is dropped; raises `Incomparable` (depth, nodes)."""
    check_nesting(text, limits)
    document = LexborHTMLParser(text)
    for one in drops:
        for node in document.css(one.selector):
            if not one.attribute:
                node.decompose()
            elif one.attribute in node.attributes:
                del node.attrs[one.attribute]
    return document


def read(document: LexborHTMLParser, limits: CompareLimits) -> Page:
    """Walk a document; raises `Incomparable` (depth, nodes)."""
    page = Page()
    root = document.root
    if root is None:
        return page
    # The elements above the present node, innermost last.
    above: list[int] = []
    glued = False
    node: LexborNode | None = root
    while node is not None:
        tag = node.tag or ""
        if tag == "-text":
            if above:
                glued = _add_text(page, above[-1], node.text_content or "", glued)
        elif tag[:1] not in "-!":
            element = _add_element(page, above, tag, node)
            if len(above) >= limits.depth:
                raise Incomparable("depth")
            if element >= limits.nodes:
                raise Incomparable("nodes")
            glued = glued and tag in INLINE
            child = None if tag == "template" else node.first_child
            if tag in _APART and (tag != "title" or is_own_title(page, element)):
                page.texts[element] = (child.text_content or "") if child is not None else ""
            elif child is not None:
                above.append(element)
                node = child
                continue
            page.word_ranges[element] = (page.word_ranges[element][0], len(page.words))
        following = node.next
        while following is None and above:
            node = node.parent
            assert node is not None
            element = above.pop()
            page.ends[element] = len(page.tags)
            page.word_ranges[element] = (page.word_ranges[element][0], len(page.words))
            glued = glued and page.tags[element] in INLINE
            following = node.next
        node = following
    return page


def is_own_title(page: Page, element: int) -> bool:
    """Whether a title is the page's own; that of a drawing is text of the page."""
    parent = page.parents[element]
    return parent >= 0 and page.tags[parent] in ("head", "body")


def _add_element(page: Page, above: list[int], tag: str, node: LexborNode) -> int:
    element = len(page.tags)
    attributes = {name: value or "" for name, value in node.attributes.items()}
    if tag == "template":
        # What stands in a template is in no tree; as an attribute it is compared as markup.
        attributes["inner_html"] = _TEMPLATE.sub("", node.html or "", count=1)
    page.tags.append(tag)
    page.attributes.append(attributes)
    parent = above[-1] if above else -1
    page.parents.append(parent)
    if parent >= 0:
        page.children[parent] += 1
    page.numbers.append(page.children[parent] if parent >= 0 else 1)
    page.children.append(0)
    page.depths.append(len(above))
    page.ends.append(element + 1)
    page.texts.append("")
    page.word_ranges.append((len(page.words), len(page.words)))
    if attributes:
        for name in READABLE:
            value = attributes.get(name)
            if value and not value.isspace():
                _add_word(page, element, f"{MARK}{name}{MARK}{' '.join(value.split())}")
        if tag == "input" and attributes.get("type", "").lower() in ("submit", "button", "reset"):
            value = " ".join(attributes.get("value", "").split())
            if value:
                _add_word(page, element, f"{MARK}value{MARK}{value}")
    return element


def _add_word(page: Page, element: int, word: str) -> None:
    page.words.append(word)
    page.owners.append(element)


def _add_text(page: Page, element: int, text: str, glued: bool) -> bool:
    """Add the words of a text; whether the next text goes on with the last of them."""
    words = text.split()
    if not words:
        return glued and not text
    joined = " ".join(words)
    page.texts[element] = f"{page.texts[element]} {joined}" if page.texts[element] else joined
    if glued and not text[0].isspace() and not page.words[-1].startswith(MARK):
        page.words[-1] += words[0]
        del words[0]
    page.words += words
    page.owners += [element] * len(words)
    return not text[-1].isspace()
