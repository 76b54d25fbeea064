"""The way from a command to the admin listener: address, token, one request, one answer."""

from __future__ import annotations

import argparse
import http.client
import json
import os
import urllib.parse
from pathlib import Path
from typing import Any

from proxy.cli.output import Failure

DEFAULT_ADMIN = "http://127.0.0.1:9900"
DEFAULT_STATE_DIR = ".figway"
# Longer than any wait for acks that can be asked for; a dead listener fails at once anyway.
TIMEOUT_SECONDS = 120.0
# A machine that is there takes a connection at once; this bears two of three lost attempts.
CONNECT_SECONDS = 5.0


class Unreachable(Failure):
    """Nobody answers there."""

    # Somebody took the connection and said nothing: it hangs, and its workers may serve.
    hangs = False


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of every command that talks to a running figway."""
    group = parser.add_argument_group("connection")
    group.add_argument(
        "--admin",
        metavar="URL",
        help="the admin listener (FIGWAY_ADMIN; default: where the state directory says that it is,"
        f" else {DEFAULT_ADMIN})",
    )
    group.add_argument(
        "--state-dir",
        metavar="DIR",
        help="where the running figway keeps its admin-token"
        f" (FIGWAY_STATE_DIR; default {DEFAULT_STATE_DIR}); FIGWAY_TOKEN or FIGWAY_TOKEN_FILE"
        " name the token itself",
    )


def ask(
    args: argparse.Namespace,
    method: str,
    path: str,
    body: object = None,
    *,
    seen: int | None = None,
    timeout: float = TIMEOUT_SECONDS,
) -> Any:
    """Send one request and return the JSON answer.

    With `seen` it is refused unless all that was in use at that revision still is.
    Raises Failure: exit 1 when figway refuses, exit 2 when it cannot be reached or asked.
    """
    state_dir = state_directory(args)
    url = address(args)
    headers = {"Authorization": f"Bearer {_token(state_dir)}", "Accept": "application/json"}
    content = None
    if body is not None:
        content = json.dumps(body).encode()
        headers["Content-Type"] = "application/json"
        # What is given up on here may not be made later, by a figway that was frozen meanwhile.
        headers["X-Figway-If-Waiting"] = "1"
    if seen is not None:
        headers["If-Match"] = f'"{seen}"'
    kind = http.client.HTTPSConnection if url.scheme == "https" else http.client.HTTPConnection
    connection = kind(url.hostname or "", url.port, timeout=min(timeout, CONNECT_SECONDS))
    try:
        connection.connect()
        connection.sock.settimeout(timeout)
        connection.request(method, url.path.rstrip("/") + path, content, headers)
        response = connection.getresponse()
        text = response.read()
    except (OSError, http.client.HTTPException) as error:
        where = f"{url.scheme}://{url.netloc}"
        failure = Unreachable(
            2,
            f"cannot reach figway at {where} ({_short(error)}): is `figway serve` running?"
            " --admin or FIGWAY_ADMIN name another address",
        )
        failure.hangs = isinstance(error, TimeoutError) and connection.sock is not None
        raise failure from None
    finally:
        connection.close()
    try:
        answer = json.loads(text)
    except ValueError:
        raise Failure(
            2, f"{url.scheme}://{url.netloc} answered {response.status} without JSON: is it figway?"
        ) from None
    if response.status >= 400 and not (isinstance(answer, dict) and "detail" in answer):
        raise Failure(
            2,
            f"{url.scheme}://{url.netloc} answered {response.status} and is not the admin listener"
            " of a figway: --admin or FIGWAY_ADMIN name another address",
        )
    if response.status >= 400:
        # Who has no good token was not heard; whoever has one and may not do this was refused.
        code = 2 if response.status == 401 else 1
        detail = str(answer["detail"])
        problems = "".join(f"\n  {line}" for line in answer.get("problems", ()))
        raise Failure(code, detail + problems, answer)
    return answer


def look(args: argparse.Namespace, path: str) -> Any:
    """Ask for what a command judges by. Raises Failure, exit 2: without it there is no verdict."""
    try:
        return ask(args, "GET", path)
    except Failure as failure:
        failure.code = 2
        raise


def state_directory(args: argparse.Namespace) -> Path:
    """Where the figway that is asked keeps its files."""
    return Path(args.state_dir or os.environ.get("FIGWAY_STATE_DIR") or DEFAULT_STATE_DIR)


def address(args: argparse.Namespace) -> urllib.parse.SplitResult:
    """Where the figway is asked. Raises Failure for what is no address."""
    return _url(args.admin or os.environ.get("FIGWAY_ADMIN"), state_directory(args))


def _url(given: str | None, state_dir: Path) -> urllib.parse.SplitResult:
    text = given or _known_address(state_dir) or DEFAULT_ADMIN
    url = urllib.parse.urlsplit(text if "://" in text else f"http://{text}")
    try:
        usable = url.scheme in ("http", "https") and url.hostname and (url.port or True)
    except ValueError:
        usable = False
    if not usable:
        raise Failure(2, f"--admin: expected http://HOST:PORT, got {text!r}")
    return url


def _known_address(state_dir: Path) -> str | None:
    """Where the figway of this state directory listens, if it runs."""
    try:
        return (state_dir / "admin").read_text("ascii").strip() or None
    except (OSError, UnicodeError):
        return None


def _token(state_dir: Path) -> str:
    token = os.environ.get("FIGWAY_TOKEN")
    if token:
        return _sendable(token, "FIGWAY_TOKEN")
    named = os.environ.get("FIGWAY_TOKEN_FILE")
    path = Path(named) if named else state_dir / "admin-token"
    try:
        return _sendable(path.read_text("ascii").strip(), str(path))
    except (OSError, UnicodeError) as error:
        raise Failure(
            2,
            f"no admin token: {path} cannot be read ({_short(error)}); name the state directory of"
            " the running figway with --state-dir, or set FIGWAY_TOKEN",
        ) from None


def _sendable(token: str, name: str) -> str:
    if not token.isascii() or not token.isprintable():
        raise Failure(2, f"the token in {name} holds characters that cannot be sent")
    return token


def _short(error: Exception) -> str:
    return getattr(error, "strerror", None) or str(error) or type(error).__name__
