"""How a table of mistakes is written, and what is expected of each."""

from __future__ import annotations

from typing import Any

import pytest

from proxy.config.parse import parse_routes
from proxy.errors import ConfigError, Problem
from tests.proxy.config.example import GOOD, changed, line_of


def case(name: str, old: str, new: str, rule: str, key: str, message: str, line: int = 0) -> Any:
    """One change of the good file; the line is that of the changed place unless it is given."""
    return pytest.param(old, new, rule, key, message, line, id=name)


def problems_of(text: bytes) -> tuple[Problem, ...]:
    """Every problem that refuses a text."""
    with pytest.raises(ConfigError) as caught:
        parse_routes(text, "routes.yaml")
    return caught.value.problems


def check(
    old: str, new: str, rule: str, key: str, message: str, line: int, good: str = GOOD
) -> None:
    """A change is refused at its line and key, with a message that holds the mend."""
    problems = problems_of(changed(old, new, good))
    found = [p for p in problems if p.rule == rule and p.key == key]
    assert len(found) == 1, [str(p) for p in problems]
    (problem,) = found
    assert message in problem.message
    assert problem.line == (line or line_of(old, good))
    # Whatever else is said is about the same place, or about a name that is now missing.
    others = {p.line for p in problems if p.rule != "LOAD004"}
    assert others <= {problem.line}, [str(p) for p in problems]
    assert str(problem).startswith(f"routes.yaml:{problem.line}: {key and key + ': '}")
