"""The shadow request: what of a client's request the other side gets to see, as bytes. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from proxy.evidence.outcome import Outcome
from proxy.exchange import AskedRequest, Header
from proxy.headers import HOP_BY_HOP, NEVER_FORWARDED, SAFE_METHODS
from proxy.routing.facts import PlainFacts, cookie_values
from proxy.routing.rewrite import upstream_target
from proxy.routing.route import Route
from proxy.routing.unsafe_get import compile_unsafe_get
from proxy.shadow_policy import SessionUse, WriteMode
from proxy.stages import Side

SHADOW_MARK: Final = b"X-Figway-Shadow: 1\r\n"
DRY_RUN_MARK: Final = b"X-Figway-Dry-Run: 1\r\n"

# The validators are one side's: sent to the other they would make 200 of a 304 and back.
_VALIDATORS: Final = frozenset(
    {
        *(b"if-match", b"if-none-match", b"if-modified-since"),
        *(b"if-unmodified-since", b"if-range"),
    }
)
_REFRAMED: Final = frozenset({b"content-length", b"expect"})
_OURS: Final = frozenset({b"x-figway-shadow", b"x-figway-dry-run"})
_LEFT_OUT: Final = HOP_BY_HOP | NEVER_FORWARDED | _VALIDATORS | _REFRAMED | _OURS
_TRACEPARENT: Final = re.compile(rb"([0-9a-f]{2}-[0-9a-f]{32}-)[0-9a-f]{16}(-.*)")
# Methods whose requests have a Content-Length even without content (RFC 9110, 8.6).
_WITH_CONTENT: Final = frozenset({"POST", "PUT", "PATCH"})


@dataclass(frozen=True, slots=True, kw_only=True)
class ShadowRequest:
    """A request ready to be written: head and body. `upstream` is the name of who gets it."""

    method: str
    upstream: str
    side: Side
    head: bytes
    body: bytes

    @property
    def is_safe(self) -> bool:
        """Whether it may be sent twice."""
        return self.method in SAFE_METHODS


@dataclass(frozen=True, slots=True, kw_only=True)
class NotSent:
    """Nothing is sent, and this is how the exchange ends. `recorded`: it is kept as an exemplar."""

    outcome: Outcome
    detail: str
    recorded: bool = False


def shadow_request(
    asked: AskedRequest, route: Route, *, side: Side, legacy: str, span_id: bytes
) -> ShadowRequest | NotSent:
    """What the shadow gets. `legacy` is the legacy upstream's name, `span_id` 16 hex digits."""
    policy = route.shadow
    upstream = legacy if side is Side.LEGACY else route.new
    marks = SHADOW_MARK
    if asked.method not in SAFE_METHODS:
        match policy.writes:
            case WriteMode.RECORD:
                return NotSent(outcome=Outcome.INCOMPARABLE, detail="recorded", recorded=True)
            case WriteMode.NEVER:
                return NotSent(outcome=Outcome.INCOMPARABLE, detail="write")
            case WriteMode.DRY_RUN:
                marks += DRY_RUN_MARK
            case WriteMode.SANDBOX:
                upstream = policy.sandbox
        if side is Side.LEGACY:
            # Only the new side has promised to change nothing, and the sandbox is a new side.
            return NotSent(outcome=Outcome.INCOMPARABLE, detail="write")
    headers = asked.headers
    if side is Side.LEGACY and _has_session(asked, policy.session_cookies):
        match policy.sessions:
            case SessionUse.SKIP:
                return NotSent(outcome=Outcome.INCOMPARABLE, detail="session")
            case SessionUse.DROP:
                headers = without_cookies(headers, policy.session_cookies)
            case SessionUse.KEEP:
                pass
    try:
        target = _target(asked, route) if side is Side.NEW else asked.target
    except LookupError:
        return NotSent(outcome=Outcome.INCOMPARABLE, detail="rewrite")
    return ShadowRequest(
        method=asked.method,
        upstream=upstream,
        side=side,
        head=_head(asked, target, headers, marks, span_id),
        body=asked.body,
    )


