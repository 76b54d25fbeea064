"""What-if: stored pairs compared once more, with draft rules beside those in force."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace

from proxy.compare.comparison import Cause, Comparison, Result
from proxy.compare.policy import CompiledPolicy
from proxy.compare_policy import Rule
from proxy.evidence.answers import WhatIf, WhatIfCause
from proxy.evidence.exemplar import Exemplar, StoredExemplar
from proxy.evidence.noise import Call
from proxy.observer.examine import Job
from proxy.observer.exemplars import answer_of
from proxy.routing.route import Route

Compare = Callable[[Job], Awaitable[Comparison]]


async def what_if(
    pairs: tuple[StoredExemplar, ...],
    route: Route,
    draft: tuple[Rule, ...],
    calls: Mapping[str, Call],
    compare: Compare,
) -> WhatIf:
    """What the draft would silence, and what of that is no noise. Raises CompareRuleError."""
    base = len(route.compare.rules)
    policy = CompiledPolicy.compile(route.compare)
    drafted = CompiledPolicy.compile(replace(route.compare, rules=(*route.compare.rules, *draft)))
    used: set[str] = set()
    gone: dict[str, tuple[Cause, list[str]]] = {}
    compared = skipped = before = after = 0
    for stored in pairs:
        legacy, new = answer_of(stored.exemplar.legacy), answer_of(stored.exemplar.new)
        if legacy is None or new is None:
            skipped += 1
            continue
        job = Job(
            legacy=legacy,
            new=new,
            policy=policy,
            method=stored.exemplar.method,
            host=_host(stored.exemplar),
        )
        now = await compare(job)
        then = await compare(replace(job, policy=drafted))
        await asyncio.sleep(0)
        known = {cause.fingerprint for cause in now.causes}
        if not known.issuperset(stored.fingerprints):
            # What made them differ was taken out, or is in a part that was not kept.
            skipped += 1
            continue
        compared += 1
        before += now.result is Result.DIFFERENT
        after += then.result is Result.DIFFERENT
        used.update(use.rule for use in then.rules_used)
        left = {cause.fingerprint for cause in then.causes}
        for cause in now.causes:
            if cause.fingerprint not in left:
                gone.setdefault(cause.fingerprint, (cause, []))[1].append(stored.exemplar.id)
    return WhatIf(
        pairs=compared,
        before=before,
        after=after,
        silenced=tuple(_silenced(cause, ids, calls) for cause, ids in gone.values()),
        unused=tuple(at for at in range(len(draft)) if f"rule:{base + at}" not in used),
        skipped=skipped,
    )


def _host(exemplar: Exemplar) -> str:
    named = (value for name, value in exemplar.request_headers if name.lower() == "host")
    return next(named, "")


def _silenced(cause: Cause, ids: list[str], calls: Mapping[str, Call]) -> WhatIfCause:
    return WhatIfCause(
        fingerprint=cause.fingerprint,
        cause=cause.cause,
        explanation=cause.explanation,
        severity=cause.severity.value,
        paths=cause.paths,
        pairs=len(ids),
        exemplars=tuple(ids),
        noise=all(calls.get(path) is Call.NOISE for path in cause.paths),
    )
