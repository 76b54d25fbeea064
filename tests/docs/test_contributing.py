"""CONTRIBUTING.md draws the house as it stands."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.test_architecture import HOUSE, is_module

ROOT = Path(__file__).resolve().parents[2]
DRAWING = (ROOT / "CONTRIBUTING.md").read_text().partition("## The house")[2].split("```")[1]


def drawn(floor: int) -> set[str]:
    """The modules in the drawing of a floor; its lines go on until the next floor or flags/."""
    lines = re.split(r"^(?:floor (?=\d)| +(?=flags/))", DRAWING, flags=re.MULTILINE)
    line = next(line for line in lines if line.startswith(str(floor)))
    names = re.findall(r"(?:^|[ ])((?:proxy/)?[\w]+(?:\.py|/))(?=\s|$)", line)
    return {name.removeprefix("proxy/").removesuffix("/").removesuffix(".py") for name in names}


@pytest.mark.parametrize("floor", range(6))
def test_every_floor_is_drawn_with_all_that_stands_on_it(floor: int) -> None:
    there = {
        module.removeprefix("proxy.")
        for number, _, modules in HOUSE
        for module in modules
        if number == floor and is_module(module)
    }
    assert drawn(floor) == there
