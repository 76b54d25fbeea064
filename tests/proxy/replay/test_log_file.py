"""Access-log files are read as streams, and what cannot be used is counted with its first place."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest

from proxy.replay import log_file
from proxy.replay.log_file import AccessLogs, LogError, Unusable
from tests.proxy.replay.two_versions import combined

GOOD = combined("/a", 1)


def targets(logs: AccessLogs) -> list[str]:
    return [request.target for request in logs]


@pytest.mark.parametrize(
    ("content", "read"),
    [
        pytest.param(f"{GOOD}\n{combined('/b', 2)}".encode(), ["/a", "/b"], id="no end of line"),
        pytest.param(f"{GOOD}\r\n{GOOD}\r\n".encode(), ["/a", "/a"], id="lines of Windows"),
        pytest.param(
            gzip.compress(f"{GOOD}\n".encode()) + gzip.compress(f"{combined('/b', 2)}\n".encode()),
            ["/a", "/b"],
            id="gzip in two members, as rotated logs are put together",
        ),
        pytest.param(GOOD.replace("/a", "/\xe9").encode("latin-1"), ["/\xe9"], id="any byte"),
        pytest.param(b'{"event": "serving"}\n' + GOOD.encode(), ["/a"], id="other events"),
    ],
)
def test_every_request_is_read(tmp_path: Path, content: bytes, read: list[str]) -> None:
    (tmp_path / "x.log").write_bytes(content)
    logs = AccessLogs((str(tmp_path / "x.log"),))
    assert targets(logs) == read
    assert logs.lines == len(read)
    assert logs.complaint() == ""


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(b"", id="empty"),
        pytest.param(b"\n\n  \n", id="blank lines"),
        pytest.param(b'{"event": "serving"}\n', id="other events only"),
    ],
)
def test_a_log_without_a_request_proves_nothing(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "x.log").write_bytes(content)
    logs = AccessLogs((str(tmp_path / "x.log"),))
    assert targets(logs) == []
    assert logs.lines == 0
    assert "no request was looked at" in logs.complaint()


def test_bad_lines_are_counted_by_reason_with_the_first_of_each(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(log_file, "_LONGEST", 200)
    long = "x" * 1000
    (tmp_path / "a.log").write_text(f"{GOOD}\nfirst\x1b[31m\n{long}\nsecond\n")
    (tmp_path / "b.log").write_text(f"third\n{GOOD}\n{{\n")
    logs = AccessLogs((str(tmp_path / "a.log"), str(tmp_path / "b.log")))
    assert targets(logs) == ["/a", "/a"]
    assert logs.lines == 7
    assert logs.unusable() == 5
    assert logs.bad == {
        "neither combined format nor JSON": Unusable(
            place="a.log:2", example="first.[31m", count=3
        ),
        "longer than 1 MiB": Unusable(place="a.log:3", example="", count=1),
        "begins like JSON and is none": Unusable(place="b.log:3", example="{", count=1),
    }


def test_where_the_request_in_hand_stands_is_known(tmp_path: Path) -> None:
    (tmp_path / "a.log").write_text(f"nothing\n{GOOD}\n")
    logs = AccessLogs((str(tmp_path / "a.log"),))
    assert [logs.place for _ in logs] == ["a.log:2"]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        pytest.param(None, "x.log: cannot be read: No such file or directory", id="none"),
        pytest.param(gzip.compress(GOOD.encode())[:-9], "is no whole gzip file", id="cut off"),
        pytest.param(b"\x1f\x8bnot really", "is no whole gzip file", id="not gzip"),
    ],
)
def test_a_file_that_cannot_be_read_on_is_named(
    tmp_path: Path, content: bytes | None, message: str
) -> None:
    if content is not None:
        (tmp_path / "x.log").write_bytes(content)
    with pytest.raises(LogError, match=r"x\.log") as raised:
        targets(AccessLogs((str(tmp_path / "x.log"),)))
    assert message in str(raised.value)
