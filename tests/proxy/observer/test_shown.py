"""Exemplars as people are shown them."""

from __future__ import annotations

from proxy.evidence.exemplar import Exemplar, KeptAnswer, KeptDifference, StoredExemplar
from proxy.evidence.report import CauseReport
from proxy.observer.shown import shown_exemplar


def difference(path: str, cause: str, severity: str, legacy: str, new: str) -> KeptDifference:
    return KeptDifference(
        path=path,
        at=path,
        kind="value",
        severity=severity,
        legacy=legacy,
        new=new,
        cause=cause,
        fingerprint=f"of {path}",
    )


def known(path: str, cause: str, severity: str, explanation: str) -> CauseReport:
    return CauseReport(
        fingerprint=f"of {path}",
        paths=(path,),
        cause=cause,
        explanation=explanation,
        severity=severity,
        count=40,
        example="",
        first_seen=0.0,
        last_seen=0.0,
    )


def test_every_cause_of_a_pair_is_shown_whichever_it_was_kept_for() -> None:
    answer = KeptAnswer(upstream="u", status=200)
    stored = StoredExemplar(
        route="a",
        epoch_id="e",
        at=0.0,
        outcome="mismatch",
        detail="critical",
        # A slot of the other cause has gone to another pair.
        fingerprints=("of $.price",),
        exemplar=Exemplar(
            id="1",
            method="GET",
            target="/a",
            legacy=answer,
            new=answer,
            differences=(
                difference("$.id", "int_to_string", "critical", "61", '"61"'),
                difference("$.price", "rounding", "major", "61.305", "61.3"),
            ),
        ),
    )
    reports = (
        known("$.id", "int_to_string", "critical", 'legacy 3, new "3": a number became a text'),
        known("$.price", "rounding", "major", "legacy 61.305, new 61.3: rounded to 1 place"),
    )
    shown = shown_exemplar(stored, {each.fingerprint: each for each in reports})
    assert [each.explanation for each in shown.causes] == [
        # The values are those of another pair.
        'first seen as legacy 3, new "3": a number became a text',
        "legacy 61.305, new 61.3: rounded to 1 place",
    ]
    assert [each.rule and each.rule["op"] for each in shown.causes] == ["expected", "number"]


def shown_bodies(legacy: bytes, new: bytes) -> tuple[list[str], list[str]]:
    """The lines of two pictures as they are shown."""
    one, other = (
        KeptAnswer(upstream="u", status=200, headers=(("Content-Type", "image/png"),), body=body)
        for body in (legacy, new)
    )
    stored = StoredExemplar(
        route="a",
        epoch_id="e",
        at=0.0,
        outcome="mismatch",
        detail="major",
        fingerprints=(),
        exemplar=Exemplar(id="1", method="GET", target="/a", legacy=one, new=other),
    )
    shown = shown_exemplar(stored, {})
    assert shown.legacy.binary
    assert shown.new.binary
    return shown.legacy.body.splitlines(), shown.new.body.splitlines()


def test_bytes_that_are_equal_are_shown_alike_whatever_the_length() -> None:
    legacy, new = shown_bodies(bytes(range(12)), bytes(range(11)))
    assert legacy == ["000000  0001 0203 0405 0607", "000008  0809 0a0b"]
    assert new == ["000000  0001 0203 0405 0607", "000008  0809 0a"]


def test_bodies_of_bytes_are_shown_where_they_first_differ() -> None:
    begin = bytes(10_000)
    legacy, new = shown_bodies(begin + b"\1\2", begin + b"\3\4\5")
    (one, other) = ([line for line in lines if line[8:].strip("0 ")] for lines in (legacy, new))
    assert (one, other) == (["002710  0102"], ["002710  0304 05"])
    assert len(legacy) == len(new) <= 64
