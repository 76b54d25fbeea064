"""Two JSON bodies compared: the reader of JSON media types."""

from __future__ import annotations

from proxy.compare.comparison import Kind
from proxy.compare.findings import Findings
from proxy.compare.json_show import shown
from proxy.compare.json_text import Document, Json, NotJson, parse
from proxy.compare.json_walk import Walk
from proxy.compare.paths import member
from proxy.compare.reader import Body
from proxy.compare.secrets import is_secret_place
from proxy.compare_policy import Severity


def compare_json(legacy: Body, new: Body, found: Findings) -> bool:
    """Report where two JSON bodies differ; False, and nothing reported, if they are none.

    They are none if neither can be read, or one of two that only look like it cannot.
    """
    one, other = _parsed(legacy, found), _parsed(new, found)
    wrong = isinstance(one, str) + isinstance(other, str)
    if wrong == 2 or (wrong and legacy.sniffed and new.sniffed):
        return False
    if isinstance(one, str) or isinstance(other, str):
        side = "legacy" if isinstance(one, str) else "new"
        found.record(
            *("body", "body", Kind.BODY, Severity.CRITICAL),
            *(_told(one), _told(other), f"not_json:{side}"),
            f"the {side} body cannot be read as JSON",
        )
        return True
    balance = 0
    if one.value != other.value:
        walk = Walk(found)
        walk.differ(one.value, other.value, "$", "$", found.policy.root)
        balance = walk.balance
    if one.colons - other.colons != balance or (not found.different and one.may_have_duplicates):
        _compare_duplicates(one, other, found)
    _compare_constants(one, other, found)
    _compare_encodings(one, other, found)
    return True


def compare_values(legacy: Json, new: Json, root: str, found: Findings) -> None:
    """Report where two JSON values differ that stand within something else.

    Their paths begin with `root` instead of `$`; the rules are those of `$`.
    """
    if legacy != new:
        Walk(found).differ(legacy, new, root, root, found.policy.root)


def _parsed(body: Body, found: Findings) -> Document | str:
    """The document, or what is wrong with it."""
    try:
        return parse(body.content, body.charset, found.policy.limits)
    except NotJson as error:
        return f"no JSON: {error}"


def _told(document: Document | str) -> str:
    return document if isinstance(document, str) else "JSON"


def _compare_duplicates(one: Document, other: Document, found: Findings) -> None:
    """Report names that stand in one object more often, or for other values, than on the other.

    The value of an object does not show them: it has the last one. But the colons of a text that
    are not in its value, as far as both sides are not equal, do: only then, or where nothing else
    differs, is it worth reading both texts again.
    """
    left, right = one.duplicates(), other.duplicates()
    for name in sorted(left.keys() | right.keys()):
        hidden, new_hidden = left.get(name, []), right.get(name, [])
        if hidden == new_hidden:
            continue
        path = member("$.", name)
        if len(hidden) != len(new_hidden):
            was, now = (f"{len(values)} times too many" for values in (hidden, new_hidden))
        else:
            node = found.policy.root.member(name)
            pairs = zip(hidden, new_hidden, strict=True)
            first = next((old, young) for old, young in pairs if old != young)
            was, now = (f"{shown(value, node)}, then another" for value in first)
        found.record(
            *(path, path, Kind.BODY, Severity.MAJOR, was, now, "duplicate_key"),
            "a name stands more than once in one object; readers take the first or the last",
            redacted=found.policy.root.member(name).redacted or is_secret_place(path),
        )


def _compare_encodings(one: Document, other: Document, found: Findings) -> None:
    """Report another charset than UTF-8: few readers of JSON look for what a header says of it."""
    if one.is_utf8 is not other.is_utf8:
        was, now = ("UTF-8" if each.is_utf8 else "no UTF-8" for each in (one, other))
        found.record(
            *("$", "$", Kind.BODY, Severity.MAJOR, was, now, "encoding"),
            "JSON is UTF-8 whatever its header says (RFC 8259, 8.1)",
            redacted=False,
        )


def _compare_constants(one: Document, other: Document, found: Findings) -> None:
    left, right = one.constants, other.constants
    if bool(left) != bool(right):
        found.record(
            *("$", "$", Kind.BODY, Severity.CRITICAL),
            *(f"{left} times NaN or Infinity", f"{right} times NaN or Infinity", "not_a_number"),
            "NaN and Infinity are no JSON: most readers refuse the whole body",
            redacted=False,
        )
