"""What a command prints of texts that somebody else wrote."""

from __future__ import annotations

import pytest

from proxy.cli.output import inert


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        pytest.param("error rate, übel", "error rate, übel", id="plain"),
        pytest.param("a\x1b[2Jb", r"a\x1b[2Jb", id="an escape sequence"),
        pytest.param("a\nROLLED BACK", r"a\nROLLED BACK", id="a line that was never printed"),
        pytest.param("a\u202eb\u2028c", r"a\u202eb\u2028c", id="what turns text around"),
        pytest.param("\ud800", r"\ud800", id="half of a character"),
    ],
)
def test_it_can_neither_steer_the_terminal_nor_pose_as_another_line(text: str, shown: str) -> None:
    assert inert(text) == shown
