"""The latch on disk: it survives restarts and is never lost in silence."""

from __future__ import annotations

import json
import os
import stat
from pathlib import Path

import pytest

from flags.latch import NOT_HELD, Hold, Latch, Source
from flags.latch_file import LatchFile
from flags.provider import FlagState
from flags.scope import ALL


@pytest.fixture
def file(tmp_path: Path) -> LatchFile:
    return LatchFile(tmp_path / "rollback-latch.json")


def held() -> Latch:
    latch = NOT_HELD.observe(FlagState(revision=7, rollback=True), now=3.0, source_name="f")
    latch = latch.observe(FlagState(revision=8, rollback=False), now=4.0, source_name="flags.yaml")
    latch = latch.observe(FlagState(revision=9, rollback=True), now=5.0, source_name="flags.yaml")
    return latch.hold(
        Hold(
            scope="route:über",
            source=Source.COMMAND,
            reason="INC-42 “checkout” \n broken",
            actor="ops",
            since=1795350769.25,
        )
    )


def test_a_latch_that_was_never_written_holds_nothing(file: LatchFile) -> None:
    assert file.load(now=1.0) == NOT_HELD


@pytest.mark.parametrize("latch", [NOT_HELD, held()], ids=["empty", "held"])
def test_what_was_saved_is_loaded(file: LatchFile, latch: Latch) -> None:
    assert file.save(latch) == ""
    assert file.load(now=1.0) == latch


def test_only_the_owner_can_read_it_whatever_the_umask(file: LatchFile) -> None:
    before = os.umask(0)
    try:
        file.save(held())
        file.save(held())
    finally:
        os.umask(before)
    assert stat.S_IMODE(file.path.stat().st_mode) == 0o600


def test_saving_leaves_no_other_file_behind(file: LatchFile) -> None:
    file.save(held())
    file.save(NOT_HELD)
    assert [each.name for each in file.path.parent.iterdir()] == [file.path.name]


def _edited(content: bytes) -> bytes:
    body = json.loads(content)
    body["holds"] = []
    return json.dumps(body).encode()


@pytest.mark.parametrize(
    "damage",
    [
        pytest.param(lambda content: b"", id="empty"),
        pytest.param(lambda content: content[: len(content) // 2], id="cut off"),
        pytest.param(lambda content: content.replace(b"route:", b"group:"), id="changed"),
        pytest.param(_edited, id="edited by hand"),
        pytest.param(lambda content: b"[]", id="a list"),
        pytest.param(lambda content: b"null", id="null"),
        pytest.param(lambda content: b"\xff\xfe", id="not text"),
        pytest.param(lambda content: b"[" * 100_000, id="nested without end"),
        pytest.param(lambda content: b"\0" * 400, id="zeros, as after a power cut"),
    ],
)
def test_a_damaged_file_rolls_everything_back_until_somebody_resumes(
    file: LatchFile, damage: object
) -> None:
    file.save(held())
    file.path.write_bytes(damage(file.path.read_bytes()))  # type: ignore[operator]  # a callable by the table
    latch = file.load(now=2.0)
    assert latch.rollback_all
    only = latch.holds[0]
    assert only.source is Source.LATCH
    assert only.since == 2.0
    assert str(file.path) in only.reason
    assert "may have held a rollback" in only.reason
    assert only.how_to_lift() == "figway resume --all"
    resumed = latch.resume(ALL).latch
    assert file.save(resumed) == ""
    assert file.load(now=3.0) == NOT_HELD


def test_a_file_of_another_version_is_not_guessed_at(file: LatchFile) -> None:
    file.save(NOT_HELD)
    body = json.loads(file.path.read_bytes())
    del body["sha256"]
    body["version"] = 2
    from flags.latch_file import _digest

    file.path.write_text(json.dumps({"sha256": _digest(body), **body}))
    assert "another version (2)" in file.load(now=1.0).holds[0].reason


def test_a_file_that_cannot_be_read_rolls_everything_back(tmp_path: Path) -> None:
    directory = tmp_path / "latch"
    directory.mkdir()
    latch = LatchFile(directory).load(now=1.0)
    assert latch.rollback_all
    assert "Is a directory" in latch.holds[0].reason


def test_a_save_that_fails_says_so_and_does_not_raise(tmp_path: Path) -> None:
    problem = LatchFile(tmp_path / "missing" / "latch.json").save(held())
    assert "cannot be written" in problem
    assert "will not survive a restart" in problem


def test_a_save_that_fails_half_way_leaves_the_old_latch(
    file: LatchFile, monkeypatch: pytest.MonkeyPatch
) -> None:
    file.save(held())

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    assert "No space left on device" in file.save(NOT_HELD)
    monkeypatch.undo()
    assert file.load(now=1.0) == held()
    assert [each.name for each in file.path.parent.iterdir()] == [file.path.name]
