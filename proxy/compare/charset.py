"""Bytes to text: byte order mark, what the header says, UTF-8; never an error, and nothing lost.

Bytes that the charset does not have become lone surrogates (PEP 383), each another one. So a page
with one stray byte is still compared as a page, and the stray byte is compared too.
"""

from __future__ import annotations

import codecs
import re

_MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
# What browsers read these as (WHATWG Encoding, 4.2): the C1 controls of Latin-1 are in no page.
_WINDOWS = frozenset({"iso8859-1", "ascii"})
# Charsets of texts. Python knows more codecs under this roof: idna, rot13, unicode_escape, ...
_TEXT = re.compile(
    r"utf-(?:8|16|32)(?:-[lb]e)?|ascii|iso8859-\d+|cp\d+|koi8-[ru]|mac-\w+|tis-620"
    r"|shift_jis\w*|euc_\w+|gb2312|gbk|gb18030|hz|big5\w*|johab|iso2022_\w+"
).fullmatch


def text_of(content: bytes, charset: str = "") -> str:
    """The text of a body. `charset` is what its header (or a page's meta element) says."""
    for mark, name in _MARKS:
        if content.startswith(mark):
            return _decode(content[len(mark) :], name)
    return _decode(content, codec_of(charset) or "utf-8")


def codec_of(charset: str) -> str:
    """Python's name for a charset of texts; "" where there is none of that name."""
    if not charset or not charset.isascii() or len(charset) > 40 or "\x00" in charset:
        return ""
    try:
        name = codecs.lookup(charset).name
    except LookupError:
        return ""
    if name in _WINDOWS:
        return "cp1252"
    return name if _TEXT(name) else ""


def is_faulty(text: str) -> bool:
    """Whether a text was made of bytes that its charset does not have."""
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return True
    return False


def _decode(content: bytes, codec: str) -> str:
    try:
        return content.decode(codec)
    except UnicodeDecodeError:
        pass
    if codec != "utf-8":
        # A wrong header is more likely than a broken page.
        try:
            return content.decode("utf-8")
        except UnicodeDecodeError:
            pass
    try:
        return content.decode(codec, "surrogateescape")
    except UnicodeError:
        return content.decode("utf-8", "surrogateescape")
