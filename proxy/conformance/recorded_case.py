"""Recorded cases as the text of a cases.yaml."""

from __future__ import annotations

import base64
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

# A name is read by people; the URL stands below it.
_LONGEST_NAME = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordedCase:
    """A case to be written down; texts are as cases.yaml wants them, placeholders and all."""

    name: str
    method: str
    url: str
    headers: tuple[tuple[str, str], ...] = ()
    body: str = ""
    # Written instead of `body` where it is no text.
    content: bytes = b""
    skip: str = ""
    comment: str = ""


def cases_text(cases: Iterable[RecordedCase], source: str) -> str:
    """The text of a cases.yaml; `source` is told in its first lines. No cases make no list."""
    lines = [
        "# yaml-language-server: $schema=./cases.schema.json",
        f"# Recorded by `figway conform record` from {_one_line(source)}.",
        "version: 1",
    ]
    names: set[str] = set()
    comment = ""
    body: list[str] = []
    for case in cases:
        if case.comment != comment:
            comment = case.comment
            body += ["", f"  # {_one_line(comment)}"] if comment else [""]
        body += _case_lines(case, _unique(case.name, names))
    lines += ["cases:", *body] if body else ["cases: []"]
    return "\n".join(lines) + "\n"


def _case_lines(case: RecordedCase, name: str) -> Iterator[str]:
    yield f"  - name: {yaml_text(name)}"
    if case.skip:
        yield f"    skip: {yaml_text(case.skip)}"
    yield "    request:"
    if case.method != "GET":
        yield f"      method: {case.method}"
    yield f"      url: {yaml_text(case.url)}"
    if case.headers:
        yield "      headers:"
        yield from (f"        {yaml_text(key)}: {yaml_text(value)}" for key, value in case.headers)
    if case.content:
        yield f"      body_base64: {base64.b64encode(case.content).decode('ascii')}"
    elif case.body:
        yield f"      body: {yaml_text(case.body)}"


def _unique(name: str, names: set[str]) -> str:
    if len(name) > _LONGEST_NAME:
        name = f"{name[: _LONGEST_NAME - 1]}…"
    unique = name
    number = 2
    while unique in names:
        unique = f"{name} ({number})"
        number += 1
    names.add(unique)
    return unique


def yaml_text(text: str) -> str:
    """A text in double quotes that every YAML reader reads as that text (YAML 1.2, 5.7)."""
    return '"' + "".join(map(_character, text)) + '"'


def _character(character: str) -> str:
    if character in ('"', "\\"):
        return f"\\{character}"
    if character.isprintable():
        return character
    code = ord(character)
    if code > 0xFFFF:
        return f"\\U{code:08x}"
    return f"\\x{code:02x}" if code <= 0xFF else f"\\u{code:04x}"


def _one_line(text: str) -> str:
    return "".join(c if c.isprintable() else " " for c in text)
