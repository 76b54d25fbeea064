"""Settling: what an exchange came to, in the values of the evidence. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import sha256
from typing import Final

from proxy.compare.comparison import Cause, Comparison, Result
from proxy.compare_policy import Severity
from proxy.evidence.coverage import path_template, signature
from proxy.evidence.epoch import Epoch
from proxy.evidence.exemplar import Exemplar
from proxy.evidence.judge import ComparisonFacts, Found, Judgement
from proxy.evidence.outcome import FAILED, Outcome
from proxy.evidence.proposal import PairShape, shape_of_pair
from proxy.evidence.repeats import request_key
from proxy.evidence.settled import CauseSeen, Settled, Triple
from proxy.exchange import AskedRequest, Exchange
from proxy.observer.shadow_request import session_of
from proxy.routing.route import PathKind, Route
from proxy.stages import Side

_WORST_FIRST: Final = tuple(Severity)
_FOUND: Final = {result: Found(result.value) for result in Result}
# Where a side that gave no answer is told of.
NO_ANSWER: Final = "answer"


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """Both exchanges of one request. `asked` is the client's request as the primary got it."""

    asked: AskedRequest
    primary: Exchange
    shadow: Exchange

    def of(self, side: Side) -> Exchange:
        """The exchange with this side."""
        return self.primary if self.primary.side is side else self.shadow

    @property
    def skew(self) -> float:
        """From asking the first to asking the second. Seconds."""
        return abs(self.shadow.asked_at - self.primary.asked_at)


def facts_of(pair: Pair, found: Comparison) -> ComparisonFacts:
    """What the judge needs to know of a comparison."""
    legacy, new = pair.of(Side.LEGACY).answer, pair.of(Side.NEW).answer
    return ComparisonFacts(
        found=_FOUND[found.result],
        differing=differing(found),
        reason=found.incomparable,
        shapes=_shapes(found),
        legacy_defect=bool(found.legacy_defects),
        legacy_status=0 if legacy is None else legacy.status,
        new_status=0 if new is None else new.status,
    )


def differing(found: Comparison) -> tuple[tuple[str, Severity], ...]:
    """Every path pattern that differs and counts, at its worst severity there."""
    worst: dict[str, Severity] = {}
    for cause in found.causes:
        for path in cause.paths:
            known = worst.get(path)
            if known is None or _WORST_FIRST.index(cause.severity) < _WORST_FIRST.index(known):
                worst[path] = cause.severity
    if len(found.differing_paths) > len(worst):
        # A cause names so many of its paths and no more: the rest belong to those that have most.
        most = max((len(cause.paths) for cause in found.causes), default=0)
        rest = min(
            (cause.severity for cause in found.causes if len(cause.paths) == most),
            key=_WORST_FIRST.index,
            default=Severity.CRITICAL,
        )
        for path in found.differing_paths:
            worst.setdefault(path, rest)
    return tuple(worst.items())


def triple_of(
    *, sampled: bool, new: Comparison, again: Comparison, again_new: Comparison
) -> Triple:
    """What a re-probe showed. `again` compares legacy with itself, `again_new` it with the new."""
    return Triple(
        sampled=sampled,
        new=frozenset(new.differing_paths),
        again=frozenset(again.differing_paths),
        again_new=frozenset(again_new.differing_paths),
        shapes=_shapes(again),
    )


def _shapes(found: Comparison) -> tuple[tuple[str, PairShape], ...]:
    """What the two values at every differing path that is told look like."""
    return tuple(
        (each.path, shape_of_pair(each.kind.value, each.legacy, each.new))
        for each in found.differences
        if not each.expected
    )


