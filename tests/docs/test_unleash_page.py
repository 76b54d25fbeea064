"""docs/unleash.md against what the code reads, counts and asks for."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from flags.scope import ALL, route_scope
from flags.unleash.answers import Outcome
from flags.unleash.connection import INSTALL, UnleashConnection
from flags.unleash.flag_state import flag_name, rollback_name
from proxy.admin.hooks import UNLEASH
from proxy.config.load_control_plane import variables
from proxy.supervision.catalogue import SUPERVISOR_CATALOGUE

PAGE = (Path(__file__).parents[2] / "docs" / "unleash.md").read_text()


def test_every_variable_of_unleash_is_on_the_page_and_no_other() -> None:
    known = {name for name in variables() if name.startswith("FIGWAY_UNLEASH_")}
    told = set(re.findall(r"^\| `(FIGWAY_UNLEASH_\w+)`", PAGE, re.MULTILINE))
    # How the application is called and how often it asks stand in routes.yaml.
    assert told == known - {"FIGWAY_UNLEASH_APP_NAME", "FIGWAY_UNLEASH_POLL"} - {
        name for name in known if name.startswith("FIGWAY_UNLEASH_CONTEXT")
    }


def test_every_metric_on_the_page_is_one() -> None:
    known = {metric.name for metric in SUPERVISOR_CATALOGUE}
    told = set(re.findall(r"`(figway_\w+)`", PAGE))
    assert told
    assert told <= known
    assert {name for name in known if name.startswith("figway_unleash_")} <= told


@pytest.mark.parametrize("outcome", [*Outcome, "failed"])
def test_every_outcome_is_on_the_page(outcome: str) -> None:
    assert f"`{outcome}`" in PAGE


def test_the_names_of_flags_are_those_that_are_read() -> None:
    assert rollback_name(ALL) == "figway-rollback"
    assert rollback_name(route_scope("x")) == "figway-rollback-x"
    assert flag_name(route_scope("x")) == "figway-x"
    for name in ("figway-rollback", "figway-rollback-<group or route>", "figway-<group or route>"):
        assert f"| `{name}` |" in PAGE


def test_the_page_says_what_to_install_where_to_call_and_how_often_it_asks() -> None:
    assert INSTALL in PAGE
    assert UNLEASH in PAGE
    connection = UnleashConnection(url="https://unleash.example.com/api", token="a:b.c")
    assert f"every {connection.poll:g} s" in PAGE
