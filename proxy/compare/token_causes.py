"""Why two texts differ only in the numbers and dates that stand in them."""

from __future__ import annotations

import re
from decimal import Decimal

from proxy.compare.amounts import infer_numbers
from proxy.compare.inference import NOTHING, Inference
from proxy.compare.moments import ANYWHERE, epoch, instant, moment
from proxy.compare.numbers import near, number
from proxy.compare.time_causes import infer_moments

# Digits with what groups them: `1,234.50`, `1.234,50`, `1 234.50`, `1'234`.
_AMOUNT = r"\d{1,3}(?:[.,'’ \u00a0\u202f]\d{3})+(?:[.,]\d+)?|\d+(?:[.,]\d+)?"
_TOKEN = re.compile(rf"(?<![\w.,:/-])(?:{ANYWHERE})(?![\w:])|(?P<amount>{_AMOUNT})")
_SIGNS = frozenset("+-")
_SPACED = str.maketrans("", "", "'’ \u00a0\u202f")
_THOUSANDS = {mark: re.compile(rf"\d{{1,3}}(?:[{mark}]\d{{3}})+").fullmatch for mark in ",."}
# Longer texts are prose; looking for tokens in them costs more than it tells.
_LONGEST = 20_000


def infer_tokens(legacy: str, new: str) -> Inference:
    """The one cause of all differing numbers and dates in two texts that are else equal."""
    if len(legacy) > _LONGEST or len(new) > _LONGEST:
        return NOTHING
    whole = _infer_token(legacy, new)
    if whole.cause:
        return whole
    one, other = _tokens(legacy), _tokens(new)
    if one[0] != other[0] or len(one[1]) != len(other[1]):
        return NOTHING
    cause = NOTHING
    for left, right in zip(one[1], other[1], strict=True):
        if left == right:
            continue
        found = _infer_token(left, right)
        if not found.cause or (cause.cause and cause.cause != found.cause):
            return NOTHING
        cause = found
    return cause


def distance_inside(legacy: str, new: str) -> float | None:
    """How far the points in time of two texts lie apart (seconds) that are else equal.

    None where anything else differs, or nothing. `/cron.php?now=1795363181` is such a text.
    """
    if len(legacy) > _LONGEST or len(new) > _LONGEST:
        return None
    one, other = _tokens(legacy), _tokens(new)
    if one[0] != other[0]:
        return None
    largest: float | None = None
    for left, right in zip(one[1], other[1], strict=True):
        if left == right:
            continue
        first, second = instant(left), instant(right)
        if first is None or second is None:
            return None
        largest = max(largest or 0.0, abs(first - second))
    return largest


def near_inside(legacy: str, new: str, absolute: Decimal | None, relative: Decimal | None) -> bool:
    """Whether two texts differ in nothing but numbers, and in those no more than a rule allows."""
    if len(legacy) > _LONGEST or len(new) > _LONGEST:
        return False
    one, other = _tokens(legacy), _tokens(new)
    if one[0] != other[0]:
        return False
    for left, right in zip(one[1], other[1], strict=True):
        if left != right and not any(
            near(first, second, absolute, relative)
            for first in amounts_of(left)
            for second in amounts_of(right)
        ):
            return False
    return True


def _tokens(text: str) -> tuple[list[str], list[str]]:
    """What stands between the numbers and dates of a text, and these."""
    between: list[str] = []
    tokens: list[str] = []
    end = 0
    for found in _TOKEN.finditer(text):
        between.append(text[end : found.start()])
        tokens.append(found[0])
        end = found.end()
    between.append(text[end:])
    return between, tokens


def _infer_token(legacy: str, new: str) -> Inference:
    one, other = moment(legacy) or epoch(legacy), moment(new) or epoch(new)
    if one is not None and other is not None:
        found = infer_moments(one, other)
        if found.cause:
            return found
    left, right = amounts_of(legacy), amounts_of(new)
    if not left or not right:
        return NOTHING
    if not set(left).isdisjoint(right):
        return Inference("number_format", "the same number, grouped or ended in another way")
    return infer_numbers(left[0], right[0])


def amounts_of(text: str) -> tuple[Decimal, ...]:
    """The numbers a text can spell, the likeliest first; () where it spells none.

    `1.234` is 1.234 and, where points group thousands, 1234.
    """
    if not text[:1].isdigit() and text[:1] not in _SIGNS:
        return ()
    text = text.translate(_SPACED)
    plain = number(text)
    sign = text[:1] if text[:1] in _SIGNS else ""
    digits = text[len(sign) :]
    comma, point = digits.rfind(","), digits.rfind(".")
    spellings: list[str] = []
    if comma >= 0 and point >= 0:
        group, end = (",", ".") if point > comma else (".", ",")
        spellings.append(digits.replace(group, "").replace(end, "."))
    elif comma >= 0:
        if _THOUSANDS[","](digits):
            spellings.append(digits.replace(",", ""))
        if digits.count(",") == 1:
            spellings.append(digits.replace(",", "."))
    elif point >= 0 and _THOUSANDS["."](digits):
        spellings.append(digits.replace(".", ""))
    values = [value for spelling in spellings if (value := number(sign + spelling)) is not None]
    return (plain, *values) if plain is not None else tuple(values)
