"""Exemplars: a pair made fit for the disk, and what is on the disk made fit to be compared again.

Codings are undone before secrets are looked for, and what cannot be undone is not kept.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from proxy.compare.comparison import Comparison, Difference
from proxy.compare.decode import decoded
from proxy.compare.policy import CompiledPolicy
from proxy.compare.reader import Incomparable
from proxy.compare.redaction import REDACTED, redacted_body, redacted_headers, redacted_target
from proxy.evidence.exemplar import Exemplar, KeptAnswer, KeptDifference
from proxy.exchange import Answer, AskedRequest, Exchange
from proxy.observer.settling import Pair
from proxy.stages import Side

# Of one body. Bytes; what is longer is cut, and such a pair is not compared again.
KEPT_BODY: Final = 256 * 1024
# Bytes that are looked through where the observer's loop waits for it: at some 4 KiB per
# millisecond. And what a content coding may hide.
_LIGHT: Final = 6 * 1024
_CODED: Final = 8
# Of one pair.
_KEPT_DIFFERENCES: Final = 100
# Fields that told of the body as it came; it is kept as it is meant.
_FRAMING: Final = frozenset({"content-encoding", "content-length", "transfer-encoding"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Keeping:
    """A pair that is to be kept, for whoever has the time to take the secrets out."""

    id: str
    pair: Pair
    found: Comparison | None
    policy: CompiledPolicy
    trace_id: str = ""
    replay_of: str = ""

    @property
    def size(self) -> int:
        """Bytes to look through."""
        answers = (self.pair.primary.answer, self.pair.shadow.answer)
        return len(self.pair.asked.body) + sum(len(a.body) for a in answers if a is not None)

    @property
    def is_light(self) -> bool:
        """Whether it takes a millisecond or two."""
        pair, weight = self.pair, 0
        for message in (pair.asked, pair.primary.answer, pair.shadow.answer):
            if message is None:
                continue
            size = len(message.body)
            if message.header(b"content-encoding") is not None:
                size *= _CODED
            weight += size
        return weight <= _LIGHT

    def run(self) -> Exemplar:
        """Take the secrets out."""
        return exemplar_of(self)


def exemplar_of(keeping: Keeping) -> Exemplar:
    """The pair as it may be written down."""
    pair, policy, found = keeping.pair, keeping.policy, keeping.found
    asked = pair.asked
    target, from_target = redacted_target(asked.target, policy)
    headers, from_headers = redacted_headers(asked.headers, policy)
    body, from_body = _body(asked.body, asked, policy)
    differences = () if found is None else found.differences[:_KEPT_DIFFERENCES]
    return Exemplar(
        id=keeping.id,
        method=asked.method,
        target=target,
        request_headers=headers,
        request_body=body[:KEPT_BODY],
        legacy=_kept(pair.of(Side.LEGACY), policy),
        new=_kept(pair.of(Side.NEW), policy),
        differences=tuple(_difference(each, found) for each in differences),
        more=0 if found is None else found.more + len(found.differences) - len(differences),
        redacted=tuple(dict.fromkeys((*from_target, *from_headers, *from_body))),
        trace_id=keeping.trace_id,
        replay_of=keeping.replay_of,
    )


def _kept(exchange: Exchange, policy: CompiledPolicy) -> KeptAnswer:
    answer = exchange.answer
    if answer is None:
        return KeptAnswer(
            upstream=exchange.upstream, status=0, error=exchange.error, seconds=exchange.elapsed
        )
    headers, _ = redacted_headers(answer.headers, policy)
    body, _ = _body(answer.body, answer, policy)
    return KeptAnswer(
        upstream=exchange.upstream,
        status=answer.status,
        headers=headers,
        body=body[:KEPT_BODY],
        cut=len(body) > KEPT_BODY or (not body and bool(answer.body)),
        seconds=exchange.elapsed,
    )


def _body(
    body: bytes, message: Answer | AskedRequest, policy: CompiledPolicy
) -> tuple[bytes, tuple[str, ...]]:
    if not body:
        return b"", ()
    coding = message.header(b"content-encoding") or b""
    try:
        content = decoded(body, coding, policy.limits)
    except Incomparable:
        return b"", ("body",)
    return redacted_body(content, message.header(b"content-type") or b"", policy)


def _difference(each: Difference, found: Comparison | None) -> KeptDifference:
    causes = () if found is None else found.causes
    fingerprint = next(
        (c.fingerprint for c in causes if each.path in c.paths and c.cause == each.cause), ""
    )
    return KeptDifference(
        path=each.path,
        at=each.at,
        kind=each.kind.value,
        severity=each.severity.value,
        legacy=each.legacy,
        new=each.new,
        cause=each.cause,
        fingerprint=fingerprint,
    )


# And back.


def answer_of(kept: KeptAnswer) -> Answer | None:
    """A kept answer as it can be compared again; None when it is not whole."""
    if not kept.status or kept.cut:
        return None
    return Answer(
        status=kept.status,
        headers=tuple(
            (name.encode("latin-1", "replace"), value.encode("latin-1", "replace"))
            for name, value in kept.headers
            if name.lower() not in _FRAMING
        ),
        body=kept.body,
    )


def request_of(exemplar: Exemplar) -> AskedRequest | None:
    """The request of an exemplar; what was redacted is left out. None when that is its path."""
    path, mark, query = exemplar.target.partition("?")
    if REDACTED in path:
        return None
    kept = "&".join(part for part in query.split("&") if REDACTED not in part)
    target = path + (mark + kept if kept or not query else "")
    gone = {name.lower() for name in exemplar.redacted}
    return AskedRequest(
        method=exemplar.method,
        target=target.encode("latin-1", "replace"),
        headers=tuple(
            (name.encode("latin-1", "replace"), value.encode("latin-1", "replace"))
            for name, value in exemplar.request_headers
            if name.lower() not in gone
        ),
        body=exemplar.request_body,
    )
