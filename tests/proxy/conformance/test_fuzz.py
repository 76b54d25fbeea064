"""Whatever stands in a file: a value, or the one error that its door may raise."""

from __future__ import annotations

import contextlib
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from proxy.conformance.case_file import parse_cases, unset_values
from proxy.conformance.exemplar_case import case_of
from proxy.conformance.recorded_case import cases_text
from proxy.conformance.response_file import ResponseFileError, read_response
from proxy.conformance.secret import Placeholders
from proxy.errors import ConfigError
from proxy.replay.log_line import read_log_line
from tests.proxy.conformance.test_case_file import GOOD

_JSON: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda below: (
        st.lists(below, max_size=3) | st.dictionaries(st.text(max_size=8), below, max_size=3)
    ),
    max_leaves=8,
)
_WORDS = [*GOOD.split(), "{", "}", "[", "]", ":", "\n  ", "\n", "null", "- ", "'", '"']


@given(st.lists(st.sampled_from(_WORDS), max_size=25).map(" ".join))
def test_a_file_of_its_own_words_is_read_or_refused(text: str) -> None:
    with contextlib.suppress(ConfigError):
        unset_values(parse_cases(text.encode(), "cases.yaml"), {})


@given(st.integers(0, len(GOOD)), st.integers(0, 12), st.sampled_from(_WORDS))
def test_a_good_file_with_a_hole_is_read_or_refused(at: int, size: int, word: str) -> None:
    with contextlib.suppress(ConfigError):
        parse_cases((GOOD[:at] + word + GOOD[at + size :]).encode(), "cases.yaml")


@given(
    st.lists(
        st.sampled_from(
            [
                b"HTTP/1.1 ",
                b"200 OK",
                b"\r\n",
                b"\n",
                b":",
                b"A: b",
                b"\xff",
                b"Content-Length: 2",
                b"Transfer-Encoding: chunked",
                b"Content-Encoding: br",
                b"3\r\nabc",
                b"0\r\n\r\n",
            ]
        ),
        max_size=20,
    ).map(b"".join)
)
def test_a_dump_is_read_or_refused(content: bytes) -> None:
    with contextlib.suppress(ResponseFileError):
        read_response(b"HTTP/1.1 200 OK\r\n" + content, "a")


@given(st.text(max_size=60))
def test_any_line_is_a_request_or_none(line: str) -> None:
    read_log_line(line)
    read_log_line("{" + line)


@given(
    st.fixed_dictionaries(
        {
            "method": st.sampled_from(["GET", "POST"]),
            "target": st.text(max_size=12).map("/".__add__),
        },
        optional={
            "route": st.text(max_size=8),
            "request_headers": st.lists(st.lists(st.text(max_size=8), max_size=3), max_size=3)
            | _JSON,
            "request_body": st.text(max_size=20) | _JSON,
            "redacted": _JSON,
        },
    )
)
def test_any_exemplar_becomes_text_that_can_be_read_or_says_what_is_wrong(
    exemplar: dict[str, Any],
) -> None:
    case = case_of(exemplar, Placeholders())
    if case is not None:
        with contextlib.suppress(ConfigError):
            parse_cases(cases_text([case], "x").encode("utf-8", "replace"), "cases.yaml")
