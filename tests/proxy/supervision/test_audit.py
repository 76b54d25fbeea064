"""The audit on disk: one chain over restarts, rotation, crashes and a disk that takes nothing."""

from __future__ import annotations

import gzip
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from proxy.supervision import audit_head
from proxy.supervision.audit import MAX_OWED, Actor, Audit, Entry, text
from proxy.supervision.audit_chain import Link, Verified, seal
from proxy.supervision.audit_files import files_of, in_order, verify
from proxy.supervision.audit_head import HEAD, Head
from proxy.supervision.audit_reading import verify_all


def entry(reason: str = "error rate", action: str = "rollback", **fields: Any) -> Entry:
    return Entry(
        phase=fields.pop("phase", "done"),
        action=action,
        scope="all",
        actor=Actor(who="ann", via="api", ticket="INC-42"),
        reason=reason,
        before="not rolled back",
        after="rolled back by command",
        revision=7,
        acks=((1, 0.5),),
        **fields,
    )


def verified(path: Path) -> Verified:
    return verify_all(path)


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "audit.jsonl"


def test_a_line_says_who_what_and_why_and_the_file_is_private(path: Path) -> None:
    audit = Audit(path)
    assert audit.append(entry("line\nbreak", evidence={"page": "GO"})) == ""
    opened, line = lines(path)
    assert opened["action"] == "opened"
    assert (
        line.items()
        >= {
            "who": "ann",
            "via": "api",
            "ticket": "INC-42",
            "reason": "line\nbreak",
            "acks": {"1": 0.5},
            "evidence": {"page": "GO"},
            "revision": 7,
        }.items()
    )
    assert path.stat().st_mode & 0o777 == 0o600
    assert (path.parent / HEAD).stat().st_mode & 0o777 == 0o600
    assert path.read_bytes().isascii()


def test_one_chain_goes_on_over_restarts(path: Path) -> None:
    for _ in range(3):
        audit = Audit(path)
        for number in range(3):
            assert audit.append(entry(str(number))) == ""
    found = verified(path)
    assert (found.findings, found.notes, found.lines) == ((), (), 10)


def test_it_may_be_rotated_from_outside_by_renaming_copying_and_compressing(path: Path) -> None:
    audit = Audit(path)
    audit.append(entry("one"))
    path.rename(path.with_name("audit.1"))
    audit.append(entry("two"))
    audit.append(entry("three"))
    # copytruncate, as logrotate calls it.
    path.with_name("audit.jsonl.2.gz").write_bytes(gzip.compress(path.read_bytes()))
    os.truncate(path, 0)
    audit.append(entry("four"))
    path.rename(path.with_name("audit.jsonl.3"))
    Audit(path).append(entry("five"))
    found = verified(path)
    assert (found.findings, found.notes) == ((), ())
    assert found.lines == 5 + 4
    # One of them lost is told.
    path.with_name("audit.jsonl.2.gz").unlink()
    (gone,) = verified(path).findings
    assert "missing before line 6" in str(gone)


def test_a_file_that_has_grown_is_put_aside_by_itself(path: Path) -> None:
    audit = Audit(path, rotate_bytes=3000)
    for number in range(20):
        assert audit.append(entry(str(number))) == ""
    aside = sorted(other.name for other in path.parent.glob("audit-0*.jsonl"))
    assert len(aside) > 2
    assert all(len(path.with_name(name).read_bytes()) < 4500 for name in aside)
    found = verified(path)
    assert (found.findings, found.notes) == ((), ())
    assert lines(path)[0]["action"] == "opened"


def test_older_files_that_were_archived_are_a_note_and_no_finding(path: Path) -> None:
    audit = Audit(path, rotate_bytes=2000)
    for number in range(10):
        audit.append(entry(str(number)))
    oldest = files_of(path)[0].path
    oldest.unlink()
    found = verified(path)
    assert found.findings == ()
    assert "older files are not here" in found.notes[0]


@pytest.mark.parametrize("missing", [1, 10, 200])
def test_a_line_torn_by_a_crash_is_closed_and_told_and_the_chain_goes_on(
    path: Path, missing: int
) -> None:
    audit = Audit(path)
    audit.append(entry("one"))
    audit.append(entry("two"))
    whole = path.read_bytes()
    # What a crash leaves: a part of the third line, of which the head knows nothing.
    audit.append(entry("three"))
    third = path.read_bytes()[len(whole) :]
    path.write_bytes(whole + third[:-missing])
    (path.parent / HEAD).unlink()
    assert verified(path).findings == ()
    assert Audit(path).append(entry("after the crash")) == ""
    found = verified(path)
    assert found.findings == ()
    written = [json.loads(line) for line in path.read_text().splitlines() if line.endswith('"}')]
    if missing == 1:
        # Only its newline was lost: it is whole.
        assert [line["reason"] for line in written][-2:] == ["three", "after the crash"]
    else:
        assert [line["action"] for line in written][-2:] == ["gap", "rollback"]
        assert "torn" in found.notes[0]


