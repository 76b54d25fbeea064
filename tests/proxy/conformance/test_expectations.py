"""What an answer must hold besides being like the other."""

from __future__ import annotations

import gzip
import json

import pytest

from proxy.conformance.case import Capture, CaptureFrom, Expectation
from proxy.conformance.case_file import parse_cases
from proxy.conformance.expectations import captured, unmet
from proxy.exchange import Answer

JSON = Answer(
    status=200,
    headers=((b"Content-Type", b"application/json"), (b"X-A", b"1"), (b"x-a", b"2")),
    body=json.dumps({"a": [1, {"b": "ü"}], "n": None, "t": True}).encode(),
)


def expectation(text: str) -> Expectation:
    file = parse_cases(
        f"version: 1\ncases:\n  - name: a\n    request: {{url: /}}\n    expect: {text}\n".encode(),
        "cases.yaml",
    )
    return file.cases[0].steps[0].expect


@pytest.mark.parametrize(
    ("expect", "sentences"),
    [
        ("{status: 200}", []),
        ("{status: [201, 200]}", []),
        ("{status: [201, 204]}", ["status is 200, expected 201 or 204"]),
        ("{headers: {X-A: '1, 2', Content-Type: {regex: '.*json'}, x-b: {present: false}}}", []),
        ("{headers: {X-A: '1'}}", ["header x-a is 1, 2, expected 1"]),
        ("{headers: {X-A: {regex: '[a-z]'}}}", ["header x-a is 1, 2, which does not match [a-z]"]),
        ("{headers: {X-B: {present: true}}}", ["header x-b is missing"]),
        ("{headers: {X-A: {present: false}}}", ["header x-a is 1, 2, expected none"]),
        ("{json_path: {'$.a[1].b': ü, $.n: null, $.t: true, '$.a[0]': 1}}", []),
        ("{json_path: {'$.a[0]': '1'}}", ['$.a[0] is 1, expected "1"']),
        ("{json_path: {$.t: 1}}", ["$.t is true, expected 1"]),
        ("{json_path: {$.x: 1}}", ["$.x is missing, expected 1"]),
        ("{json_path: {$.a: [1, {b: ü}]}}", []),
        (
            "{contains: [null, 'tru'], lacks: [false]}".replace("null", "'null'").replace(
                "false", "'false'"
            ),
            [],
        ),
        (
            "{contains: [x], lacks: ['true']}",
            ["the body does not hold x", "the body holds true, which it should not"],
        ),
    ],
)
def test_every_unmet_expectation_is_a_sentence(expect: str, sentences: list[str]) -> None:
    assert list(unmet(expectation(expect), JSON)) == sentences


def test_a_packed_body_is_unpacked_first() -> None:
    packed = Answer(
        status=200, headers=((b"content-encoding", b"gzip"),), body=gzip.compress(b"<h1>Saw</h1>")
    )
    assert not list(unmet(expectation("{contains: [Saw]}"), packed))


def test_a_charset_is_obeyed() -> None:
    page = Answer(
        status=200,
        headers=((b"content-type", b"text/html; charset=iso-8859-1"),),
        body="Säge".encode("latin-1"),
    )
    assert not list(unmet(expectation("{contains: [Säge]}"), page))


@pytest.mark.parametrize(
    ("answer", "sentence"),
    [
        (Answer(status=200, body=b"<html>"), "the body is not JSON"),
        (
            Answer(status=200, headers=((b"content-encoding", b"gzip"),), body=b"\x1f\x8bno"),
            "the body cannot be decoded",
        ),
    ],
)
def test_a_body_that_cannot_be_read_is_told(answer: Answer, sentence: str) -> None:
    (said,) = unmet(expectation("{json_path: {$.a: 1}}"), answer)
    assert sentence in said


@pytest.mark.parametrize(
    ("source", "where", "value"),
    [
        (CaptureFrom.JSON_PATH, "$.a[1].b", "ü"),
        (CaptureFrom.JSON_PATH, "$.a[0]", "1"),
        (CaptureFrom.JSON_PATH, "$.t", "true"),
        (CaptureFrom.JSON_PATH, "$.n", None),
        (CaptureFrom.JSON_PATH, "$.x", None),
        (CaptureFrom.HEADER, "x-a", "1, 2"),
        (CaptureFrom.HEADER, "x-b", None),
        (CaptureFrom.COOKIE, "sid", "7"),
        (CaptureFrom.COOKIE, "x", None),
        (CaptureFrom.REGEX, '"t": ([a-z]+)', "true"),
        (CaptureFrom.REGEX, "tru.", "true"),
        (CaptureFrom.REGEX, "nothing", None),
    ],
)
def test_a_value_is_captured(source: CaptureFrom, where: str, value: str | None) -> None:
    capture = Capture(name="x", source=source, where=where)
    assert captured(capture, JSON, {"sid": "7"}) == value
