"""The shape of a cases.yaml. Descriptions go into its JSON schema."""

from __future__ import annotations

import base64
import binascii
import re
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, ConfigDict, Field, model_validator

from proxy.compare.paths import PathError
from proxy.config.addresses import upstream_url
from proxy.config.compare_model import CompareShape, RuleShape
from proxy.config.model import SideWord
from proxy.config.shapes import (
    HeaderName,
    Method,
    Regex,
    Shape,
    Text,
    exactly_one,
    one_key,
    one_spelling,
    token,
)
from proxy.config.units import PositiveDuration, show
from proxy.config.yaml_scalar import quoted
from proxy.conformance.json_path import parse_json_path
from proxy.conformance.placeholder import without_placeholders

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_BLANK = re.compile(r"[^\x21-\x7e]")
_CONTROL = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")
_BODIES = ("body", "form", "body_base64")


def _url(text: str) -> str:
    bare = without_placeholders(text)
    if _BLANK.search(bare):
        raise ValueError(
            f"must be percent-encoded: no spaces, no characters beyond ASCII, got {quoted(text)}"
        )
    if "#" in bare:
        raise ValueError("must not hold a fragment: clients never send it")
    scheme, mark, rest = bare.partition("://")
    if mark and scheme in ("http", "https") and rest[:1] not in ("", "/", "?", "@"):
        if "@" in rest.partition("/")[0]:
            raise ValueError("must not hold a user or password: use the header Authorization")
        return text
    if not bare.startswith("/"):
        raise ValueError(f"must be a path, or http(s)://host/path, got {quoted(text)}")
    return text


def _authority(text: str) -> str:
    """Check what stands in a Host field: a host, and a port if it is not the usual one."""
    if "://" in text or "/" in text:
        raise ValueError(f"must be a host, and may name a port, got {quoted(text)}")
    return upstream_url(f"http://{text}").removeprefix("http://")


def _sent_value(text: str) -> str:
    if _CONTROL.search(text):
        raise ValueError(f"must not hold control characters, got {quoted(text)}")
    return text


def _variable(text: str) -> str:
    if not _NAME.fullmatch(text):
        raise ValueError(
            f"must be made of letters, digits and _, and not begin with a digit, got {quoted(text)}"
        )
    return text


def _json_path(text: str) -> str:
    try:
        parse_json_path(text)
    except PathError as error:
        raise ValueError(str(error)) from None
    return text


def _base64(text: str) -> str:
    try:
        base64.b64decode(text, validate=True)
    except binascii.Error:
        raise ValueError(f"must be base64, got {quoted(text)}") from None
    return text


def _statuses(value: object) -> object:
    listed = value if isinstance(value, list) else [value]
    for each in listed:
        if type(each) is not int or not 200 <= each <= 599:
            raise ValueError(f"must be a status such as 200, or a list of them, got {show(each)}")
    if not listed:
        raise ValueError("must not be empty")
    return listed


def _text_or_json(value: object) -> object:
    if isinstance(value, str | dict | list):
        return value
    raise ValueError(f"must be text, or a mapping or list to be sent as JSON, got {show(value)}")


_Headers = Annotated[
    dict[HeaderName, Annotated[Text, AfterValidator(_sent_value)]],
    BeforeValidator(one_spelling),
]
_FormValue = Annotated[str | int | float | bool, Field()]


class CaseRequestShape(Shape):
    """What is asked."""

    method: Method = Field(default="GET", description="The method, upper case.")
    url: Annotated[str, AfterValidator(_url)] = Field(
        description="A path with its query, or http(s)://host/path, percent-encoded."
    )
    headers: _Headers = Field(default={}, description="Header name to value.")
    body: Annotated[Any, BeforeValidator(_text_or_json)] = Field(
        default=None,
        description="Text is sent as it is; a mapping or a list is sent as JSON.",
        json_schema_extra={"type": ["string", "object", "array"]},
    )
    form: dict[str, _FormValue] | None = Field(
        default=None, description="Fields of a form, sent as application/x-www-form-urlencoded."
    )
    body_base64: Annotated[str, AfterValidator(_base64)] = Field(
        default="", description="Bytes that are no text, in base64."
    )

    @model_validator(mode="after")
    def _one_body(self) -> CaseRequestShape:
        given = [name for name in _BODIES if name in self.model_fields_set]
        if len(given) > 1:
            raise ValueError(f"must have at most one of {', '.join(_BODIES)}")
        return self