def compared(
    pair: Pair,
    found: Comparison,
    judgement: Judgement,
    *,
    boot: str,
    route: Route,
    epoch: Epoch,
    at: float,
    id: str,
    triple: Triple | None,
    exemplar: Exemplar | None,
) -> Settled:
    """The end of an exchange whose two answers were compared."""
    legacy, new = pair.of(Side.LEGACY), pair.of(Side.NEW)
    return Settled(
        boot=boot,
        route=route.id,
        epoch=epoch,
        outcome=judgement.outcome,
        detail=judgement.detail,
        at=at,
        id=id,
        signature=_signature(pair, route, found.shape),
        request=_request_key(pair.asked, route),
        differences=judgement.differences,
        causes=tuple(map(_seen, found.causes)),
        triple=triple,
        rules_used=tuple((use.rule, use.path, use.count) for use in found.rules_used),
        legacy_defects=tuple((each.level, each.message) for each in found.legacy_defects),
        legacy_status=0 if legacy.answer is None else legacy.answer.status,
        new_status=0 if new.answer is None else new.answer.status,
        legacy_seconds=legacy.elapsed,
        new_seconds=new.elapsed,
        skew_seconds=pair.skew,
        exemplar=exemplar,
    )


def unanswered(
    pair: Pair,
    outcome: Outcome,
    *,
    boot: str,
    route: Route,
    epoch: Epoch,
    at: float,
    id: str,
    exemplar: Exemplar | None,
) -> Settled:
    """The end of an exchange to which the shadow gave no answer: a failure, or too large a one."""
    primary = pair.primary
    seconds = {primary.side: primary.elapsed}
    status = {primary.side: 0 if primary.answer is None else primary.answer.status}
    return Settled(
        boot=boot,
        route=route.id,
        epoch=epoch,
        outcome=outcome,
        detail=pair.shadow.error,
        at=at,
        id=id,
        signature=_signature(pair, route, ""),
        request=_request_key(pair.asked, route),
        causes=(_no_answer(pair.shadow, outcome),) if outcome in FAILED else (),
        legacy_status=status.get(Side.LEGACY, 0),
        new_status=status.get(Side.NEW, 0),
        legacy_seconds=seconds.get(Side.LEGACY),
        new_seconds=seconds.get(Side.NEW),
        skew_seconds=pair.skew,
        exemplar=exemplar,
    )


def _seen(cause: Cause) -> CauseSeen:
    example = cause.example
    return CauseSeen(
        fingerprint=cause.fingerprint,
        cause=cause.cause,
        explanation=cause.explanation,
        severity=cause.severity,
        paths=cause.paths,
        count=cause.count,
        example=f"{example.at}: legacy {_shown(example.legacy)}, new {_shown(example.new)}",
    )


def _shown(value: str | None) -> str:
    return "nothing" if value is None else value


def _no_answer(shadow: Exchange, outcome: Outcome) -> CauseSeen:
    """A side that does not answer is a cause like any other: it makes one ticket."""
    cause = f"{outcome.value}:{shadow.error}"
    return CauseSeen(
        fingerprint=sha256(f"{shadow.side.value}:{cause}".encode()).hexdigest()[:16],
        cause=cause,
        explanation=f"the {shadow.side.value} side ({shadow.upstream}) gave no answer:"
        f" {shadow.error.replace('_', ' ')}",
        severity=Severity.CRITICAL,
        paths=(NO_ANSWER,),
        count=1,
        example=f"no answer after {shadow.elapsed:.3f} s",
    )


def _signature(pair: Pair, route: Route, shape: str) -> str:
    path, _, query = pair.asked.target.decode("latin-1").partition("?")
    answer = pair.primary.answer
    known = route.match.path
    return signature(
        template=known.value if known.kind is PathKind.TEMPLATE else path_template(path),
        query_keys=[part.partition("=")[0] for part in query.split("&") if part],
        status=0 if answer is None else answer.status,
        content_type=""
        if answer is None
        else (answer.header(b"content-type") or b"").decode("latin-1"),
        signed_in=bool(session_of(pair.asked, route.shadow.session_cookies))
        or pair.asked.header(b"authorization") is not None,
        shape=shape,
    )


def _request_key(asked: AskedRequest, route: Route) -> str:
    return request_key(
        method=asked.method,
        target=asked.target,
        body=asked.body,
        client=session_of(asked, route.shadow.session_cookies),
    )
