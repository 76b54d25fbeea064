"""The small words and shapes that routes.yaml is made of: ids, tokens, matches, stickiness."""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Discriminator,
    Field,
    Tag,
    WithJsonSchema,
    model_validator,
)

from proxy.config import addresses, paths
from proxy.config.units import show
from proxy.config.yaml_scalar import quoted

MAX_ID = 63
_ID = re.compile(r"[a-z0-9][a-z0-9-]*")
# RFC 9110, 5.6.2: token.
_TOKEN = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")
_METHOD = re.compile(r"[A-Z][A-Z0-9-]*")
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")


# What llhttp, the parser of the data plane, knows; any other method is answered with 501.
KNOWN_METHODS = frozenset(
    {
        "ACL",
        "BIND",
        "CHECKOUT",
        "CONNECT",
        "COPY",
        "DELETE",
        "GET",
        "HEAD",
        "LINK",
        "LOCK",
        "M-SEARCH",
        "MERGE",
        "MKACTIVITY",
        "MKCALENDAR",
        "MKCOL",
        "MOVE",
        "NOTIFY",
        "OPTIONS",
        "PATCH",
        "POST",
        "PROPFIND",
        "PROPPATCH",
        "PURGE",
        "PUT",
        "QUERY",
        "REBIND",
        "REPORT",
        "SEARCH",
        "SOURCE",
        "SUBSCRIBE",
        "TRACE",
        "UNBIND",
        "UNLINK",
        "UNLOCK",
        "UNSUBSCRIBE",
    }
)


