"""The switches at a start: what was kept, what was lost, and what that means."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from flags.latch import Source
from flags.provider import Flag, FlagState
from flags.rule import Rule
from proxy.control_plane import Provider
from proxy.routing.route import Group, Match, PathKind, PathMatch, Route, RouteFile, Upstream
from proxy.stages import Side
from proxy.supervision.state_directory import LAST_GOOD_FLAGS, StateDirectory
from proxy.supervision.switches import Switches

FLAGS = "rollback: false\ngroups: {g: {percent: 7}}\nroutes: {r: {percent: 12.5}}\n"


@pytest.fixture
def directory(tmp_path: Path) -> Iterator[StateDirectory]:
    directory = StateDirectory.open(tmp_path / "state")
    yield directory
    directory.close()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "flags.yaml"
    path.write_text(FLAGS)
    return path


def test_the_file_is_the_origin_when_it_is_sound(path: Path, directory: StateDirectory) -> None:
    switches = Switches(path, directory)
    assert (switches.file.origin, switches.file.problems) == ("file", ())
    snapshot = switches.snapshot(5)
    assert snapshot.revision == 5
    assert dict(snapshot.route_basis_points) == {"r": 1250}
    assert dict(snapshot.group_basis_points) == {"g": 700}


@pytest.mark.parametrize("content", [None, "", "rollback: [\n", "percent: 5\n"])
def test_what_was_kept_holds_when_the_file_is_lost_or_garbled(
    path: Path, directory: StateDirectory, content: str | None
) -> None:
    assert Switches(path, directory).file.keep_good() == ""
    path.unlink()
    if content is not None:
        path.write_text(content)
    switches = Switches(path, directory)
    assert switches.file.origin == "last_good"
    assert switches.file.problems
    assert dict(switches.snapshot(1).route_basis_points) == {"r": 1250}


@pytest.mark.parametrize(
    "damage",
    [
        pytest.param(lambda text: b"", id="empty"),
        pytest.param(lambda text: text[:-20], id="torn"),
        pytest.param(lambda text: text.replace(b"1250", b"9999"), id="changed"),
        pytest.param(lambda text: b"[" * 100_000, id="nested"),
        pytest.param(lambda text: b'{"sha256": 1, "flags": {}}', id="another_shape"),
    ],
)
def test_what_was_kept_is_not_believed_when_it_is_damaged(
    path: Path, directory: StateDirectory, damage: object
) -> None:
    assert callable(damage)
    Switches(path, directory).file.keep_good()
    kept = directory.path / LAST_GOOD_FLAGS
    kept.write_bytes(damage(kept.read_bytes()))
    path.unlink()
    switches = Switches(path, directory)
    assert switches.file.origin == "nothing"
    assert dict(switches.snapshot(1).route_basis_points) == {}


def test_a_rollback_survives_with_its_reason(path: Path, directory: StateDirectory) -> None:
    switches = Switches(path, directory)
    switches.hold("route:r", source=Source.COMMAND, actor="me", reason="prices")
    assert switches.keep_latch() == ""
    again = Switches(path, directory)
    assert again.snapshot(1).rollback_routes == {"r"}
    assert [(h.scope, h.source, h.actor, h.reason) for h in again.holds] == [
        ("route:r", "command", "me", "prices")
    ]
    assert again.holds[0].lift == "figway resume --route r"


def test_a_touched_file_is_no_news(path: Path, directory: StateDirectory) -> None:
    switches = Switches(path, directory)
    path.write_text("# a comment\n" + FLAGS)
    assert not switches.use_file(switches.file.read())
    path.write_text(FLAGS.replace("7", "8"))
    assert switches.use_file(switches.file.read())


@pytest.mark.parametrize("content", [FLAGS, "rollback: false\n"], ids=["again", "changed"])
def test_a_rollback_of_a_clock_that_was_ahead_ends_when_its_flag_is_saved_again(
    path: Path, directory: StateDirectory, content: str
) -> None:
    path.write_text(FLAGS.replace("false", "true"))
    os.utime(path, ns=(2**62, 2**62))
    assert Switches(path, directory).keep_latch() == ""
    path.write_text(FLAGS)
    os.utime(path, ns=(5, 5))
    switches = Switches(path, directory)
    assert switches.snapshot(1).rollback_all
    path.write_text(content)
    assert switches.use_file(switches.file.read())
    assert not switches.snapshot(2).rollback_all


def test_a_percentage_of_the_file_that_the_provider_says_otherwise_is_told_of(
    path: Path, directory: StateDirectory
) -> None:
    switches = Switches(path, directory, provider=Provider.UNLEASH)
    route = Route(id="r", match=Match(path=PathMatch(kind=PathKind.PREFIX, value="/")))
    upstream = Upstream(name="legacy", side=Side.LEGACY, urls=("http://127.0.0.1:1",))
    file = RouteFile(upstreams=(upstream,), groups=(Group(name="g"),), routes=(route,))
    assert switches.warnings(file) == ()
    said = {"g": Flag(basis_points=700), "r": Flag(rule=Rule(flag="figway-r"))}
    switches.use_feed(FlagState(revision=1, groups={"g": said["g"]}), "unleash", "u")
    assert switches.warnings(file) == (), "the same"
    switches.use_feed(
        FlagState(revision=2, groups={"g": Flag(basis_points=0)}, routes=said), "unleash", "u"
    )
    assert switches.warnings(file) == (
        f"{path}:2: group:g: unleash says 0 %, and that counts: the flag file says what it is"
        " silent about",
        f"{path}:3: route:r: unleash has a rule, and that counts: the flag file says what it is"
        " silent about",
    )
