"""figway audit on files, without a running figway."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from proxy.cli.client import Unreachable
from proxy.cli.main import main
from proxy.cli.output import Failure
from proxy.supervision.audit import Actor, Audit, Entry


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "audit.jsonl"
    entry = Entry(
        phase="done",
        action="rollback",
        scope="all",
        actor=Actor(who="ann", via="api"),
        reason="error rate",
        before="not rolled back",
        after="rolled back by command",
        revision=7,
        acks=((1, 0.5),),
        replicas=(("a", 1.0), ("b", 2.0)),
    )
    audit = Audit(path)
    for _ in range(3):
        audit.append(entry)
    return path


@pytest.mark.parametrize("name", [".", "audit.jsonl"], ids=["the folder", "the file"])
def test_lines_cut_off_at_the_end_are_found_however_the_files_are_named(
    file: Path, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["audit", "--verify", str(file.parent / name)]) == 0
    lines = file.read_bytes().splitlines(keepends=True)
    file.write_bytes(b"".join(lines[:-1]))
    capsys.readouterr()
    assert main(["audit", "--verify", str(file.parent / name)]) == 1
    assert "line 4 is cut off: " in capsys.readouterr().out


def test_a_folder_that_lost_its_files_is_not_sound(
    file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file.unlink()
    assert main(["audit", "--verify", str(file.parent)]) == 1
    out = capsys.readouterr().out
    assert "lines 1 to 4 are cut off" in out
    assert out.endswith("NOT sound: 1 finding in no lines\n")


def test_a_folder_that_never_had_an_audit_cannot_be_read(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["audit", "--verify", str(tmp_path)]) == 2
    assert "no file of an audit is there" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("since", "lines"),
    [
        pytest.param("1h", 4, id="a span"),
        pytest.param("999999w", 4, id="a span longer than calendars"),
        pytest.param("0001-01-01", 4, id="the first day of calendars"),
        pytest.param("2999-01-01", 0, id="a day"),
        pytest.param("2999-01-01T00:00:00+05:00", 0, id="a time with its offset"),
    ],
)
def test_only_what_came_since_is_shown(
    file: Path, since: str, lines: int, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["audit", str(file), "--since", since]) == 0
    assert len(capsys.readouterr().out.splitlines()) == lines


@pytest.fixture
def both_phases(tmp_path: Path) -> Path:
    """Five changes over several files: the third was begun only, the others done as well."""
    path = tmp_path / "audit.jsonl"
    audit = Audit(path, rotate_bytes=1500)
    for number in range(1, 6):
        for phase in ("begun", "done"):
            entry = Entry(
                phase=phase,
                action="rollback",
                scope="all",
                actor=Actor(who="ann", via="api"),
                reason=f"reason {number}",
                before="",
                after="",
                revision=number,
                outcome="applied" if phase == "done" else "",
            )
            if (number, phase) != (3, "done"):
                audit.append(entry)
    return path.parent


@pytest.mark.parametrize("limit", range(1, 6))
def test_as_many_changes_are_shown_as_are_asked_for(
    both_phases: Path, limit: int, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["audit", str(both_phases), "--scope", "all", "--limit", str(limit)]
    assert main(words) == 0
    shown = capsys.readouterr().out.splitlines()
    newest = [f'"reason {number}"' for number in range(1, 6)][-limit:]
    assert len(shown) == limit
    assert all(reason in line for reason, line in zip(newest, shown, strict=True))


def test_a_change_is_listed_with_both_of_its_lines(
    both_phases: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["audit", str(both_phases), "--scope", "all", "--limit", "3", "--json"]) == 0
    listed = json.loads(capsys.readouterr().out)["entries"]
    phases = [(entry["reason"][-1], entry["phase"]) for entry in listed]
    assert phases[-4:] == [("4", "begun"), ("4", "done"), ("5", "begun"), ("5", "done")]
    assert phases[:-4] == [("3", "begun")]


@pytest.mark.parametrize("words", [[], ["--verify"]], ids=["shown", "verified"])
def test_what_cannot_be_read_is_not_called_altered(
    words: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def ask(*_: object) -> object:
        raise Failure(1, "audit-1.jsonl.gz: cannot be read (CRC check failed)")

    monkeypatch.setattr("proxy.cli.client.ask", ask)
    assert main(["audit", *words]) == 2
    assert "cannot be read" in capsys.readouterr().err


def test_of_a_figway_that_does_not_run_the_files_are_named(
    file: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def ask(*_: object) -> object:
        raise Unreachable(2, "cannot reach figway")

    monkeypatch.setattr("proxy.cli.client.ask", ask)
    assert main(["audit", "--verify", "--state-dir", str(file.parent)]) == 2
    said = f"cannot reach figway; without it, its files can be read: figway audit {file.parent}"
    assert said in capsys.readouterr().err
    assert main(["audit", "--state-dir", str(file.parent / "none")]) == 2
    assert "without it" not in capsys.readouterr().err


def test_one_worker_is_one(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["audit", str(file)]) == 0
    said = capsys.readouterr().out.splitlines()
    assert [line.endswith("  1 worker  2 replicas") for line in said] == [False, True, True, True]


def test_what_is_no_time_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["audit", "--since", "yesterday"])
    assert ended.value.code == 2
    assert "a span back such as 24h, or an ISO 8601 time: 'yesterday'" in capsys.readouterr().err
