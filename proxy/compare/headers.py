"""Header fields compared: which count, what each of them means, and how bad a difference is.

Fields that the policy names are compared by meaning: media types with parameters, sets of words,
directives, addresses, cookies by structure. What says nothing about the answer (Date, Server) is
left out even where a wildcard covers it; a name written out in the policy is always obeyed.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum, auto
from functools import lru_cache

from proxy.compare.comparison import Kind
from proxy.compare.findings import Findings
from proxy.compare.header_values import (
    Parameters,
    address,
    challenges,
    directives,
    items,
    parameters,
    security_policies,
    semicolon_parts,
    words,
)
from proxy.compare.set_cookie import compare_cookies, moment
from proxy.compare_policy import HeaderPolicy, Severity
from proxy.exchange import Answer, Header
from proxy.headers import HOP_BY_HOP

# They differ between any two answers and say nothing of what was answered. Content-Length follows
# from the body, which is compared.
_SAYS_NOTHING = HOP_BY_HOP | {
    *(b"date", b"server", b"x-powered-by", b"content-length", b"age", b"via", b"warning"),
    *(b"alt-svc", b"nel", b"report-to", b"server-timing", b"x-runtime", b"x-response-time"),
    *(b"x-generator", b"x-served-by", b"x-cache", b"x-cache-hits", b"x-timer", b"cf-ray"),
}
# New in every answer: that they are there counts, their value does not.
_IDS = frozenset(
    {
        *(b"x-request-id", b"request-id", b"x-correlation-id", b"correlation-id", b"x-trace-id"),
        *(b"traceparent", b"tracestate", b"traceresponse", b"x-b3-traceid", b"x-b3-spanid"),
        *(b"x-b3-sampled", b"x-b3-parentspanid", b"x-amzn-trace-id", b"x-amz-request-id"),
        *(b"x-cloud-trace-context", b"x-datadog-trace-id", b"uber-trace-id", b"x-debug-token"),
        *(b"x-debug-token-link", b"sentry-trace", b"x-transaction-id", b"x-vcap-request-id"),
    }
)
_CRITICAL = frozenset({b"location", b"refresh", b"www-authenticate", b"set-cookie"})
# One that only the new side sends hides pages from search engines, blocks what they load, or is
# remembered by browsers for months.
_WEIGHTY_EXTRAS = frozenset(
    {b"x-robots-tag", b"content-security-policy", b"strict-transport-security"}
)
_MINOR = frozenset({b"content-encoding", b"content-language"})
# Their content is a list of names whose order and case say nothing.
_WORDS = frozenset(
    {b"vary", b"access-control-allow-headers", b"access-control-expose-headers", b"allow"}
    | {b"access-control-allow-methods", b"content-language", b"content-encoding", b"x-robots-tag"}
)
_DIRECTIVES = frozenset({b"cache-control", b"pragma", b"surrogate-control", b"cdn-cache-control"})
_PARAMETRIC = frozenset({b"content-disposition", b"refresh", b"x-frame-options"})
# RFC 9239, 6: text/javascript; the other names are aliases.
_SAME_TYPE = {
    "application/javascript": "text/javascript",
    "application/x-javascript": "text/javascript",
    "text/json": "application/json",
}
_CHARSETS = {
    "utf8": "utf-8",
    "iso8859-1": "iso-8859-1",
    "latin1": "iso-8859-1",
    "cp1252": "windows-1252",
}
_REMEMBERED = 1024


class Mode(Enum):
    """What is compared of a field."""

    NOTHING = auto()
    PRESENCE = auto()
    VALUE = auto()


class _Modes:
    """What a policy says of each name; names are looked up once."""

    __slots__ = ("_known", "_policy")

    def __init__(self, policy: HeaderPolicy) -> None:
        self._policy = policy
        self._known: dict[bytes, tuple[bytes, Mode]] = {}

    def of(self, name: bytes) -> tuple[bytes, Mode]:
        """The name in lower case, and what is compared of it."""
        known = self._known.get(name)
        if known is None:
            lower = name.lower()
            known = lower, self._decide(lower)
            if len(self._known) < _REMEMBERED:
                self._known[name] = known
        return known

    def _decide(self, name: bytes) -> Mode:
        text = name.decode("latin-1")
        if name in HOP_BY_HOP:
            return Mode.NOTHING
        if text in self._policy.presence:
            return Mode.PRESENCE
        if text in self._policy.compare:
            return Mode.VALUE
        if name in _SAYS_NOTHING:
            return Mode.NOTHING
        if _covered(text, self._policy.presence):
            return Mode.PRESENCE
        if _covered(text, self._policy.compare):
            return Mode.PRESENCE if name in _IDS else Mode.VALUE
        # A coding that one side leaves out is told, if mildly, whatever the policy lists.
        return Mode.VALUE if name == b"content-encoding" else Mode.NOTHING


def _covered(name: str, patterns: tuple[str, ...]) -> bool:
    return any(p.endswith("*") and name.startswith(p[:-1].lower()) for p in patterns)


@lru_cache(maxsize=256)
def _modes(policy: HeaderPolicy) -> _Modes:
    return _Modes(policy)


def compare_headers(legacy: Answer, new: Answer, found: Findings, *, host: str = "") -> None:
    """Report how the fields of two answers differ.

    `host` is the Host both were asked with: a Location with that host and one without are equal.
    """
    if legacy.headers == new.headers:
        return
    modes = _modes(found.policy.headers)
    one, other = _fields(legacy.headers, modes), _fields(new.headers, modes)
    if one == other:
        return
    for name in (*one, *(name for name in other if name not in one)):
        was, now = one.get(name, []), other.get(name, [])
        if was == now:
            continue
        path = f"header:{name.decode('latin-1')}"
        if found.ignores(path):
            found.text(path, path, "\n".join(was), "\n".join(now))
        elif name == b"set-cookie":
            compare_cookies(was, now, found, dates=(_date(legacy), _date(new)))
        elif not was:
            found.extra(path, path, ", ".join(now), severity=_of_extra(name))
        elif not now:
            found.missing(path, path, ", ".join(was), severity=_of_missing(name, modes))
        elif modes.of(name)[1] is Mode.VALUE:
            _compare_value(name, path, ", ".join(was), ", ".join(now), found, host)


def _fields(headers: tuple[Header, ...], modes: _Modes) -> dict[bytes, list[str]]:
    """The fields that count, several lines of one name in their order."""
    fields: dict[bytes, list[str]] = {}
    for raw_name, value in headers:
        name, mode = modes.of(raw_name)
        if mode is not Mode.NOTHING:
            fields.setdefault(name, []).append(value.decode("utf-8", "surrogateescape").strip())
    return fields


def _date(answer: Answer) -> float | None:
    value = answer.header(b"date")
    return None if value is None else moment(value.decode("latin-1"))


def _of_missing(name: bytes, modes: _Modes) -> Severity:
    if modes.of(name)[1] is Mode.PRESENCE or name in _MINOR:
        return Severity.MINOR
    return Severity.CRITICAL if name in _CRITICAL or name == b"content-type" else Severity.MAJOR


def _of_extra(name: bytes) -> Severity:
    if name in _CRITICAL:
        return Severity.CRITICAL
    return Severity.MAJOR if name in _WEIGHTY_EXTRAS else Severity.MINOR


def _compare_value(name: bytes, path: str, was: str, now: str, found: Findings, host: str) -> None:
    if name == b"content-type":
        verdict = _content_type(was, now)
    elif name == b"location":
        verdict = _location(was, now, host)
    else:
        verdict = _meaning(name, was, now)
    if verdict is None:
        found.used(f"header:{name.decode('latin-1')}", path)
    else:
        found.text(path, path, was, now, kind=Kind.HEADER, severity=verdict)


def _meaning(name: bytes, was: str, now: str) -> Severity | None:
    """How bad two values are; None where they mean the same."""
    severity = Severity.MAJOR
    if name in _CRITICAL:
        severity = Severity.CRITICAL
    elif name in _MINOR:
        severity = Severity.MINOR
    if _readings(name)(was) == _readings(name)(now):
        return None
    if name == b"vary" and words(was) ^ words(now) == {"accept-encoding"}:
        # It follows from compressing or not, which is minor itself.
        return Severity.MINOR
    return severity


def _readings(name: bytes) -> Callable[[str], object]:
    if name in _WORDS:
        return words
    if name in _DIRECTIVES:
        return directives
    if name == b"www-authenticate":
        return challenges
    if name in _PARAMETRIC:
        return parameters
    if name == b"link":
        return lambda value: frozenset(map(_spaces_apart, items(value)))
    if name == b"content-security-policy":
        return security_policies
    if name == b"strict-transport-security":
        return semicolon_parts
    return _spaces_apart


def _spaces_apart(value: str) -> str:
    return " ".join(value.replace(",", ", ").split())


def _content_type(was: str, now: str) -> Severity | None:
    one, other = parameters(was), parameters(now)
    if _SAME_TYPE.get(one.word, one.word) != _SAME_TYPE.get(other.word, other.word):
        return Severity.CRITICAL
    left, right = _said(one), _said(other)
    if left == right:
        return None
    if set(left) ^ set(right) == {"charset"}:
        # What has no charset is read as UTF-8 or by its meta element, and the text is compared.
        return Severity.MINOR
    return Severity.MAJOR


def _said(value: Parameters) -> dict[str, str]:
    named = {name: text for name, text in value.named.items() if name != "boundary"}
    charset = named.get("charset", "").lower()
    if charset:
        named["charset"] = _CHARSETS.get(charset, charset)
    # RFC 8259, 11: "No 'charset' parameter is defined for this registration."
    if value.word.endswith("json"):
        named.pop("charset", None)
    return named


def _location(was: str, now: str, host: str) -> Severity | None:
    one, other = address(was), address(now)
    if one is None or other is None:
        return Severity.CRITICAL
    if one == other:
        return None
    if one.path != other.path or one.fragment != other.fragment:
        return Severity.CRITICAL
    if one.query != other.query and one.parameters() != other.parameters():
        return Severity.CRITICAL
    if one.origin != other.origin:
        if one.origin and other.origin:
            return Severity.CRITICAL
        if not host:
            return Severity.MINOR
        given = one.origin or other.origin
        ours = address(f"{given.partition('//')[0]}//{host}")
        if ours is None or ours.origin != given:
            return Severity.CRITICAL
    # The same parameters in another order.
    return None if one.query == other.query else Severity.MINOR
