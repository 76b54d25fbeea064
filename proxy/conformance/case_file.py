"""The door of cases.yaml: text in, frozen cases or every problem at once out."""

from __future__ import annotations

import base64
from collections.abc import Iterator, Mapping
from pathlib import Path as FilePath

from proxy.compare.policy import CompareRuleError, CompiledPolicy
from proxy.compare_policy import ComparePolicy
from proxy.config.compare_file import compare_at
from proxy.config.compare_model import to_rule
from proxy.config.parse import read_file
from proxy.config.validate import validated
from proxy.config.yaml_text import Document, Path, read_yaml
from proxy.conformance.case import (
    Capture,
    CaptureFrom,
    Case,
    CaseFile,
    CaseRequest,
    Expectation,
    Step,
)
from proxy.conformance.case_model import (
    AnswerShape,
    CaptureShape,
    CaseRequestShape,
    CasesShape,
    ConformanceCaseShape,
)
from proxy.conformance.placeholder import names_in
from proxy.errors import ConfigError, Problem
from proxy.headers import HOP_BY_HOP
from proxy.routing.route import ValueKind, ValueMatch

# The sender frames the message itself.
_FRAMING = frozenset(name.decode() for name in HOP_BY_HOP) | {"content-length"}


def load_cases(path: FilePath) -> CaseFile:
    """Load a cases.yaml. Raises ConfigError with all of its problems."""
    return parse_cases(read_file(path), str(path))


def parse_cases(text: bytes, name: str) -> CaseFile:
    """Parse the bytes of a cases.yaml called `name`. Raises ConfigError with all its problems."""
    document = read_yaml(text, name, "it needs at least version and cases")
    shape = validated(document, (), CasesShape, _holds_json)
    problems = tuple(_check_whole(document, shape))
    if problems:
        raise ConfigError(problems)
    return CaseFile(
        name=name,
        host=shape.host,
        headers=tuple(shape.headers.items()),
        timeout=shape.timeout,
        compare=compare_at(document, ("compare",)) if shape.compare is not None else None,
        cases=tuple(
            _case(document, ("cases", index), each) for index, each in enumerate(shape.cases)
        ),
    )


def _holds_json(path: Path) -> bool:
    """Whether what stands at a key path is JSON, where null is a value."""
    return path[-2:] == ("expect", "json_path") or path[-2:] == ("request", "body")


def unset_values(file: CaseFile, environment: Mapping[str, str]) -> tuple[Problem, ...]:
    """A problem for each `${NAME}` of a case that runs which nothing gives a value."""
    problems = []
    for case in file.cases:
        if case.skip:
            continue
        known = set(environment)
        for step in case.steps:
            for name in sorted(names_of(file, step) - known):
                problems.append(
                    Problem(
                        file=file.name,
                        line=step.line,
                        column=0,
                        key=f"case {case.name!r}",
                        message=f"${{{name}}} has no value: set the environment variable {name},"
                        f" capture {name} in an earlier step, or write $${{{name}}} for the text",
                        rule="LOAD004",
                    )
                )
                known.add(name)
            known |= {capture.name for capture in step.captures}
    return tuple(problems)


def names_of(file: CaseFile, step: Step) -> frozenset[str]:
    """The names of the values that a step needs, for its request and for what it expects."""
    request, expect = step.request, step.expect
    exact = tuple(m.value for m in expect.headers if m.kind is ValueKind.EXACT)
    return frozenset(
        names_in(
            (
                *(file.headers, request.url, request.headers, request.body, request.document),
                *(request.form, exact, expect.json_paths, expect.contains, expect.lacks),
            )
        )
    )


