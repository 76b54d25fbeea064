"""Re-probes of legacy: when they are made, and what they show."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import pytest

from proxy.evidence.settled import Triple
from proxy.shadow_policy import ObserverPolicy, ReprobePolicy, SessionUse, ShadowPolicy
from proxy.stages import Side, Stage
from tests.proxy.observer.rig import Asked, Rig, response, rig
from tests.rigs.scripted_origin import (
    Conversation,
    Script,
    answer,
    never_answer,
    reset_at_once,
)

CALM = ObserverPolicy(loop_lag_shed=0.0)
ALWAYS = ReprobePolicy(rate=1.0, on_mismatch=True)
SELDOM = ReprobePolicy(rate=0.0, on_mismatch=True)
PLAIN = Asked()
NEVER = ReprobePolicy(rate=0.0, on_mismatch=False)


def policy(aa: ReprobePolicy, *, extra: float = 1000.0) -> ShadowPolicy:
    return ShadowPolicy(sample=1.0, aa=aa, legacy_extra_rps=extra)


async def settled_once(made: Rig, primary: bytes, asked: Asked = PLAIN) -> Triple | None:
    made.worker().whole(asked, primary)
    await made.settled(1)
    return made.store.settled[0].triple


@pytest.mark.parametrize(
    ("aa", "new", "asked"),
    [
        pytest.param(ALWAYS, b'{"a": 1}', 1, id="sampled_though_equal"),
        pytest.param(SELDOM, b'{"a": 1}', 0, id="equal"),
        pytest.param(SELDOM, b'{"a": 2}', 1, id="different"),
        pytest.param(NEVER, b'{"a": 2}', 0, id="switched_off"),
    ],
)
async def test_legacy_is_asked_once_more_for_a_sample_and_on_mismatches(
    tmp_path: Path, aa: ReprobePolicy, new: bytes, asked: int
) -> None:
    legacy = answer(response(b'{"a": 1}'))
    shadow = policy(aa)
    async with rig(
        tmp_path, new=answer(response(new)), legacy=legacy, shadow=shadow, policy=CALM
    ) as made:
        triple = await settled_once(made, response(b'{"a": 1}'))
        assert len(made.legacy.requests) == asked
        assert (triple is not None) == bool(asked)
        if triple is not None:
            assert triple.sampled is (aa.rate == 1.0)
            assert made.legacy.requests[0].values(b"x-figway-shadow") == [b"1"]


TRIPLES = [
    pytest.param(b"1", b"2", b"1", ({"$.a"}, set(), {"$.a"}), id="regression"),
    pytest.param(b"1", b"2", b"3", ({"$.a"}, {"$.a"}, {"$.a"}), id="noise"),
    pytest.param(b"1", b"2", b"2", ({"$.a"}, {"$.a"}, set()), id="race"),
    pytest.param(b"1", b"1", b"3", (set(), {"$.a"}, {"$.a"}), id="noise_that_hit_legacy_only"),
]


@pytest.mark.parametrize(("first", "new", "again", "expected"), TRIPLES)
async def test_a_triple_tells_where_which_two_differ(
    tmp_path: Path, first: bytes, new: bytes, again: bytes, expected: tuple[set[str], ...]
) -> None:
    body = b'{"a": %b}'
    async with rig(
        tmp_path,
        new=answer(response(body % new)),
        legacy=answer(response(body % again)),
        shadow=policy(ALWAYS),
        policy=CALM,
    ) as made:
        triple = await settled_once(made, response(body % first))
        assert triple is not None
        assert (set(triple.new), set(triple.again), set(triple.again_new)) == expected
        assert [path for path, _ in triple.shapes] == sorted(expected[1])


async def test_after_the_cut_over_legacys_answers_are_paired_with_each_other(
    tmp_path: Path,
) -> None:
    numbers = itertools.count(1)

    def counting(conversation: Conversation) -> None:
        while True:
            conversation.read_request()
            conversation.send(response(b'{"n": %d}' % next(numbers)))

    async with rig(
        tmp_path, legacy=counting, shadow=policy(ALWAYS), policy=CALM, stage=Stage.LIVE
    ) as made:
        triple = await settled_once(made, response(b'{"n": 2}'), Asked(side=Side.NEW))
        assert triple is not None
        # Legacy said 1 as the shadow and 2 when asked once more; the new side had said 2.
        assert (set(triple.new), set(triple.again), set(triple.again_new)) == (
            {"$.n"},
            {"$.n"},
            set(),
        )
        assert made.new.requests == []


@pytest.mark.parametrize(
    ("sessions", "cookies"),
    [
        pytest.param(SessionUse.SKIP, [], id="skip"),
        pytest.param(SessionUse.DROP, [[b"a=1"]], id="drop"),
        pytest.param(SessionUse.KEEP, [[b"a=1; PHPSESSID=x"]], id="keep"),
    ],
)
async def test_a_visitors_session_is_asked_with_once_more_only_where_the_route_says(
    tmp_path: Path, sessions: SessionUse, cookies: list[Any]
) -> None:
    aa = ReprobePolicy(rate=1.0, sessions=sessions)
    async with rig(
        tmp_path,
        new=answer(response()),
        legacy=answer(response()),
        shadow=policy(aa),
        policy=CALM,
    ) as made:
        await settled_once(made, response(), Asked(fields=b"Cookie: a=1; PHPSESSID=x\r\n"))
        assert [r.values(b"cookie") for r in made.legacy.requests] == cookies
        word = "asked" if cookies else "skipped"
        assert made.value("figway_shadow_reprobes_total", "a", word) == 1


async def test_re_probes_keep_their_budget(tmp_path: Path) -> None:
    async with rig(
        tmp_path,
        new=answer(response()),
        legacy=answer(response()),
        shadow=policy(ALWAYS, extra=2.0),
        policy=CALM,
    ) as made:
        player = made.worker()
        for _ in range(40):
            player.whole()
        await made.settled(40)
        asked = made.value("figway_shadow_reprobes_total", "a", "asked")
        skipped = made.value("figway_shadow_reprobes_total", "a", "skipped")
        assert asked + skipped == 40
        assert 2 <= asked == len(made.legacy.requests) < 20


@pytest.mark.parametrize(
    "legacy",
    [pytest.param(reset_at_once, id="resets"), pytest.param(never_answer, id="hangs")],
)
async def test_a_re_probe_that_fails_costs_the_triple_only(tmp_path: Path, legacy: Script) -> None:
    brief = ObserverPolicy(loop_lag_shed=0.0, deadline=0.3)
    async with rig(
        tmp_path,
        new=answer(response()),
        legacy=legacy,
        shadow=policy(ALWAYS),
        policy=brief,
    ) as made:
        assert await settled_once(made, response()) is None
        assert made.store.outcomes == {"match": 1}
        assert made.value("figway_shadow_reprobes_total", "a", "failed") == 1