def reprobe_request(
    asked: AskedRequest, route: Route, *, legacy: str, span_id: bytes
) -> ShadowRequest | None:
    """What legacy gets when it is asked once more; None when it may not be."""
    policy = route.shadow
    if asked.method not in SAFE_METHODS:
        return None
    headers = asked.headers
    if _has_session(asked, policy.session_cookies):
        match policy.aa.sessions:
            case SessionUse.SKIP:
                return None
            case SessionUse.DROP:
                headers = without_cookies(headers, policy.session_cookies)
            case SessionUse.KEEP:
                pass
    return ShadowRequest(
        method=asked.method,
        upstream=legacy,
        side=Side.LEGACY,
        head=_head(asked, asked.target, headers, SHADOW_MARK, span_id),
        body=asked.body,
    )


def replay_request(
    asked: AskedRequest, route: Route, *, side: Side, upstream: str, span_id: bytes
) -> ShadowRequest | None:
    """What one side gets when a stored request is asked again; None when it might change things."""
    if asked.method not in SAFE_METHODS:
        return None
    unsafe = compile_unsafe_get(route.shadow.unsafe_get)
    path, _, query = asked.target.decode("latin-1").partition("?")
    if unsafe is not None and unsafe(path, query):
        return None
    try:
        target = _target(asked, route) if side is Side.NEW else asked.target
    except LookupError:
        return None
    return ShadowRequest(
        method=asked.method,
        upstream=upstream,
        side=side,
        head=_head(asked, target, asked.headers, SHADOW_MARK, span_id),
        body=asked.body,
    )


def session_of(asked: AskedRequest, names: tuple[str, ...]) -> str:
    """The session cookies' values in one; empty without any."""
    cookies = (asked.header(b"cookie") or b"").decode("latin-1")
    return "\x00".join(value for name in names for value in cookie_values(cookies, name))


def _has_session(asked: AskedRequest, names: tuple[str, ...]) -> bool:
    return bool(session_of(asked, names))


def without_cookies(headers: tuple[Header, ...], names: tuple[str, ...]) -> tuple[Header, ...]:
    """The fields with these cookies taken out; a Cookie field that holds nothing else goes too."""
    dropped = {name.encode("latin-1", "replace") for name in names}
    kept: list[Header] = []
    for name, value in headers:
        if name.lower() != b"cookie":
            kept.append((name, value))
            continue
        pairs = [
            pair
            for piece in value.split(b";")
            if (pair := piece.strip(b" \t")) and pair.partition(b"=")[0].rstrip() not in dropped
        ]
        if pairs:
            kept.append((name, b"; ".join(pairs)))
    return tuple(kept)


def _target(asked: AskedRequest, route: Route) -> bytes:
    if route.rewrite is None:
        return asked.target
    path, mark, query = asked.target.decode("latin-1").partition("?")
    facts = PlainFacts(method=asked.method, host="", path=path, query=query, has_query=bool(mark))
    return upstream_target(route, facts).encode("latin-1")


def _head(
    asked: AskedRequest, target: bytes, headers: tuple[Header, ...], marks: bytes, span_id: bytes
) -> bytes:
    lines = [b"%b %b HTTP/1.1\r\n" % (asked.method.encode("ascii"), target)]
    baggage: list[bytes] = []
    has_length = False
    for name, value in headers:
        lower = name.lower()
        if lower == b"baggage":
            baggage.append(value)
        elif lower == b"traceparent":
            lines.append(b"traceparent: %b\r\n" % _another_span(value, span_id))
        elif lower not in _LEFT_OUT:
            lines.append(b"%b: %b\r\n" % (name, value))
        has_length = has_length or lower == b"content-length"
    lines.append(b"baggage: %b\r\n" % _merged(baggage))
    if asked.body or has_length or asked.method in _WITH_CONTENT:
        lines.append(b"Content-Length: %d\r\n" % len(asked.body))
    lines += (marks, b"\r\n")
    return b"".join(lines)


def _another_span(value: bytes, span_id: bytes) -> bytes:
    """The same trace, another span (W3C Trace Context, 3.2.2)."""
    known = _TRACEPARENT.fullmatch(value)
    return value if known is None else known[1] + span_id + known[2]


def _merged(baggage: list[bytes]) -> bytes:
    """What the client's baggage says, and `shadow=1` (W3C Baggage, 3.3.1)."""
    members = [
        member
        for value in baggage
        for piece in value.split(b",")
        if (member := piece.strip(b" \t")) and member.partition(b"=")[0].rstrip(b" \t") != b"shadow"
    ]
    return b",".join((*members, b"shadow=1"))
