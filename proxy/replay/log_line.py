"""One line of an access log as the request it tells of: combined format, or JSON."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final

from proxy.replay.log_json import REQUEST_LINE, as_bytes, read_object
from proxy.replay.log_time import epoch
from proxy.replay.logged_request import LoggedRequest

# Apache's and nginx's `combined`, and `vhost_combined` with its server in front. `common` ends
# behind the size; what stands behind the agent is nobody's business here.
_COMBINED = re.compile(
    # Without a port and with a dash behind it, it is a client: `192.0.2.7 - Ada L [`.
    r"(?:(?P<vhost>[\w.-]+|\[[0-9A-Fa-f:.]+\])(?::[0-9]{1,5} | (?!- (?!- - \[))))?"
    # Client, identity and user, who may have a space in the name; then the time.
    r"(?P<client>\S+) \S+ [^\s\"\[][^\"\[]* \[(?P<time>[^\]]*)\] "
    r'"(?P<request>(?:[^"\\]|\\.)*)" (?P<status>[0-9]{3}) (?:[0-9]+|-)'
    r'(?: "(?P<referer>(?:[^"\\]|\\.)*)" "(?P<agent>(?:[^"\\]|\\.)*)")?'
)
_ESCAPE = re.compile(r'\\(x[0-9A-Fa-f]{2}|["\\bnrtv])')
_LETTERS = {"b": "\b", "n": "\n", "r": "\r", "t": "\t", "v": "\v"}
# A byte order mark, which some editors put in front of a file.
_MARK: Final = "\xef\xbb\xbf"
_IN_FRONT: Final = f"{_MARK} \t"
_NOTHING_SENT: Final[Mapping[str, str | None]] = MappingProxyType({})


@dataclass(frozen=True, slots=True, kw_only=True)
class OtherLine:
    """A line that tells of no request, and rightly so: another event of a JSON log."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BadLine:
    """A line that cannot be used; the reason is the same for all lines of its kind."""

    reason: str


NO_FORMAT: Final = BadLine(reason="neither combined format nor JSON")
NO_JSON: Final = BadLine(reason="begins like JSON and is none")
NO_REQUEST: Final = BadLine(reason="the client sent no request that could be read")
NO_REQUEST_NAMED: Final = BadLine(reason="JSON without a method and a path under a known name")
_OTHER: Final = OtherLine()


def read_log_line(line: str) -> LoggedRequest | OtherLine | BadLine:
    """Read one line, decoded as latin-1 so that no byte is lost."""
    if line.startswith("{") or line.lstrip(_IN_FRONT).startswith("{"):
        return _json_line(line)
    found = _COMBINED.match(line.removeprefix(_MARK))
    if found is None:
        return NO_FORMAT
    vhost, client, time, request, status, referer, agent = found.groups()
    asked = REQUEST_LINE.fullmatch(request)
    if asked is None:
        return NO_REQUEST
    return LoggedRequest(
        method=asked[1],
        target=_plain(asked[2]),
        status=int(status),
        host=vhost or "",
        client_ip=client,
        time=epoch(time),
        headers=_NOTHING_SENT
        if agent is None
        else {"referer": _field(referer), "user-agent": _field(agent)},
    )


def _json_line(line: str) -> LoggedRequest | OtherLine | BadLine:
    try:
        value: Any = json.loads(line.lstrip(_IN_FRONT))
    except (ValueError, RecursionError):
        return NO_JSON
    if not isinstance(value, dict):
        return NO_JSON
    if "\\u" in line:
        value = as_bytes(value)
    event = value.get("event")
    if isinstance(event, str) and event != "request_served" and "method" not in value:
        return _OTHER
    return read_object(value) or NO_REQUEST_NAMED


def _plain(text: str) -> str:
    return _ESCAPE.sub(_unescaped, text) if "\\" in text else text


def _field(text: str) -> str | None:
    """A logged field; both servers write a dash for one that was not sent."""
    return None if text == "-" else _plain(text)


def _unescaped(found: re.Match[str]) -> str:
    code = found[1]
    if code[0] == "x" and len(code) > 1:
        return chr(int(code[1:], 16))
    return _LETTERS.get(code, code)
