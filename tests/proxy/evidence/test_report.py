"""Reports as JSON: every value of a report has a place in it."""

from __future__ import annotations

import json

from proxy.evidence.report import CoverageReport, LatencyReport, VerdictState, as_document


def test_dataclasses_enums_and_tuples_become_objects_text_and_arrays() -> None:
    value = {
        VerdictState.NO_GO: (
            CoverageReport(signatures=3, seen_once=1, unseen=0.25, limit=0.01),
            frozenset({"a"}),
        )
    }
    assert json.loads(json.dumps(as_document(value))) == {
        "NO-GO": [{"signatures": 3, "seen_once": 1, "unseen": 0.25, "limit": 0.01}, ["a"]]
    }


def test_numbers_that_json_does_not_have_become_null() -> None:
    latency = LatencyReport(
        legacy_p50=float("nan"),
        legacy_p95=1.0,
        new_p50=float("inf"),
        new_p95=float("-inf"),
        p95_ratio=1.0,
    )
    assert as_document(latency) == {
        "legacy_p50": None,
        "legacy_p95": 1.0,
        "new_p50": None,
        "new_p95": None,
        "p95_ratio": 1.0,
        "limit": None,
    }
