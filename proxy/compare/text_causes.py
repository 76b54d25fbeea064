"""Why two texts differ as wholes: spaces, case, escaping, encoding, cut off."""

from __future__ import annotations

import html
import re
import unicodedata
from urllib.parse import unquote, unquote_plus

from proxy.compare.inference import Inference
from proxy.compare_policy import Severity

_TAG = re.compile(r"<[a-zA-Z/!][^<>]*>")
_SLASHED = re.compile(r"\\(['\"\\/0])")
_QUOTES = str.maketrans(
    {
        **dict.fromkeys("‘’‚′", "'"),
        **dict.fromkeys("“”„″«»", '"'),
        **dict.fromkeys("–—‐‑−", "-"),
        "…": "...",
        "\u00a0": " ",
        "\u202f": " ",
    }
)
# What a character becomes that a charset does not have.
_LOST = frozenset("?\ufffd")
_CODECS = ("cp1252", "latin-1")
# A text this short begins like another one by chance.
_CUT_FROM = 10
_ELLIPSIS = ("…", "...", "&hellip;")


def infer_texts(legacy: str, new: str) -> Inference | None:
    """The cause of two different texts; None where none accounts for the whole difference."""
    if not legacy or not new:
        return Inference("emptied" if legacy else "filled", "one side is empty")
    return (
        _spelling(legacy, new)
        or _escaping(legacy, new)
        or _encoding(legacy, new)
        or _truncation(legacy, new)
    )


_CASE = Inference("case", "only capital and small letters differ")


def _spelling(legacy: str, new: str) -> Inference | None:
    words, other_words = legacy.split(), new.split()
    one, other = " ".join(words), " ".join(other_words)
    if one == other or "".join(words) == "".join(other_words):
        return Inference("whitespace", "only spaces and line ends differ", Severity.MINOR)
    if one.isascii() and other.isascii():
        # Without foreign letters the same but for case is as long.
        return _CASE if len(one) == len(other) and one.lower() == other.lower() else None
    if one.casefold() == other.casefold():
        return _CASE
    if unicodedata.normalize("NFC", one) == unicodedata.normalize("NFC", other):
        return Inference(
            "unicode_form", "the same letters, composed in another way", Severity.MINOR
        )
    if one.translate(_QUOTES) == other.translate(_QUOTES):
        return Inference("typography", "only quotes, dashes and spaces are set in another way")
    return None


def _escaping(legacy: str, new: str) -> Inference | None:
    if "&" in legacy or "&" in new:
        one, other = html.unescape(legacy), html.unescape(new)
        if one == other or html.unescape(one) == html.unescape(other):
            return Inference("entity_escaping", "HTML entities are escaped on one side, or twice")
    if "%" in legacy or "%" in new:
        same = unquote(legacy) == unquote(new) or unquote_plus(legacy) == unquote_plus(new)
        if same:
            return Inference("url_escaping", "percent-encoding differs")
    if ("\\" in legacy or "\\" in new) and _SLASHED.sub(r"\1", legacy) == _SLASHED.sub(r"\1", new):
        return Inference("backslash_escaping", "one side puts backslashes, as addslashes() does")
    if ("<" in legacy) is not ("<" in new) and _plain(legacy) == _plain(new):
        return Inference("tags", "one side keeps HTML tags, the other strips them")
    return None


def _plain(text: str) -> str:
    return " ".join(_TAG.sub("", text).split())


def _encoding(legacy: str, new: str) -> Inference | None:
    if legacy.isascii() and new.isascii():
        return None
    if _misread(legacy) == new:
        return Inference("encoding", "the new side reads UTF-8 as Windows-1252")
    if _misread(new) == legacy:
        return Inference("encoding", "the legacy side reads UTF-8 as Windows-1252")
    for codec in _CODECS:
        if _bytes_as(legacy, codec) == new or _bytes_as(new, codec) == legacy:
            return Inference("encoding", f"one side sends bytes of {codec} that are no UTF-8")
    if len(legacy) == len(new) and all(
        one == other or (one in _LOST and ord(other) > 127) or (other in _LOST and ord(one) > 127)
        for one, other in zip(legacy, new, strict=True)
    ):
        return Inference("encoding", "one side has lost letters that its charset does not have")
    if _unaccented(legacy) == _unaccented(new):
        return Inference("accents", "one side has lost the accents")
    return None


def _misread(text: str) -> str | None:
    """A text whose UTF-8 was read as Windows-1252, as PHP's utf8_encode() does to UTF-8."""
    try:
        raw = text.encode("utf-8")
    except UnicodeEncodeError:
        return None
    for codec in _CODECS:
        try:
            return raw.decode(codec)
        except UnicodeDecodeError:
            continue
    return None


def _bytes_as(text: str, codec: str) -> str | None:
    """A text with stray bytes (PEP 383), read in another charset."""
    try:
        raw = text.encode("utf-8", "surrogateescape")
        return None if raw.isascii() else raw.decode(codec)
    except UnicodeError:
        return None


def _unaccented(text: str) -> str:
    return "".join(c for c in unicodedata.normalize("NFKD", text) if not unicodedata.combining(c))


def _truncation(legacy: str, new: str) -> Inference | None:
    shorter, longer = (new, legacy) if len(new) < len(legacy) else (legacy, new)
    begin = shorter
    for ending in _ELLIPSIS:
        begin = begin.removesuffix(ending)
    begin = begin.rstrip()
    if len(begin) < _CUT_FROM or not longer.startswith(begin):
        return None
    side = "new" if shorter is new else "legacy"
    return Inference("truncation", f"the {side} text ends after {len(begin)} characters")
