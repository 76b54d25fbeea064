"""What is recorded is a cases.yaml that loads, and says what was recorded."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from proxy.conformance.case_file import parse_cases
from proxy.conformance.placeholder import fill, literal
from proxy.conformance.recorded_case import RecordedCase, cases_text, yaml_text


def test_cases_come_back_as_they_were_recorded() -> None:
    cases = [
        RecordedCase(name="GET /a", method="GET", url="/a", comment="route a"),
        RecordedCase(
            name="GET /a",
            method="POST",
            url="http://h/b?x=1",
            headers=(("accept", 'a "b" \\'),),
            body='{"x": "ü\n"}',
            skip="needs: a value",
            comment="route\nb",
        ),
        RecordedCase(name="c" * 200, method="PUT", url="/c", content=b"\x00\xff"),
    ]
    text = cases_text(cases, "access.log\n- evil: yes")
    file = parse_cases(text.encode(), "cases.yaml")
    first, second, third = file.cases
    assert (first.name, second.name) == ("GET /a", "GET /a (2)")
    assert len(third.name) == 100
    assert second.skip == "needs: a value"
    request = second.steps[0].request
    assert (request.method, request.url) == ("POST", "http://h/b?x=1")
    assert request.headers == (("accept", 'a "b" \\'),)
    assert request.body == '{"x": "ü\n"}'
    assert third.steps[0].request.content == b"\x00\xff"
    assert "  # route a\n" in text


@given(st.text(max_size=40))
def test_any_text_is_one_yaml_string(text: str) -> None:
    lone = any(0xD800 <= ord(c) < 0xE000 for c in text)
    if lone:
        return
    written = f"version: 1\ncases:\n  - name: a\n    request:\n      url: /\n      body: {yaml_text(literal(text))}\n"  # noqa: E501  # one file
    request = parse_cases(written.encode(), "cases.yaml").cases[0].steps[0].request
    assert request.body is not None
    assert fill(request.body, {}) == text


def test_no_cases_make_an_empty_list() -> None:
    assert cases_text([], "a.log").endswith("cases: []\n")
