"""Reloading while somebody writes: nothing is told, and nothing is used, that nobody meant."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from structlog.testing import CapturingLogger

from flags.scope import ALL
from proxy.supervision.audit import Actor, Entry
from proxy.supervision.files import Files, load
from proxy.supervision.flag_moves import Move
from proxy.supervision.state_directory import StateDirectory
from proxy.supervision.switches import Switches

ROUTES = """\
version: 1
upstreams:
  legacy: {role: legacy, urls: ["http://127.0.0.1:1"]}
  catalog: {urls: ["http://127.0.0.1:2"]}
routes:
  - {id: rest, match: {path: {prefix: /}}}
  - {id: product, match: {path: {prefix: /product}}, new: catalog, stage: canary}
  - {id: account, match: {path: {prefix: /account}}, new: catalog, stage: live}
"""
FLAGS = "rollback: false\nroutes:\n  product:\n    percent: 25\n"
WHO = Actor(who="test", via="file")


class World:
    """Files with everything around them that is not asked here replaced."""

    def __init__(self, folder: Path, state: StateDirectory) -> None:
        self.routes, self.flags = folder / "routes.yaml", folder / "flags.yaml"
        self.routes.write_text(ROUTES)
        self.flags.write_text(FLAGS)
        self.switches = Switches(self.flags, state)
        # What was published, each with who reaches the new side by then.
        self.published: list[tuple[bool, int | None]] = []
        # What was written into the audit.
        self.written: list[tuple[str, str, str, str]] = []
        self.logger = CapturingLogger()
        self.files = Files(
            path=self.routes,
            loaded=self.load(),
            read=self.load,
            switches=self.switches,
            publisher=cast(Any, self),
            journal=cast(Any, self),
            state_of=str,
            log=cast(Any, self.logger),
        )

    def load(self) -> Any:
        return load(self.routes, {}, {})

    def publish(self, *_: object) -> object:
        snapshot = self.switches.snapshot(1)
        self.published.append((snapshot.rollback_all, snapshot.route_basis_points.get("product")))
        return len(self.published)

    async def confirmed(self, publication: object, patience: float) -> object:
        return SimpleNamespace(revision=publication, ms=0.0, missing=(), workers=())

    async def keep_latch(self, patience: float) -> bool:
        return True

    async def keep_good_flags(self) -> None:
        return None

    async def write_down(self, entry: Entry) -> bool:
        self.written.append((entry.action, entry.scope, entry.before, entry.after))
        return True

    async def write_moves(self, moved: Iterable[Move], action: str, *_: object) -> None:
        self.written += [(action, move.scope, move.before, move.after) for move in moved]

    def written_in_place(self, path: Path, *pieces: str) -> None:
        """Somebody truncates a file and writes a piece, and the next whenever a reload waits."""
        rest = iter(pieces[1:])
        path.write_text(pieces[0])

        async def moment() -> None:
            piece = next(rest, None)
            if piece is not None:
                with path.open("a") as file:
                    file.write(piece)

        self.files.moment = moment

    def events(self) -> list[str]:
        return [call.args[0] for call in self.logger.calls]


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    state = StateDirectory.open(tmp_path / "state")
    yield World(tmp_path, state)
    state.close()


def cut(text: str, at: str) -> tuple[str, str]:
    """A text in two, the first one ending with `at`."""
    end = text.index(at) + len(at)
    return text[:end], text[end:]


@pytest.mark.parametrize(
    "pieces",
    [
        pytest.param(("", ROUTES.replace("/account", "/konto")), id="empty_first"),
        pytest.param(cut(ROUTES.replace("/account", "/konto"), "rest, ma"), id="not_valid"),
        # Valid, and without a route that is live: half of it must not take its traffic away.
        pytest.param(cut(ROUTES.replace("/account", "/konto"), "canary}\n"), id="valid"),
    ],
)
async def test_routes_that_are_being_written_are_used_when_they_are_whole(
    world: World, pieces: tuple[str, ...]
) -> None:
    used: list[int] = []
    world.files.on_routes = lambda file: used.append(len(file.routes))
    world.written_in_place(world.routes, *pieces)
    outcome, _ = await world.files.reload_routes()
    assert outcome.outcome == "applied"
    assert used == [3]
    assert world.files.reloads["refused"] == 0
    assert world.events() == ["config_applied"]


async def test_routes_that_stay_wrong_are_told_once(world: World) -> None:
    world.written_in_place(world.routes, "", "version: 1\n")
    first, _ = await world.files.reload_routes()
    again, _ = await world.files.reload_routes()
    assert first == again
    assert first.outcome == "refused"
    assert "upstreams" in " ".join(first.problems)
    assert world.events() == ["config_refused"]
    assert world.files.reloads["refused"] == 2


@pytest.mark.parametrize(
    ("whole", "at"),
    [
        pytest.param(FLAGS.replace("25", "100"), "percent: 10", id="cut_in_a_percentage"),
        pytest.param(FLAGS.replace("25", "0.5"), "percent: 0", id="cut_before_a_point"),
        pytest.param(FLAGS.replace("25", "100"), "rollback: fal", id="cut_in_a_word"),
        pytest.param(FLAGS.replace("25", "100"), "", id="empty_first"),
    ],
)
async def test_flags_that_are_being_written_move_nothing_until_they_are_whole(
    world: World, whole: str, at: str
) -> None:
    world.written_in_place(world.flags, *cut(whole, at))
    outcome, _ = await world.files.reload_flags(actor=WHO)
    assert outcome.outcome == "applied"
    percent = whole.partition("percent: ")[2]
    assert world.published == [(False, round(float(percent) * 100))]
    assert world.files.reloads["refused"] == 0
    assert "flags_refused" not in world.events()


async def test_a_percentage_above_its_rollback_never_stands_alone(world: World) -> None:
    """Line by line, the new share of a route comes before the word that takes it back."""
    whole = FLAGS.replace("25\n", "100\n    rollback: true\n")
    world.written_in_place(world.flags, *cut(whole, "100\n"))
    await world.files.reload_flags(actor=WHO)
    snapshot = world.switches.snapshot(1)
    assert snapshot.rollback_routes == {"product"}
    # The rollback came first, and was sent before the file had settled.
    assert world.published == [(False, 2500), (False, 10_000)]


async def test_a_rollback_does_not_wait_for_the_rest_of_its_file(world: World) -> None:
    world.written_in_place(world.flags, "rollback: true\nroutes: {product: {percent: 2}}\n", "#\n")
    outcome, publication = await world.files.reload_flags(actor=WHO)
    assert outcome.outcome == "applied"
    assert publication is not None
    assert world.published == [(True, 2500), (True, 200)]
    assert world.switches.held_by(ALL) == ("flag",)


async def test_an_end_of_a_rollback_waits_until_its_file_has_settled(world: World) -> None:
    world.flags.write_text(FLAGS.replace("false", "true"))
    await world.files.reload_flags(actor=WHO)
    world.published.clear()
    world.written_in_place(world.flags, "rollback: false\n", FLAGS.partition("\n")[2])
    await world.files.reload_flags(actor=WHO)
    assert world.published == [(False, 2500)]


async def test_looking_again_does_not_make_a_rollback_newer_than_its_end(world: World) -> None:
    world.flags.write_text("rollback: true\n")
    await world.files.reload_flags(actor=WHO)
    await world.files.reload_flags(actor=WHO)
    world.flags.write_text("rollback: false\n")
    # A file from a machine whose clock is behind: within a process it is newer all the same.
    os.utime(world.flags, ns=(1, 1))
    await world.files.reload_flags(actor=WHO)
    assert world.switches.held_by(ALL) == ()


async def test_flags_written_by_this_process_are_used_without_waiting(world: World) -> None:
    async def moment() -> None:
        raise AssertionError

    world.files.moment = moment
    world.flags.write_text(FLAGS.replace("25", "50"))
    outcome, _ = await world.files.read_own_flags(WHO, "route:page")
    assert outcome.outcome == "applied"
    assert world.published == [(False, 5000)]
    # Whoever set it writes that down; what else the file says now is written by the next look.
    assert world.written == []


async def test_whatever_a_file_moves_is_written_down_scope_by_scope(world: World) -> None:
    world.flags.write_text(FLAGS.replace("25", "50") + "  account: {rollback: true}\n")
    await world.files.reload_flags(actor=WHO)
    assert world.written == [
        ("flag", "route:account", "not rolled back", "rolled back by flag"),
        ("flag", "route:product", "25 %", "50 %"),
    ]
    world.written.clear()
    was = world.files.loaded.file.revision
    world.routes.write_text(ROUTES.replace("/account", "/konto"))
    await world.files.reload_routes()
    now = world.files.loaded.file.revision
    assert world.written == [("config", "routes", f"revision {was}", f"revision {now}")]


async def test_flags_that_are_written_again_and_again_change_nothing(world: World) -> None:
    world.written_in_place(world.flags, *(["routes: {product: {percent: 1}}\n"] + ["#\n"] * 80))
    outcome, publication = await world.files.reload_flags(actor=WHO)
    assert (outcome.outcome, publication, world.published) == ("refused", None, [])
    assert "again at every look" in outcome.problems[0]


async def test_what_needs_a_restart_is_told_by_the_reload_until_it_is_as_it_was(
    world: World,
) -> None:
    world.routes.write_text(
        f"{ROUTES}flags: {{warn_after: 1m}}\ncontrol: {{environment: staging}}\n"
    )
    told = await world.files.reload(actor=WHO)
    assert told.warnings == (
        f"{world.routes}: flags: and control: changed: restart figway serve to use that",
    )
    assert world.files.loaded.plane.control.environment == "production"
    world.routes.write_text(ROUTES)
    assert (await world.files.reload(actor=WHO)).warnings == ()
