"""Explain says who spoke: the provider or the file, and whose rollback it is."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from flags.latch import Source
from flags.provider import Flag, FlagState
from proxy.control_plane import Provider
from proxy.supervision.provenance import provenance
from proxy.supervision.state_directory import StateDirectory
from proxy.supervision.switches import Switches

FLAGS = "rollback: false\ngroups:\n  g: {percent: 7}\nroutes:\n  r: {percent: 12.5}\n"


@pytest.fixture
def switches(tmp_path: Path) -> Iterator[Switches]:
    directory = StateDirectory.open(tmp_path / "state")
    (tmp_path / "flags.yaml").write_text(FLAGS)
    yield Switches(tmp_path / "flags.yaml", directory, provider=Provider.UNLEASH)
    directory.close()


def test_what_the_provider_is_silent_about_comes_from_a_line_of_the_file(
    switches: Switches,
) -> None:
    state = FlagState(revision=1042, routes={"r": Flag(basis_points=0), "s": Flag(rollback=False)})
    assert switches.use_feed(state, "unleash", "http://u")
    assert provenance(switches, age=2.4) == {
        "group:g": "flags.yaml:3",
        "route:r": "unleash, revision 1042, confirmed 2 s ago",
    }


def test_what_the_disk_kept_is_not_called_confirmed(switches: Switches) -> None:
    state = FlagState(revision=1042, routes={"r": Flag(basis_points=0)})
    assert switches.use_feed(state, "unleash", "http://u")
    assert provenance(switches, age=7.4, confirmed=False)["route:r"] == (
        "unleash, revision 1042, kept from before the start 7 s ago and not confirmed since"
    )


def test_every_hold_of_a_scope_is_told(switches: Switches) -> None:
    switches.hold("all", source=Source.COMMAND, actor="ann", reason="INC-42")
    switches.hold("all", source=Source.SIGNAL, actor="SIGUSR1", reason="SIGUSR1 was received")
    switches.use_feed(
        FlagState(revision=3, routes={"r": Flag(rollback=True)}), "unleash", "http://u"
    )
    switches.stale_routes = frozenset({"late"})
    words = provenance(switches, age=None)
    assert words["rollback all"] == (
        "command of ann, INC-42; signal of SIGUSR1, SIGUSR1 was received"
    )
    assert words["rollback route:r"] == "flag of unleash (http://u)"
    assert words["rollback route:late"] == "its flag was not confirmed for too long"
