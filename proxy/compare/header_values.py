"""Values of header fields taken apart: parameters, words, directives, challenges, addresses."""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import SplitResult, parse_qsl, urlsplit

# RFC 9110, 5.6.2 and 5.6.4: a token, or a quoted string in which a backslash quotes one character.
_PARAMETER = re.compile(r';\s*([^\s=;,"]+)\s*(?:=\s*("(?:[^"\\]|\\.)*"?|[^;]*))?', re.DOTALL)
_ITEM = re.compile(r'(?:[^,"]|"(?:[^"\\]|\\.)*"?)+', re.DOTALL)
_ESCAPED = re.compile(r"\\(.)", re.DOTALL)
_CHALLENGE = re.compile(r"(?:^|,)\s*([A-Za-z][A-Za-z0-9_+.-]*)(?=\s+[^=\s,]|\s*(?:,|$))")
_NONCE = re.compile(r"'nonce-[^'\s]*'", re.IGNORECASE)
_REALM = re.compile(r'\brealm\s*=\s*("(?:[^"\\]|\\.)*"|[^\s,]+)', re.IGNORECASE | re.DOTALL)
_PERCENT = re.compile(r"%([0-9A-Fa-f]{2})")
# RFC 3986, 2.3: these mean the same escaped and plain.
_UNRESERVED = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~")
_DEFAULT_PORTS = {"http": 80, "https": 443}
_MAX_FIELDS = 1000


@dataclass(frozen=True, slots=True)
class Parameters:
    """A word with parameters: `text/html; charset=utf-8`. Names and the word are lower case."""

    word: str
    named: dict[str, str]


def parameters(value: str) -> Parameters:
    """Take apart `word; name=value; name="quoted"`; the first of two equal names counts."""
    end = value.find(";")
    word = value if end < 0 else value[:end]
    named: dict[str, str] = {}
    if end >= 0:
        for found in _PARAMETER.finditer(value, end):
            named.setdefault(found[1].lower(), unquoted(found[2] or ""))
    return Parameters(word.strip().lower(), named)


def unquoted(text: str) -> str:
    """A parameter's value without its quotes and escapes."""
    text = text.strip()
    if not text.startswith('"'):
        return text
    closed = len(text) > 1 and text.endswith('"')
    return _ESCAPED.sub(r"\1", text[1:-1] if closed else text[1:])


def items(value: str) -> list[str]:
    """The items of a comma-separated list (RFC 9110, 5.6.1); commas in quotes do not separate."""
    return [item.strip() for item in _ITEM.findall(value) if item.strip()]


def words(value: str) -> frozenset[str]:
    """A list of case-insensitive words as a set."""
    return frozenset(item.lower() for item in items(value))


def directives(value: str) -> dict[str, str]:
    """Directives as Cache-Control has them: `max-age=60, no-store`; the order says nothing."""
    named: dict[str, str] = {}
    for item in items(value):
        name, _, argument = item.partition("=")
        named.setdefault(name.strip().lower(), unquoted(argument))
    return named


def challenges(value: str) -> frozenset[tuple[str, str]]:
    """Schemes and realms of WWW-Authenticate. Nonces and the like are new in every answer."""
    found = list(_CHALLENGE.finditer(value))
    if not found:
        return frozenset({(value, "")})
    result = set()
    for challenge, following in zip(found, [*found[1:], None], strict=True):
        part = value[challenge.end() : following.start() if following else len(value)]
        realm = _REALM.search(part)
        result.add((challenge[1].lower(), unquoted(realm[1]) if realm else ""))
    return frozenset(result)


def semicolon_parts(value: str) -> frozenset[str]:
    """The parts of `max-age=60; includeSubDomains` (RFC 6797, 6.1): no order, case or quotes."""
    parts = (part.strip().lower().replace('"', "") for part in value.split(";"))
    return frozenset(part for part in parts if part)


def security_policies(value: str) -> frozenset[tuple[tuple[str, frozenset[str]], ...]]:
    """Policies of Content-Security-Policy; directives and sources in any order, nonces alike.

    CSP Level 3, 2.2: policies are apart by commas, and the first of two equal directives counts.
    """
    policies = set()
    for policy in _NONCE.sub("'nonce'", value).split(","):
        named: dict[str, frozenset[str]] = {}
        for directive in policy.split(";"):
            name, *sources = directive.split() or [""]
            if name:
                named.setdefault(name.lower(), frozenset(sources))
        if named:
            policies.add(tuple(sorted(named.items(), key=lambda item: item[0])))
    return frozenset(policies)


@dataclass(frozen=True, slots=True)
class Address:
    """A URL reference, spelled in one way. `origin` is "" where it has none (`/cart?a=1`)."""

    origin: str
    path: str
    query: str
    fragment: str

    def parameters(self) -> list[tuple[str, str]]:
        """The query, decoded, sorted."""
        try:
            return sorted(parse_qsl(self.query, keep_blank_values=True, max_num_fields=_MAX_FIELDS))
        except ValueError:
            return [(self.query, "")]


def address(value: str) -> Address | None:
    """A URL reference with one spelling for what means the same; None where it is none."""
    try:
        split = urlsplit(value.strip())
        origin = _origin(split)
    except ValueError:
        return None
    path = _one_spelling(split.path) or ("/" if origin else "")
    return Address(origin, path, _one_spelling(split.query), _one_spelling(split.fragment))


def _origin(split: SplitResult) -> str:
    if not split.netloc:
        return f"{split.scheme.lower()}:" if split.scheme else ""
    scheme, host, port = split.scheme.lower(), (split.hostname or "").lower(), split.port
    shown = "" if port is None or port == _DEFAULT_PORTS.get(scheme) else f":{port}"
    user = f"{split.username}@" if split.username else ""
    return f"{scheme + ':' if scheme else ''}//{user}{host}{shown}"


def _one_spelling(text: str) -> str:
    """Percent-escapes in capital letters, and none where none is needed (RFC 3986, 6.2.2)."""
    if "%" not in text:
        return text

    def spell(found: re.Match[str]) -> str:
        character = chr(int(found[1], 16))
        return character if character in _UNRESERVED else f"%{found[1].upper()}"

    return _PERCENT.sub(spell, text)
