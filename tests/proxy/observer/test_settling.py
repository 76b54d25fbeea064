"""What of a comparison the judge is told."""

from __future__ import annotations

from dataclasses import replace

from proxy.compare.comparison import Cause, Comparison, Difference, Kind, Result
from proxy.compare_policy import Severity
from proxy.observer.settling import differing


def cause(severity: Severity, *paths: str) -> Cause:
    example = Difference(
        path=paths[0], at=paths[0], kind=Kind.VALUE, severity=severity, legacy="1", new="2"
    )
    return Cause(
        fingerprint="0",
        cause="",
        explanation="",
        kind=Kind.VALUE,
        severity=severity,
        paths=paths,
        count=len(paths),
        example=example,
    )


def test_a_path_of_two_causes_has_the_worse_severity() -> None:
    found = Comparison(
        result=Result.DIFFERENT,
        causes=(cause(Severity.MINOR, "$.a", "$.b"), cause(Severity.CRITICAL, "$.a")),
        differing_paths=("$.a", "$.b"),
    )
    assert dict(differing(found)) == {"$.a": Severity.CRITICAL, "$.b": Severity.MINOR}


def test_paths_beyond_those_a_cause_names_are_judged_as_its_paths() -> None:
    paths = tuple(f"$.p{n:03}" for n in range(150))
    found = Comparison(
        result=Result.DIFFERENT,
        causes=(cause(Severity.CRITICAL, "$.z"), cause(Severity.MAJOR, *paths[:100])),
        differing_paths=(*paths, "$.z"),
    )
    assert dict(differing(found)) == {
        **dict.fromkeys(paths, Severity.MAJOR),
        "$.z": Severity.CRITICAL,
    }
    # Not known to any cause at all: nothing says that it is harmless.
    assert dict(differing(replace(found, causes=())))["$.z"] is Severity.CRITICAL
