"""PHP's own messages in a legacy body: found by their exact print formats, and taken out.

With `display_errors` on, PHP prints into the page (main/main.c, php_error_cb), with `html_errors`

    <br />\\n<b>Warning</b>:  MESSAGE in <b>FILE</b> on line <b>12</b><br />\\n

and without

    \\nWarning: MESSAGE in FILE on line 12\\n

and Xdebug prints a table of class `xdebug-error`. A page that writes about such messages escapes
the tags or shows them in `pre`, `code` or `textarea`; those are left alone.
"""

from __future__ import annotations

import html
import re
from bisect import bisect_right
from collections.abc import Iterator

from proxy.compare.comparison import LegacyDefect
from proxy.compare.secrets import redacted_prose

# Every format has these words, hardly any page has.
_TELLTALE = b" on line "
_LEVELS = (
    rb"(Fatal error|Recoverable fatal error|Catchable fatal error|Parse error|Warning|Notice|"
    rb"Deprecated|Strict Standards|Unknown error)"
)
_HTML_START = re.compile(rb"<br />\r?\n<b>" + _LEVELS + rb"</b>:  ")
_HTML_LINE = re.compile(rb"</b> on line <b>\d{1,9}</b><br />(?:\r?\n)?")
_TEXT_START = re.compile(rb"(?:\A|\r?\n)(?:PHP )?" + _LEVELS + rb":  ?(?=\S)")
_TEXT_LINE = re.compile(rb" on line \d{1,9}(?:\r?\n|\Z)")
_XDEBUG_START = re.compile(
    rb"(?:<br />\r?\n)?(?:<font size='1'>)?<table class='xdebug-error [^'\n]*'"
)
_XDEBUG_MESSAGE = re.compile(rb"</span>\s*(?:Xdebug: )?(?:user-)?([A-Z][A-Za-z ]{2,30}):")
_XDEBUG_END = re.compile(rb"</table>(?:</font>)?(?:\r?\n)?")
# A path, `Unknown`, or what php -r calls itself.
_FILE = re.compile(rb"/|[A-Za-z]:[\\/]|\\\\|[a-z]+://|Unknown\Z|Command line|Standard input")
_QUOTING = re.compile(rb"<(/?)(pre|code|textarea|xmp)\b", re.IGNORECASE)
_TAG = re.compile(r"<[^<>]{0,500}>")
_PATH = re.compile(r"(?:[A-Za-z]:[\\/]|(?<![\w./])/)[^\s'\"()<>:,]+(?:\(\d+\)|:\d+)?")
_LINE = re.compile(r"(?: in <file>)?(?: on line \d+|:\d+)?$")
_DIGITS = re.compile(r"(?<![\w.$])\d+(?![\w.])")
# No message is longer, its stack trace included.
_LONGEST = 64 * 1024
_SHOWN = 300
_LINE_BREAK = 2
_TOLD = 50

_Found = tuple[int, int, str, str]


def extract(content: bytes) -> tuple[bytes, tuple[LegacyDefect, ...]]:
    """The body without PHP's messages, and the messages; the same object and () without any."""
    if _TELLTALE not in content:
        return content, ()
    found = sorted({*_tables(content), *_marked_up(content), *_plain(content)})
    if not found:
        return content, ()
    quoted = _quoted_ranges(content)
    kept: list[bytes] = []
    defects: dict[LegacyDefect, None] = {}
    position = 0
    for start, end, level, message in found:
        if start < position - _LINE_BREAK or _is_quoted(quoted, start):
            continue
        kept.append(content[position : max(position, start)])
        position = end
        if len(defects) < _TOLD:
            defects[LegacyDefect(level=level, message=message)] = None
    if not defects:
        return content, ()
    kept.append(content[position:])
    return b"".join(kept), tuple(defects)


def _marked_up(content: bytes) -> Iterator[_Found]:
    return _messages(content, _HTML_START, _HTML_LINE, b" in <b>", marked_up=True)


def _plain(content: bytes) -> Iterator[_Found]:
    return _messages(content, _TEXT_START, _TEXT_LINE, b" in ", marked_up=False)


def _messages(
    content: bytes,
    begins: re.Pattern[bytes],
    ends: re.Pattern[bytes],
    before_file: bytes,
    *,
    marked_up: bool,
) -> Iterator[_Found]:
    starts = list(begins.finditer(content))
    for start, following in zip(starts, [*starts[1:], None], strict=False):
        limit = following.start() if following else len(content)
        # A line break between two messages belongs to both.
        window = min(limit + _LINE_BREAK, start.end() + _LONGEST, len(content))
        end = ends.search(content, start.end(), window)
        if end is None:
            continue
        file = content.rfind(before_file, start.end(), end.start())
        if file < 0 or not _FILE.match(content, file + len(before_file), end.start()):
            continue
        text = content[start.end() : file]
        if not marked_up and b"\n" in text and b"Uncaught" not in text[:200]:
            # The line of another message, or of an article.
            continue
        yield start.start(), end.end(), _level(start[1]), _message(text, marked_up=marked_up)


def _tables(content: bytes) -> Iterator[_Found]:
    if b"xdebug-error" not in content:
        return
    position = 0
    while start := _XDEBUG_START.search(content, position):
        position = start.end()
        end = _XDEBUG_END.search(content, position, position + _LONGEST)
        if end is None:
            continue
        said = _XDEBUG_MESSAGE.search(content, position, end.start())
        if said is None:
            continue
        stop = content.find(_TELLTALE, said.end(), end.start())
        text = content[said.end() : end.start() if stop < 0 else stop]
        file = text.rfind(b" in ")
        message = text if file < 0 else text[:file]
        yield start.start(), end.end(), _level(said[1]), _message(message, marked_up=True)
        position = end.end()


def _level(name: bytes) -> str:
    return name.decode("ascii")


def _message(raw: bytes, *, marked_up: bool) -> str:
    """The message with what differs between machines and requests taken out."""
    text = raw.decode("utf-8", "replace").partition("\nStack trace:")[0]
    if marked_up:
        text = html.unescape(_TAG.sub("", text))
    text = " ".join(text.split())
    text = redacted_prose(_LINE.sub("", _PATH.sub("<file>", text)))
    text = _DIGITS.sub("N", text)
    return text if len(text) <= _SHOWN else text[: _SHOWN - 1] + "…"


def _quoted_ranges(content: bytes) -> tuple[list[int], list[int]]:
    """Where `pre`, `code`, `textarea` and `xmp` stand: starts, and the end of each."""
    starts: list[int] = []
    ends: list[int] = []
    depth = 0
    for tag in _QUOTING.finditer(content):
        if tag[1]:
            depth = max(0, depth - 1)
            if depth == 0 and len(ends) < len(starts):
                ends.append(tag.start())
        else:
            if depth == 0:
                starts.append(tag.start())
            depth += 1
    if len(ends) < len(starts):
        # Never closed: it is no quotation but broken markup, perhaps cut short by the message.
        starts.pop()
    return starts, ends


def _is_quoted(ranges: tuple[list[int], list[int]], position: int) -> bool:
    starts, ends = ranges
    index = bisect_right(starts, position) - 1
    return index >= 0 and position < ends[index]
