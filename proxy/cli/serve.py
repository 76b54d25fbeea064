"""figway serve: the proxy."""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
from pathlib import Path
from typing import Any

from proxy.cli.output import UNUSABLE, Failure, Help, many

Parsers = Any  # argparse's own type for it is private

DEFAULTS = {
    "config": "routes.yaml",
    "flags": "flags/flags.yaml",
    "state_dir": ".figway",
}


def add_parser(subparsers: Parsers) -> None:
    """Add `serve`."""
    parser = subparsers.add_parser(
        "serve",
        help="run the proxy",
        description="Run the proxy: workers on one listening socket, and the admin listener beside"
        " it. One JSON line per event goes to stdout. SIGTERM or SIGINT finishes what is in flight"
        " and ends (a second one ends at once), SIGHUP reads the files again, SIGUSR1 rolls"
        " everything back to legacy.",
        epilog="example:\n  figway serve --config routes.yaml --listen 127.0.0.1:8080"
        " --admin 127.0.0.1:9900 --workers 4\n\nEvery option has an environment variable FIGWAY_*;"
        " the option wins."
        "\n\nexit codes: 0 stopped and drained, 1 stopped before everything had finished,"
        " 2 cannot start\n",
        formatter_class=Help,
        allow_abbrev=False,
    )
    parser.add_argument(
        "--config", metavar="FILE", help="the routes (FIGWAY_CONFIG; default routes.yaml)"
    )
    parser.add_argument(
        "--flags", metavar="FILE", help="the flag file (FIGWAY_FLAGS; default flags/flags.yaml)"
    )
    parser.add_argument(
        "--state-dir",
        metavar="DIR",
        help="what survives a restart: token, rollbacks, audit (FIGWAY_STATE_DIR; default .figway)",
    )
    parser.add_argument(
        "--listen", metavar="HOST:PORT", help="where clients come in (default 127.0.0.1:8080)"
    )
    parser.add_argument(
        "--admin", metavar="HOST:PORT", help="where operators do (default 127.0.0.1:9900)"
    )
    parser.add_argument("--workers", metavar="N", help="worker processes (default 2)")
    parser.add_argument("--access-log", metavar="MODE", help="off, errors or all (default errors)")
    parser.add_argument(
        "--sentinel",
        metavar="FILE",
        help="a file whose appearance rolls everything back (FIGWAY_SENTINEL; default ROLLBACK in"
        " the state directory)",
    )
    parser.add_argument(
        "--tokens",
        metavar="FILE",
        help="the tokens of people and programs, which a fleet may share (FIGWAY_TOKENS_FILE;"
        " default tokens.json in the state directory)",
    )


def run(args: argparse.Namespace) -> int:
    """Serve until a signal; exit 0 after a whole drain, 1 after one cut short, 2 if unusable."""
    from proxy.config.load_settings import ignored_variables
    from proxy.errors import ConfigError
    from proxy.supervision.files import load
    from proxy.supervision.listener import AddressError, open_listeners
    from proxy.supervision.log import LogWriter, event_log
    from proxy.supervision.state_directory import (
        SENTINEL,
        TOKENS,
        StateDirectory,
        StateDirectoryError,
    )
    from proxy.supervision.waiting import leave, make_room
    from proxy.supervisor import Paths, Supervisor
    from proxy.worker import server_tls

    environ = _environment()
    config = _path(args, "config")
    state_dir = _path(args, "state_dir")
    sentinel = args.sentinel or os.environ.get("FIGWAY_SENTINEL")
    tokens = args.tokens or os.environ.get("FIGWAY_TOKENS_FILE")
    paths = Paths(
        config=config,
        flags=_path(args, "flags"),
        state_dir=state_dir,
        sentinel=Path(sentinel).absolute() if sentinel else state_dir / SENTINEL,
        tokens=Path(tokens).absolute() if tokens else state_dir / TOKENS,
    )
    options = {
        name: value
        for name in ("listen", "admin", "workers", "access_log")
        if (value := getattr(args, name)) is not None
    }
    try:
        loaded = load(config, environ, options)
    except ConfigError as error:
        problems = many(len(error.problems), "problem")
        said = f"cannot start, {problems}:\n{_indented(str(error))}"
        if not config.exists():
            said += "\n--config or FIGWAY_CONFIG names the routes; docs/routes.md has an example"
        raise Failure(UNUSABLE, said) from None
    try:
        server_tls(loaded.settings)
    except (OSError, ValueError) as error:
        # Each worker opens it for itself; it is told once, here.
        raise Failure(
            UNUSABLE,
            f"tls_certificate {loaded.settings.tls_certificate} and tls_key"
            f" {loaded.settings.tls_key} cannot be used ({error}): both are PEM files, and the key"
            " fits the certificate",
        ) from None
    try:
        state = StateDirectory.open(state_dir)
    except StateDirectoryError as error:
        raise Failure(UNUSABLE, str(error)) from None
    writer = LogWriter(sys.stdout.fileno())
    try:
        log = event_log(writer)
        for name in ignored_variables(environ):
            log.warning("variable_ignored", variable=name, hint="docs/routes.md lists the settings")
        listener, admin_listener = open_listeners(loaded.settings.listen, loaded.settings.admin)

        async def serve() -> int:
            room = make_room()
            supervisor = Supervisor(
                paths=paths,
                loaded=loaded,
                read=lambda: load(config, environ, options),
                state=state,
                listener=listener,
                admin_listener=admin_listener,
                log=log,
                writer=writer,
            )
            code = await supervisor.run()
            if not leave(room):
                writer.close()
                state.close()
                os._exit(code)
            return code

        return asyncio.run(serve())
    except (AddressError, StateDirectoryError) as error:
        raise Failure(UNUSABLE, str(error)) from None
    finally:
        writer.close()
        state.close()


def _path(args: argparse.Namespace, name: str) -> Path:
    given = getattr(args, name) or os.environ.get(f"FIGWAY_{name.upper()}")
    # Absolute from the start: messages then name a place that is the same from everywhere.
    return Path(given or DEFAULTS[name]).absolute()


def _environment() -> dict[str, str]:
    environ = dict(os.environ)
    # The commands take FIGWAY_ADMIN as a URL; here the same variable is HOST:PORT.
    admin = environ.get("FIGWAY_ADMIN", "")
    if "://" in admin:
        environ["FIGWAY_ADMIN"] = admin.partition("://")[2].rstrip("/")
    return environ


def _indented(text: str) -> str:
    return "\n".join(f"  {line}" for line in text.splitlines())
