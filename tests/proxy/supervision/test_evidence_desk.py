"""The evidence desk: what is asked of the observer, what is refused, and what is audited."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path

import pytest
import structlog

from proxy.config.parse import parse_routes
from proxy.supervision.audit import Actor, Audit
from proxy.supervision.change import Refusal, Refused
from proxy.supervision.evidence_desk import EvidenceDesk
from proxy.supervision.journal import Journal
from proxy.supervision.state_directory import StateDirectory
from proxy.supervision.switches import Switches

ROUTES = b"""\
version: 1
upstreams: {legacy: {role: legacy, urls: ["http://a:1"]}, catalog: {urls: ["http://a:2"]}}
routes:
  - {id: page, match: {path: {exact: /page}}, new: catalog, stage: shadow}
  - {id: monolith, match: {path: {prefix: /}}}
"""
WHO = Actor(who="ann", via="api")


@dataclass
class FakeObserver:
    """Answers everything the same, and keeps what it was asked."""

    status: int = 200
    body: object = field(default_factory=dict)
    asked: list[tuple[str, dict[str, object]]] = field(default_factory=list)
    waited: int = 0

    async def ask(self, what: str, params: Mapping[str, object]) -> tuple[int, object]:
        # As on the link: only what JSON can say arrives.
        self.asked.append((what, json.loads(json.dumps(dict(params)))))
        return self.status, self.body

    async def until_started(self) -> None:
        self.waited += 1


def lines(audit: Path) -> list[dict[str, object]]:
    found = map(json.loads, audit.read_text().splitlines())
    return [line for line in found if line["scope"] != "audit"]


@pytest.fixture
def observer() -> FakeObserver:
    return FakeObserver()


@pytest.fixture
def audit(tmp_path: Path) -> Path:
    return tmp_path / "audit.jsonl"


@pytest.fixture
def desk(tmp_path: Path, observer: FakeObserver, audit: Path) -> Iterator[EvidenceDesk]:
    directory = StateDirectory.open(tmp_path / "state")
    flags = tmp_path / "flags.yaml"
    flags.write_text("rollback: false\n")
    file = parse_routes(ROUTES, "routes.yaml")
    yield EvidenceDesk(
        observer=observer,
        file=lambda: file,
        journal=Journal(
            switches=Switches(flags, directory), audit=Audit(audit), log=structlog.get_logger()
        ),
        revision=lambda: 7,
    )
    directory.close()


async def test_a_report_has_the_stage_that_the_file_gives(
    desk: EvidenceDesk, observer: FakeObserver
) -> None:
    observer.body = {"routes": [{"route": "page", "stage": ""}, {"route": "gone"}]}
    report = await desk.report()
    assert report == {
        "routes": [{"route": "page", "stage": "shadow"}, {"route": "gone", "stage": ""}]
    }
    await desk.report("page")
    assert observer.asked == [("report", {}), ("report", {"route": "page"})]
    # One that is starting is no reason to refuse.
    assert observer.waited == 2


async def test_a_draft_arrives_as_it_would_stand_in_the_file(
    desk: EvidenceDesk, observer: FakeObserver
) -> None:
    await desk.rules("page", [{"path": "$.price", "op": "number", "abs": Decimal("0.005")}])
    assert observer.asked == [
        ("rules", {"route": "page", "draft": [{"path": "$.price", "op": "number", "abs": 0.005}]})
    ]


async def test_a_draft_with_a_mistake_is_not_sent(
    desk: EvidenceDesk, observer: FakeObserver
) -> None:
    with pytest.raises(Refused, match=r"draft\[0\]: op ignore needs reason and expires") as refused:
        await desk.rules("page", [{"path": "$.a", "op": "ignore"}])
    assert refused.value.kind is Refusal.INVALID
    assert observer.asked == []


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        pytest.param(400, Refusal.INVALID, id="invalid"),
        pytest.param(404, Refusal.UNKNOWN, id="unknown"),
        pytest.param(409, Refusal.CONFLICT, id="conflict"),
        pytest.param(503, Refusal.UNAVAILABLE, id="unavailable"),
        pytest.param(500, Refusal.UNAVAILABLE, id="defect"),
    ],
)
async def test_what_the_observer_refuses_is_refused_in_its_words(
    desk: EvidenceDesk, observer: FakeObserver, status: int, kind: Refusal
) -> None:
    observer.status, observer.body = status, {"detail": "no such exemplar: ab"}
    with pytest.raises(Refused, match="no such exemplar: ab") as refused:
        await desk.show("ab")
    assert refused.value.kind is kind


async def test_an_answer_without_words_is_refused_too(
    desk: EvidenceDesk, observer: FakeObserver
) -> None:
    observer.status, observer.body = 500, None
    with pytest.raises(Refused, match="the observer answered 500"):
        await desk.show("ab")


async def test_a_misspelt_route_is_told_from_one_without_evidence(
    desk: EvidenceDesk, observer: FakeObserver
) -> None:
    observer.status, observer.body = 404, {"detail": "nothing is known of page yet"}
    with pytest.raises(Refused, match="nothing is known of page yet"):
        await desk.report("page")
    with pytest.raises(Refused, match="there is no route 'pgae': did you mean page"):
        await desk.rules("pgae")


async def test_no_evidence_of_a_route_is_an_empty_report_and_of_no_route_is_none(
    desk: EvidenceDesk, observer: FakeObserver
) -> None:
    observer.body = {"routes": []}
    assert await desk.report("page") == {"routes": []}
    with pytest.raises(Refused, match="there is no route 'pgae'"):
        await desk.report("pgae")


async def test_a_triage_is_audited_once_it_is_done(
    desk: EvidenceDesk, observer: FakeObserver, audit: Path
) -> None:
    await desk.triage("page", "ab12", ticket="SHOP-12", note="known", actor=WHO)
    assert observer.asked == [
        ("triage", {"route": "page", "fingerprint": "ab12", "ticket": "SHOP-12", "note": "known"})
    ]
    (line,) = lines(audit)
    assert (line["action"], line["scope"], line["who"]) == ("shadow_triage", "route:page", "ann")
    assert (line["reason"], line["before"]) == ("SHOP-12 known", "ab12")
    observer.status, observer.body = 404, {"detail": "no such cause"}
    with pytest.raises(Refused):
        await desk.triage("page", "cd34", ticket="", note="x", actor=WHO)
    assert len(lines(audit)) == 1


async def test_every_other_question_reaches_the_observer(
    desk: EvidenceDesk, observer: FakeObserver
) -> None:
    await desk.show("ab")
    await desk.exemplars("page")
    await desk.exemplars("page", "cd")
    await desk.rules("page")
    await desk.replay("ab")
    await desk.accept("page", "$.a")
    assert observer.asked == [
        ("show", {"id": "ab"}),
        ("exemplars", {"route": "page"}),
        ("exemplars", {"route": "page", "fingerprint": "cd"}),
        ("rules", {"route": "page"}),
        ("replay", {"id": "ab"}),
        ("accept", {"route": "page", "path": "$.a"}),
    ]
