"""The file provider: reading, keeping what held, and writing through."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from flags.file import FileProvider, FlagFileError
from flags.latch import NOT_HELD
from flags.provider import NOTHING_SAID, Flag, FlagState, hold_missing


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "flags.yaml"


def test_it_has_a_name_for_logs_and_metrics(path: Path) -> None:
    provider = FileProvider(path)
    assert provider.name == "file"


def test_a_missing_file_says_nothing(path: Path) -> None:
    assert FileProvider(path).load() is NOTHING_SAID
    refreshed = FileProvider(path).refresh()
    assert refreshed.state is NOTHING_SAID
    assert refreshed.problems == ()


def test_what_the_file_says_is_loaded(path: Path) -> None:
    path.write_text("rollback: true\nroutes: {r: {percent: 5}}\n")
    state = FileProvider(path).load()
    assert state.rollback is True
    assert state.routes["r"].basis_points == 500
    assert state.revision == path.stat().st_mtime_ns


def test_a_bad_file_changes_nothing_and_every_problem_is_told(path: Path) -> None:
    path.write_text("routes: {r: {percent: 5}}\n")
    provider = FileProvider(path)
    good = provider.refresh().state
    path.write_text("routes: {r: {percent: 500}, s: 1}\n")
    refreshed = provider.refresh()
    assert refreshed.state is good
    assert len(refreshed.problems) == 2
    assert provider.content == b"routes: {r: {percent: 5}}\n"
    with pytest.raises(FlagFileError, match="must be between 0 and 100"):
        provider.load()


@pytest.mark.parametrize("gone", ["removed", "emptied", "a directory"])
def test_a_file_that_is_lost_ends_nothing(path: Path, gone: str) -> None:
    path.write_text("rollback: true\nroutes: {r: {percent: 5}}\n")
    provider = FileProvider(path)
    good = provider.refresh().state
    path.unlink()
    if gone == "emptied":
        path.write_text("")
    elif gone == "a directory":
        path.mkdir()
    refreshed = provider.refresh()
    assert refreshed.state is good
    assert len(refreshed.problems) == 1


def test_what_was_good_before_this_process_holds_until_the_file_is_there(path: Path) -> None:
    last_good = FlagState(revision=3, routes={"r": Flag(basis_points=500)})
    provider = FileProvider(path, last_good=last_good)
    assert provider.refresh().state is last_good
    path.write_text("routes: {r: {percent: 7}}\n")
    assert provider.refresh().state.routes["r"].basis_points == 700


def test_an_entry_that_vanishes_is_held_and_named(path: Path) -> None:
    path.write_text("groups: {g: {percent: 1}}\nroutes: {r: {percent: 5}, s: {percent: 6}}\n")
    provider = FileProvider(path)
    provider.refresh()
    path.write_text("routes: {r: {rollback: true}, s: {percent: 0}}\n")
    refreshed = provider.refresh()
    assert refreshed.held == ("group:g", "route:r")
    assert refreshed.state.groups["g"].basis_points == 100
    assert refreshed.state.routes["r"] == Flag(basis_points=500, rollback=True, line=1)
    assert refreshed.state.routes["s"].basis_points == 0
    path.write_text("groups: {g: {percent: 0}}\nroutes: {r: {percent: 9}, s: {percent: 0}}\n")
    refreshed = provider.refresh()
    assert refreshed.held == ()
    assert refreshed.state.routes["r"].basis_points == 900


def test_a_rollback_flag_that_vanishes_is_not_carried_over_as_a_word_of_the_source() -> None:
    before = FlagState(rollback=True, routes={"r": Flag(rollback=True)})
    state, held = hold_missing(before, FlagState())
    # The latch keeps the rollback; the source itself is silent about it.
    assert (state.rollback, dict(state.routes), held) == (None, {}, ())


def test_every_change_of_the_file_is_newer_even_with_an_older_date(path: Path) -> None:
    path.write_text("rollback: true\n")
    provider = FileProvider(path)
    first = provider.refresh().state
    again = provider.refresh().state
    assert again.revision == first.revision
    path.write_text("rollback: false\n")
    os.utime(path, ns=(1, 1))
    assert provider.refresh().state.revision > first.revision


def test_an_old_file_in_a_new_process_is_not_newer(path: Path) -> None:
    path.write_text("rollback: false\n")
    os.utime(path, ns=(5, 5))
    assert FileProvider(path).load().revision == 5
    last_good = FlagState(revision=9, rollback=True)
    assert FileProvider(path, last_good=last_good).refresh().state.revision == 5


def test_a_restored_old_file_does_not_end_the_rollback_that_a_newer_one_started(
    path: Path,
) -> None:
    path.write_text("rollback: true\n")
    state = FileProvider(path).load()
    latch = NOT_HELD.observe(state, now=1.0, source_name="flags.yaml", origin="file")
    path.write_text("rollback: false\n")
    os.utime(path, ns=(5, 5))
    old = FileProvider(path, last_good=state).refresh().state
    assert latch.observe(old, now=2.0, source_name="flags.yaml", origin="file").rollback_all
    os.utime(path, ns=(state.revision + 1, state.revision + 1))
    saved_again = FileProvider(path, last_good=state).refresh().state
    assert not latch.observe(
        saved_again, now=3.0, source_name="flags.yaml", origin="file"
    ).rollback_all


def test_setting_a_percentage_rewrites_the_file_with_its_comments(path: Path) -> None:
    path.write_text("# ours\nroutes:\n  r: {percent: 25}  # ramp\n")
    path.chmod(0o640)
    FileProvider(path).set_percent("route:r", 5000)
    assert path.read_text() == "# ours\nroutes:\n  r: {percent: 50}  # ramp\n"
    assert stat.S_IMODE(path.stat().st_mode) == 0o640
    assert [each.name for each in path.parent.iterdir()] == ["flags.yaml"]


def test_setting_a_percentage_makes_a_missing_file(path: Path) -> None:
    FileProvider(path).set_percent("group:purchase", 500)
    lines = [line for line in path.read_text().splitlines() if not line.startswith("#")]
    assert lines == ["groups:", "  purchase: {percent: 5}", "routes: {}"]


def test_a_file_that_is_made_anew_says_nothing_of_a_rollback(path: Path) -> None:
    path.write_text("rollback: true\n")
    provider = FileProvider(path)
    latch = NOT_HELD.observe(
        provider.refresh().state, now=1.0, source_name="flags.yaml", origin="file"
    )
    path.unlink()
    provider.set_percent("route:r", 500)
    made = provider.refresh().state
    assert made.rollback is None
    assert latch.observe(made, now=2.0, source_name="flags.yaml", origin="file").rollback_all


def test_a_link_stays_a_link(tmp_path: Path) -> None:
    real = tmp_path / "real.yaml"
    real.write_text("routes: {r: {percent: 1}}\n")
    link = tmp_path / "flags.yaml"
    link.symlink_to(real)
    FileProvider(link).set_percent("route:r", 200)
    assert link.is_symlink()
    assert real.read_text() == "routes: {r: {percent: 2}}\n"


@pytest.mark.parametrize("content", [b"routes: {r: 5}\n", b"routes: \xff\n"], ids=["bad", "binary"])
def test_a_bad_file_is_not_written(path: Path, content: bytes) -> None:
    path.write_bytes(content)
    with pytest.raises(FlagFileError):
        FileProvider(path).set_percent("route:r", 200)
    assert path.read_bytes() == content


def test_a_file_that_cannot_be_written_stays_and_the_error_says_what_to_do(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path.write_text("routes: {}\n")

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(FlagFileError, match=r"cannot be written \(No space left on device\); set"):
        FileProvider(path).set_percent("route:r", 200)
    assert path.read_text() == "routes: {}\n"
