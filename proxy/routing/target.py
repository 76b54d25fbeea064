"""Reading a request target once: the path as routes see it, and what a query parameter says.

What cannot be read unambiguously has no reading at all: `matching_view` returns None, a `Reading`
is not `clear`. The caller leaves such a request on legacy. Nothing here changes what is forwarded:
an upstream gets the client's own bytes.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import quote, unquote_to_bytes

# Paths that nobody reads in two ways: no escapes, no empty, `.` or `..` segment, nothing beyond the
# characters RFC 3986 (3.3) allows in a segment, and no `;`. Most requests end here.
_PLAIN = re.compile(
    r"(?:/(?:[A-Za-z0-9_~-]|\.[A-Za-z0-9_~-])[A-Za-z0-9._~!$&'()*+,=:@-]*)*/?"
).fullmatch

_ESCAPE = re.compile(r"%([0-9A-Fa-f]{2})")
_BROKEN_ESCAPE = re.compile(r"%(?![0-9A-Fa-f]{2})")
_ENCODED_TWICE = re.compile(r"%25[0-9A-Fa-f]{2}")
_OUTSIDE_VISIBLE_ASCII = re.compile(r"[^!-~]")
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")
_DOT_SEGMENT = re.compile(r"/\.{1,2}(?:/|$)")

# RFC 3986, 2.3.
_UNRESERVED = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~")
# What may stand in a segment as it is (RFC 3986, 3.3), without `;`.
_SEGMENT_SAFE = "-._~!$&'()*+,=:@"

# PHP stops reading parameters after max_input_vars, whose default this is; others read on.
_PHP_MAX_INPUT_VARS = 1000


def split_target(target: str) -> tuple[str, str, bool]:
    """Split an origin-form target into path, query and whether there is a `?` at all."""
    path, mark, query = target.partition("?")
    return path, query, mark == "?"


def matching_view(path: str) -> str | None:
    """The path as routes match it, or None when it can be read in more than one way.

    Escapes of unreserved characters are decoded and the hex digits of all others are upper case
    (RFC 3986, 6.2.2); nothing else is touched, so `/a%2Cb` and `/a,b` stay two paths.
    """
    if path and _PLAIN(path):
        return path
    view, _ = _read(path)
    return view


def ambiguity(path: str) -> str:
    """Why `matching_view` refuses this path, as a sentence for people; empty when it does not."""
    _, why = _read(path)
    return why


def _read(path: str) -> tuple[str | None, str]:
    if not path.startswith("/"):
        return None, "it does not start with /"
    if _OUTSIDE_VISIBLE_ASCII.search(path):
        return None, "it holds a space, a control character or a byte beyond ASCII, not encoded"
    if "\\" in path:
        return None, "it holds a backslash, which some servers read as /"
    if ";" in path:
        return None, "it holds a ;, which some servers read as the start of parameters"
    if "#" in path:
        return None, "it holds a #"
    view = path
    if "%" in path:
        if _BROKEN_ESCAPE.search(path):
            return None, "it holds a % that is not followed by two hex digits"
        try:
            decoded = unquote_to_bytes(path).decode("utf-8")
        except UnicodeDecodeError:
            return None, "its escapes are not valid UTF-8 (overlong forms are not)"
        if _CONTROL.search(decoded):
            return None, "it holds an encoded control character"
        view = _ESCAPE.sub(_normal_escape, path)
        if "%2F" in view or "%5C" in view:
            return None, "it holds an encoded slash or backslash"
        if _ENCODED_TWICE.search(view):
            return None, "it is encoded twice: servers that decode once or twice disagree"
    if "//" in view:
        return None, "it holds //, which some servers read as /"
    if _DOT_SEGMENT.search(view):
        return None, "it holds a . or .. segment"
    return view, ""


def _normal_escape(escape: re.Match[str]) -> str:
    character = chr(int(escape[1], 16))
    return character if character in _UNRESERVED else escape[0].upper()


def literal_view(literal: str) -> str:
    """A path of routes.yaml as it looks in `matching_view`: `/straße` is `/stra%C3%9Fe`.

    Returns the text unchanged where no request can look like it; `ambiguity` then says why.
    """
    encoded = quote(literal, safe=_SEGMENT_SAFE + '/%;\\#"<>[]^`{|}')
    return matching_view(encoded) or literal


def encode_segment(value: str) -> str:
    """A value as a piece of one path segment, everything but RFC 3986's unreserved set encoded."""
    return quote(value, safe="")


@dataclass(frozen=True, slots=True)
class Reading:
    """Everything that readers of a query may see under one name. None stands for absent.

    Clear means that all of them see the same.
    """

    values: tuple[str | None, ...]
    # Some reader sees something that is no plain text: a PHP array, a value that is not UTF-8.
    unreadable: bool = False

    @property
    def clear(self) -> bool:
        """All readers see the same, be it a value or nothing."""
        return not self.unreadable and len(self.values) == 1

    @property
    def value(self) -> str | None:
        """The one value all readers see; None when it is absent or not clear."""
        return self.values[0] if self.clear else None


ABSENT = Reading((None,))


def read_query(query: str, name: str) -> Reading:
    """What `name` is in this query, for every reader we know of.

    Readers differ in which of two equal names wins and in whether `;` separates. PHP's parse_str
    also strips leading spaces from names, cuts them at NUL, turns `.`, space and an unclosed `[`
    into `_`, makes arrays of `name[]`, and stops after 1,000 parameters.
    """
    if not query or (name not in query and "%" not in query and name.isalnum()):
        return ABSENT
    values, unreadable = _read_pairs(query.split("&"), name)
    if ";" in query:
        # Until 2021 W3C and many libraries recommended `;` as a second separator.
        other_values, other_unreadable = _read_pairs(re.split("[&;]", query), name)
        values = tuple(dict.fromkeys(values + other_values))
        unreadable = unreadable or other_unreadable
    return Reading(values, unreadable)


def _read_pairs(pairs: list[str], name: str) -> tuple[tuple[str | None, ...], bool]:
    found: dict[str | None, None] = {}
    unreadable = False
    for pair in pairs:
        key, _, value = pair.partition("=")
        if key != name:
            if key.isalnum():
                continue
            decoded = _form_decode(key)
            if decoded != name:
                unreadable = unreadable or _php_reads_it_as(decoded, name)
                continue
        decoded = _form_decode(value)
        if _BROKEN_ESCAPE.search(value) or not decoded.isprintable():
            # Kept, dropped, replaced or refused: no two languages agree on a broken escape, a
            # control character or a byte that is not UTF-8 (here a lone surrogate, not printable).
            unreadable = True
        else:
            found[decoded] = None
    if found and len(pairs) > _PHP_MAX_INPUT_VARS:
        unreadable = True
    return tuple(found) or (None,), unreadable


def _form_decode(text: str) -> str:
    if "%" not in text and "+" not in text:
        return text
    return unquote_to_bytes(text.replace("+", " ")).decode("utf-8", "surrogateescape")


def _php_reads_it_as(key: str, name: str) -> bool:
    """Whether PHP files a parameter whose decoded key is not `name` under `name` nevertheless."""
    php_key = key.lstrip(" ").partition("\0")[0]
    php_name = _mangle(name)
    base, bracket, _ = php_key.partition("[")
    if bracket and _mangle(base) == php_name:
        return True
    return _mangle(php_key) == php_name


def _mangle(name: str) -> str:
    return name.replace(".", "_").replace(" ", "_").replace("[", "_")
