"""Colour is for terminals whose owner has not said no."""

from __future__ import annotations

import sys

import pytest

from proxy.cli.shadow.paint import Paint
from proxy.evidence.report import VerdictState


@pytest.mark.parametrize(
    ("terminal", "environ", "on"),
    [
        pytest.param(True, {}, True, id="terminal"),
        pytest.param(True, {"NO_COLOR": "1"}, False, id="no colour wanted"),
        pytest.param(True, {"NO_COLOR": ""}, True, id="an empty wish is none"),
        pytest.param(True, {"TERM": "dumb"}, False, id="terminal without colour"),
        pytest.param(False, {}, False, id="pipe"),
    ],
)
def test_who_gets_colour(
    monkeypatch: pytest.MonkeyPatch, terminal: bool, environ: dict[str, str], on: bool
) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm")
    for name, value in environ.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(sys.stdout, "isatty", lambda: terminal)
    assert Paint.of_stdout().on is on


def test_each_verdict_and_severity_has_its_colour() -> None:
    paint = Paint(on=True)
    assert len({paint.verdict(state)[:5] for state in VerdictState}) == 3
    assert paint.severity("critical").startswith("\x1b[31m")
    assert paint.severity("minor") == "minor"
    assert Paint(on=False).verdict(VerdictState.GO) == "GO"
