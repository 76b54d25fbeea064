"""Why two values differ: the cause inferred from one pair of scalars, and its sentence.

The first explanation that accounts for the whole difference is taken; one that only might is none.
Words: `offset:+3600s`, `clock_skew`, `date_format`, `rounding`, `int_to_string`, `number_format`,
`case`, `whitespace`, `entity_escaping`, `encoding`, `truncation`, ... (see `docs/shadow.md`).
"""

from __future__ import annotations

from proxy.compare.amounts import infer_numbers
from proxy.compare.comparison import Difference
from proxy.compare.excerpt import cut
from proxy.compare.inference import NOTHING, Inference
from proxy.compare.moments import epoch, moment
from proxy.compare.numbers import number
from proxy.compare.text_causes import infer_texts
from proxy.compare.time_causes import infer_moments
from proxy.compare.token_causes import amounts_of, infer_tokens

__all__ = ["Inference", "explain", "infer"]

# Longer values are cut in a sentence; the difference itself shows more.
_IN_A_SENTENCE = 80
# By whether both are written without a point.
_FROM_STRING = {
    True: Inference("string_to_int", "a number in quotes became a number"),
    False: Inference("string_to_number", "a number in quotes became a number"),
}
_TO_STRING = {
    True: Inference("int_to_string", "a number became a text"),
    False: Inference("number_to_string", "a number became a text"),
}
# What texts say for true and for false.
_TRUE = frozenset({"1", "true", "yes", "on", "y", "t"})
_FALSE = frozenset({"", "0", "false", "no", "off", "n", "f"})
_USUAL = {
    "missing": "the new side lacks it",
    "extra": "the new side adds it",
    "order": "the same elements in another order",
}


def infer(legacy: object, new: object) -> Inference:
    """The cause of two different scalars: JSON values, or texts."""
    if type(legacy) is str and type(new) is str:
        one, other = moment(legacy), moment(new)
        if one is not None and other is not None:
            timed = infer_moments(one, other)
            if timed.cause:
                return timed
        return infer_texts(legacy, new) or infer_tokens(legacy, new)
    if type(legacy) is bytes and type(new) is bytes:
        return _infer_numbers(legacy, new)
    if type(legacy) is not type(new):
        return _infer_types(legacy, new)
    return NOTHING


def explain(example: Difference, note: str) -> str:
    """One plain sentence of a cause: an example, and what happened there."""
    legacy, new = (
        "nothing" if text is None else cut(text, _IN_A_SENTENCE)
        for text in (example.legacy, example.new)
    )
    word = example.cause.partition(":")[0]
    reason = note or _USUAL.get(word) or word.replace("_", " ") or "no known cause explains it"
    return f"legacy {legacy}, new {new}: {reason}"


def _infer_numbers(legacy: bytes, new: bytes) -> Inference:
    one, other = number(legacy), number(new)
    if one is None or other is None:
        return NOTHING
    left, right = epoch(legacy), epoch(new)
    if left is not None and right is not None:
        timed = infer_moments(left, right)
        if timed.cause:
            return timed
    return infer_numbers(one, other)


def _infer_types(legacy: object, new: object) -> Inference:
    if legacy is None or new is None:
        return _infer_null(legacy, new)
    if isinstance(legacy, bool) or isinstance(new, bool):
        return _infer_boolean(legacy, new)
    text, lexeme = (legacy, new) if isinstance(legacy, str) else (new, legacy)
    if not isinstance(text, str) or not isinstance(lexeme, bytes):
        return NOTHING
    if text == lexeme.decode("ascii") or _spells(text, lexeme):
        whole = text.lstrip("+-").isdigit() and lexeme.lstrip(b"-").isdigit()
        return (_FROM_STRING if isinstance(legacy, str) else _TO_STRING)[whole]
    one, other = moment(text), epoch(lexeme)
    if one is not None and other is not None:
        left, right = (one, other) if isinstance(legacy, str) else (other, one)
        return infer_moments(left, right)
    return NOTHING


def _spells(text: str, lexeme: bytes) -> bool:
    value = number(lexeme)
    return value is not None and value in amounts_of(text.strip())


def _infer_null(legacy: object, new: object) -> Inference:
    value = new if legacy is None else legacy
    if value == "":
        word = "empty"
    elif value is False:
        word = "false"
    elif isinstance(value, bytes) and number(value) == 0:
        word = "zero"
    else:
        return NOTHING
    if legacy is None:
        return Inference(f"null_to_{word}", f"null became {word}")
    return Inference(f"{word}_to_null", f"{word} became null")


def _infer_boolean(legacy: object, new: object) -> Inference:
    truth = legacy if isinstance(legacy, bool) else new
    value = new if isinstance(legacy, bool) else legacy
    if isinstance(value, bytes):
        kind, same = "int", value == (b"1" if truth else b"0")
    elif isinstance(value, str):
        kind, same = "string", value.strip().lower() in (_TRUE if truth else _FALSE)
    else:
        return NOTHING
    if not same:
        return NOTHING
    word = f"bool_to_{kind}" if isinstance(legacy, bool) else f"{kind}_to_bool"
    return Inference(word, "true and false are written in another type")
