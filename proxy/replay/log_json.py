"""JSON access-log lines: Figway's own, nginx's under the names of its variables, Traefik, Caddy."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

from proxy.replay.log_time import epoch
from proxy.replay.logged_request import LoggedRequest

# What each server calls it; the first that is there counts.
_METHOD: Final = ("method", "request_method", "RequestMethod", "verb")
_WHOLE_TARGET: Final = ("request_uri", "target", "url", "RequestPath")
_PATH: Final = ("path", "uri")
_QUERY: Final = ("query", "args", "query_string", "request_query")
_HOST: Final = ("http_host", "host", "vhost", "authority", "server_name", "RequestHost")
_CLIENT: Final = ("client", "client_ip", "remote_addr", "remote_ip", "ClientHost")
_STATUS: Final = ("status", "DownstreamStatus", "status_code", "response_code")
_TIME: Final = (
    *("timestamp", "time_iso8601", "time_local", "@timestamp", "msec", "ts", "StartUTC"),
    *("time", "date", "start_time"),
)
# Method, target and version as the client sent them, wherever a log holds them in one piece.
REQUEST_LINE = re.compile(r"([A-Z-]+) (\S.*) HTTP/[0-9.]+")
# What servers write for a variable that has no value.
_UNSET: Final = frozenset({"", "-"})


def as_bytes(value: Any) -> Any:
    """A parsed value whose texts have one character for each byte, as those of other lines have.

    What a log wrote as a character beyond latin-1 came to the server as UTF-8.
    """
    if isinstance(value, str):
        if not value or max(value) <= "\xff":
            return value
        return value.encode("utf-8", "surrogatepass").decode("latin-1")
    if isinstance(value, dict):
        return {as_bytes(key): as_bytes(each) for key, each in value.items()}
    if isinstance(value, list):
        return [as_bytes(each) for each in value]
    return value


def read_object(line: Mapping[str, Any]) -> LoggedRequest | None:
    """The request that a line tells of; None when it has no method and path."""
    inner = line.get("request")
    if isinstance(inner, dict):
        return _caddy(line, inner)
    method, target, without_query = _text(line, _METHOD), "", False
    if isinstance(inner, str):
        asked = REQUEST_LINE.fullmatch(inner)
        if asked is not None:
            method, target = asked.groups()
    if not target:
        target, without_query = _target(line)
    if not method or not target:
        return None
    headers: dict[str, str | None] = {}
    cookies: dict[str, str | None] = {}
    for key, value in line.items():
        if key.startswith("http_") and key != "http_host" and _is_field(value):
            headers[key.removeprefix("http_").replace("_", "-").lower()] = _sent(value)
        elif key.startswith("cookie_") and _is_field(value):
            cookies[key.removeprefix("cookie_")] = _sent(value)
    return LoggedRequest(
        method=method,
        target=target,
        status=_status(line),
        host=_text(line, _HOST),
        client_ip=_text(line, _CLIENT),
        time=_time(line),
        headers=headers,
        cookies=cookies,
        route=_text(line, ("route",)) if line.get("event") == "request_served" else "",
        without_query=without_query,
    )


def _target(line: Mapping[str, Any]) -> tuple[str, bool]:
    whole = _text(line, _WHOLE_TARGET)
    if whole:
        return whole, False
    path = _text(line, _PATH)
    if not path or "?" in path:
        return path, False
    named = [key for key in _QUERY if key in line]
    query = _text(line, _QUERY)
    return (f"{path}?{query.removeprefix('?')}" if query else path), not named


def _caddy(line: Mapping[str, Any], request: Mapping[str, Any]) -> LoggedRequest | None:
    method, target = _text(request, ("method",)), _text(request, ("uri",))
    if not method or not target:
        return None
    headers: dict[str, str | None] = {}
    sent = request.get("headers")
    for name, values in sent.items() if isinstance(sent, dict) else ():
        if isinstance(values, list) and all(isinstance(value, str) for value in values):
            # Caddy writes REDACTED for what it keeps to itself.
            if values == ["REDACTED"]:
                continue
            joint = "; " if name.lower() == "cookie" else ", "
            headers[name.lower()] = joint.join(values)
    return LoggedRequest(
        method=method,
        target=target,
        status=_status(line),
        host=_text(request, ("host",)),
        client_ip=_text(request, ("client_ip", "remote_ip")),
        time=_time(line),
        headers=headers,
    )


def _text(line: Mapping[str, Any], names: tuple[str, ...]) -> str:
    for name in names:
        value = line.get(name)
        if isinstance(value, str) and value not in _UNSET:
            return value
    return ""


def _status(line: Mapping[str, Any]) -> int:
    for name in _STATUS:
        value = line.get(name)
        if isinstance(value, str) and value.isascii() and value.isdigit():
            value = int(value[:9])
        if type(value) is int:
            return value if 100 <= value <= 999 else 0
    return 0


def _time(line: Mapping[str, Any]) -> float | None:
    for name in _TIME:
        moment = epoch(line.get(name))
        if moment is not None:
            return moment
    return None


def _is_field(value: object) -> bool:
    return value is None or isinstance(value, str)


def _sent(value: str | None) -> str | None:
    return None if value is None or value in _UNSET else value
