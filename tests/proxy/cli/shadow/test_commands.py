"""figway shadow: what is asked of the admin API, what is printed, and the exit codes."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from proxy.cli.main import main
from proxy.evidence.answers import (
    AcceptAnswer,
    ExemplarLine,
    ExemplarsAnswer,
    ReplayAnswer,
    ReportAnswer,
    ShownAnswer,
    TriageAnswer,
)
from proxy.evidence.report import as_document
from tests.proxy.cli.shadow.sample import GO, MORE, NO_GO, RULES, SHOWN, WHAT_IF

SHADOW = "/api/v1/shadow"
DONE = {
    "revision": 5,
    "applied_ms": 1.5,
    "workers": [{"worker": 0, "pid": 7, "ms": 1.5}],
    "unconfirmed": [],
    "holds": [],
    "changed": True,
    "still_held": [],
    "warnings": [],
}


@dataclass
class Admin:
    """An admin listener that answers what it is told to, and keeps what it was asked."""

    status: int = 200
    answer: object = None
    asked: list[tuple[str, str, Any]] = field(default_factory=list)

    def is_asked(self, method: str, path: str, body: Any = None) -> None:
        """Check that this, and nothing else, was asked."""
        assert self.asked == [(method, path, body)]


@pytest.fixture
def admin(monkeypatch: pytest.MonkeyPatch) -> Iterator[Admin]:
    told = Admin()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            length = int(self.headers.get("Content-Length", "0"))
            body = json.loads(self.rfile.read(length)) if length else None
            told.asked.append((self.command, self.path, body))
            answer = json.dumps(told.answer).encode()
            self.send_response(told.status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        do_POST = do_GET  # noqa: N815 - the name that http.server calls

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    serving = threading.Thread(target=server.serve_forever, args=(0.01,))
    serving.start()
    monkeypatch.setenv("FIGWAY_ADMIN", f"127.0.0.1:{server.server_port}")
    monkeypatch.setenv("FIGWAY_TOKEN", "x")
    yield told
    server.shutdown()
    serving.join()
    server.server_close()


def reports(*routes: object) -> object:
    return as_document(ReportAnswer(routes=routes))  # type: ignore[arg-type] # of any verdict


@pytest.mark.parametrize(
    "words",
    [
        pytest.param(("report",), id="report"),
        pytest.param(("show",), id="show"),
        pytest.param(("exemplars",), id="exemplars"),
        pytest.param(("rules",), id="rules"),
        pytest.param(("replay",), id="replay"),
        pytest.param(("triage",), id="triage"),
        pytest.param(("pause",), id="pause"),
        pytest.param(("resume",), id="resume"),
    ],
)
def test_help_has_an_example_and_the_exit_codes_and_fits_a_terminal(
    words: tuple[str, ...], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    with pytest.raises(SystemExit) as ended:
        main(["shadow", *words, "--help"])
    assert ended.value.code == 0
    text = capsys.readouterr().out
    assert f"\n  figway shadow {words[0]}" in text
    assert "\nexit codes: 0 " in text
    assert "--json" in text
    assert max(len(line) for line in text.splitlines() if not line.startswith("  figway ")) <= 80


def test_the_report_of_all_routes_is_asked_for_and_printed(
    admin: Admin, capsys: pytest.CaptureFixture[str]
) -> None:
    admin.answer = reports(GO, NO_GO)
    assert main(["shadow", "report"]) == 0
    admin.is_asked("GET", f"{SHADOW}/report")
    told = capsys.readouterr().out
    assert "product-page  GO" in told
    assert "product-api  NO-GO" in told
    assert "\x1b" not in told


def test_the_report_of_one_route_names_it_safely(admin: Admin) -> None:
    admin.answer = reports(GO)
    assert main(["shadow", "report", "a b&c"]) == 0
    admin.is_asked("GET", f"{SHADOW}/report?route=a+b%26c")


@pytest.mark.parametrize("option", [("--json",), ("--format", "json")])
def test_json_is_what_the_observer_said(
    admin: Admin, capsys: pytest.CaptureFixture[str], option: tuple[str, ...]
) -> None:
    admin.answer = reports(NO_GO)
    assert main(["shadow", "report", *option]) == 0
    (route,) = json.loads(capsys.readouterr().out)["routes"]
    for key in ("verdict", "reasons", "eligible", "outcomes", "causes", "to_go", "epoch"):
        assert key in route
    assert route["verdict"] == "NO-GO"
    assert set(route["causes"][0]) >= {"paths", "cause", "severity", "count", "example"}


def test_markdown_and_junit_are_what_they_say(
    admin: Admin, capsys: pytest.CaptureFixture[str]
) -> None:
    admin.answer = reports(GO, NO_GO, MORE)
    assert main(["shadow", "report", "--format", "md"]) == 0
    assert capsys.readouterr().out.startswith("# Shadow report\n\n| route | stage | verdict |")
    assert main(["shadow", "report", "--format", "junit"]) == 0
    root = ElementTree.fromstring(capsys.readouterr().out)
    assert (root.get("tests"), root.get("failures"), root.get("skipped")) == ("3", "1", "1")


@pytest.mark.parametrize(
    ("routes", "fail_on", "code"),
    [
        pytest.param((GO,), "no-go", 0, id="go"),
        pytest.param((GO, MORE), "no-go", 0, id="more is no no-go"),
        pytest.param((GO, NO_GO), "no-go", 1, id="no-go"),
        pytest.param((GO,), "need-more-data", 0, id="only go"),
        pytest.param((GO, MORE), "need-more-data", 1, id="more"),
        pytest.param((NO_GO,), "need-more-data", 1, id="no-go fails the stricter one"),
        pytest.param((NO_GO,), None, 0, id="nothing asked"),
    ],
)
@pytest.mark.parametrize("form", ["text", "json", "md", "junit"])
def test_fail_on_decides_the_exit_code_in_every_format(
    admin: Admin, routes: tuple[object, ...], fail_on: str | None, code: int, form: str
) -> None:
    admin.answer = reports(*routes)
    options = ("--fail-on", fail_on) if fail_on else ()
    assert main(["shadow", "report", "--format", form, *options]) == code


@pytest.mark.parametrize("stage", ["legacy", "complete"])
def test_routes_that_are_not_copied_and_never_were_are_in_no_report(
    admin: Admin, capsys: pytest.CaptureFixture[str], stage: str
) -> None:
    still = replace(MORE, eligible=0, stage=stage)
    admin.answer = reports(GO, still)
    assert main(["shadow", "report", "--fail-on", "need-more-data"]) == 0
    assert "search" not in capsys.readouterr().out
    admin.answer = reports(GO, replace(still, eligible=1))
    assert main(["shadow", "report", "--fail-on", "need-more-data"]) == 1


def test_no_evidence_says_how_to_get_some_and_is_no_go(
    admin: Admin, capsys: pytest.CaptureFixture[str]
) -> None:
    admin.answer = reports()
    assert main(["shadow", "report", "--fail-on", "no-go"]) == 0
    assert "nothing was compared yet" in capsys.readouterr().out
    assert main(["shadow", "report", "--fail-on", "need-more-data"]) == 1


@pytest.mark.parametrize(
    ("status", "detail"),
    [
        pytest.param(503, "the observer did not answer within 30 seconds", id="no observer"),
        pytest.param(404, "there is no route 'a'", id="no route"),
        pytest.param(403, "needs the role viewer", id="no right"),
    ],
)
@pytest.mark.parametrize("options", [(), ("--fail-on", "no-go")], ids=["shown", "judged"])
def test_without_a_verdict_a_report_ends_with_2_and_the_words_of_figway(
    admin: Admin,
    capsys: pytest.CaptureFixture[str],
    options: tuple[str, ...],
    status: int,
    detail: str,
) -> None:
    admin.status, admin.answer = status, {"detail": detail}
    assert main(["shadow", "report", "a", *options]) == 2
    assert f"figway shadow: {detail}" in capsys.readouterr().err


def test_another_version_is_named_as_such(admin: Admin, capsys: pytest.CaptureFixture[str]) -> None:
    admin.answer = {"routes": [{"route": "a", "verdict": "PERHAPS"}]}
    assert main(["shadow", "report"]) == 2
    assert "is it of the same version as this command?" in capsys.readouterr().err


def test_a_pair_is_shown_by_its_id(admin: Admin, capsys: pytest.CaptureFixture[str]) -> None:
    admin.answer = as_document(SHOWN)
    assert main(["shadow", "show", "7f3a/2b"]) == 0
    admin.is_asked("GET", f"{SHADOW}/exemplars/7f3a%2F2b")
    told = capsys.readouterr().out
    assert "rounded to 2 places" in told
    assert "- {path: $.price, op: number, abs: 0.005}" in told


def test_rules_are_shown(admin: Admin, capsys: pytest.CaptureFixture[str]) -> None:
    admin.answer = as_document(RULES)
    assert main(["shadow", "rules", "product-api"]) == 0
    admin.is_asked("GET", f"{SHADOW}/rules?route=product-api")
    assert "EXPIRED" in capsys.readouterr().out


def test_the_proposed_rule_of_a_path_is_printed_to_be_put_into_a_file(
    admin: Admin, capsys: pytest.CaptureFixture[str]
) -> None:
    rule = {"path": "$.items[*].at", "op": "datetime", "tolerance": "5s"}
    admin.answer = as_document(
        AcceptAnswer(route="product-api", path="$.items[*].at", rule=rule, accepts="times")
    )
    assert main(["shadow", "rules", "product-api", "--accept", "$.items[*].at"]) == 0
    admin.is_asked("POST", f"{SHADOW}/accept", {"route": "product-api", "path": "$.items[*].at"})
    assert capsys.readouterr().out == ('- {path: "$.items[*].at", op: datetime, tolerance: 5s}\n')


def test_kept_pairs_are_listed_newest_first(
    admin: Admin, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    line = ExemplarLine(
        id="7f3a2b",
        at=1_700_000_000.0,
        outcome="mismatch",
        detail="major",
        method="GET",
        target="/a\x1b[2J",
        legacy_status=200,
        new_status=0,
    )
    later = replace(line, id="8e", at=1_700_000_001.0, replay_of="7f3a2b")
    admin.answer = as_document(ExemplarsAnswer(route="product-api", exemplars=(line, later)))
    assert main(["shadow", "exemplars", "product-api", "--cause", "9f"]) == 0
    admin.is_asked("GET", f"{SHADOW}/exemplars?route=product-api&fingerprint=9f")
    head, first, second = capsys.readouterr().out.splitlines()
    assert head.split() == ["id", "at", "outcome", "legacy", "new", "request"]
    assert first.startswith("8e ")
    assert first.endswith("(replay of 7f3a2b)")
    assert second.split()[-5:] == ["major", "200", "-", "GET", "/a\\x1b[2J"]


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("- {path: $.a, op: ignore, reason: T-1, expires: 2026-12-01}\n", id="list"),
        pytest.param(
            "rules: [{path: $.a, op: ignore, reason: T-1, expires: 2026-12-01}]\n", id="rules"
        ),
        pytest.param(
            "compare:\n  rules:\n  - {path: $.a, op: ignore, reason: T-1, expires: 2026-12-01}\n",
            id="compare",
        ),
    ],
)
def test_a_draft_is_sent_as_it_is_written_and_fails_if_it_would_mask_a_bug(
    admin: Admin, tmp_path: Path, capsys: pytest.CaptureFixture[str], text: str
) -> None:
    draft = tmp_path / "draft.yaml"
    draft.write_text(text)
    admin.answer = as_document(WHAT_IF)
    assert main(["shadow", "rules", "product-api", "--draft", str(draft)]) == 1
    rule = {"path": "$.a", "op": "ignore", "reason": "T-1", "expires": "2026-12-01"}
    admin.is_asked("POST", f"{SHADOW}/what-if", {"route": "product-api", "draft": [rule]})
    assert "no noise would be masked" in capsys.readouterr().out


def test_a_draft_that_hides_noise_only_is_fine(admin: Admin, tmp_path: Path) -> None:
    draft = tmp_path / "draft.yaml"
    draft.write_text("- {path: $.a, op: shape}\n")
    what_if = WHAT_IF.what_if
    assert what_if is not None
    noise = replace(what_if, silenced=what_if.silenced[1:])
    admin.answer = as_document(replace(WHAT_IF, what_if=noise))
    assert main(["shadow", "rules", "product-api", "--draft", str(draft)]) == 0


@pytest.mark.parametrize(
    ("text", "says"),
    [
        pytest.param("path: $.a\n", "must hold a list of rules", id="no list"),
        pytest.param("- {path: on, op: shape}\n", "the plain word on", id="trap"),
        pytest.param("- [\n", "not YAML", id="no yaml"),
        pytest.param(
            "- {path: $.a, op: shape}\n- {pth: $.b, op: shape}\n",
            'draft.yaml:2: rules[1].pth: unknown key; did you mean "path"?',
            id="a key that there is not",
        ),
        pytest.param(
            "rules:\n  - {path: a.b, op: shape}\n",
            "draft.yaml:2: compare.rules[0].path: 'a.b' is no path",
            id="a path that there is not",
        ),
        pytest.param(
            "- {path: $.a, op: shape}\n" * 101, "has 101 rules, at most 100", id="too many"
        ),
        pytest.param("", "draft.yaml:1: the file is empty: it needs a list of rules", id="empty"),
    ],
)
def test_a_draft_that_cannot_be_read_is_not_sent(
    admin: Admin, tmp_path: Path, capsys: pytest.CaptureFixture[str], text: str, says: str
) -> None:
    draft = tmp_path / "draft.yaml"
    draft.write_text(text)
    assert main(["shadow", "rules", "product-api", "--draft", str(draft)]) == 2
    assert says in capsys.readouterr().err
    assert main(["shadow", "rules", "product-api", "--draft", str(tmp_path / "none")]) == 2
    assert admin.asked == []


@pytest.mark.parametrize(
    ("outcome", "code", "says"),
    [
        pytest.param("match", 0, "they agree now", id="agreed"),
        pytest.param("mismatch", 1, "they differ", id="differs"),
        pytest.param("incomparable", 1, ": incomparable, nothing was compared", id="size"),
    ],
)
def test_a_replay_tells_whether_they_agree_now(
    admin: Admin, capsys: pytest.CaptureFixture[str], outcome: str, code: int, says: str
) -> None:
    admin.answer = as_document(
        ReplayAnswer(of="7f3a2b", outcome=outcome, detail="", lacked=("cookie",), shown=SHOWN)
    )
    assert main(["shadow", "replay", "7f3a2b"]) == code
    admin.is_asked("POST", f"{SHADOW}/replay", {"id": "7f3a2b"})
    told = capsys.readouterr().out
    assert says in told
    assert "sent without what was redacted: cookie" in told


@pytest.mark.parametrize(
    ("silent", "says"),
    [
        pytest.param(("legacy",), "legacy gave no answer: nothing was compared", id="legacy"),
        pytest.param(("new",), "new gave no answer\n", id="new"),
        pytest.param(("legacy", "new"), "neither side gave an answer: nothing", id="both"),
    ],
)
def test_a_replay_names_the_side_that_gave_no_answer(
    admin: Admin, capsys: pytest.CaptureFixture[str], silent: tuple[str, ...], says: str
) -> None:
    nobody = ShownAnswer(upstream="x", status=0, error="connect")
    shown = replace(SHOWN, **dict.fromkeys(silent, nobody))
    admin.answer = as_document(
        ReplayAnswer(of="7f3a2b", outcome="aborted", detail="connect", shown=shown)
    )
    assert main(["shadow", "replay", "7f3a2b"]) == 1
    told = capsys.readouterr().out
    assert f"replayed 7f3a2b: aborted connect, {says}" in told
    assert "they differ" not in told


def test_triage_says_who_and_why(admin: Admin, capsys: pytest.CaptureFixture[str]) -> None:
    admin.answer = as_document(
        TriageAnswer(route="product-api", fingerprint="9f", note="known", ticket="SHOP-12")
    )
    words = ["product-api", "9f", "--ticket", "SHOP-12", "--note", "known"]
    assert main(["shadow", "triage", *words]) == 0
    ((method, path, body),) = admin.asked
    assert (method, path) == ("POST", f"{SHADOW}/triage")
    assert body.pop("actor")
    assert body == {
        "route": "product-api",
        "fingerprint": "9f",
        "ticket": "SHOP-12",
        "note": "known",
    }
    assert "product-api 9f: SHOP-12 known" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("command", "changes", "code", "says"),
    [
        pytest.param("pause", {}, 0, "shadow traffic is paused: 1 worker confirmed", id="pause"),
        pytest.param("pause", {"changed": False}, 0, "was paused already", id="paused already"),
        pytest.param(
            "pause",
            {"unconfirmed": [{"worker": 1, "pid": 8}]},
            1,
            "NOT confirmed by worker 1",
            id="not confirmed",
        ),
        pytest.param("resume", {}, 0, "shadow traffic is resumed", id="resume"),
        pytest.param("resume", {"changed": False}, 0, "was not paused", id="not paused"),
        pytest.param(
            "resume",
            {"still_held": ["shadow.kill_switch in routes.yaml"]},
            1,
            "still stopped by shadow.kill_switch in routes.yaml",
            id="kill switch",
        ),
    ],
)
def test_pause_and_resume_tell_what_came_of_it(
    admin: Admin,
    capsys: pytest.CaptureFixture[str],
    command: str,
    changes: dict[str, object],
    code: int,
    says: str,
) -> None:
    admin.answer = {**DONE, **changes}
    assert main(["shadow", command, "--reason", "load test"]) == code
    ((method, path, body),) = admin.asked
    assert (method, path) == ("POST", f"{SHADOW}/{command}")
    assert body["reason"] == "load test"
    assert says in capsys.readouterr().out


@pytest.mark.parametrize("command", ["pause", "resume"])
def test_pause_and_resume_may_be_said_without_a_reason(admin: Admin, command: str) -> None:
    admin.answer = DONE
    assert main(["shadow", command]) == 0
    ((_, _, body),) = admin.asked
    assert body["reason"] == "none given"
