"""Reports and exemplars as the observer answers them, and text that must not be shown as it is."""

from __future__ import annotations

import math
from dataclasses import replace

from proxy.evidence.answers import (
    RuleLine,
    RulesAnswer,
    ShownAnswer,
    ShownCause,
    ShownExemplar,
    WhatIf,
    WhatIfCause,
)
from proxy.evidence.exemplar import KeptDifference
from proxy.evidence.report import (
    CauseReport,
    CoverageReport,
    DefectReport,
    EpochReport,
    LatencyReport,
    NoiseReport,
    RateReport,
    RouteReport,
    RuleReport,
    VerdictState,
)

# Clears the screen, turns the text round, ends a table cell, a tag and a CDATA section.
HOSTILE = "\x1b[2J\u202egnp.exe|<script>alert(1)</script>]]>`@all` http://evil.example\x00\r\n# h"

CAUSE = CauseReport(
    fingerprint="9f2c11d07a6be345",
    paths=("$.price", "$.items[*].price"),
    cause="rounding",
    explanation="legacy 12.345, new 12.35: rounded to 2 places",
    severity="major",
    count=41,
    example="$.items[3].price: legacy 12.345, new 12.35",
    first_seen=1_700_000_000.0,
    last_seen=1_700_003_600.0,
    exemplars=("7f3a2b", "8e1c00"),
)
NOISE = NoiseReport(
    path="$.generated_at",
    call="noise",
    b=1,
    c=0,
    d=40,
    agrees=0,
    p_value=0.5,
    proposal={"path": "$.generated_at", "op": "datetime", "tolerance": "5s"},
    accepts="times at most 5 s apart",
)
GO = RouteReport(
    route="product-page",
    verdict=VerdictState.GO,
    reasons=("3,412 comparisons: 0 critical, rate below 0.1 %; 0 major at 95 %",),
    advice=("legacy differs from itself at $.generated_at",),
    to_go=0,
    eta_seconds=0.0,
    eligible=3500,
    outcomes={"match": 3400, "match_normalised": 12, "shed": 80},
    outcome_details={"shed": {"queue": 75, "loop_lag": 5}},
    pending=8,
    unaccounted=0,
    ineligible={"method": 20, "range": 3},
    unsampled=1000,
    compared=3412,
    repeats=7,
    rate=0.5,
    rates=(
        RateReport(
            severity="critical",
            limit=0.001,
            compared=3412,
            mismatches=0,
            doubtful=0,
            upper_bound=0.00095,
            e_go=math.inf,
            e_no_go=0.0,
            needed=20.0,
            to_go=0,
        ),
    ),
    causes=(),
    noise=(NOISE,),
    defects=(DefectReport(level="Warning", message="Undefined $x", count=12, last_seen=1.0),),
    rules=(
        RuleReport(rule="php:number", paths=("$.price",), count=5, comparisons=4, last_used=1.0),
    ),
    expired_rules=(),
    coverage=CoverageReport(signatures=120, seen_once=3, unseen=0.0009, limit=0.01),
    lost=0.02,
    max_lost=0.02,
    window_seconds=7200.0,
    min_window=0.0,
    latency=LatencyReport(
        legacy_p50=0.01, legacy_p95=0.04, new_p50=0.008, new_p95=0.05, p95_ratio=1.25, limit=1.1
    ),
    epoch=EpochReport(
        id="e12",
        legacy_version="4.2",
        new_version="1.3",
        rules_hash="abcd",
        started=1_700_000_000.0,
    ),
    earlier_epochs=(
        EpochReport(
            id="e11", legacy_version="4.2", new_version="1.2", rules_hash="ab", started=1.0
        ),
    ),
    skew=((0.1, 3000, 0),),
    limits=("The figures are about sampled, eligible requests of this window.",),
    stage="shadow",
)
NO_GO = replace(
    GO,
    route="product-api",
    verdict=VerdictState.NO_GO,
    reasons=("major: 41 of 3,412 comparisons mismatch; a rate of 0.5 % or less is refuted",),
    to_go=None,
    eta_seconds=None,
    causes=(CAUSE,),
)
MORE = replace(
    GO,
    route="search",
    verdict=VerdictState.NEED_MORE_DATA,
    reasons=("critical: 0 of 500 comparisons mismatch; 2,736 more without one show a rate",),
    to_go=2736,
    eta_seconds=7200.0,
    compared=500,
    epoch=None,
    latency=None,
)


