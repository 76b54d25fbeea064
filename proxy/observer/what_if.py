"""What-if: stored pairs compared once more, with draft rules beside those in force."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field, replace

from proxy.compare.comparison import Cause, Comparison, Result
from proxy.compare.policy import CompiledPolicy
from proxy.evidence.answers import WhatIf, WhatIfCause
from proxy.evidence.exemplar import Exemplar, StoredExemplar
from proxy.evidence.noise import Call
from proxy.evidence.proposal import PairShape, is_like, shape_of_pair
from proxy.observer.examine import Job
from proxy.observer.exemplars import answer_of

Compare = Callable[[Job], Awaitable[Comparison]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Noise:
    """How legacy differs from itself, path by path."""

    # What the paired test says.
    calls: Mapping[str, Call]
    # What the differences of legacy with itself look like.
    own: Mapping[str, PairShape]

    def explains(self, cause: Cause, found: Comparison) -> bool:
        """Whether legacy differs from itself wherever the cause is, and as it does in this pair."""
        return (
            bool(cause.paths)
            and all(self.calls.get(path) is Call.NOISE for path in cause.paths)
            and all(
                is_like(self.own[each.path], shape_of_pair(each.kind.value, each.legacy, each.new))
                for each in found.differences
                if each.path in cause.paths and each.cause == cause.cause and each.path in self.own
            )
        )


@dataclass(slots=True)
class _Gone:
    """A cause that the draft takes away."""

    cause: Cause
    ids: list[str] = field(default_factory=list)
    noise: bool = True


async def what_if(
    pairs: tuple[StoredExemplar, ...],
    policy: CompiledPolicy,
    drafted: CompiledPolicy,
    noise: Noise,
    compare: Compare,
) -> WhatIf:
    """What a draft would silence, and what of that is no noise.

    `policy` is what is in force, `drafted` the same with the rules of the draft behind its own.
    """
    base = len(policy.policy.rules)
    used: set[str] = set()
    gone: dict[str, _Gone] = {}
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
                each = gone.setdefault(cause.fingerprint, _Gone(cause))
                each.ids.append(stored.exemplar.id)
                each.noise = each.noise and noise.explains(cause, now)
    return WhatIf(
        pairs=compared,
        before=before,
        after=after,
        silenced=tuple(map(_silenced, gone.values())),
        unused=tuple(
            at for at in range(len(drafted.policy.rules) - base) if f"rule:{base + at}" not in used
        ),
        skipped=skipped,
    )


def _host(exemplar: Exemplar) -> str:
    named = (value for name, value in exemplar.request_headers if name.lower() == "host")
    return next(named, "")


def _silenced(each: _Gone) -> WhatIfCause:
    cause = each.cause
    return WhatIfCause(
        fingerprint=cause.fingerprint,
        cause=cause.cause,
        explanation=cause.explanation,
        severity=cause.severity.value,
        paths=cause.paths,
        pairs=len(each.ids),
        exemplars=tuple(each.ids),
        noise=each.noise,
    )
