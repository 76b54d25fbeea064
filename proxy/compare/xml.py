"""Two XML bodies compared: elements, attributes, text; order where it is the only difference."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import chain

from proxy.compare.comparison import Kind
from proxy.compare.findings import Findings, expecting
from proxy.compare.reader import Body
from proxy.compare.secrets import REDACTED, is_secret_name
from proxy.compare.sequence import Change, changes
from proxy.compare.xml_tree import CHILD, Element, NotXml, parse
from proxy.compare_policy import Op, Severity


def compare_xml(legacy: Body, new: Body, found: Findings) -> bool:
    """Report where two XML bodies differ; False, and nothing reported, if neither is XML.

    Raises `Incomparable` (doctype, depth, nodes).
    """
    one, other = _parsed(legacy, found), _parsed(new, found)
    if isinstance(one, str) and isinstance(other, str):
        return False
    if isinstance(one, str) or isinstance(other, str):
        side = "legacy" if isinstance(one, str) else "new"
        found.record(
            *("body", "body", Kind.BODY, Severity.CRITICAL),
            *(one if isinstance(one, str) else "XML", other if isinstance(other, str) else "XML"),
            *(f"not_xml:{side}", f"the {side} body cannot be read as XML"),
        )
        return True
    if one.content == other.content:
        found.used("xml:notation", f"xml:/{one.name}")
        return True
    root = f"xml:/{one.name}"
    if one.name != other.name:
        found.text(root, root, one.name, other.name, kind=Kind.TYPE, severity=Severity.CRITICAL)
    else:
        _compare(one, other, root, root, found)
    return True


def _parsed(body: Body, found: Findings) -> Element | str:
    """The root element, or what is wrong with the document."""
    try:
        return parse(body, found.policy.limits)
    except NotXml as error:
        return f"no XML: {error}"


def _compare(
    one: Element,
    other: Element,
    path: str,
    at: str,
    found: Findings,
    namespaces: tuple[str, str] = ("", ""),
) -> None:
    """Compare two elements of one name; `namespaces` are those of their parents, told already."""
    if one.content == other.content or found.ignores(path):
        if one.content != other.content:
            found.text(path, at, "one", "other")
        return
    if one.namespace != other.namespace and namespaces != (one.namespace, other.namespace):
        found.text(
            *(f"{path}/namespace::", f"{at}/namespace::", one.namespace, other.namespace),
            severity=Severity.CRITICAL,
        )
    for name in (*one.attributes, *(n for n in other.attributes if n not in one.attributes)):
        was, now = one.attributes.get(name), other.attributes.get(name)
        place = f"/@{name}"
        if was is None:
            assert now is not None
            found.extra(path + place, at + place, now)
        elif now is None:
            found.missing(path + place, at + place, was)
        else:
            found.text(path + place, at + place, was, now)
    found.text(path, at, one.text, other.text)
    if one.text == other.text and one.layout != other.layout:
        _compare_layout(one, other, path, at, found)
    _compare_children(one, other, path, at, found)


def _compare_layout(one: Element, other: Element, path: str, at: str, found: Findings) -> None:
    """Report the same text around the same children in another way."""
    if [child.name for child in one.children] != [child.name for child in other.children]:
        return
    was, now = (_spelled(each) for each in (one, other))
    found.record(
        *(path, at, Kind.ORDER, Severity.MAJOR, was, now, "moved"),
        "the text stands around the elements in it in another way",
        expected=expecting(found.policy.at(path).rules),
    )


def _spelled(element: Element) -> str:
    pieces = element.layout.split(CHILD)
    names = [f"<{child.name}/>" for child in element.children]
    return "".join(chain.from_iterable(zip(pieces, [*names, ""], strict=False)))


def _compare_children(one: Element, other: Element, path: str, at: str, found: Findings) -> None:
    legacy, new = one.children, other.children
    namespaces = one.namespace, other.namespace
    missing: list[int] = []
    extra: list[int] = []
    gaps = changes([e.content for e in legacy], [e.content for e in new])
    numbers, new_numbers = (_numbers(legacy), _numbers(new)) if gaps else ([], [])
    for gap in gaps:
        pairs = _pairs(legacy, new, gap, missing, extra)
        for i, j in pairs:
            name = legacy[i].name
            place = f"{at}/{name}{numbers[i]}"
            _compare(legacy[i], new[j], f"{path}/{name}", place, found, namespaces)
    waiting: dict[int, list[int]] = {}
    for j in reversed(extra):
        waiting.setdefault(new[j].content, []).append(j)
    moved: set[int] = set()
    for i in missing:
        name, place = legacy[i].name, f"{at}/{legacy[i].name}{numbers[i]}"
        places = waiting.get(legacy[i].content)
        if places:
            j = places.pop()
            moved.add(j)
            _report_moved(f"{path}/{name}", place, i, j, found)
        else:
            found.missing(f"{path}/{name}", place, _told(legacy[i]))
    for j in extra:
        if j not in moved:
            name = new[j].name
            found.extra(f"{path}/{name}", f"{at}/{name}{new_numbers[j]}", _told(new[j]))


def _pairs(
    legacy: Sequence[Element],
    new: Sequence[Element],
    gap: Change,
    missing: list[int],
    extra: list[int],
) -> Iterator[tuple[int, int]]:
    """Elements of one name in the same gap belong together; the rest stays alone."""
    left, right = range(gap.start, gap.stop), range(gap.new_start, gap.new_stop)
    # What only moved is no change of whatever stands in its place.
    contents = {legacy[i].content for i in left} & {new[j].content for j in right}
    waiting: dict[str, list[int]] = {}
    for j in reversed(right):
        if new[j].content not in contents:
            waiting.setdefault(new[j].name, []).append(j)
    taken: set[int] = set()
    for i in left:
        others = waiting.get(legacy[i].name) if legacy[i].content not in contents else None
        if others:
            j = others.pop()
            taken.add(j)
            yield i, j
        else:
            missing.append(i)
    extra += (j for j in right if j not in taken)


def _report_moved(path: str, at: str, i: int, j: int, found: Findings) -> None:
    rules = found.policy.at(path).rules
    for rule in rules:
        if rule.op in (Op.UNORDERED, Op.IGNORE):
            found.used(rule.name, path)
            return
    found.record(
        *(path, at, Kind.ORDER, Severity.MAJOR, f"child {i + 1}", f"child {j + 1}", "order"),
        expected=expecting(rules),
    )


def _numbers(elements: Sequence[Element]) -> list[str]:
    """For each element `[2]` as in XPath where several of them have one name."""
    often = Counter(element.name for element in elements)
    seen: Counter[str] = Counter()
    numbers: list[str] = []
    for element in elements:
        seen[element.name] += 1
        numbers.append(f"[{seen[element.name]}]" if often[element.name] > 1 else "")
    return numbers


def _told(element: Element) -> str:
    """An element in one line: its attributes and the texts in it."""
    texts = [
        f'{name}="{REDACTED if is_secret_name(name) else value}"'
        for name, value in element.attributes.items()
    ]
    waiting = [element]
    while waiting and len(texts) < 20:
        inner = waiting.pop()
        if is_secret_name(inner.name):
            texts.append(REDACTED)
            continue
        if inner.text:
            texts.append(inner.text)
        waiting += reversed(inner.children)
    return f"<{element.name}> {' '.join(texts)}".strip()
