"""`make demo-shadow` in a copy of this tree: what it finds, what it says, that nothing is left."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys

import pytest

from tests.deploy.test_make_run import Clone, clone
from tests.rigs.child import accepts

__all__ = ["clone"]

RUNNER = (sys.executable, "-m", "deploy.demo_shadow")
# Of the first 400 products, nine have rounded prices.
SMALL = {"RUN_PRODUCTS": "400", "DEMO_REQUESTS": "300"}


def typed(clone: Clone, command: str) -> subprocess.CompletedProcess[str]:
    """A printed command, by a shell, in the folder of the clone."""
    return subprocess.run(
        command, shell=True, cwd=clone.folder, capture_output=True, text=True, check=False
    )


def test_make_demo_shadow_finds_what_it_planted_and_stops(clone: Clone) -> None:
    # What a tour of `make run` leaves: nobody asks PHP for this page any more.
    moved = "routes:\n  product-page: {percent: 100}\n"
    (clone.folder / "flags" / "flags.yaml").write_text(moved)
    with clone.run("make", "demo-shadow", **SMALL) as run:
        text = run.wait_for_output("Ctrl-C stops all of it.", 110)
        assert "Seeding the shop with 400 products" in text
        assert "catalog with FIGWAY_DEMO_BUGS=all" in text
        assert "300 requests" in text
        assert "product-api" in text
        assert "NO-GO" in text
        for word in ("rounding", "int_to_string", "order", "offset:+3600s", "$.stock"):
            assert word in text, text

        assert "Over all routes, 5 explanations:" in text

        to_try = text.partition("To try in another terminal")[2]
        commands = re.findall(r"^ +(.*figway shadow .*)$", to_try, re.MULTILINE)
        assert len(commands) == 4, text
        for command in commands:
            done = typed(clone, command)
            # A replay that still differs, and a report for pipelines, say so by their exit code.
            differs = "replay" in command or "--fail-on" in command
            assert done.returncode == (1 if differs else 0), (command, done)
            assert done.stderr == ""
        report = json.loads(
            typed(clone, commands[-1].partition(" --format")[0] + " --format json").stdout
        )
        eligible = {route["route"]: route["eligible"] for route in report["routes"]}
        assert sum(eligible.values()) >= 300
        assert eligible["product-page"] > 0
        assert (clone.folder / "flags" / "flags.yaml").read_text() == moved

        run.signal_group(signal.SIGINT)
        run.process.wait(60)
        assert "Stopping ..." in run.output()
        assert not any(accepts(port) for port in clone.ports)
        assert clone.processes() == []


def test_without_faults_nothing_differs(clone: Clone) -> None:
    with clone.run(*RUNNER, **SMALL, FIGWAY_DEMO_BUGS="") as run:
        text = run.wait_for_output("Ctrl-C stops all of it.", 110)
        assert "Nothing differs." in text
        assert "NO-GO" not in text
        run.process.send_signal(signal.SIGTERM)
        assert run.process.wait(60) == 0
        assert clone.processes() == []


def test_one_request_is_waited_for_too(clone: Clone) -> None:
    """It is over before the observer has started."""
    with clone.run(*RUNNER, RUN_PRODUCTS="60", DEMO_REQUESTS="1") as run:
        text = run.wait_for_output("Ctrl-C stops all of it.", 110)
        assert re.search(r"1 eligible = (match|mismatch) 1|1 eligible = .*(match|mismatch) 1", text)


def test_a_signal_while_visitors_ask_stops_it(clone: Clone) -> None:
    with clone.run(*RUNNER, RUN_PRODUCTS="60", DEMO_REQUESTS="100000") as run:
        run.wait_for_output("100,000 requests", 60)
        run.process.send_signal(signal.SIGINT)
        assert run.process.wait(60) == 0
        assert "What was planted" not in run.output()
        assert clone.processes() == []


@pytest.mark.parametrize(
    ("environment", "complaint"),
    [
        pytest.param({"DEMO_REQUESTS": "0"}, "DEMO_REQUESTS must be a number", id="no requests"),
        pytest.param({"DEMO_REQUESTS": "many"}, "DEMO_REQUESTS must be a number", id="a word"),
        pytest.param(
            {"FIGWAY_DEMO_BUGS": "rouding"}, "rouding: no such fault; there are", id="unknown fault"
        ),
    ],
)
def test_a_wrong_variable_is_named(
    clone: Clone, environment: dict[str, str], complaint: str
) -> None:
    with clone.run(*RUNNER, **environment) as run:
        assert run.process.wait(60) == 1
    assert complaint in run.output()
    assert clone.processes() == []
