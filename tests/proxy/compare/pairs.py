"""Pairs of answers for tests, made of plain values."""

from __future__ import annotations

import json

from proxy.compare.comparison import Comparison
from proxy.compare.pair import compare
from proxy.compare.policy import CompiledPolicy
from proxy.compare_policy import CompareLimits, ComparePolicy, Op, Profile, Rule
from proxy.exchange import Answer

JSON = b"application/json"
END = "2999-12-31"


def answer(body: bytes, content_type: bytes = JSON, coding: bytes = b"") -> Answer:
    """A 200 with a body."""
    headers = [(b"Content-Type", content_type)] if content_type else []
    if coding:
        headers.append((b"Content-Encoding", coding))
    return Answer(status=200, headers=tuple(headers), body=body)


def compare_bodies(
    legacy: bytes,
    new: bytes,
    *rules: Rule,
    profile: Profile = Profile.STRICT,
    limits: CompareLimits | None = None,
    redact: tuple[str, ...] = (),
) -> Comparison:
    """Compare two JSON bodies."""
    policy = ComparePolicy(profile=profile, rules=rules, redact=redact)
    return compare(answer(legacy), answer(new), CompiledPolicy.compile(policy, limits))


def compare_values(
    legacy: object,
    new: object,
    *rules: Rule,
    profile: Profile = Profile.STRICT,
    redact: tuple[str, ...] = (),
) -> Comparison:
    """Compare two values as JSON."""
    one, other = (json.dumps(value).encode() for value in (legacy, new))
    return compare_bodies(one, other, *rules, profile=profile, redact=redact)


def rule(path: str, op: Op, **parameters: object) -> Rule:
    """A rule; ignore and expected get a reason and an end."""
    if op in (Op.IGNORE, Op.EXPECTED):
        parameters = {"reason": "T-1", "expires": END, **parameters}
    return Rule(path=path, op=op, **parameters)  # type: ignore[arg-type]  # the test names them


def told(comparison: Comparison) -> set[tuple[str, str, str]]:
    """Path, kind and cause of all differences."""
    return {(d.path, d.kind.value, d.cause) for d in comparison.differences}
