"""Proposals: the narrowest comparator that accepts every pair legacy made with itself.

Rule: no value is kept. What is merged over pairs is what they have in common.
"""

from __future__ import annotations

import calendar
import math
import re
from dataclasses import dataclass
from decimal import Decimal
from email.utils import mktime_tz, parsedate_tz
from typing import TypeVar

from proxy.compare_policy import Op, Rule

# Pairs a proposal needs: one or two have too much in common by chance.
FEWEST_PAIRS = 3
# Beyond this, "integer within" says little: an id, not a count.
WIDEST_INTEGER = 1_000_000
# Beyond this, two times are no skew. Seconds.
WIDEST_TIME = 3600.0
# Shorter ones are words: `cafe`, `bad`.
SHORTEST_HEXADECIMAL = 8
# Pairs that tell how legacy differs from itself.
ENOUGH_PAIRS = 5
# Pairs after which one length is no chance.
ENOUGH_LENGTHS = 25
# So many times as far as legacy from itself, and a little more, is still its own noise: clocks
# differ, and the largest distance is seen late.
LEEWAY = 10
LEEWAY_SECONDS = 60.0
LEEWAY_COUNT = 10
# A rule here would cover everything there is.
BROAD = frozenset(
    {"$", "$..*", "$.*", "$[*]", "text", "body", "html:text", "html:markup", "html:links", "?"}
)
STRUCTURAL = frozenset({"status", "type", "missing", "extra"})
# Noise here is in force without a person: these say when and by whom a response was made, never
# what it says.
VOLATILE = frozenset(
    {
        *("header:age", "header:date", "header:etag", "header:expires", "header:last-modified"),
        *("header:server-timing", "header:x-amzn-requestid", "header:x-correlation-id"),
        *("header:x-request-id", "header:x-runtime", "header:x-trace-id", "header:cf-ray"),
        *("header:traceparent", "header:x-varnish", "header:via"),
    }
)

_Number = TypeVar("_Number", int, float)
_UUID = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
_HEXADECIMAL = re.compile(r"[0-9a-fA-F]+")
_TOKEN = re.compile(r"[\w.~+/=-]+", re.ASCII)
_INTEGER = re.compile(r"-?\d{1,18}", re.ASCII)
_ISO_TIME = re.compile(
    r"(\d{4})-(\d\d)-(\d\d)[T ](\d\d):(\d\d)(?::(\d\d)(\.\d{1,9})?)?\s?(Z|[+-]\d\d:?\d\d)?",
    re.ASCII,
)
# The same, or seconds since 1970, inside a text.
_TIME_INSIDE = re.compile(rf"{_ISO_TIME.pattern}|(?<![\w.])[1-3]\d{{9}}(?![\w.])", re.ASCII)


@dataclass(frozen=True, slots=True, kw_only=True)
class PairShape:
    """What two values of one path have in common, without the values. Merged over many pairs."""

    pairs: int = 0
    # Kinds of difference seen, proxy/compare's words: value, type, missing, order, length, ...
    kinds: frozenset[str] = frozenset()
    uuid: bool = True
    # Number of hexadecimal digits; None when not all are hexadecimal of one length.
    hexadecimal: int | None = None
    # Largest distance of two points in time, seconds; None when not all are points in time, or
    # texts that differ in nothing else.
    time_distance: float | None = None
    # Largest distance of two integers; None when not all are integers.
    integer_distance: int | None = None
    # Characters, and which classes of them (`a` lower, `A` upper, `0` digit, others themselves);
    # None when lengths or classes differ.
    length: int | None = None
    classes: str | None = None
    # The values were redacted: what they have in common cannot be seen.
    hidden: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Proposal:
    """A rule for one noisy path, or why there is none."""

    path: str
    rule: Rule | None = None
    # What the rule accepts, in words.
    accepts: str = ""
    refused: str = ""
    automatic: bool = False


