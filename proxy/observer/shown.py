"""Exemplars and causes as people are shown them."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Mapping
from typing import Final

from proxy.compare.charset import is_faulty, text_of
from proxy.compare.comparison import Cause, Difference, Kind
from proxy.compare.media import looks_like_text, named, parameters
from proxy.compare.reader import Media
from proxy.compare.silence import silencing_rule
from proxy.compare_policy import Rule, Severity
from proxy.config.rule_draft import rule_as_written
from proxy.evidence.answers import ExemplarLine, ShownAnswer, ShownCause, ShownExemplar
from proxy.evidence.exemplar import KeptAnswer, KeptDifference, StoredExemplar
from proxy.evidence.report import CauseReport

# Bytes of a binary body that are shown, in hexadecimal, and how many of them on a line: two of
# these beside each other fit a terminal.
_HEX_BYTES: Final = 512
_HEX_LINE: Final = 8


def shown_exemplar(
    stored: StoredExemplar,
    known: Mapping[str, CauseReport],
    fresh: tuple[ShownCause, ...] = (),
) -> ShownExemplar:
    """One exemplar, whole. `known` are the causes of its route, `fresh` those of a replay."""
    exemplar = stored.exemplar
    body = _text(exemplar.request_body, _field(exemplar.request_headers, "content-type"))
    begin = _hex_begin(exemplar.legacy.body, exemplar.new.body)
    return ShownExemplar(
        id=exemplar.id,
        route=stored.route,
        epoch=stored.epoch_id,
        at=stored.at,
        outcome=stored.outcome,
        detail=stored.detail,
        method=exemplar.method,
        target=exemplar.target,
        request_headers=exemplar.request_headers,
        request_body=exemplar.request_body[:_HEX_BYTES].hex(" ", -2) if body is None else body,
        redacted=exemplar.redacted,
        trace_id=exemplar.trace_id,
        replay_of=exemplar.replay_of,
        legacy=_answer(exemplar.legacy, begin),
        new=_answer(exemplar.new, begin),
        differences=exemplar.differences,
        more=exemplar.more,
        causes=fresh or tuple(_causes(_fingerprints(stored), exemplar.differences, known)),
    )


def exemplar_line(stored: StoredExemplar) -> ExemplarLine:
    """One exemplar in a list."""
    exemplar = stored.exemplar
    return ExemplarLine(
        id=exemplar.id,
        at=stored.at,
        outcome=stored.outcome,
        detail=stored.detail,
        method=exemplar.method,
        target=exemplar.target,
        legacy_status=exemplar.legacy.status,
        new_status=exemplar.new.status,
        fingerprints=stored.fingerprints,
        replay_of=exemplar.replay_of,
    )


def shown_cause(cause: Cause, seen: tuple[Difference, ...] = ()) -> ShownCause:
    """A cause of a fresh comparison, in which these differences were seen."""
    return ShownCause(
        fingerprint=cause.fingerprint,
        cause=cause.cause,
        explanation=cause.explanation,
        severity=cause.severity.value,
        paths=cause.paths,
        rule=_written(silencing_rule(cause, seen)),
    )


def _fingerprints(stored: StoredExemplar) -> Iterable[str]:
    """Every cause of a pair, the worst first, whichever of them it was kept for."""
    in_pair = (each.fingerprint for each in stored.exemplar.differences if each.fingerprint)
    return dict.fromkeys((*in_pair, *stored.fingerprints))


def _causes(
    fingerprints: Iterable[str],
    differences: tuple[KeptDifference, ...],
    known: Mapping[str, CauseReport],
) -> Iterable[ShownCause]:
    for fingerprint in fingerprints:
        report = known.get(fingerprint)
        example = next((d for d in differences if d.fingerprint == fingerprint), None)
        if report is None and example is None:
            continue
        if report is None:
            # Of an epoch that has ended.
            assert example is not None
            yield ShownCause(
                fingerprint=fingerprint,
                cause=example.cause,
                explanation="",
                severity=example.severity,
                paths=(example.path,),
            )
            continue
        yield ShownCause(
            fingerprint=fingerprint,
            cause=report.cause,
            explanation=_explained(report, example),
            severity=report.severity,
            paths=report.paths,
            rule=None
            if example is None
            else _written(silencing_rule(_cause(report, example), differences)),
            triage=report.triage,
            ticket=report.ticket,
        )


def _explained(report: CauseReport, example: KeptDifference | None) -> str:
    """The explanation, which has the values of the pair in which the cause was seen first."""
    told = report.explanation
    if example is None or not told.startswith("legacy "):
        return told
    return told if told.startswith(f"legacy {example.legacy}, ") else f"first seen as {told}"


def _cause(report: CauseReport, example: KeptDifference) -> Cause:
    severity = Severity(report.severity)
    return Cause(
        fingerprint=report.fingerprint,
        cause=report.cause,
        explanation=report.explanation,
        kind=Kind(example.kind),
        severity=severity,
        paths=report.paths,
        count=report.count,
        example=Difference(
            path=example.path,
            at=example.at,
            kind=Kind(example.kind),
            severity=Severity(example.severity),
            legacy=example.legacy,
            new=example.new,
            cause=example.cause,
        ),
    )


def _written(rule: Rule | None) -> Mapping[str, object] | None:
    return None if rule is None else rule_as_written(rule)


def _answer(kept: KeptAnswer, begin: int) -> ShownAnswer:
    body = _text(kept.body, _field(kept.headers, "content-type"))
    return ShownAnswer(
        upstream=kept.upstream,
        status=kept.status,
        headers=kept.headers,
        body=_hex(kept.body, begin) if body is None else body,
        binary=body is None,
        cut=kept.cut,
        error=kept.error,
        seconds=kept.seconds,
    )


def _field(headers: tuple[tuple[str, str], ...], name: str) -> str:
    return next((value for key, value in headers if key.lower() == name), "")


def _text(body: bytes, content_type: str) -> str | None:
    """A body as text; None if it is none."""
    kind, charset = parameters(content_type.encode("latin-1", "replace"))
    media = named(kind)
    is_text = looks_like_text(body) if media is None else media is not Media.BINARY
    if not is_text:
        return None
    text = text_of(body, charset)
    # JSON carries no lone surrogates.
    return text.encode("utf-8", "backslashreplace").decode() if is_faulty(text) else text


def _hex(body: bytes, begin: int) -> str:
    """Some bytes of a body from a place on, in hexadecimal: lines with what byte they begin at."""
    starts = range(begin, min(len(body), begin + _HEX_BYTES), _HEX_LINE)
    return "\n".join(f"{at:06x}  {body[at : at + _HEX_LINE].hex(' ', -2)}" for at in starts)


def _hex_begin(legacy: bytes, new: bytes) -> int:
    """From where on the bytes of two bodies are shown: their beginning, if they differ there."""
    if legacy == new:
        return 0
    shorter = range(min(len(legacy), len(new)))
    # By halves: a body may have a million bytes.
    first = bisect_left(shorter, True, key=lambda at: legacy[: at + 1] != new[: at + 1])
    if first < _HEX_BYTES - _HEX_LINE:
        return 0
    return (first - _HEX_BYTES // 2) // _HEX_LINE * _HEX_LINE
