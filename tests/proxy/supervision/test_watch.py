"""Watching files: every way a file can change is told, once."""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from proxy.supervision import watch
from proxy.supervision.watch import Look, Watch, look


class Told:
    """What a watch has told."""

    def __init__(self, *paths: Path) -> None:
        self.changes: asyncio.Queue[Path] = asyncio.Queue()
        self.watch = Watch(paths, self.changes.put_nowait)

    async def next(self) -> Path:
        return await asyncio.wait_for(self.changes.get(), 20)


def replace(path: Path) -> None:
    (path.parent / "new").write_text("other content")
    (path.parent / "new").rename(path)


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(lambda path: path.write_text("longer content"), id="written"),
        pytest.param(lambda path: path.write_text("1111"), id="written_with_the_same_length"),
        pytest.param(replace, id="renamed_over"),
        pytest.param(lambda path: path.unlink(), id="removed"),
        pytest.param(lambda path: os.truncate(path, 0), id="truncated"),
    ],
)
async def test_a_change_is_told(tmp_path: Path, change: Callable[[Path], None]) -> None:
    path = tmp_path / "watched"
    path.write_text("0000")
    (tmp_path / "beside").write_text("x")
    told = Told(path)
    told.watch.start()
    change(path)
    (tmp_path / "beside").write_text("y")
    assert await told.next() == path
    told.watch.stop()


async def test_a_file_that_is_being_written_is_told_when_it_has_content(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "watched"
    path.write_text("before")
    told = Told(path)
    emptied = threading.Event()

    def tell_tale(seen_path: Path) -> Look:
        seen = look(seen_path)
        # The second look at the empty file: what the first one led to has happened.
        if seen and seen[1] == 0:
            (emptied.set if first.is_set() else first.set)()
        return seen

    first = threading.Event()
    monkeypatch.setattr(watch, "look", tell_tale)
    monkeypatch.setattr(watch, "EMPTY_SECONDS", 60)
    told.watch.start()
    os.truncate(path, 0)
    await asyncio.to_thread(emptied.wait, 20)
    assert told.changes.empty()
    path.write_text("after")
    assert await told.next() == path
    told.watch.stop()


async def test_a_file_that_appears_is_told(tmp_path: Path) -> None:
    told = Told(tmp_path / "one", tmp_path / "two")
    told.watch.start()
    (tmp_path / "two").touch()
    assert await told.next() == tmp_path / "two"
    (tmp_path / "one").touch()
    assert await told.next() == tmp_path / "one"
    told.watch.stop()


async def test_a_folder_that_is_made_later_is_watched_too(tmp_path: Path) -> None:
    path = tmp_path / "later" / "file"
    told = Told(path)
    told.watch.start()
    path.parent.mkdir()
    path.touch()
    assert await told.next() == path
    told.watch.stop()


async def test_what_changed_before_the_start_is_told(tmp_path: Path) -> None:
    path = tmp_path / "file"
    told = Told(path)
    path.touch()
    told.watch.start()
    assert await told.next() == path
    told.watch.stop()


def test_a_file_that_cannot_be_looked_at_is_not_a_file_that_is_gone(tmp_path: Path) -> None:
    (tmp_path / "loop").symlink_to("loop")
    assert look(tmp_path / "loop") is not None
    assert look(tmp_path / "nothing") is None


async def test_a_disk_that_hangs_hides_no_file_of_another_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hanging, sentinel = tmp_path / "tokens", tmp_path / "ROLLBACK"
    told, over = Told(hanging, sentinel), threading.Event()

    def hangs(path: Path) -> Look:
        if path == hanging:
            over.wait()
        return look(path)

    monkeypatch.setattr(watch, "look", hangs)
    told.watch.start()
    try:
        sentinel.touch()
        assert await told.next() == sentinel
    finally:
        over.set()
        told.watch.stop()
