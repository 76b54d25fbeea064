"""Files that are read while they are written: what is half of something is never taken for it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from proxy.supervision import settled
from proxy.supervision.settled import Unsettled, read_settled


class Writer:
    """Somebody who writes a file in place, one piece each time the reader waits."""

    def __init__(self, path: Path, *pieces: str) -> None:
        self._path = path
        self._pieces = iter(pieces)
        self.waits = 0
        self.go_on()

    def go_on(self) -> None:
        piece = next(self._pieces, None)
        if piece is not None:
            with self._path.open("a") as file:
                file.write(piece)

    async def moment(self) -> None:
        self.waits += 1
        self.go_on()


async def test_a_file_at_rest_is_read_once(tmp_path: Path) -> None:
    writer = Writer(tmp_path / "file", "whole")
    seen: list[str] = []
    read = (tmp_path / "file").read_text
    assert await read_settled(
        tmp_path / "file", read, moment=writer.moment, at_once=seen.append
    ) == ("whole")
    assert (seen, writer.waits) == (["whole"], 1)


@pytest.mark.parametrize(
    "pieces",
    [
        pytest.param(("", "percent: 100\n"), id="empty_first"),
        pytest.param(("percent: 10", "0\n"), id="cut_in_a_number"),
        pytest.param(("a: 1\n", "b: 2\n", "c: 3\n"), id="line_by_line"),
    ],
)
async def test_a_file_that_is_being_written_is_read_when_it_is_whole(
    tmp_path: Path, pieces: tuple[str, ...]
) -> None:
    path = tmp_path / "file"
    writer = Writer(path, *pieces)
    seen: list[str] = []
    whole = await read_settled(path, path.read_text, moment=writer.moment, at_once=seen.append)
    assert whole == "".join(pieces)
    # Whoever asks for it is shown each state on the way, at once.
    assert seen[0] == pieces[0]
    assert len(seen) == len(pieces)


async def test_a_change_while_it_is_read_is_seen(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_text("old")
    contents: Iterator[str] = iter(("new", "newest"))

    def read() -> str:
        found = path.read_text()
        following = next(contents, None)
        if following is not None:
            path.write_text(following)
        return found

    writer = Writer(path)
    assert await read_settled(path, read, moment=writer.moment) == "newest"


async def test_a_file_that_never_rests_is_given_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(settled, "MOST_READS", 5)
    path = tmp_path / "file"
    writer = Writer(path, *("x" * 20))
    with pytest.raises(Unsettled):
        await read_settled(path, path.read_text, moment=writer.moment)
    assert writer.waits == 5


async def test_a_file_that_is_not_there_is_at_rest(tmp_path: Path) -> None:
    path = tmp_path / "nothing"
    writer = Writer(tmp_path / "other")
    assert await read_settled(path, path.exists, moment=writer.moment) is False