def test_lines_from_before_the_chain_are_covered_by_its_first(path: Path) -> None:
    old = b'{"at": "2026", "action": "rollback"}\n' * 3
    path.write_bytes(old)
    audit = Audit(path)
    audit.append(entry())
    found = verified(path)
    assert (found.findings, found.notes) == ((), ("3 lines from before the chain, as they were",))
    path.write_bytes(path.read_bytes().replace(b"2026", b"2025", 1))
    assert "3 lines without a seal before line 1" in str(verified(path).findings[0])


def test_what_somebody_else_writes_into_the_file_is_found_and_the_chain_goes_on(path: Path) -> None:
    audit = Audit(path)
    audit.append(entry("one"))
    with path.open("a") as file:
        file.write(json.dumps(entry("forged").fields()) + "\n")
    audit.append(entry("two"))
    Audit(path).append(entry("three"))
    found = verified(path)
    assert [finding.line for finding in found.findings] == [3]
    assert "without a seal" in found.findings[0].what


def test_lines_cut_off_at_the_end_are_found_by_the_head_and_stay_found(path: Path) -> None:
    audit = Audit(path)
    for number in range(5):
        audit.append(entry(str(number)))
    whole = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join(whole[:4]))
    assert "lines 5 to 6 are cut off" in str(verified(path).findings[0])
    # Also once figway has written on, this one or the next.
    Audit(path).append(entry("after"))
    assert "lines 5 to 6 are missing before line 7" in str(verified(path).findings[0])


def test_a_line_put_behind_the_last_one_is_found_and_stays_found(path: Path) -> None:
    audit = Audit(path)
    audit.append(entry("one"))
    forged, _ = seal(entry("forged").fields(), audit.last)
    with path.open("ab") as file:
        file.write(forged)
    assert [str(finding) for finding in verified(path).findings] == [
        "audit.jsonl:3: line 3 was put behind the last one that figway wrote"
    ]
    # Also once figway has written on, this one or the next.
    audit.append(entry("two"))
    Audit(path).append(entry("three"))
    found = verified(path).findings
    assert [finding.what for finding in found] == [
        "line 3 is here and at audit.jsonl:3: one of them was inserted"
    ]


@pytest.mark.parametrize("left", [0, 1], ids=["no line", "the first line"])
def test_a_running_figway_knows_its_newest_line_whatever_is_done_to_head_and_file(
    path: Path, left: int
) -> None:
    audit = Audit(path)
    audit.append(entry("one"))
    assert verify_all(path, lambda: audit.last).findings == ()
    kept = path.read_bytes().splitlines(keepends=True)[:left]
    path.write_bytes(b"".join(kept))
    (path.parent / HEAD).unlink()
    assert verify_all(path).findings == ()
    (finding,) = verify_all(path, lambda: audit.last).findings
    assert finding.what.endswith("cut off: the running figway knows of 2")


@pytest.mark.parametrize("written", [True, False], ids=["after the line", "before the line"])
def test_a_crash_beside_the_head_is_no_finding(path: Path, written: bool) -> None:
    audit = Audit(path)
    audit.append(entry("one"))
    before, whole = audit.last, path.read_bytes()
    audit.append(entry("two"))
    audit_head.keep(path.parent, Head(last=before, pending=audit.last), flush=False)
    if not written:
        path.write_bytes(whole)
    assert verified(path).findings == ()
    Audit(path).append(entry("three"))
    assert verified(path).findings == ()
    reasons = ["one", "two", "three"] if written else ["one", "three"]
    assert [line["reason"] for line in lines(path)][1:] == reasons


def test_a_figway_that_starts_on_a_full_disk_goes_on_where_the_last_one_was(path: Path) -> None:
    Audit(path).append(entry("one"))
    path.rename(path.with_name("audit.1"))
    path.symlink_to("/dev/full")
    audit = Audit(path, retry_seconds=0)
    assert audit.append(entry("two")) != ""
    path.unlink()
    assert audit.append(entry("three")) == ""
    assert lines(path)[0]["seq"] == 3
    assert verified(path).findings == ()


def test_a_damaged_head_costs_nothing_but_itself(path: Path) -> None:
    Audit(path).append(entry())
    (path.parent / HEAD).write_bytes(b"\xff" * 5)
    Audit(path).append(entry())
    assert verified(path).findings == ()
    last = verified(path).last
    assert audit_head.read(path.parent) == Head(last=last, pending=last)


