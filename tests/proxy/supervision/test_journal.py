"""The journal: a rollback waits a moment for its first line, what moves to new waits for all."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import pytest
import structlog

from proxy.supervision import journal as module
from proxy.supervision.audit import Actor, Audit, Entry
from proxy.supervision.change import Refused
from proxy.supervision.journal import Journal

WHO = Actor(who="ann", via="api")


class _Hanging(Audit):
    """An audit on a disk that hangs until it is let go."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self.goes_on = threading.Event()

    def append(self, entry: Entry, *, unless_written: str = "") -> str:
        self.goes_on.wait(20)
        return super().append(entry, unless_written=unless_written)


@pytest.fixture
def hanging(tmp_path: Path) -> Iterator[_Hanging]:
    audit = _Hanging(tmp_path / "audit.jsonl")
    yield audit
    audit.goes_on.set()


def journal(audit: Audit) -> Journal:
    return Journal(switches=cast(Any, None), audit=audit, log=structlog.get_logger())


def lines(path: Path) -> list[dict[str, Any]]:
    found = [json.loads(line) for line in path.read_text().splitlines()]
    return [line for line in found if line["action"] != "opened"]


async def begin(desk: Journal) -> None:
    await desk.begin("rollback", "all", WHO, "error rate", "not rolled back", revision=1)


async def announce(desk: Journal) -> None:
    await desk.announce("percent", "route:page", WHO, "more", "5 %", revision=1)


async def test_a_rollback_is_written_down_before_it_is_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "BEGIN_SECONDS", 20.0)
    await begin(journal(Audit(tmp_path / "audit.jsonl")))
    (line,) = lines(tmp_path / "audit.jsonl")
    assert (line["phase"], line["action"], line["who"]) == ("begun", "rollback", "ann")


async def test_a_disk_that_hangs_holds_no_rollback_up_and_writes_it_down_when_it_goes_on(
    tmp_path: Path, hanging: _Hanging
) -> None:
    desk = journal(hanging)
    await begin(desk)
    assert not (tmp_path / "audit.jsonl").exists()
    hanging.goes_on.set()
    entry = Entry(
        phase="done",
        action="rollback",
        scope="all",
        actor=WHO,
        reason="error rate",
        before="",
        after="",
        revision=2,
    )
    assert await desk.write_down(entry)
    assert [line["phase"] for line in lines(tmp_path / "audit.jsonl")] == ["begun", "done"]
    assert desk.failures == 0


@pytest.mark.parametrize("way", [begin, announce])
async def test_a_disk_that_takes_nothing_is_counted_and_stops_only_what_is_not_a_rollback(
    tmp_path: Path, way: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "BEGIN_SECONDS", 20.0)
    (tmp_path / "audit.jsonl").symlink_to("/dev/full")
    desk = journal(Audit(tmp_path / "audit.jsonl"))
    if way is announce:
        with pytest.raises(Refused, match="only rollbacks are made"):
            await announce(desk)
    else:
        await begin(desk)
    assert (desk.failures, desk.owed) == (1, 1)


async def test_what_is_owed_is_written_as_soon_as_the_disk_takes_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "RETRY_SECONDS", 0.01)
    path = tmp_path / "audit.jsonl"
    path.symlink_to("/dev/full")
    desk = journal(Audit(path))
    await begin(desk)
    for _ in range(2):
        with pytest.raises(Refused):
            await announce(desk)
    path.unlink()
    async with asyncio.timeout(20):
        while desk.owed:  # noqa: ASYNC110 - the thread of the disk tells nobody
            await asyncio.sleep(0.01)
    assert [(line["action"], line.get("late", False)) for line in lines(path)] == [
        ("gap", False),
        ("rollback", True),
        ("percent", True),
        ("percent", True),
    ]


async def test_evidence_is_written_beside_what_it_was_about(tmp_path: Path) -> None:
    desk = journal(Audit(tmp_path / "audit.jsonl"))
    asked: list[str] = []

    async def evidence(scope: str) -> dict[str, str]:
        asked.append(scope)
        return {"page": "NO-GO"}

    desk.evidence = evidence
    await announce(desk)
    (line,) = lines(tmp_path / "audit.jsonl")
    assert (line["evidence"], asked) == ({"page": "NO-GO"}, ["route:page"])
    # A rollback does not wait for it before it is made.
    await begin(desk)
    assert asked == ["route:page"]
