"""Request bodies of the admin API: strict JSON, then a typed value; nothing is guessed."""

from __future__ import annotations

import asyncio
import json
import math
from collections.abc import Callable
from decimal import Decimal
from typing import Any, Literal, TypeVar

from aiohttp import web
from pydantic import ConfigDict, TypeAdapter, ValidationError
from pydantic_core import ErrorDetails

from proxy.admin.problem import AdminError
from proxy.config.complaints import sentence
from proxy.config.units import show
from proxy.settings import KIB

MAX_BODY = 64 * KIB
# Turns of the loop until an end that came with the request is seen.
_TURNS = 5

Value = TypeVar("Value")


class _BadJson(ValueError):
    pass


def typed(
    kind: type[Value], *, described: Callable[[dict[str, Any]], None] | None = None
) -> TypeAdapter[Value]:
    """The door for one request type: no unknown field. Its numbers are marked strict themselves.

    `described` adds to the JSON schema what the types do not say.
    """
    config = ConfigDict(extra="forbid", json_schema_extra=described)
    kind.__pydantic_config__ = config  # type: ignore[attr-defined] # pydantic reads it from plain dataclasses
    return TypeAdapter(kind)


async def read(
    request: web.Request,
    door: TypeAdapter[Value],
    unwaited: Literal["refused", "read"] = "refused",
) -> Value:
    """Read and check the body. Raises AdminError 400, 408, 413 or 415.

    `unwaited` is what becomes of a call whose sender has gone. A figway that was frozen finds calls
    in its socket that were given up on long ago; made now, they would overtake what was decided
    since.
    """
    if request.content_type != "application/json":
        raise AdminError(
            415, f"send Content-Type: application/json, not {request.content_type[:100]!r}"
        )
    if request.headers.get("Content-Encoding", "identity") != "identity":
        raise AdminError(415, "send the body without a Content-Encoding")
    try:
        raw = await request.read()
    except web.HTTPRequestEntityTooLarge:
        raise AdminError(413, f"the body is over {MAX_BODY} bytes") from None
    if unwaited == "refused" and await has_gone(request):
        raise gone()
    return check(parse(raw), door)


def check(value: object, door: TypeAdapter[Value]) -> Value:
    """The typed value of a parsed body. Raises AdminError 400 that names every wrong field."""
    try:
        return door.validate_python(value)
    except ValidationError as error:
        # A field that takes two kinds of number complains for each.
        problems = tuple(dict.fromkeys(map(_complaint, error.errors(include_url=False))))
        raise AdminError(400, "the body is not what this call takes", problems=problems) from None


def _complaint(error: ErrorDetails) -> str:
    place = error["loc"]
    if place[-1:] in (("int",), ("decimal",)):
        return f"{_named(place[:-1])}: must be a number, got {show(error['input'])}"
    match error["type"]:
        case "unexpected_keyword_argument":
            said = "unknown field"
        case "missing" | "missing_argument":
            said = "is required"
        case "dataclass_type":
            said = f"must be a JSON object, got {show(error['input'])}"
        case _:
            said = sentence(error)
    return f"{_named(place)}: {said}"


def _named(place: tuple[int | str, ...]) -> str:
    return ".".join(map(str, place)) or "body"


async def has_gone(request: web.Request) -> bool:
    """Whether the sender of a call that was read does not wait for its answer."""
    for _ in range(_TURNS):
        await asyncio.sleep(0)
    transport = request.transport
    return transport is None or transport.is_closing()


def gone() -> AdminError:
    """The refusal that is for the log: nobody reads it."""
    return AdminError(408, "whoever asked did not wait for it: nothing was changed")


def parse(raw: bytes) -> object:
    """Parse one JSON text (RFC 8259), strictly. Numbers with a point become Decimal.

    Raises AdminError 400 for what is no JSON, and for what parsers read differently: duplicate
    names, NaN and Infinity, lone surrogates, a byte order mark.
    """
    try:
        text = raw.decode("utf-8")
        value: object = json.loads(
            text,
            object_pairs_hook=_unique,
            parse_constant=_no_constant,
            parse_float=_finite,
        )
        # A lone surrogate could not be written to the audit or sent to a worker.
        if "\\u" in text:
            json.dumps(value, ensure_ascii=False, default=str).encode("utf-8")
    except RecursionError:
        raise AdminError(400, "the body is nested too deeply") from None
    except UnicodeError:
        raise AdminError(400, "the body is not valid UTF-8 text") from None
    except ValueError as error:
        raise AdminError(400, f"the body is not JSON: {str(error)[:200]}") from None
    return value


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    value: dict[str, Any] = {}
    for name, item in pairs:
        if name in value:
            raise _BadJson(f"the name {name[:50]!r} occurs twice")
        value[name] = item
    return value


def _no_constant(word: str) -> object:
    raise _BadJson(f"{word} is no JSON number")


def _finite(text: str) -> Decimal:
    if not math.isfinite(float(text)):
        raise _BadJson(f"{text[:50]} is out of range")
    return Decimal(text)