# A disk that takes nothing.


def test_what_cannot_be_written_says_so_and_does_not_raise() -> None:
    for name in ("/dev/full", "/proc/nowhere/audit.jsonl"):
        assert name in Audit(Path(name)).append(entry())


def test_what_the_disk_did_not_take_is_written_late_behind_a_line_that_tells_of_the_gap(
    path: Path,
) -> None:
    audit = Audit(path, retry_seconds=0)
    audit.append(entry("before"))
    path.rename(path.with_name("audit.1"))
    path.symlink_to("/dev/full")
    assert "No space left" in audit.append(entry("lost at first"))
    refused = entry("not made", "percent", phase="begun")
    assert audit.append(refused, unless_written="refused") != ""
    assert audit.owed == 2
    assert audit.settle() != ""
    path.unlink()
    assert audit.settle() == ""
    assert (audit.owed, audit.settle()) == (0, "")
    opened, gap, first, second = lines(path)
    assert (opened["action"], gap["action"]) == ("opened", "gap")
    assert (gap["entries_late"], gap["entries_lost"]) == (2, 0)
    assert "No space left" in gap["reason"]
    assert (first["reason"], first["late"], first["outcome"]) == ("lost at first", True, "")
    assert (second["reason"], second["outcome"]) == ("not made", "refused")
    assert first["at"] <= second["at"] <= gap["at"]
    assert verified(path).findings == ()


def test_what_is_owed_is_bounded_and_what_is_lost_is_counted(path: Path) -> None:
    path.symlink_to("/dev/full")
    audit = Audit(path)
    for number in range(MAX_OWED + 5):
        assert "No space left" in audit.append(entry(str(number)))
    path.unlink()
    assert audit.settle() == ""
    assert audit.append(entry("at last")) == ""
    gap = lines(path)[1]
    assert (gap["entries_late"], gap["entries_lost"]) == (MAX_OWED, 5)
    assert lines(path)[2]["reason"] == "5"
    assert lines(path)[-1]["reason"] == "at last"
    assert verified(path).findings == ()


def test_a_write_that_the_disk_took_in_part_is_taken_back(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    audit = Audit(path, retry_seconds=0)
    audit.append(entry("one"))
    before = path.read_bytes()
    whole: Callable[[int, bytes], int] = os.write
    monkeypatch.setattr(os, "write", lambda handle, data: whole(handle, data[: len(data) // 2]))
    assert "disk is full" in audit.append(entry("two"))
    assert path.read_bytes() == before
    monkeypatch.undo()
    assert audit.append(entry("three")) == ""
    assert [line["reason"] for line in lines(path)][-2:] == ["two", "three"]
    assert verified(path).findings == ()


@settings(max_examples=40)
@given(st.lists(st.sampled_from("asrgxt"), max_size=25))
def test_the_chain_is_sound_whatever_happens_to_process_disk_and_file(
    tmp_path_factory: pytest.TempPathFactory, steps: list[str]
) -> None:
    path = tmp_path_factory.mktemp("audit") / "audit.jsonl"
    audit, full = Audit(path, rotate_bytes=2500, retry_seconds=0), False
    for number, step in enumerate(steps):
        match step:
            case "a":
                assert (audit.append(entry(str(number))) == "") is not full
            case "s" if not full:  # restarted
                audit = Audit(path, rotate_bytes=2500, retry_seconds=0)
            case "r" if path.exists() and not full:  # renamed
                path.rename(path.with_name(f"audit.old{number}"))
            case "g" if full:
                path.unlink()
                full = False
            case "x" if not path.exists():
                path.symlink_to("/dev/full")
                full = True
            case "t" if path.exists() and not full:  # torn by a crash
                with path.open("a") as file:
                    file.write('{"seq": 99')
                audit = Audit(path, rotate_bytes=2500, retry_seconds=0)
                audit.append(entry("after the crash"))
    if full:
        path.unlink()
    audit.append(entry("the last"))
    assert verified(path).findings == ()


def test_an_entry_for_the_shared_store_is_one_line_of_json() -> None:
    line = text(entry("line\nbreak"))
    assert "\n" not in line
    assert json.loads(line)["who"] == "ann"
    assert "seq" not in json.loads(line)


def test_files_may_be_named_and_are_put_in_order(path: Path) -> None:
    audit = Audit(path, rotate_bytes=2000)
    for number in range(10):
        audit.append(entry(str(number)))
    named = [file.path for file in files_of(path)]
    found = verify(in_order(list(reversed(named))), {"an old note": Link(seq=3, hash="0" * 64)})
    assert [finding.what for finding in found.findings] == ["line 3 is not the one in an old note"]
