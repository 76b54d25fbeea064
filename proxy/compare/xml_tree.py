"""An XML document as a tree of frozen elements, read without DTDs and entities."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from xml.parsers import expat

from proxy.compare.charset import codec_of
from proxy.compare.reader import Body, Incomparable
from proxy.compare_policy import CompareLimits

# No character of XML.
CHILD = "\x00"
_SPACED_CHILD = re.compile(rf"\s*{CHILD}\s*")


class NotXml(Exception):
    """A body that is not well-formed; the text says what is wrong and where."""


@dataclass(slots=True)
class Element:
    """An element: local name, namespace, attributes, the text directly in it, its children.

    `layout` is the text with a CHILD where each child stands, "" where it has none of both.
    `content` is equal for elements that are equal with all that is in them, as far as a hash goes.
    """

    name: str
    namespace: str
    attributes: dict[str, str]
    text: str = ""
    layout: str = ""
    children: list[Element] = field(default_factory=list)
    content: int = 0


def parse(body: Body, limits: CompareLimits) -> Element:
    """The root element; raises NotXml, and `Incomparable` (doctype, depth, nodes).

    A document type can define entities (CVE-2003-1564, "billion laughs") and name files; nothing
    of it is read.
    """
    builder = _Builder(limits)
    codec = codec_of(body.charset)
    content = body.content
    encoding = None
    if codec:
        content = content.decode(codec, "replace").encode("utf-8", "replace")
        encoding = "utf-8"
    parser = expat.ParserCreate(encoding, namespace_separator=" ")
    parser.buffer_text = True
    parser.ordered_attributes = True
    parser.StartElementHandler = builder.start
    parser.EndElementHandler = builder.end
    parser.CharacterDataHandler = builder.text
    parser.StartDoctypeDeclHandler = _refuse_doctype
    try:
        parser.Parse(content, True)
    except (expat.ExpatError, UnicodeError, LookupError, ValueError) as error:
        raise NotXml(str(error)) from None
    assert builder.root is not None
    return builder.root


def _refuse_doctype(*_: object) -> None:
    raise Incomparable("doctype")


class _Builder:
    """Receives expat's events."""

    __slots__ = ("_limits", "_nodes", "_open", "_texts", "root")

    def __init__(self, limits: CompareLimits) -> None:
        self._limits = limits
        self._nodes = 0
        self._open: list[Element] = []
        self._texts: list[list[str]] = []
        self.root: Element | None = None

    def start(self, name: str, attributes: list[str]) -> None:
        """A start tag; attributes are name, value, name, value."""
        self._nodes += 1 + len(attributes) // 2
        if self._nodes > self._limits.nodes:
            raise Incomparable("nodes")
        if len(self._open) >= self._limits.depth:
            raise Incomparable("depth")
        namespace, _, local = name.rpartition(" ")
        named = {
            _local(key): value for key, value in zip(attributes[::2], attributes[1::2], strict=True)
        }
        element = Element(local, namespace, named)
        if self._open:
            self._open[-1].children.append(element)
            self._texts[-1].append(CHILD)
        else:
            self.root = element
        self._open.append(element)
        self._texts.append([])

    def text(self, data: str) -> None:
        """Characters, a part of them."""
        self._texts[-1].append(data)

    def end(self, name: str) -> None:
        """An end tag."""
        element, texts = self._open.pop(), self._texts.pop()
        layout = "".join(texts)
        element.text = " ".join(layout.replace(CHILD, "").split())
        if element.text and element.children:
            element.layout = " ".join(_SPACED_CHILD.sub(CHILD, layout).split())
        element.content = hash(
            (
                *(element.name, element.namespace, element.text, element.layout),
                frozenset(element.attributes.items()),
                *(child.content for child in element.children),
            )
        )


def _local(name: str) -> str:
    """An attribute's local name; one of a namespace keeps it, for two could be the same."""
    namespace, _, local = name.rpartition(" ")
    return f"{{{namespace}}}{local}" if namespace else local
