"""The event log: every line is one JSON object whatever the values; nobody waits for its reader."""

from __future__ import annotations

import json
import os
import select
from datetime import datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.supervision.log import LogWriter, event_log, render


@given(st.text())
def test_a_line_is_printable_ascii_and_one_json_object(value: str) -> None:
    line = render(None, "info", {"event": "x_happened", "value": value})
    assert line.isascii()
    assert line.isprintable()
    if len(value) <= 60:
        assert json.loads(line)["value"] == value


@pytest.mark.parametrize(
    "value",
    [
        pytest.param("a" * 100_000, id="text"),
        pytest.param("\U0001f4a9" * 100_000, id="text_of_many_escapes"),
        pytest.param(("problem " * 100,) * 500, id="list"),
    ],
)
def test_a_long_value_is_cut_so_that_a_pipe_keeps_the_line_in_one_piece(value: object) -> None:
    line = render(None, "info", {"event": "x", "value": value, "other": value})
    assert len(line) < select.PIPE_BUF
    assert json.loads(line)["event"] == "x"


def test_many_problems_are_counted() -> None:
    line = json.loads(render(None, "info", {"event": "x", "problems": tuple("abcdefghijklm")}))
    assert line["problems"] == [*"abcdefghij", "and 3 more"]


def test_an_event_carries_time_level_and_what_is_always_there() -> None:
    reader, writer = os.pipe()
    log_writer = LogWriter(writer)
    event_log(log_writer, component="supervisor").warning("worker_died", worker=3)
    log_writer.close()
    os.close(writer)
    with os.fdopen(reader) as lines:
        line = json.loads(lines.read())
    assert list(line)[:3] == ["timestamp", "level", "event"]
    assert datetime.fromisoformat(line.pop("timestamp")).utcoffset() == timedelta(0)
    assert line == {
        "event": "worker_died",
        "level": "warning",
        "component": "supervisor",
        "worker": 3,
    }


def test_a_reader_that_stops_reading_costs_lines_not_time() -> None:
    reader, writer = os.pipe()
    log_writer = LogWriter(writer, waiting=10)
    log = event_log(log_writer)
    for _ in range(2000):
        log.info("filled", value="x" * 1000)
    assert log_writer.dropped > 0
    log_writer.close(seconds=0.01)
    os.close(reader)
    os.close(writer)


@pytest.mark.filterwarnings("error")
def test_a_reader_that_has_gone_is_no_error() -> None:
    reader, writer = os.pipe()
    os.close(reader)
    log_writer = LogWriter(writer)
    event_log(log_writer).info("said_to_nobody")
    log_writer.close()
    assert log_writer.dropped == 1
    os.close(writer)
