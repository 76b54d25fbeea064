"""Text the way PHP reads and writes it, so that the new pages are the old pages byte for byte.

Every function names the PHP function it stands for. They end with the shop: when the last PHP page
is gone, nobody compares any more, and a template engine and json.dumps will do.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import TypeAlias
from urllib.parse import quote, unquote_to_bytes

Json: TypeAlias = "bool | int | float | str | Sequence[Json] | Mapping[str, Json] | None"

_ENTITIES = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "'": "&#039;"})
_ESCAPE = re.compile(r"\\(?:u007f|.)")
_DELETE = "\x7f"
# What trim() takes away, and what `\s` is in a pattern with the modifier u.
_TRIMMED = " \n\r\t\v\0"
_SPACES = re.compile(r"[\t-\r \x85\xa0\u1680\u180e\u2000-\u200a\u2028\u2029\u202f\u205f\u3000]+")
# PHP's max_input_vars: what comes after is ignored.
_MAX_INPUT_VARS = 1000


def escape(text: str) -> str:
    """htmlspecialchars($text), with PHP 8.1's flags ENT_QUOTES | ENT_SUBSTITUTE | ENT_HTML401.

    A template engine writes the apostrophe as `&#39;` and the quote as `&#34;`: the same page to a
    browser, another to a comparison.
    """
    return text.translate(_ENTITIES)


def json_encode(document: Json) -> str:
    """json_encode($document): no spaces, `\\/` for `/`, ASCII only, 5.0 written as 5."""
    text = json.dumps(_plain_numbers(document), separators=(",", ":"), allow_nan=False)
    # The one ASCII character that Python escapes and PHP does not.
    if "\\u007f" in text:
        text = _ESCAPE.sub(lambda escape: _DELETE if escape[0] == "\\u007f" else escape[0], text)
    return text.replace("/", "\\/")


def thousands(number: int) -> str:
    """number_format($number): 1299 is "1,299"."""
    return f"{number:,}"


def tenths(number: int) -> str:
    """number_format($number / 10, 1): 45 is "4.5"."""
    return f"{number // 10}.{number % 10}"


def query_parameters(query: str) -> dict[str, str | None]:
    """$_GET: the last of several wins. None is an array (`page[]=1`) or a text not in UTF-8."""
    parameters: dict[str, str | None] = {}
    for pair in query.split("&")[:_MAX_INPUT_VARS]:
        raw_name, _, raw_value = pair.partition("=")
        name = _text(raw_name)
        if name is None:
            continue
        name = name.lstrip(" ").partition("\0")[0]
        bracket = name.find("[", 1)
        if bracket > 0 and "]" in name[bracket:]:
            parameters[re.sub(r"[ .]", "_", name[:bracket])] = None
        elif name and name[0] != "[":
            parameters[re.sub(r"[ .\[]", "_", name)] = _text(raw_value)
    return parameters


def trim(text: str) -> str:
    """trim($text): fewer characters than str.strip() knows, and the NUL."""
    return text.strip(_TRIMMED)


def words(text: str) -> list[str]:
    """preg_split('/\\s+/u', trim($text), -1, PREG_SPLIT_NO_EMPTY)."""
    return [word for word in _SPACES.split(trim(text)) if word]


def raw_url_encode(text: str) -> str:
    """rawurlencode($text)."""
    return quote(text, safe="")


def _text(raw: str) -> str | None:
    try:
        return unquote_to_bytes(raw.replace("+", " ")).decode()
    except UnicodeDecodeError:
        return None


def _plain_numbers(value: Json) -> Json:
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, Mapping):
        return {key: _plain_numbers(inner) for key, inner in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [_plain_numbers(inner) for inner in value]
    return value
