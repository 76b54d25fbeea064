"""What the observer answers for people, over a real store and two scripted origins."""

from __future__ import annotations

import asyncio
import json
import random
import time
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from proxy.compare_policy import ComparePolicy, Op, Rule
from proxy.observer.store import EvidenceStore
from proxy.shadow_policy import (
    ExemplarStore,
    ObserverPolicy,
    ReprobePolicy,
    ShadowPolicy,
    WriteMode,
)
from proxy.stages import Stage
from tests.proxy.observer.rig import NO_REPROBE, Asked, Rig, response, rig
from tests.rigs.scripted_origin import (
    Conversation,
    Script,
    answer,
    answer_then_close,
    hang_up,
    never_answer,
    reset_at_once,
)

CALM = ObserverPolicy(loop_lag_shed=0.0)
LEGACY = b'{"at": "2026-11-22T10:00:00Z", "price": 10, "name": "a"}'
NEW = b'{"at": "2026-11-22T11:00:00Z", "price": "10", "name": "a"}'


@asynccontextmanager
async def desk(folder: Path, count: int = 3, **given: Any) -> AsyncIterator[Rig]:
    """An observer with so many mismatches in a real store."""
    store = EvidenceStore(folder / "e.sqlite3", random=random.Random(1), clock=time.time)
    given.setdefault("new", answer(response(NEW)))
    given.setdefault("legacy", answer(response(LEGACY)))
    given.setdefault("policy", CALM)
    try:
        async with rig(folder, evidence=store, **given) as made:
            player = made.worker()
            for number in range(count):
                player.whole(
                    Asked(
                        target=b"/a/%d?token=s3cret&q=1" % number,
                        fields=b"Cookie: sid=s3cret\r\nAuthorization: Bearer s3cret\r\nX-A: 1\r\n",
                    ),
                    response(LEGACY),
                )
            player.tell_books()
            await made.until(lambda: made.observer.counts.outcomes.total() == count)
            yield made
    finally:
        await asyncio.to_thread(store.close)


async def ask(made: Rig, what: str, **params: object) -> Any:
    status, body = await made.observer.questions.answer(what, json.dumps(params))
    assert status == 200, body
    return json.loads(body)


async def refusal(made: Rig, what: str, **params: object) -> tuple[int, str]:
    status, body = await made.observer.questions.answer(what, json.dumps(params))
    return status, json.loads(body)["detail"]


async def test_a_report_has_the_books_and_the_causes(tmp_path: Path) -> None:
    async with desk(tmp_path) as made:
        (route,) = (await ask(made, "report", route="a"))["routes"]
        assert (route["eligible"], route["pending"], route["unaccounted"]) == (3, 0, 0)
        assert route["outcomes"]["mismatch"] == 3
        assert {tuple(c["paths"]) for c in route["causes"]} == {("$.at",), ("$.price",)}
        assert [r["route"] for r in (await ask(made, "report"))["routes"]] == ["a"]


async def test_a_report_says_that_shadow_traffic_is_paused(tmp_path: Path) -> None:
    async with desk(tmp_path, new=answer(response(LEGACY))) as made:
        for paused in (True, False):
            made.apply(paused=paused)
            (route,) = (await ask(made, "report", route="a"))["routes"]
            assert route["verdict"] == "NEED-MORE-DATA"
            assert ("is paused" in route["reasons"][0]) is paused
            assert (route["eta_seconds"] is None) is paused


@pytest.mark.parametrize(
    ("changed", "says"),
    [
        pytest.param({"stage": Stage.LEGACY}, "at stage legacy nothing is copied", id="legacy"),
        pytest.param({"stage": Stage.COMPLETE}, "at stage complete nothing is", id="complete"),
        pytest.param({"shadow": ShadowPolicy(sample=0.0)}, "no shadow.sample", id="no_sample"),
        pytest.param({"new": "", "stage": Stage.LEGACY}, "has no new side", id="no_new_side"),
        pytest.param(None, "is not in routes.yaml any more", id="gone"),
    ],
)
async def test_a_report_of_a_route_that_is_not_copied_says_so_first_and_promises_no_end(
    tmp_path: Path, changed: dict[str, Any] | None, says: str
) -> None:
    async with desk(tmp_path, new=answer(response(LEGACY))) as made:
        (route,) = made.file.routes
        routes = () if changed is None else (replace(route, **changed),)
        made.apply(replace(made.file, revision="r2", routes=routes))
        (found,) = (await ask(made, "report", route="a"))["routes"]
        assert found["verdict"] == "NEED-MORE-DATA"
        assert says in found["reasons"][0]
        assert found["reasons"][0].endswith(": nothing is added")
        assert found["eta_seconds"] is None