def _check_whole(document: Document, shape: CasesShape) -> Iterator[Problem]:
    """What no single value shows."""
    lines: dict[str, int] = {}
    for name in shape.headers:
        if name in _FRAMING:
            yield document.problem(("headers", name), _FRAMED, "LOAD007")
    for index, case in enumerate(shape.cases):
        path: Path = ("cases", index)
        line = document.place((*path, "name"))[0]
        first = lines.setdefault(case.name, line)
        if first != line:
            yield document.problem(
                (*path, "name"), f"is the name of the case in line {first} too", "LOAD005"
            )
        for at, request in _requests(path, case):
            for name in request.headers:
                if name in _FRAMING:
                    yield document.problem((*at, "headers", name), _FRAMED, "LOAD007")
        for number, rule in enumerate(case.rules):
            try:
                CompiledPolicy.compile(ComparePolicy(rules=(to_rule(rule),)))
            except CompareRuleError as error:
                at = (*path, "rules", number)
                yield document.problem(at, f"{error.problem}; {error.mend}", "LOAD003")
        if case.steps and all(step.only is not None for step in case.steps):
            yield document.problem(
                (*path, "steps"), "compares nothing: every step has only", "LOAD007"
            )


_FRAMED = "frames the message, which the sender does itself: remove it"


def _requests(path: Path, case: ConformanceCaseShape) -> Iterator[tuple[Path, CaseRequestShape]]:
    if case.request is not None:
        yield (*path, "request"), case.request
    for index, step in enumerate(case.steps):
        yield (*path, "steps", index, "request"), step.request


def _case(document: Document, path: Path, shape: ConformanceCaseShape) -> Case:
    steps: tuple[Step, ...]
    line = document.place(path)[0]
    if shape.request is not None:
        steps = (Step(line=line, request=_request(shape.request), expect=_expect(shape.expect)),)
    else:
        steps = tuple(
            Step(
                line=document.place((*path, "steps", index))[0],
                request=_request(step.request),
                expect=_expect(step.expect),
                captures=tuple(_capture(name, each) for name, each in step.capture.items()),
                only=step.only,
            )
            for index, step in enumerate(shape.steps)
        )
    return Case(
        name=shape.name,
        line=line,
        steps=steps,
        skip=shape.skip,
        rules=tuple(
            to_rule(rule, document.place((*path, "rules", index))[0])
            for index, rule in enumerate(shape.rules)
        ),
    )


def _request(shape: CaseRequestShape) -> CaseRequest:
    form = None
    if shape.form is not None:
        form = tuple((name, _form_text(value)) for name, value in shape.form.items())
    return CaseRequest(
        method=shape.method,
        url=shape.url,
        headers=tuple(shape.headers.items()),
        body=shape.body if isinstance(shape.body, str) else None,
        document=shape.body if isinstance(shape.body, dict | list) else None,
        form=form,
        content=base64.b64decode(shape.body_base64)
        if "body_base64" in shape.model_fields_set
        else None,
    )


def _form_text(value: str | int | float | bool) -> str:
    # A check box that is ticked; one that is not is left out of a form, and of this mapping.
    if isinstance(value, bool):
        return "on" if value else ""
    return str(value)


def _expect(shape: AnswerShape | None) -> Expectation:
    if shape is None:
        return Expectation()
    wanted = []
    unwanted = []
    for name, value in shape.headers.items():
        if isinstance(value, str):
            wanted.append(ValueMatch(name=name, kind=ValueKind.EXACT, value=value))
        elif "regex" in value.model_fields_set:
            wanted.append(ValueMatch(name=name, kind=ValueKind.REGEX, value=value.regex))
        elif value.present:
            wanted.append(ValueMatch(name=name, kind=ValueKind.PRESENT))
        else:
            unwanted.append(name)
    return Expectation(
        status=tuple(shape.status),
        headers=tuple(wanted),
        no_headers=tuple(unwanted),
        json_paths=tuple(shape.json_path.items()),
        contains=tuple(shape.contains),
        lacks=tuple(shape.lacks),
    )


def _capture(name: str, shape: CaptureShape) -> Capture:
    (key,) = shape.model_fields_set
    return Capture(name=name, source=CaptureFrom(key), where=getattr(shape, key))
