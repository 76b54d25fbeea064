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
from flags.shared import Mark, Share, SharedState


@pytest.fixture
def file(tmp_path: Path) -> LatchFile:
    return LatchFile(tmp_path / "rollback-latch.json")


def held() -> Latch:
    latch = NOT_HELD
    for revision, on in ((7, True), (8, False), (9, True)):
        state = FlagState(revision=revision, rollback=on)
        for origin in ("file", "unleash"):
            latch = latch.observe(state, now=3.0, source_name="flags.yaml", origin=origin)
    mark = Mark(
        scope="route:über",
        on=True,
        revision=1795350769250000,
        reason="INC-42 “checkout” \n broken",
        actor="ops",
        replica="shop-1",
        since=1795350769.25,
    )
    off = Mark(scope="group:g", on=False, revision=1795350769250001)
    share = Share(scope="route:r", basis_points=1250, revision=5, actor="ann", replica="shop-2")
    latch = latch.hear(
        SharedState(
            revision=off.revision,
            marks={mark.scope: mark, off.scope: off},
            shares={share.scope: share},
        )
    )
    return latch.hold(
        Hold(
            scope=ALL,
            source=Source.SIGNAL,
            reason="SIGUSR1",
            actor="SIGUSR1",
            since=1795350769.5,
            revision=1795350769500000,
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
    resumed = latch.resume(Mark(scope=ALL, on=False, revision=only.revision + 1)).latch
    assert file.save(resumed) == ""
    assert file.load(now=3.0).holds == ()


def test_a_file_of_another_version_is_not_guessed_at(file: LatchFile) -> None:
    file.save(NOT_HELD)
    body = json.loads(file.path.read_bytes())
    del body["sha256"]
    body["version"] = 3
    from flags.latch_file import _digest

    file.path.write_text(json.dumps({"sha256": _digest(body), **body}))
    assert "another version (3)" in file.load(now=1.0).holds[0].reason


def test_a_file_of_the_first_version_is_read_as_it_was_meant(file: LatchFile) -> None:
    holds = [
        {"scope": "all", "source": "command", "reason": "INC", "actor": "ann"},
        {"scope": "all", "source": "flag", "reason": "on", "actor": "flags.yaml"},
        {"scope": "group:g", "source": "sentinel", "reason": "there", "actor": "/ROLLBACK"},
    ]
    body = {
        "version": 1,
        "holds": [{**hold, "since": 2.5, "revision": 9} for hold in holds],
        "flags_off": {"route:r": 8},
    }
    from flags.latch_file import _digest

    file.path.write_text(json.dumps({"sha256": _digest(body), **body}))
    latch = file.load(now=9.0)
    assert [(h.scope, h.source, h.origin, h.revision, h.since) for h in latch.holds] == [
        ("all", "command", "", 2_500_000, 2.5),
        ("all", "flag", "file", 9, 2.5),
        ("group:g", "sentinel", "", 2_500_000, 2.5),
    ]
    assert latch.flags_off == {("route:r", "file"): 8}
    resumed = latch.resume(Mark(scope="all", on=False, revision=latch.next_revision(0))).latch
    assert [hold.source for hold in resumed.holds] == ["flag", "sentinel"]
    assert file.save(latch) == ""
    assert file.load(now=10.0) == latch


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


def test_words_of_another_environment_are_not_for_this_fleet(tmp_path: Path) -> None:
    path = tmp_path / "rollback-latch.json"
    kept = held()
    LatchFile(path, environment="staging").save(kept)
    assert LatchFile(path, environment="staging").load(now=1.0) == kept
    here = LatchFile(path, environment="production").load(now=1.0)
    assert here.shared == SharedState()
    assert not here.resumed
    assert {hold.scope for hold in here.holds} == {hold.scope for hold in kept.holds}
    [moved] = [hold for hold in here.local if hold.scope == "route:über"]
    assert (moved.source, moved.revision) == (Source.LATCH, 1795350769250000)
    assert "environment staging" in moved.reason


def test_a_latch_that_names_no_environment_is_of_this_one(tmp_path: Path) -> None:
    path = tmp_path / "rollback-latch.json"
    LatchFile(path).save(held())
    assert LatchFile(path, environment="production").load(now=1.0) == held()