async def test_an_exemplar_is_shown_whole_and_without_secrets(tmp_path: Path) -> None:
    async with desk(tmp_path) as made:
        listed = (await ask(made, "exemplars", route="a"))["exemplars"]
        assert len(listed) == 3
        shown = await ask(made, "show", id=listed[0]["id"][:8])
        assert shown["id"] == listed[0]["id"]
        assert json.loads(shown["legacy"]["body"]) == json.loads(LEGACY)
        assert json.loads(shown["new"]["body"]) == json.loads(NEW)
        assert ["X-A", "1"] in shown["request_headers"]
        assert {"cookie", "authorization", "query:token"} <= set(shown["redacted"])
        assert "s3cret" not in json.dumps(shown)
        rules = {tuple(c["paths"]): c["rule"] for c in shown["causes"]}
        assert rules[("$.price",)]["path"] == "$.price"
        assert b"s3cret" not in (tmp_path / "e.sqlite3").read_bytes()
        assert b"s3cret" not in (tmp_path / "e.sqlite3-wal").read_bytes()


async def test_exemplars_of_one_cause(tmp_path: Path) -> None:
    async with desk(tmp_path) as made:
        (route,) = (await ask(made, "report", route="a"))["routes"]
        for cause in route["causes"]:
            found = await ask(made, "exemplars", route="a", fingerprint=cause["fingerprint"])
            assert {e["id"] for e in found["exemplars"]} == set(cause["exemplars"])


async def test_with_exemplars_off_nothing_of_a_pair_is_kept(tmp_path: Path) -> None:
    policy = ObserverPolicy(loop_lag_shed=0.0, exemplars=ExemplarStore.OFF)
    async with desk(tmp_path, policy=policy) as made:
        assert (await ask(made, "exemplars", route="a"))["exemplars"] == []
        (route,) = (await ask(made, "report", route="a"))["routes"]
        assert route["outcomes"]["mismatch"] == 3


async def test_a_recorded_write_can_be_looked_at(tmp_path: Path) -> None:
    shadow = ShadowPolicy(sample=1.0, writes=WriteMode.RECORD, aa=NO_REPROBE)
    async with desk(tmp_path, 0, shadow=shadow) as made:
        player = made.players[0]
        player.whole(Asked(method=b"POST", body=b"a=1"), response(b'{"id": 7}', status=201))
        await made.until(lambda: made.observer.counts.outcomes.total() == 1)
        (line,) = (await ask(made, "exemplars", route="a"))["exemplars"]
        shown = await ask(made, "show", id=line["id"])
        assert (shown["method"], shown["request_body"]) == ("POST", "a=1")
        assert (shown["outcome"], shown["detail"]) == ("incomparable", "recorded")
        assert shown["legacy"]["status"] == 201
        assert made.new.requests == []


async def test_a_side_that_gave_no_answer_can_be_looked_at(tmp_path: Path) -> None:
    async with desk(tmp_path, new=reset_at_once) as made:
        (route,) = (await ask(made, "report", route="a"))["routes"]
        (cause,) = [c for c in route["causes"] if c["exemplars"]][:1]
        assert cause["severity"] == "critical"
        shown = await ask(made, "show", id=cause["exemplars"][0])
        assert shown["new"]["status"] == 0
        assert shown["new"]["error"]
        assert shown["legacy"]["status"] == 200


# Rules.


