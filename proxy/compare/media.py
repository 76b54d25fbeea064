"""Which media type a body is of: by its Content-Type, and by its looks where that is silent.

A PHP script that echoes JSON without a header says text/html. So bodies that are JSON on both sides
are compared as JSON whatever the headers say; that the headers differ is their own difference.
"""

from __future__ import annotations

from proxy.compare.reader import Media

_BY_TYPE = {
    b"text/html": Media.HTML,
    b"application/xhtml+xml": Media.HTML,
    b"application/json": Media.JSON,
    b"text/json": Media.JSON,
    b"application/xml": Media.XML,
    b"text/xml": Media.XML,
    b"application/x-www-form-urlencoded": Media.FORM,
    b"application/javascript": Media.TEXT,
    b"application/x-javascript": Media.TEXT,
    b"application/x-ndjson": Media.TEXT,
    b"application/yaml": Media.TEXT,
    b"application/csv": Media.TEXT,
    b"application/sql": Media.TEXT,
}
_WHITE = b" \t\r\n"
_LOOKED_AT = 1024


def parameters(content_type: bytes) -> tuple[bytes, str]:
    """The media type and the charset of a Content-Type value, both lower case, "" without one."""
    kind, _, rest = content_type.partition(b";")
    charset = ""
    for parameter in rest.split(b";"):
        name, _, value = parameter.partition(b"=")
        if name.strip().lower() == b"charset":
            charset = value.strip(b" \t\"'").decode("ascii", "replace").lower()
    return kind.strip().lower(), charset


def named(kind: bytes) -> Media | None:
    """The media type a name stands for; None where there is no name or it says nothing."""
    found = _BY_TYPE.get(kind)
    if found is not None:
        return found
    if kind.endswith(b"+json"):
        return Media.JSON
    if kind.endswith(b"+xml"):
        return Media.XML
    if kind.startswith(b"text/"):
        return Media.TEXT
    if not kind or kind == b"application/octet-stream":
        return None
    return Media.BINARY


def looks_like_json(content: bytes) -> bool:
    """Whether a body begins and ends as a JSON object or array does."""
    begin, end = content[:_LOOKED_AT].lstrip(b"\xef\xbb\xbf" + _WHITE), content[-64:].rstrip(_WHITE)
    return (begin[:1], end[-1:]) in ((b"{", b"}"), (b"[", b"]"))


def looks_like_html(content: bytes) -> bool:
    """Whether a body begins as a page does."""
    begin = content[:_LOOKED_AT].lstrip(b"\xef\xbb\xbf" + _WHITE).lower()
    return begin.startswith((b"<!doctype html", b"<html", b"<head", b"<body"))


def looks_like_text(content: bytes) -> bool:
    """Whether a body has nothing in its beginning that text has not."""
    begin = content[:_LOOKED_AT]
    return b"\x00" not in begin and not begin.startswith((b"\x1f\x8b", b"\x89PNG", b"\xff\xd8"))


def guessed(content: bytes) -> Media:
    """The media type of a body that nothing is said of."""
    if looks_like_json(content):
        return Media.JSON
    if looks_like_html(content):
        return Media.HTML
    return Media.TEXT if looks_like_text(content) else Media.BINARY


def common_media(
    legacy: Media | None, new: Media | None, content: bytes, new_content: bytes
) -> tuple[Media, Media]:
    """The media types as which two bodies are compared; not the same where they cannot be.

    `legacy` and `new` are what the headers name. The looks of both bodies together win over headers
    that differ or say nothing, and JSON wins over a text type on both sides.
    """
    if legacy is not Media.BINARY and new is not Media.BINARY:
        for looks, media in ((looks_like_json, Media.JSON), (looks_like_html, Media.HTML)):
            if (media is Media.JSON or legacy is not new) and looks(content) and looks(new_content):
                return media, media
    if legacy is None and new is None:
        one, other = guessed(content), guessed(new_content)
        if Media.BINARY in (one, other) or one is other:
            return (one, other) if one is other else (Media.BINARY, Media.BINARY)
        return Media.TEXT, Media.TEXT
    one, other = legacy or new or Media.BINARY, new or legacy or Media.BINARY
    return one, other
