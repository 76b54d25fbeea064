"""What routes.yaml says about comparing: rules, headers, HTML facets, redaction, and the limits."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum


class Severity(StrEnum):
    """How bad a difference is; the order here is from worst to mildest."""

    CRITICAL = "critical"
    MAJOR = "major"
    MINOR = "minor"


class Op(StrEnum):
    """What a rule does with the two values at its path."""

    # Nothing there is compared. Needs reason and expires.
    IGNORE = "ignore"
    # Differences there are counted as `expected`. Needs reason and expires.
    EXPECTED = "expected"
    # Same kind of value: uuid, hex of one length, ISO time, integer, same length and characters.
    SHAPE = "shape"
    # Two points in time within `tolerance` seconds, or texts that differ in nothing but such.
    DATETIME = "datetime"
    # Two numbers, or texts that differ in numbers only, within `absolute` or `relative`.
    NUMBER = "number"
    # Arrays as multisets.
    UNORDERED = "unordered"
    # Elements of an array are paired by the value of `key`.
    KEY_BY = "key_by"
    # Generated ids: a -> x must hold everywhere in the response.
    BIJECTION = "bijection"
    # null, an empty string is none, and an absent key are the same.
    NULL_EQUALS_MISSING = "null_equals_missing"


class Profile(StrEnum):
    """Equivalences that are taken for granted."""

    STRICT = "strict"
    # 10 and 10.0, [] and {}, spellings of entities and escapes.
    PHP = "php"


class Facet(StrEnum):
    """What is compared of an HTML page."""

    TITLE = "title"
    CANONICAL = "canonical"
    LINKS = "links"
    FORMS = "forms"
    TEXT = "text"
    MARKUP = "markup"


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """One entry of `compare.rules`.

    `path` is `$.a.b`, `$.items[*].c`, `$..d` or `$.map.*.e` in JSON; `header:name`; `html:title`,
    `html:text`, ... (a facet); `form:field`; `xml:/order/item/@id`; `text`.
    """

    path: str
    op: Op
    line: int = 0
    # datetime: seconds.
    tolerance: float = 0.0
    # number.
    absolute: Decimal | None = None
    relative: Decimal | None = None
    # key_by: the name of a member.
    key: str = ""
    # Required by ignore and expected.
    reason: str = ""
    # ISO date; the rule is expired from the day after. Required by ignore and expected.
    expires: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class HeaderPolicy:
    """Which response fields are compared. Lower case; a trailing `*` stands for any ending."""

    compare: tuple[str, ...] = (
        *("content-type", "location", "cache-control", "vary", "set-cookie", "www-authenticate"),
        *("content-disposition", "content-language", "access-control-*"),
        *("link", "refresh", "x-robots-tag", "content-security-policy"),
        *("strict-transport-security", "x-frame-options"),
    )
    # Only whether they are there.
    presence: tuple[str, ...] = ("etag", "last-modified")


@dataclass(frozen=True, slots=True, kw_only=True)
class HtmlPolicy:
    """What of a page is compared; `drop` are CSS selectors, `selector@attribute` one attribute."""

    facets: tuple[Facet, ...] = tuple(Facet)
    drop: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ComparePolicy:
    """How the two answers of one route are compared."""

    profile: Profile = Profile.STRICT
    rules: tuple[Rule, ...] = ()
    headers: HeaderPolicy = HeaderPolicy()
    html: HtmlPolicy = HtmlPolicy()
    # Paths as in rules, `header:name`, and `query:name`: compared, but never written down.
    redact: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class CompareLimits:
    """Beyond any of these a pair is incomparable: comparing never hangs."""

    # Of one decoded body. Bytes.
    decoded_bytes: int = 16 * 1024 * 1024
    # Decoded bytes per coded byte, once more than 64 KiB came out.
    ratio: int = 200
    nodes: int = 1_000_000
    depth: int = 200
    # Differences that are told; the rest is a number.
    differences: int = 100
