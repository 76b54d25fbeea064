"""The pause of shadow traffic: kept, never refused for a disk, ended only once that is on disk."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import structlog

from proxy.config.parse import parse_routes
from proxy.routing.route import RouteFile
from proxy.supervision.audit import Actor, Audit
from proxy.supervision.change import Refusal, Refused
from proxy.supervision.crew import Acknowledgement, Publication
from proxy.supervision.journal import Journal
from proxy.supervision.publisher import Publisher
from proxy.supervision.shadow_pause import Pause, PauseFile
from proxy.supervision.shadow_switch import ShadowSwitch
from proxy.supervision.state_directory import PAUSE, StateDirectory
from proxy.supervision.switches import Switches

ROUTES = b"""\
version: 1
upstreams: {legacy: {role: legacy, urls: ["http://a:1"]}}
routes: [{id: monolith, match: {path: {prefix: /}}}]
"""
WHO = Actor(who="ann", via="api")
PAUSED = Pause(since=1_700_000_000.0, actor="ann", reason="load test")


class _Busy(Journal):
    """A journal whose disk takes its time for the end of a pause: something happens meanwhile."""

    desk: Desk

    async def keep_pause(self, patience: float, pause: Pause | None) -> bool:
        if pause is None and self.desk.meanwhile is not None:
            await self.desk.meanwhile()
        return await super().keep_pause(patience, pause)

    async def announce(
        self, action: str, scope: str, actor: Actor, reason: str, before: str, *, revision: int
    ) -> None:
        if self.desk.refuse:
            raise Refused(Refusal.UNAVAILABLE, "the audit cannot be written")
        self.desk.announced.append(f"{action} {scope} {before}")


class _Prompt(Publisher):
    """A publisher whose workers confirm at once."""

    desk: Desk

    def __init__(self, desk: Desk) -> None:
        self.revision = self.changed_revision = 2
        self.desk = desk

    def publish(
        self, file: RouteFile | None = None, unhealthy: tuple[str, ...] | None = None
    ) -> Publication:
        self.desk.published.append(self.desk.switches.snapshot(1).shadow_paused)
        return Publication(2, (), has_routes=False)

    async def confirmed(self, publication: Publication, patience: float = 5.0) -> Acknowledgement:
        return Acknowledgement(revision=2, ms=0.0, workers=(), missing=())


@dataclass
class Desk:
    """A switch over real files, with workers that confirm at once."""

    directory: StateDirectory
    switches: Switches
    audit: Path
    announced: list[str] = field(default_factory=list)
    published: list[bool] = field(default_factory=list)
    refuse: bool = False
    meanwhile: Callable[[], Awaitable[object]] | None = None
    routes: bytes = ROUTES

    def switch(self) -> ShadowSwitch:
        log = structlog.get_logger()
        journal = _Busy(switches=self.switches, audit=Audit(self.audit), log=log)
        journal.desk = self

        return ShadowSwitch(
            switches=self.switches,
            journal=journal,
            file=lambda: parse_routes(self.routes, "routes.yaml"),
            publisher=_Prompt(self),
            log=log,
        )

    def break_disk(self) -> None:
        """Make the file of the pause unwritable, also for root."""
        (self.directory.path / PAUSE).unlink(missing_ok=True)
        (self.directory.path / PAUSE).mkdir()

    def kept(self) -> Pause | None:
        return PauseFile(self.directory.path / PAUSE).load(now=0.0)

    def lines(self) -> list[dict[str, object]]:
        lines = map(json.loads, self.audit.read_text().splitlines())
        return [line for line in lines if line["scope"] != "audit"]


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    directory = StateDirectory.open(tmp_path / "state")
    flags = tmp_path / "flags.yaml"
    flags.write_text("rollback: false\n")
    yield Desk(directory, Switches(flags, directory), tmp_path / "audit.jsonl")
    directory.close()


def pause(switch: ShadowSwitch, reason: str = "load test") -> Awaitable[object]:
    return switch.pause(actor=WHO, reason=reason, patience=5.0)


def resume(switch: ShadowSwitch) -> Awaitable[object]:
    return switch.resume(actor=WHO, reason="over", patience=5.0)


async def test_a_pause_is_published_kept_and_audited(desk: Desk) -> None:
    switch = desk.switch()
    done = await switch.pause(actor=WHO, reason="load test", patience=5.0)
    assert (done.changed, done.warnings) == (True, ())
    assert desk.published == [True]
    kept = desk.kept()
    assert kept is not None
    assert (kept.actor, kept.reason) == ("ann", "load test")
    (line,) = desk.lines()
    assert (line["action"], line["before"], line["after"]) == (
        "shadow_pause",
        "not paused",
        "paused",
    )
    (view,) = switch.pauses
    assert (view.by, view.reason) == ("command", "load test")
    assert view.lift.startswith("figway shadow resume")


async def test_a_second_pause_keeps_the_first_ones_start_and_reason(desk: Desk) -> None:
    switch = desk.switch()
    await pause(switch, "first")
    done = await switch.pause(actor=WHO, reason="second", patience=5.0)
    assert not done.changed
    kept = desk.kept()
    assert kept is not None
    assert kept.reason == "first"


async def test_a_pause_survives_a_restart(desk: Desk) -> None:
    await pause(desk.switch())
    again = Switches(desk.switches.file.path, desk.directory)
    assert again.snapshot(2).shadow_paused


async def test_a_resume_is_announced_written_down_and_then_published(desk: Desk) -> None:
    switch = desk.switch()
    await pause(switch)
    done = await switch.resume(actor=WHO, reason="over", patience=5.0)
    assert done.changed
    assert desk.announced == ["shadow_resume shadow paused"]
    assert desk.published == [True, False]
    assert desk.kept() is None
    assert not Switches(desk.switches.file.path, desk.directory).snapshot(3).shadow_paused
    assert desk.lines()[-1]["after"] == "not paused"


async def test_a_resume_of_nothing_changes_nothing(desk: Desk) -> None:
    done = await desk.switch().resume(actor=WHO, reason="over", patience=5.0)
    assert not done.changed
    assert desk.announced == []


async def test_a_disk_that_takes_nothing_does_not_stop_a_pause(desk: Desk) -> None:
    desk.break_disk()
    switch = desk.switch()
    done = await switch.pause(actor=WHO, reason="x", patience=5.0)
    assert desk.switches.snapshot(1).shadow_paused
    assert done.warnings == ("it could not be kept on disk and will not survive a restart",)


async def test_an_audit_that_takes_nothing_does_not_stop_a_pause(desk: Desk) -> None:
    desk.audit.mkdir()
    done = await desk.switch().pause(actor=WHO, reason="x", patience=5.0)
    assert desk.switches.snapshot(1).shadow_paused
    assert done.warnings == ("the audit could not be written",)


async def test_a_resume_that_cannot_be_kept_is_refused(desk: Desk) -> None:
    switch = desk.switch()
    await pause(switch)
    desk.break_disk()
    with pytest.raises(Refused, match="cannot be kept on disk") as refused:
        await resume(switch)
    assert refused.value.kind is Refusal.UNAVAILABLE
    assert desk.switches.snapshot(1).shadow_paused


async def test_a_resume_that_cannot_be_announced_is_refused(desk: Desk) -> None:
    switch = desk.switch()
    await pause(switch)
    desk.refuse = True
    with pytest.raises(Refused, match="audit"):
        await resume(switch)
    assert desk.kept() is not None


async def test_a_pause_that_comes_during_a_resume_is_not_swept_away(desk: Desk) -> None:
    switch = desk.switch()
    await pause(switch)
    desk.meanwhile = lambda: pause(switch, "again")
    with pytest.raises(Refused, match="paused meanwhile") as refused:
        await resume(switch)
    assert refused.value.kind is Refusal.CONFLICT
    assert desk.switches.snapshot(1).shadow_paused
    assert desk.kept() is not None


async def test_neither_pause_nor_resume_overtakes_what_was_changed_since(desk: Desk) -> None:
    switch = desk.switch()
    now = (await switch.pause(actor=WHO, reason="x", patience=5.0)).revision
    for change in (switch.pause, switch.resume):
        with pytest.raises(Refused, match="changed since revision 1:") as refused:
            await change(actor=WHO, reason="x", patience=5.0, seen=1)
        assert refused.value.kind is Refusal.STALE
    assert desk.switches.snapshot(1).shadow_paused
    await switch.resume(actor=WHO, reason="x", patience=5.0, seen=now)
    assert not desk.switches.snapshot(1).shadow_paused


async def test_the_kill_switch_of_the_file_is_told_and_outlives_a_resume(desk: Desk) -> None:
    desk.routes = ROUTES + b"shadow: {kill_switch: true}\n"
    switch = desk.switch()
    await pause(switch)
    assert [view.by for view in switch.pauses] == ["file", "command"]
    done = await switch.resume(actor=WHO, reason="over", patience=5.0)
    assert done.still_held == ("shadow.kill_switch in routes.yaml",)
    (view,) = switch.pauses
    assert view.lift == "set shadow.kill_switch to false in routes.yaml"


@pytest.mark.parametrize(
    "damage",
    [
        pytest.param(lambda text: b"", id="empty"),
        pytest.param(lambda text: text[:-20], id="torn"),
        pytest.param(lambda text: text.replace(b"load", b"lead"), id="changed"),
        pytest.param(lambda text: b"[" * 100_000, id="nested"),
        pytest.param(lambda text: b"[]", id="another shape"),
    ],
)
def test_a_file_that_cannot_be_trusted_is_a_pause(
    tmp_path: Path, damage: Callable[[bytes], bytes]
) -> None:
    file = PauseFile(tmp_path / "pause.json")
    assert file.load(now=1.0) is None
    assert file.save(PAUSED) == ""
    assert file.load(now=2.0) == PAUSED
    assert file.path.stat().st_mode & 0o777 == 0o600
    file.path.write_bytes(damage(file.path.read_bytes()))
    found = file.load(now=3.0)
    assert found is not None
    assert "cannot be trusted" in found.reason
    assert "figway shadow resume" in found.reason