def shape_of_pair(kind: str, legacy: str | None, again: str | None) -> PairShape:
    """The shape of one pair: a difference of the given kind between legacy and legacy again.

    The values are proxy/compare's texts: strings may stand in quotes.
    """
    kinds = frozenset({kind})
    if legacy is None or again is None:
        return PairShape(pairs=1, kinds=kinds, uuid=False)
    one, other = _bare(legacy), _bare(again)
    if one == other:
        return PairShape(pairs=1, kinds=kinds, uuid=False, hidden=True)
    same_length = len(one) == len(other)
    classes = {_classes(one), _classes(other)}
    # Which classes occur in one of two random tokens is chance. In other text they are its shape.
    alike = len(classes) == 1 or bool(_TOKEN.fullmatch(one) and _TOKEN.fullmatch(other))
    integers = _INTEGER.fullmatch(one) and _INTEGER.fullmatch(other)
    hexadecimal = same_length and _HEXADECIMAL.fullmatch(one) and _HEXADECIMAL.fullmatch(other)
    return PairShape(
        pairs=1,
        kinds=kinds,
        uuid=bool(_UUID.fullmatch(one) and _UUID.fullmatch(other)),
        hexadecimal=len(one) if hexadecimal else None,
        time_distance=_time_distance(one, other),
        integer_distance=abs(int(one) - int(other)) if integers else None,
        length=len(one) if same_length else None,
        classes="".join(sorted(set("".join(classes)))) if alike else None,
    )


def merge(one: PairShape, other: PairShape) -> PairShape:
    """What both have in common."""
    if not one.pairs or not other.pairs:
        return one if one.pairs else other
    return PairShape(
        pairs=one.pairs + other.pairs,
        kinds=one.kinds | other.kinds,
        uuid=one.uuid and other.uuid,
        hexadecimal=one.hexadecimal if one.hexadecimal == other.hexadecimal else None,
        time_distance=_largest(one.time_distance, other.time_distance),
        integer_distance=_largest(one.integer_distance, other.integer_distance),
        length=one.length if one.length == other.length else None,
        classes=(
            "".join(sorted({*one.classes, *other.classes}))
            if one.classes is not None and other.classes is not None
            else None
        ),
        hidden=one.hidden or other.hidden,
    )


def is_like(own: PairShape, pair: PairShape) -> bool:
    """Whether two sides differ as legacy differs from itself. True where that cannot be told.

    `own` is what all pairs of legacy with itself have in common.
    """
    if own.pairs < ENOUGH_PAIRS or own.hidden or pair.hidden or not pair.pairs:
        return True
    if pair.kinds - own.kinds:
        return False
    if own.uuid:
        return pair.uuid
    if own.time_distance is not None:
        return _within(pair.time_distance, own.time_distance, LEEWAY_SECONDS)
    if own.integer_distance is not None:
        return _within(pair.integer_distance, own.integer_distance, LEEWAY_COUNT)
    if own.hexadecimal is not None and own.hexadecimal >= SHORTEST_HEXADECIMAL:
        return pair.hexadecimal == own.hexadecimal
    if own.pairs < ENOUGH_LENGTHS or own.length is None or own.classes is None:
        return True
    return " " in own.classes or pair.length == own.length


def propose(path: str, shape: PairShape) -> Proposal:
    """The narrowest rule for one path that is called noise, or the reason for proposing none."""
    if path.lower() in VOLATILE:
        return Proposal(
            path=path, automatic=True, accepts="any value: a header that says when or by whom"
        )
    refused = _refusal(path, shape)
    if refused:
        return Proposal(path=path, refused=refused)
    rule, accepts = _narrowest(path, shape)
    if rule is None:
        return Proposal(
            path=path,
            refused="over-broad: the values have nothing in common that a rule could hold them to",
        )
    return Proposal(path=path, rule=rule, accepts=accepts)


def as_entry(rule: Rule) -> dict[str, object]:
    """A proposed rule as an entry of compare.rules in routes.yaml."""
    entry: dict[str, object] = {"path": rule.path, "op": rule.op.value}
    if rule.op is Op.DATETIME:
        entry["tolerance"] = f"{rule.tolerance:g}s"
    if rule.absolute is not None:
        entry["abs"] = int(rule.absolute)
    return entry


def _refusal(path: str, shape: PairShape) -> str:
    structural = sorted(shape.kinds & STRUCTURAL)
    if structural:
        return f"structural: legacy itself differs in {', '.join(structural)} here"
    if "length" in shape.kinds:
        return "array length: a rule would accept missing elements"
    if path in BROAD or "body" in shape.kinds:
        return "over-broad: a rule here would cover everything there is"
    if "order" in shape.kinds and len(shape.kinds) > 1:
        return "order-ambiguous: order and values differ, so elements cannot be paired"
    if shape.hidden:
        return "the values are redacted: what they have in common cannot be seen"
    if shape.pairs < FEWEST_PAIRS:
        return f"too few pairs: {shape.pairs} of {FEWEST_PAIRS}"
    return ""


