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
