"""The chain of the audit: whatever is done to its lines afterwards is found and named."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.supervision.audit_chain import (
    GENESIS,
    START,
    Link,
    Verified,
    Verifier,
    last_link,
    read_line,
    seal,
)

TEXTS = st.text(max_size=30)
ENTRIES = st.lists(
    st.fixed_dictionaries(
        {"action": TEXTS, "reason": TEXTS, "acks": st.dictionaries(TEXTS, TEXTS)}
    ),
    min_size=2,
    max_size=12,
)


def chain(entries: list[dict[str, object]]) -> list[bytes]:
    lines, link = [], START
    for fields in entries:
        line, link = seal(fields, link)
        lines.append(line)
    return lines


def look(
    lines: list[bytes], anchors: dict[str, Link] | None = None, end: Link | None = None
) -> Verified:
    verifier = Verifier(anchors)
    for number, line in enumerate(lines, start=1):
        verifier.take("audit.jsonl", number, line)
    return verifier.done(end)


def head(lines: list[bytes]) -> dict[str, Link]:
    link = last_link(lines)
    assert link is not None
    return {"audit-head": link}


def resealed(line: bytes, **changed: object) -> bytes:
    """A line with other content under a seal that fits: what somebody with some care leaves."""
    fields = json.loads(line) | changed
    before = Link(seq=fields.pop("seq") - 1, hash=fields.pop("prev"))
    del fields["hash"]
    return seal(fields, before)[0]


@given(ENTRIES)
def test_an_untouched_chain_has_no_finding(entries: list[dict[str, object]]) -> None:
    lines = chain(entries)
    verified = look(lines, head(lines))
    assert verified.findings == ()
    assert verified.notes == ()
    assert (verified.lines, verified.first, verified.last.seq) == (len(lines), 1, len(lines))


@given(ENTRIES, st.data())
def test_a_changed_byte_is_found_and_its_line_named(
    entries: list[dict[str, object]], data: st.DataObject
) -> None:
    lines = chain(entries)
    anchors = head(lines)
    at = data.draw(st.integers(0, len(lines) - 1))
    place = data.draw(st.integers(0, len(lines[at]) - 2))
    flipped = bytearray(lines[at])
    flipped[place] ^= data.draw(st.integers(1, 255))
    lines[at : at + 1] = bytes(flipped).splitlines(keepends=True)
    findings = look(lines, anchors).findings
    assert findings
    # An unreadable line is named by its place, a readable one by its number.
    assert any(found.seq == at + 1 or found.line in (at + 1, at + 2) for found in findings)


@given(ENTRIES, st.data())
def test_a_line_changed_and_sealed_anew_is_found_and_named(
    entries: list[dict[str, object]], data: st.DataObject
) -> None:
    lines = chain(entries)
    anchors = head(lines)
    at = data.draw(st.integers(0, len(lines) - 1))
    lines[at] = resealed(lines[at], reason="it was not me" + str(json.loads(lines[at])["reason"]))
    found = look(lines, anchors).findings
    assert [finding.seq for finding in found] == [at + 1]
    assert f"line {at + 1} " in found[0].what
    assert found[0].line == at + 1


@given(ENTRIES, st.data())
def test_removed_lines_are_found_and_named(
    entries: list[dict[str, object]], data: st.DataObject
) -> None:
    lines = chain(entries)
    anchors = head(lines)
    first = data.draw(st.integers(0, len(lines) - 1))
    last = data.draw(st.integers(first, len(lines) - 1))
    if last - first + 1 == len(lines):
        last -= 1
    kept = lines[:first] + lines[last + 1 :]
    found = look(kept, anchors).findings
    assert len(found) == 1
    gone = f"line {first + 1} is" if first == last else f"lines {first + 1} to {last + 1} are"
    assert gone in found[0].what


@given(ENTRIES, st.data())
def test_lines_in_another_order_are_found_and_named(
    entries: list[dict[str, object]], data: st.DataObject
) -> None:
    lines = chain(entries)
    anchors = head(lines)
    one = data.draw(st.integers(0, len(lines) - 2))
    other = data.draw(st.integers(one + 1, len(lines) - 1))
    lines[one], lines[other] = lines[other], lines[one]
    what = " ".join(finding.what for finding in look(lines, anchors).findings)
    assert f"line {one + 1} stands after" in what


@given(ENTRIES, st.data())
def test_an_inserted_line_is_found_and_named(
    entries: list[dict[str, object]], data: st.DataObject
) -> None:
    lines = chain(entries)
    anchors, end = head(lines), last_link(lines)
    at = data.draw(st.integers(0, len(lines)))
    before = START if at == 0 else Link(seq=at, hash=json.loads(lines[at - 1])["hash"])
    forged = data.draw(
        st.sampled_from(
            [
                seal({"action": "rollback", "reason": "forged"}, before)[0],
                b'{"action": "rollback"}\n',
                b"not even JSON\n",
                b"\n",
                *lines[: max(at, 1)],
            ]
        )
    )
    lines.insert(at, forged)
    found = look(lines, anchors, end).findings
    assert found
    assert any({at, at + 1, at + 2} & {finding.line} for finding in found) or "the end" in {
        finding.file for finding in found
    }


def test_both_lines_with_one_number_are_named_and_nothing_else() -> None:
    lines = chain([{"n": n} for n in range(5)])
    forged, _ = seal({"n": "forged"}, Link(seq=2, hash=json.loads(lines[1])["hash"]))
    found = look([*lines[:2], forged, *lines[2:]]).findings
    assert [str(finding) for finding in found] == [
        "audit.jsonl:4: line 3 is here and at audit.jsonl:3: one of them was inserted"
    ]


def test_a_chain_that_was_sealed_anew_as_a_whole_is_found_by_what_stands_elsewhere() -> None:
    anchors = head(chain([{"n": n} for n in range(5)]))
    forged = chain([{"n": n} for n in (0, 1, 2, 7, 4)])
    assert look(forged).findings == ()
    found = look(forged, anchors).findings
    assert [finding.what for finding in found] == ["line 5 is not the one in audit-head"]


@pytest.mark.parametrize(
    ("first", "noted", "found"),
    [
        pytest.param("opened", ("begins at line 4: older files are not here",), (), id="file"),
        pytest.param("rollback", (), ("lines 1 to 3 are missing before line 4",), id="lines"),
    ],
)
def test_older_files_may_be_elsewhere_but_no_file_may_lose_its_beginning(
    first: str, noted: tuple[str, ...], found: tuple[str, ...]
) -> None:
    lines = chain([{"action": "rollback"}] * 3 + [{"action": first}, {"action": "resume"}])
    verified = look(lines[3:])
    assert verified.notes == noted
    assert tuple(finding.what for finding in verified.findings) == found


def test_a_line_is_sealed_over_every_byte_in_front_of_its_hash() -> None:
    line, link = seal({"a": 1}, START)
    assert line.startswith(b'{"seq": 1, "prev": "' + GENESIS.encode())
    assert line.endswith(b'"hash": "' + link.hash.encode() + b'"}\n')
    read = read_line(line.rstrip())
    assert read is not None
    assert (read.link, read.prev, read.intact) == (link, GENESIS, True)
    assert json.loads(line)["a"] == 1


@pytest.mark.parametrize(
    "line",
    [b"", b"{}", b"[]", b'{"seq": 0, "prev": "", "hash": ""}', b'{"action": "rollback"}', b"\xff"],
)
def test_what_is_no_sealed_line_is_none(line: bytes) -> None:
    assert read_line(line) is None
