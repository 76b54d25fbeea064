"""One line of an access log as the request it tells of: combined format, or Figway's own JSON."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Any

# Apache's and nginx's `combined`, and `vhost_combined` with its server in front.
_COMBINED = re.compile(
    r"(?:(?P<vhost>[\w.-]+|\[[0-9A-Fa-f:.]+\])(?::[0-9]{1,5})? )?"
    # Client, identity and user, who may have a space in the name; then the time.
    r"\S+ \S+ [^\s\"\[][^\"\[]* \[[^\]]*\] "
    r'"(?P<method>[A-Z-]+) (?P<target>(?:[^"\\]|\\.)*?) HTTP/[0-9.]+" (?P<status>[0-9]{3}) '
)
_ESCAPE = re.compile(r'\\(x[0-9A-Fa-f]{2}|["\\bnrtv])')
_LETTERS = {"b": "\b", "n": "\n", "r": "\r", "t": "\t", "v": "\v"}
_SERVED = "request_served"


@dataclass(frozen=True, slots=True, kw_only=True)
class LoggedRequest:
    """A request that was served once. `host` and `route` are empty where the log has none."""

    method: str
    # Path and query as they were sent; latin-1 stands for bytes.
    target: str
    status: int
    host: str = ""
    route: str = ""
    # The log leaves queries out: there may have been one.
    without_query: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class OtherLine:
    """A line that tells of no request, and rightly so: another event of a JSON log."""


def read_log_line(line: str) -> LoggedRequest | OtherLine | None:
    """Read one line; None when it is of neither format."""
    if line.startswith("{"):
        return _json_line(line)
    found = _COMBINED.match(line)
    if found is None:
        return None
    return LoggedRequest(
        method=found["method"],
        target=_ESCAPE.sub(_unescaped, found["target"]),
        status=int(found["status"]),
        host=found["vhost"] or "",
    )


def _json_line(line: str) -> LoggedRequest | OtherLine | None:
    try:
        value: Any = json.loads(line)
    except (ValueError, RecursionError):
        return None
    if not isinstance(value, dict) or not isinstance(value.get("event"), str):
        return None
    if value["event"] != _SERVED:
        return OtherLine()
    texts = {key: value.get(key, "") for key in ("method", "path", "host", "route")}
    status = value.get("status")
    if not all(isinstance(text, str) for text in texts.values()) or type(status) is not int:
        return None
    return LoggedRequest(
        method=texts["method"],
        target=texts["path"],
        status=status,
        host=texts["host"],
        route=texts["route"],
        without_query=True,
    )


def _unescaped(found: re.Match[str]) -> str:
    code = found[1]
    if code[0] == "x" and len(code) > 1:
        return chr(int(code[1:], 16))
    return _LETTERS.get(code, code)