async def test_a_draft_is_tried_on_the_stored_pairs(tmp_path: Path) -> None:
    async with desk(tmp_path) as made:
        draft: list[object] = [
            {"path": "$.price", "op": "ignore", "reason": "T-1", "expires": "2099-01-01"},
            {"path": "$.gone", "op": "shape"},
        ]
        found = (await ask(made, "rules", route="a", draft=draft))["what_if"]
        assert (found["pairs"], found["before"], found["after"]) == (3, 3, 3)
        (silenced,) = found["silenced"]
        assert (silenced["paths"], silenced["pairs"], silenced["noise"]) == (["$.price"], 3, False)
        assert found["unused"] == [1]
        both = [*draft, {"path": "$.at", "op": "datetime", "tolerance": "2h"}]
        found = (await ask(made, "rules", route="a", draft=both))["what_if"]
        assert (found["before"], found["after"]) == (3, 0)
        # Nothing was put to use.
        assert (await ask(made, "rules", route="a"))["rules"] == []


async def test_rules_are_told_with_what_they_did(tmp_path: Path) -> None:
    rules = (
        Rule(path="$.price", op=Op.IGNORE, reason="T-1", expires="2099-01-01"),
        Rule(path="$.old", op=Op.IGNORE, reason="T-2", expires="2020-01-01"),
    )
    async with desk(tmp_path, compare=ComparePolicy(rules=rules)) as made:
        first, second = (await ask(made, "rules", route="a"))["rules"]
        assert (first["path"], first["reason"], first["expired"]) == ("$.price", "T-1", False)
        assert first["comparisons"] == 3
        assert (second["expired"], second["count"]) == (True, 0)


async def test_a_pair_that_was_redacted_where_it_differs_is_left_out_of_a_what_if(
    tmp_path: Path,
) -> None:
    async with desk(tmp_path, compare=ComparePolicy(redact=("$.price",))) as made:
        draft = [{"path": "$.price", "op": "shape"}]
        found = (await ask(made, "rules", route="a", draft=draft))["what_if"]
        assert (found["pairs"], found["skipped"]) == (0, 3)


async def test_renewing_a_rule_that_has_ended_is_tried_on_what_differs_since(
    tmp_path: Path,
) -> None:
    ended = Rule(path="$.price", op=Op.IGNORE, reason="T-1", expires="2020-01-01")
    async with desk(tmp_path, compare=ComparePolicy(rules=(ended,))) as made:
        draft = {"path": "$.price", "op": "ignore", "reason": "T-1", "expires": "2099-01-01"}
        found = (await ask(made, "rules", route="a", draft=[draft]))["what_if"]
        assert (found["pairs"], found["skipped"], found["unused"]) == (3, 0, [])
        assert [each["paths"] for each in found["silenced"]] == [["$.price"]]
        status, detail = await refusal(
            made, "rules", route="a", draft=[draft, {**draft, "expires": "2020-01-01"}]
        )
        assert (status, detail) == (
            400,
            "draft[1].expires: 2020-01-01 is past: the rule would do nothing",
        )


async def test_a_proposal_can_be_taken_over_and_a_refused_one_says_why(tmp_path: Path) -> None:
    shadow = ShadowPolicy(
        sample=1.0, aa=ReprobePolicy(rate=1.0, on_mismatch=True), legacy_extra_rps=1000.0
    )
    later = LEGACY.replace(b"10:00", b"10:01")
    async with desk(tmp_path, 1, shadow=shadow, legacy=answer(response(later))) as made:
        (route,) = (await ask(made, "report", route="a"))["routes"]
        proposed = [n for n in route["noise"] if n["proposal"]]
        for noise in proposed:
            accepted = await ask(made, "accept", route="a", path=noise["path"])
            assert accepted["rule"]["path"] == noise["path"]
        for noise in route["noise"]:
            if not noise["proposal"]:
                assert (await refusal(made, "accept", route="a", path=noise["path"]))[0] == 409


# Replay and triage.


