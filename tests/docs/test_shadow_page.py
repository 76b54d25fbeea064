"""docs/shadow.md tells of every outcome, cause and command as they are."""

from __future__ import annotations

import ast
import re
import shlex
from pathlib import Path

import pytest

from proxy.cli.main import parser
from proxy.config.parse import parse_routes
from proxy.evidence.eprocess import needed
from proxy.evidence.outcome import FAILED, LOST, Outcome
from proxy.evidence.report import VerdictState

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "shadow.md").read_text()
BLOCKS = re.findall(r"```(\w*)\n(.*?)```", PAGE, re.DOTALL)
COMMANDS = [
    re.split(r" #| >", line)[0].strip()
    for _, block in BLOCKS
    for line in block.splitlines()
    if line.startswith("figway ")
]


def rows(heading: str) -> dict[str, str]:
    """First cell to last cell of the table that begins with this heading."""
    table = PAGE.partition(f"| {heading} |")[2].partition("\n\n")[0]
    cells = [line.strip("|").split(" | ") for line in table.splitlines()[2:]]
    return {name: row[-1].strip(" |") for row in cells for name in re.findall(r"`(\w+)`", row[0])}


def test_every_outcome_has_its_row_and_its_weight() -> None:
    told = rows("outcome")
    assert set(told) == {outcome.value for outcome in Outcome}
    for outcome in LOST:
        assert told[outcome] == "lost"
    for outcome in FAILED:
        assert told[outcome] == "compared, as a critical mismatch"
    for outcome in (Outcome.ABORTED, Outcome.LEGACY_DEFECT):
        assert told[outcome].startswith("not compared")


def test_every_verdict_has_its_row() -> None:
    assert all(f"\n| {state.value} | " in PAGE for state in VerdictState)


def inferred_words() -> set[str]:
    """Every word of a cause that stands in the code as it is."""
    words = set()
    for path in (ROOT / "proxy" / "compare").glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            match node:
                case ast.Call(func=ast.Name(id="Inference"), args=[word, *_]):
                    words |= {
                        str(each.value)
                        for each in ast.walk(word)
                        if isinstance(each, ast.Constant) and not isinstance(word, ast.JoinedStr)
                    } - {""}
                case _:
                    pass
    return words


def test_every_word_of_a_cause_is_explained() -> None:
    told = {word.partition(":")[0] for word in re.findall(r"`([a-z_]+(?::[^`]*)?)`", PAGE)}
    assert inferred_words() >= {"rounding", "entity_escaping"}, "the search finds them"
    # What became of a type is one row for all types.
    assert "A_to_B" in PAGE
    assert {word for word in inferred_words() if "_to_" not in word} <= told


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_of_the_page_can_be_typed(command: str) -> None:
    words = shlex.split(command)[1:]
    assert parser(words[0]).parse_args(words).command == "shadow"


def test_the_commands_are_found() -> None:
    assert len(COMMANDS) >= 9


def test_the_example_loads() -> None:
    (example,) = [block for kind, block in BLOCKS if kind == "yaml"]
    whole = (
        "version: 1\nupstreams:\n"
        '  legacy: {role: legacy, urls: ["http://a:1"]}\n  catalog: {urls: ["http://a:2"]}\n'
        f"{example}  - {{id: monolith, match: {{path: {{prefix: /}}}}}}\n"
    )
    assert parse_routes(whole.encode(), "docs/shadow.md").routes[0].shadow.sample == 0.25


@pytest.mark.parametrize(("limit", "told"), [(0.001, "3,236"), (0.005, "646")])
def test_the_numbers_of_comparisons_are_those_of_the_gate(limit: float, told: str) -> None:
    assert f"{needed(0, limit, 0.95):,}" == told
    assert told in PAGE


def test_every_link_of_the_page_leads_somewhere() -> None:
    for target in re.findall(r"\]\(([^)]+)\)", PAGE):
        name, _, heading = target.partition("#")
        page = (ROOT / "docs" / name).read_text()
        assert not heading or re.search(rf"^#+ {heading}$", page, re.MULTILINE), target