def _narrowest(path: str, shape: PairShape) -> tuple[Rule | None, str]:
    if shape.kinds == {"order"}:
        return Rule(path=path, op=Op.UNORDERED), "the same elements in any order"
    if shape.uuid:
        return Rule(path=path, op=Op.SHAPE), "any UUID"
    if shape.time_distance is not None:
        if shape.time_distance > WIDEST_TIME:
            return Rule(path=path, op=Op.SHAPE), "any point in time"
        tolerance = max(1.0, float(math.ceil(shape.time_distance)))
        return (
            Rule(path=path, op=Op.DATETIME, tolerance=tolerance),
            f"points in time within {tolerance:g} s",
        )
    if shape.integer_distance is not None:
        if shape.integer_distance > WIDEST_INTEGER:
            return Rule(path=path, op=Op.SHAPE), "any integer"
        return (
            Rule(path=path, op=Op.NUMBER, absolute=Decimal(shape.integer_distance)),
            f"integers within {shape.integer_distance}",
        )
    if shape.hexadecimal is not None and shape.hexadecimal >= SHORTEST_HEXADECIMAL:
        return Rule(path=path, op=Op.SHAPE), f"{shape.hexadecimal} hexadecimal digits"
    # With blanks in it, it is prose, and only by chance of one length.
    if shape.length is not None and shape.classes is not None and " " not in shape.classes:
        return (
            Rule(path=path, op=Op.SHAPE),
            f"{shape.length} characters of {_spelled(shape.classes)}",
        )
    return None, ""


def _spelled(classes: str) -> str:
    words = {"a": "a-z", "A": "A-Z", "0": "0-9"}
    return " ".join(words.get(each, each) for each in classes)


def _within(distance: float | None, own: float, more: float) -> bool:
    return distance is not None and distance <= LEEWAY * own + more


def _bare(text: str) -> str:
    return text[1:-1] if len(text) >= 2 and text[0] == text[-1] == '"' else text


def _classes(text: str) -> str:
    found = set()
    for character in text:
        if character.isdigit():
            found.add("0")
        elif character.isalpha():
            found.add("A" if character.isupper() else "a")
        else:
            found.add(character)
    return "".join(sorted(found))


def _instant(text: str) -> float | None:
    """Seconds since 1970 of an ISO 8601 or an RFC 9110 date; UTC where no zone is told."""
    match = _ISO_TIME.fullmatch(text)
    if match:
        year, month, day, hour, minute, second = (int(part or 0) for part in match.groups()[:6])
        if not (
            year
            and 1 <= month <= 12
            and 1 <= day <= 31
            and hour < 24
            and minute < 60
            and second < 61
        ):
            return None
        zone = (match[8] or "Z").replace(":", "")
        offset = 0
        if zone != "Z":
            offset = (int(zone[1:3]) * 60 + int(zone[3:5])) * 60 * (-1 if zone[0] == "-" else 1)
        whole = calendar.timegm((year, month, day, hour, minute, second))
        return whole + float(match[7] or 0) - offset
    if not text[:3].isalpha() or len(text) > 40:
        return None
    parsed = parsedate_tz(text)
    try:
        return None if parsed is None else float(mktime_tz(parsed))
    except (ValueError, OverflowError):
        return None


def _time_distance(one: str, other: str) -> float | None:
    first, second = _instant(one), _instant(other)
    if first is not None and second is not None:
        return abs(first - second)
    # Not the values themselves, then times that stand in them: `/cron.php?now=1795363181`.
    (between, times), (between_too, times_too) = _times_in(one), _times_in(other)
    if between != between_too or not any(between):
        return None
    largest = max((abs(a - b) for a, b in zip(times, times_too, strict=True)), default=0.0)
    return largest if 0 < largest <= WIDEST_TIME else None


def _times_in(text: str) -> tuple[list[str], list[float]]:
    """The points in time that stand in a text, and what stands around them."""
    between, times, end = [], [], 0
    for found in _TIME_INSIDE.finditer(text):
        time = float(found[0]) if found[0].isdigit() else _instant(found[0])
        if time is not None:
            between.append(text[end : found.start()])
            times.append(time)
            end = found.end()
    return [*between, text[end:]], times


def _largest(one: _Number | None, other: _Number | None) -> _Number | None:
    return None if one is None or other is None else max(one, other)