async def test_a_replay_asks_both_sides_and_counts_nowhere(tmp_path: Path) -> None:
    says = [NEW]

    def mended_later(conversation: Conversation) -> None:
        while True:
            conversation.read_request()
            conversation.send(response(says[0]))

    async with desk(tmp_path, new=mended_later) as made:
        id = (await ask(made, "exemplars", route="a"))["exemplars"][0]["id"]
        before = len(made.new.requests)
        replayed = await ask(made, "replay", id=id)
        assert (replayed["of"], replayed["outcome"]) == (id, "mismatch")
        assert {tuple(c["paths"]) for c in replayed["shown"]["causes"]} == {("$.at",), ("$.price",)}
        assert "cookie" in replayed["lacked"]
        assert len(made.new.requests) == before + 1
        (asked,) = made.legacy.requests
        assert asked.values(b"x-figway-shadow") == [b"1"]
        assert asked.target in [b"/a/%d?q=1" % number for number in range(3)]
        assert not asked.has(b"cookie")
        assert not asked.has(b"authorization")
        says[0] = LEGACY
        assert (await ask(made, "replay", id=id))["outcome"] == "match"
        (route,) = (await ask(made, "report", route="a"))["routes"]
        assert sum(route["outcomes"].values()) == 3


@pytest.mark.parametrize(
    ("legacy", "new", "outcome", "detail"),
    [
        pytest.param(hang_up, None, "aborted", "closed", id="legacy_down"),
        pytest.param(hang_up, never_answer, "aborted", "closed", id="both_silent"),
        pytest.param(None, never_answer, "shadow_timeout", "timeout", id="new_hangs"),
        pytest.param(None, hang_up, "shadow_error", "closed", id="new_down"),
        pytest.param(
            None, answer(response(b"a" * 70_000)), "incomparable", "oversize", id="new_too_large"
        ),
    ],
)
async def test_a_replay_without_an_answer_says_which_side_gave_none(
    tmp_path: Path, legacy: Script | None, new: Script | None, outcome: str, detail: str
) -> None:
    says: list[Script | None] = [None]

    def worse_later(conversation: Conversation) -> None:
        (says[0] or answer_then_close(response(NEW)))(conversation)

    policy = ObserverPolicy(loop_lag_shed=0.0, deadline=0.5, max_body=65_536)
    given = legacy or answer(response(LEGACY))
    async with desk(tmp_path, 1, new=worse_later, legacy=given, policy=policy) as made:
        id = (await ask(made, "exemplars", route="a"))["exemplars"][0]["id"]
        says[0] = new
        replayed = await ask(made, "replay", id=id)
        assert (replayed["outcome"], replayed["detail"]) == (outcome, detail)
        shown = replayed["shown"]
        assert (shown["legacy"]["status"] == 0) is (legacy is not None)
        assert (shown["new"]["status"] == 0) is (new is not None)


async def test_nothing_is_replayed_while_shadow_traffic_is_paused(tmp_path: Path) -> None:
    async with desk(tmp_path) as made:
        id = (await ask(made, "exemplars", route="a"))["exemplars"][0]["id"]
        made.apply(paused=True)
        status, detail = await refusal(made, "replay", id=id)
        assert status == 409
        assert "paused" in detail


async def test_triage_is_noted(tmp_path: Path) -> None:
    async with desk(tmp_path) as made:
        (route,) = (await ask(made, "report", route="a"))["routes"]
        fingerprint = route["causes"][0]["fingerprint"]
        await ask(made, "triage", route="a", fingerprint=fingerprint, ticket="T-9", note="known")
        (route,) = (await ask(made, "report", route="a"))["routes"]
        noted = {c["fingerprint"]: c["ticket"] for c in route["causes"]}
        assert noted[fingerprint] == "T-9"


# Refusals.