class ExpectedHeaderShape(Shape):
    """A response field that need not have one exact value."""

    model_config = ConfigDict(json_schema_extra=one_key)

    regex: Regex = Field(default="", description="An RE2 pattern for the whole value.")
    present: bool = Field(default=True, description="true: it is there; false: it is not.")

    @model_validator(mode="after")
    def _one(self) -> ExpectedHeaderShape:
        exactly_one(self, "regex", "present")
        return self


class AnswerShape(Shape):
    """What each of the two answers must hold, besides being like the other."""

    model_config = ConfigDict(json_schema_extra={"minProperties": 1})

    status: Annotated[list[int], BeforeValidator(_statuses)] = Field(
        default=[],
        description="The status, or a list of those that will do.",
        json_schema_extra={"type": ["integer", "array"], "items": {"type": "integer"}},
    )
    headers: Annotated[
        dict[HeaderName, Text | ExpectedHeaderShape], BeforeValidator(one_spelling)
    ] = Field(
        default={},
        description="Field to its value, {regex: ...}, {present: true} or {present: false}.",
    )
    json_path: dict[Annotated[str, AfterValidator(_json_path)], Any] = Field(
        default={}, description="Path such as $.items[0].price to the value that stands there."
    )
    contains: list[str] = Field(default=[], description="Texts that the decoded body holds.")
    lacks: list[str] = Field(default=[], description="Texts that the decoded body does not hold.")

    @model_validator(mode="after")
    def _some(self) -> AnswerShape:
        if not self.model_fields_set:
            raise ValueError("must expect something: status, headers, json_path, contains or lacks")
        return self


class CaptureShape(Shape):
    """Where a value for later steps is taken from."""

    model_config = ConfigDict(json_schema_extra=one_key)

    json_path: Annotated[str, AfterValidator(_json_path)] = Field(
        default="", description="A path such as $.token."
    )
    header: HeaderName = Field(default="", description="The value of a response field.")
    cookie: Annotated[str, AfterValidator(token)] = Field(
        default="", description="The value of a cookie that the answer sets."
    )
    regex: Regex = Field(
        default="", description="An RE2 pattern; its first group, looked for in the decoded body."
    )

    @model_validator(mode="after")
    def _one(self) -> CaptureShape:
        exactly_one(self, "json_path", "header", "cookie", "regex")
        return self


class StepShape(Shape):
    """One request of a case; cookies are carried from step to step, for each side its own."""

    request: CaseRequestShape = Field(description="What is asked.")
    expect: AnswerShape | None = Field(
        default=None, description="What each answer must hold, besides being like the other."
    )
    capture: dict[Annotated[str, AfterValidator(_variable)], CaptureShape] = Field(
        default={}, description="Values that later steps use as ${NAME}, for each side its own."
    )
    only: SideWord | None = Field(
        default=None,
        description="Ask this side alone; the other gets the cookies and values it gave.",
    )


class ConformanceCaseShape(Shape):
    """A request, or several in a row, that both sides must answer alike."""

    name: Text = Field(min_length=1, description="A sentence that says what is the same. Unique.")
    skip: Text = Field(default="", min_length=1, description="Why this case is not run.")
    request: CaseRequestShape | None = Field(default=None, description="What is asked.")
    expect: AnswerShape | None = Field(
        default=None, description="What each answer must hold, besides being like the other."
    )
    steps: list[StepShape] = Field(
        default=[],
        min_length=1,
        description="Instead of request and expect: several requests with the same cookies.",
    )
    rules: list[RuleShape] = Field(
        default=[], description="Comparison rules of this case, added to those of its route."
    )

    @model_validator(mode="after")
    def _one(self) -> ConformanceCaseShape:
        exactly_one(self, "request", "steps")
        if "steps" in self.model_fields_set and "expect" in self.model_fields_set:
            raise ValueError("expect goes into a step: remove it here")
        return self


class CasesShape(Shape):
    """A cases.yaml of version 1."""

    version: Literal[1] = Field(description="Version of this format: 1.")
    host: Annotated[str, AfterValidator(_authority)] = Field(
        default="",
        description="Host, and port, of the requests that have a path only; without it those of"
        " the legacy side.",
    )
    headers: _Headers = Field(
        default={}, description="Sent with every request that does not set them itself."
    )
    timeout: PositiveDuration | None = Field(
        default=None, description="How long one answer may take; 10s without it."
    )
    compare: CompareShape | None = Field(
        default=None, description="How answers are compared where no routes.yaml says it."
    )
    cases: list[ConformanceCaseShape] = Field(min_length=1, description="The cases.")