def hostile_report() -> RouteReport:
    """A report in which everything that was captured, or typed by somebody, is hostile."""
    cause = replace(
        CAUSE,
        cause=HOSTILE,
        explanation=HOSTILE,
        example=HOSTILE,
        paths=(HOSTILE,),
        triage=HOSTILE,
        ticket=HOSTILE,
        exemplars=(HOSTILE,),
    )
    noise = replace(NOISE, path=HOSTILE, proposal={"path": HOSTILE, "op": "shape"}, accepts=HOSTILE)
    return replace(
        NO_GO,
        reasons=(HOSTILE,),
        advice=(HOSTILE,),
        causes=(cause,),
        noise=(noise, replace(noise, proposal=None, refused=HOSTILE)),
        defects=(DefectReport(level=HOSTILE, message=HOSTILE, count=1, last_seen=1.0),),
        outcomes={HOSTILE: 1},
        outcome_details={HOSTILE: {HOSTILE: 1}},
        ineligible={HOSTILE: 1},
        expired_rules=(HOSTILE,),
        limits=(HOSTILE,),
        epoch=EpochReport(
            id=HOSTILE,
            legacy_version=HOSTILE,
            new_version=HOSTILE,
            rules_hash=HOSTILE,
            started=1.0,
        ),
        store_error=HOSTILE,
    )


LEGACY_BODY = '{"sku": "A-1", "price": 12.345, "tags": ["a", "b"]}'
NEW_BODY = '{"sku":"A-1","price":12.35,"tags":["a","b"]}'
SHOWN = ShownExemplar(
    id="7f3a2b",
    route="product-api",
    epoch="e12",
    at=1_700_000_000.0,
    outcome="mismatch",
    detail="major",
    method="GET",
    target="/api/products/a-1?lang=de",
    request_headers=(("Accept", "application/json"),),
    redacted=("cookie",),
    trace_id="4bf92f3577b34da6a3ce929d0e0e4736",
    legacy=ShownAnswer(
        upstream="legacy",
        status=200,
        headers=(("Content-Type", "application/json"), ("ETag", '"1"')),
        body=LEGACY_BODY,
        seconds=0.012,
    ),
    new=ShownAnswer(
        upstream="catalog",
        status=200,
        headers=(("content-type", "application/json"),),
        body=NEW_BODY,
        seconds=0.004,
    ),
    differences=(
        KeptDifference(
            path="$.price",
            at="$.price",
            kind="value",
            severity="major",
            legacy="12.345",
            new="12.35",
            cause="rounding",
            fingerprint=CAUSE.fingerprint,
        ),
    ),
    causes=(
        ShownCause(
            fingerprint=CAUSE.fingerprint,
            cause="rounding",
            explanation=CAUSE.explanation,
            severity="major",
            paths=("$.price",),
            rule={"path": "$.price", "op": "number", "abs": 0.005},
        ),
    ),
)


def hostile_exemplar() -> ShownExemplar:
    """An exemplar of answers that were made to attack whoever looks at them."""
    answer = ShownAnswer(
        upstream=HOSTILE, status=200, headers=((HOSTILE, HOSTILE),), body=HOSTILE, error=HOSTILE
    )
    return replace(
        SHOWN,
        id=HOSTILE,
        target=HOSTILE,
        detail=HOSTILE,
        trace_id=HOSTILE,
        replay_of=HOSTILE,
        request_headers=((HOSTILE, HOSTILE),),
        request_body=HOSTILE,
        redacted=(HOSTILE,),
        legacy=answer,
        new=replace(answer, body=HOSTILE + "x"),
        differences=(replace(SHOWN.differences[0], legacy=HOSTILE, new=HOSTILE, at=HOSTILE),),
        causes=(
            replace(
                SHOWN.causes[0],
                cause=HOSTILE,
                explanation=HOSTILE,
                paths=(HOSTILE,),
                rule={"path": HOSTILE, "op": "shape"},
                ticket=HOSTILE,
            ),
        ),
    )


RULES = RulesAnswer(
    route="product-api",
    rules=(
        RuleLine(
            rule="rule:0",
            path="$.updated_at",
            op="datetime",
            count=120,
            comparisons=60,
            last_used=1_700_000_000.0,
        ),
        RuleLine(
            rule="rule:1",
            path="$.debug",
            op="ignore",
            reason="SHOP-12",
            expires="2023-01-01",
            expired=True,
        ),
    ),
    built_in=GO.rules,
    noise=(NOISE,),
)
WHAT_IF = replace(
    RULES,
    what_if=WhatIf(
        pairs=50,
        before=41,
        after=2,
        silenced=(
            WhatIfCause(
                fingerprint=CAUSE.fingerprint,
                cause="rounding",
                explanation=CAUSE.explanation,
                severity="major",
                paths=("$.price",),
                pairs=39,
                exemplars=("7f3a2b",),
            ),
            WhatIfCause(
                fingerprint="aa",
                cause="offset:+3s",
                explanation="3 s later",
                severity="major",
                paths=("$.generated_at",),
                pairs=3,
                noise=True,
            ),
        ),
        unused=(1,),
        skipped=4,
    ),
)