@pytest.mark.parametrize(
    ("what", "params", "status", "says"),
    [
        pytest.param("report", {"route": "z"}, 404, "'z'", id="unknown_route"),
        pytest.param("exemplars", {"route": "z"}, 404, "'z'", id="exemplars_of_nobody"),
        pytest.param("rules", {"route": "z"}, 404, "'z'", id="rules_of_nobody"),
        pytest.param("show", {"id": "zzz"}, 404, "no exemplar", id="unknown_exemplar"),
        pytest.param("replay", {"id": "zzz"}, 404, "no exemplar", id="replay_of_nothing"),
        pytest.param("show", {}, 400, "id: is needed", id="no_id"),
        pytest.param("show", {"id": 5}, 400, "id: is text", id="an_id_that_is_a_number"),
        pytest.param("rules", {"route": "a", "draft": {}}, 400, "list", id="no_list"),
        pytest.param(
            "rules", {"route": "a", "draft": [{"path": "$.a"}]}, 400, "draft[0].op", id="bad_draft"
        ),
        pytest.param(
            "triage", {"route": "a", "fingerprint": "0"}, 404, "no cause", id="unknown_cause"
        ),
        pytest.param("accept", {"route": "a", "path": "$.zz"}, 404, "$.zz", id="no_such_noise"),
        pytest.param(
            "exemplars", {"route": "a", "fingerprint": "ff"}, 404, "no cause 'ff'", id="no_cause"
        ),
        pytest.param("dance", {}, 400, "no question", id="unknown_question"),
    ],
)
async def test_a_question_without_a_good_answer_says_why(
    tmp_path: Path, what: str, params: dict[str, object], status: int, says: str
) -> None:
    async with desk(tmp_path, 1) as made:
        found, detail = await refusal(made, what, **params)
        assert found == status
        assert says in detail


async def test_the_beginning_of_several_exemplars_is_told_from_that_of_none(tmp_path: Path) -> None:
    policy = ObserverPolicy(loop_lag_shed=0.0, exemplars_per_fingerprint=17)
    async with desk(tmp_path, 17, policy=policy) as made:
        ids = [each["id"] for each in (await ask(made, "exemplars", route="a"))["exemplars"]]
        # More than there are digits: two begin alike.
        assert len(ids) == 17
        (digit, _), *_ = Counter(id[0] for id in ids).most_common()
        status, detail = await refusal(made, "show", id=digit)
        assert (status, detail.split(",")[0]) == (404, f"several exemplars begin with '{digit}'")
        assert "`figway shadow exemplars a` lists them" in detail
        status, detail = await refusal(made, "show", id="zzz")
        assert (status, "begins with 'zzz': it has expired, or there never" in detail) == (
            404,
            True,
        )
        assert "`figway shadow exemplars ROUTE` lists what is kept" in detail


async def test_a_route_of_which_nothing_is_copied_is_told_from_one_that_is_not_known(
    tmp_path: Path,
) -> None:
    async with desk(tmp_path, 1) as made:
        (route,) = made.file.routes
        cart = replace(route, id="cart", new="", stage=Stage.LEGACY)
        made.apply(replace(made.file, revision="r2", routes=(route, cart)))
        for question in ("report", "exemplars", "rules"):
            assert await refusal(made, question, route="cart") == (
                404,
                "there is no evidence of a route 'cart': the route has no new side, so nothing is"
                " copied",
            )
            assert (await refusal(made, question, route="card"))[1].endswith("a route 'card'")


@pytest.mark.parametrize("text", ["", "[]", "nonsense", "3"])
async def test_parameters_that_are_no_object_are_refused(tmp_path: Path, text: str) -> None:
    async with desk(tmp_path, 0) as made:
        assert (await made.observer.questions.answer("report", text))[0] == 400


async def test_a_defect_in_an_answer_is_told_and_not_fatal(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with desk(tmp_path, 0) as made:
        monkeypatch.setattr(EvidenceStore, "report", lambda *_: 1 / 0)
        status, detail = await refusal(made, "report")
        assert (status, "defect" in detail) == (503, True)
        assert [event for event, _ in made.told if event == "question_failed"]


async def test_metrics_are_told_as_series(tmp_path: Path) -> None:
    async with desk(tmp_path) as made:
        found = await ask(made, "metrics")
        values = {s["metric"]: s["value"] for s in found["series"]}
        assert values["figway_shadow_outcomes_total"] == 3
        assert values["figway_shadow_unaccounted"] == 0
        assert found["histograms"][0]["labels"] == ["a", "new"]
