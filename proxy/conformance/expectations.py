"""What a case expects of an answer, held against it."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

import re2

from proxy.conformance.answer_text import decoded_text
from proxy.conformance.case import Capture, CaptureFrom, Expectation
from proxy.conformance.json_path import ABSENT, look_up, same_json
from proxy.conformance.placeholder import fill, fill_all
from proxy.exchange import Answer
from proxy.routing.route import ValueKind

_SHOWN = 200


def filled(expect: Expectation, values: Mapping[str, str]) -> Expectation:
    """The expectation with the values of one side filled in. Raises Unfilled."""
    return replace(
        expect,
        headers=tuple(
            replace(match, value=fill(match.value, values))
            if match.kind is ValueKind.EXACT
            else match
            for match in expect.headers
        ),
        json_paths=tuple((path, fill_all(value, values)) for path, value in expect.json_paths),
        contains=tuple(fill(text, values) for text in expect.contains),
        lacks=tuple(fill(text, values) for text in expect.lacks),
    )


def unmet(expect: Expectation, answer: Answer) -> Iterator[str]:
    """One sentence for each expectation that the answer does not meet."""
    if expect.status and answer.status not in expect.status:
        wanted = " or ".join(map(str, expect.status))
        yield f"status is {answer.status}, expected {wanted}"
    for match in expect.headers:
        value = _field(answer, match.name)
        if value is None:
            yield f"header {match.name} is missing"
        elif match.kind is ValueKind.EXACT and value != match.value:
            yield f"header {match.name} is {_short(value)}, expected {_short(match.value)}"
        elif match.kind is ValueKind.REGEX and re2.fullmatch(match.value, value) is None:
            yield f"header {match.name} is {_short(value)}, which does not match {match.value}"
    for name in expect.no_headers:
        value = _field(answer, name)
        if value is not None:
            yield f"header {name} is {_short(value)}, expected none"
    yield from _unmet_in_body(expect, answer)


def _unmet_in_body(expect: Expectation, answer: Answer) -> Iterator[str]:
    if not (expect.json_paths or expect.contains or expect.lacks):
        return
    text = decoded_text(answer)
    if text is None:
        yield "the body cannot be decoded"
        return
    if expect.json_paths:
        try:
            document = json.loads(text)
        except (ValueError, RecursionError) as error:
            yield f"the body is not JSON ({error}): {_short(text)}"
        else:
            for path, wanted in expect.json_paths:
                found = look_up(document, path)
                if found is ABSENT:
                    yield f"{path} is missing, expected {_short(_dump(wanted))}"
                elif not same_json(found, wanted):
                    yield f"{path} is {_short(_dump(found))}, expected {_short(_dump(wanted))}"
    for part in expect.contains:
        if part not in text:
            yield f"the body does not hold {_short(part)}"
    for part in expect.lacks:
        if part in text:
            yield f"the body holds {_short(part)}, which it should not"


def captured(capture: Capture, answer: Answer, cookies: dict[str, str]) -> str | None:
    """The value that a capture asks for; None when the answer has none."""
    if capture.source is CaptureFrom.HEADER:
        return _field(answer, capture.where)
    if capture.source is CaptureFrom.COOKIE:
        return cookies.get(capture.where)
    text = decoded_text(answer)
    if text is None:
        return None
    if capture.source is CaptureFrom.REGEX:
        found = re2.search(capture.where, text)
        if found is None:
            return None
        value: str | None = found.group(1 if found.re.groups else 0)
        return value
    try:
        value_there = look_up(json.loads(text), capture.where)
    except (ValueError, RecursionError):
        return None
    if value_there is ABSENT or value_there is None:
        return None
    return value_there if isinstance(value_there, str) else _dump(value_there)


def _field(answer: Answer, name: str) -> str | None:
    value = answer.header(name.encode("ascii"))
    return None if value is None else value.decode("utf-8", "replace")


def _dump(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)


def _short(text: str) -> str:
    text = " ".join(text.split())
    return text if len(text) <= _SHOWN else f"{text[: _SHOWN - 1]}…"