class Shape(BaseModel):
    """A mapping of the file: no unknown keys, no conversions."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


def identifier(text: str) -> str:
    """Check the id of a route, or the name of an upstream, group or segment."""
    if not _ID.fullmatch(text) or len(text) > MAX_ID:
        raise ValueError(
            f"must be made of a-z, 0-9 and -, begin with a letter or digit and have at most "
            f"{MAX_ID} characters, got {quoted(text)}"
        )
    return text


def token(text: str) -> str:
    """Check a token (RFC 9110, 5.6.2)."""
    if not _TOKEN.fullmatch(text):
        raise ValueError(f"must be a name without spaces or separators, got {quoted(text)}")
    return text


def header_name(text: str) -> str:
    return token(text).lower()


def method_name(text: str) -> str:
    """Check a method that may be matched."""
    if text not in KNOWN_METHODS and text.upper() in KNOWN_METHODS:
        raise ValueError(f"methods are case-sensitive: write {text.upper()}, got {quoted(text)}")
    if not _METHOD.fullmatch(text):
        raise ValueError(f"must be a method such as GET or POST, got {quoted(text)}")
    if text in ("CONNECT", "TRACE"):
        raise ValueError(f"{text} is never forwarded (answered 405): remove it")
    return text


def _parameter_name(text: str) -> str:
    if not text or _CONTROL.search(text):
        raise ValueError(f"must be the name of a query parameter, got {quoted(text)}")
    return text


def _match_value(text: str) -> str:
    if _CONTROL.search(text):
        raise ValueError(f"must not hold control characters, got {quoted(text)}")
    if text != text.strip(" "):
        raise ValueError(
            f"must not begin or end with a space: none arrives that way, got {quoted(text)}"
        )
    return text


def one_spelling(value: object) -> object:
    """Refuse two keys that are one header: the later would silently win."""
    if isinstance(value, dict):
        seen: dict[str, str] = {}
        for name in value:
            first = seen.setdefault(str(name).lower(), str(name))
            if first != name:
                raise ValueError(f"{first} and {name} are one header: names ignore case")
    return value


Id = Annotated[
    str,
    AfterValidator(identifier),
    Field(json_schema_extra={"pattern": "^[a-z0-9][a-z0-9-]{0,62}$"}),
]
HeaderName = Annotated[str, AfterValidator(header_name)]
CookieName = Annotated[str, AfterValidator(token)]
ParameterName = Annotated[str, AfterValidator(_parameter_name)]
Method = Annotated[
    str, AfterValidator(method_name), Field(json_schema_extra={"pattern": "^[A-Z][A-Z0-9-]*$"})
]
Host = Annotated[str, AfterValidator(addresses.match_host)]
Cidr = Annotated[str, AfterValidator(addresses.cidr)]
Regex = Annotated[str, AfterValidator(paths.regex)]
MatchValue = Annotated[str, AfterValidator(_match_value)]
Text = Annotated[str, AfterValidator(_match_value)]


def exactly_one(model: BaseModel, *names: str) -> None:
    """Raise ValueError unless exactly one of these keys of a model is set."""
    given = [name for name in names if name in model.model_fields_set]
    if len(given) != 1:
        choice = f"{', '.join(names[:-1])} or {names[-1]}"
        got = " and ".join(given) or "none of them"
        raise ValueError(f"must have exactly one of {choice}, has {got}")


def one_of(*names: str) -> dict[str, Any]:
    """Say in the JSON schema that exactly one of these keys must be there."""
    return {"oneOf": [{"required": [name]} for name in names]}


def one_key(schema: dict[str, Any]) -> None:
    """Say in the JSON schema that exactly one key must be there."""
    schema["minProperties"] = 1
    schema["maxProperties"] = 1


class PathShape(Shape):
    """How the path is matched: exactly one of these."""

    model_config = ConfigDict(json_schema_extra=one_key)

    exact: Annotated[str, AfterValidator(paths.literal_path)] = Field(
        default="", description="The whole path, byte for byte. Wins over every other kind."
    )
    template: Annotated[str, AfterValidator(paths.template_path)] = Field(
        default="",
        description="Whole segments, literal or {name}: /product/{slug}. More literal segments "
        "win.",
    )
    prefix: Annotated[str, AfterValidator(paths.prefix_path)] = Field(
        default="",
        description="The path and everything below it, by segment: /cart matches /cart and "
        "/cart/x, "
        "not /carts. The longest wins.",
    )
    regex: Regex = Field(
        default="",
        description="An RE2 pattern for the whole path (no look-around). Tried after every prefix "
        "but /, in file order.",
    )

    @model_validator(mode="after")
    def _one(self) -> PathShape:
        exactly_one(self, "exact", "template", "prefix", "regex")
        return self


class ValueShape(Shape):
    """A criterion on a value that is not plain equality."""

    model_config = ConfigDict(json_schema_extra=one_key)

    regex: Regex = Field(default="", description="An RE2 pattern for the whole value.")
    present: Literal[True] = Field(
        default=True, description="true: the name is there, whatever its value."
    )

    @model_validator(mode="after")
    def _one(self) -> ValueShape:
        exactly_one(self, "regex", "present")
        return self


def _word_or_mapping(value: object) -> str | None:
    if isinstance(value, str):
        return "(word)"
    if isinstance(value, dict | BaseModel):
        return "(mapping)"
    return None


ValueMatchShape = Annotated[
    Annotated[MatchValue, Tag("(word)")] | Annotated[ValueShape, Tag("(mapping)")],
    Discriminator(
        _word_or_mapping,
        custom_error_type="shape",
        custom_error_message="must be a value in quotes, {regex: ...} or {present: true}",
    ),
]


class StickinessShape(Shape):
    """Where the key of the bucket comes from, when it is not the device cookie."""

    model_config = ConfigDict(json_schema_extra=one_key)

    header: HeaderName = Field(default="", description="A request header holds the key.")
    cookie: CookieName = Field(default="", description="A cookie of the application holds the key.")
    query: ParameterName = Field(default="", description="A query parameter holds the key.")
    path_param: str = Field(default="", description="A {name} of the path template holds the key.")

    @model_validator(mode="after")
    def _one(self) -> StickinessShape:
        exactly_one(self, "header", "cookie", "query", "path_param")
        return self


StickyShape = Annotated[
    Annotated[Literal["device", "none"], Tag("(word)")]
    | Annotated[StickinessShape, Tag("(mapping)")],
    Discriminator(
        _word_or_mapping,
        custom_error_type="shape",
        custom_error_message="must be device, none, or one of {header: NAME}, {cookie: NAME}, "
        "{query: NAME}, {path_param: NAME}",
    ),
]


class NamedValueShape(Shape):
    """A header or cookie of a segment, by name and value."""

    model_config = ConfigDict(json_schema_extra=one_of("value", "regex", "present"))

    name: str = Field(description="The name of the header or cookie.")
    value: MatchValue = Field(default="", description="The exact value.")
    regex: Regex = Field(default="", description="An RE2 pattern for the whole value.")
    present: Literal[True] = Field(default=True, description="true: whatever its value.")

    @model_validator(mode="after")
    def _one(self) -> NamedValueShape:
        exactly_one(self, "value", "regex", "present")
        return self


def _fallback_cause(value: object) -> object:
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    if not isinstance(value, str):
        raise ValueError(f"must be connect, timeout, 500, 502, 503 or 504, got {show(value)}")
    return value


FallbackWord = Annotated[
    Literal["connect", "timeout", "500", "502", "503", "504"],
    BeforeValidator(_fallback_cause),
    WithJsonSchema(
        {"enum": ["connect", "timeout", 500, 502, 503, 504, "500", "502", "503", "504"]}
    ),
]
