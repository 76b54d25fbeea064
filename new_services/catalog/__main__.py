"""The command: `python -m new_services.catalog serve` and `... import`."""

from __future__ import annotations

import argparse
import logging
import os
import sqlite3
import sys
from pathlib import Path

from aiohttp import web

from new_services.catalog.demo_bugs import VARIABLE, read_bugs
from new_services.catalog.follow import import_all
from new_services.catalog.legacy import LegacyShop
from new_services.catalog.service import make_app
from new_services.catalog.store import Store

log = logging.getLogger("catalog")

_HERE = Path(__file__).resolve().parent
_DATABASE = _HERE / "var" / "catalog.sqlite"
_SHOP = _HERE.parent.parent / "legacy_stub" / "var" / "shop.sqlite"


def _port(text: str) -> int:
    if not text.isascii() or not text.isdigit() or not 0 < int(text) < 65536:
        raise argparse.ArgumentTypeError(f"must be a port from 1 to 65535, got {text!r}")
    return int(text)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m new_services.catalog",
        description="Product, category and search pages of TechFlow.",
        epilog="example: python -m new_services.catalog serve --port 8101 "
        "--follow legacy_stub/var/shop.sqlite",
    )
    commands = parser.add_subparsers(dest="command", required=True)
    serve = commands.add_parser("serve", help="answer requests until SIGTERM or Ctrl-C")
    serve.add_argument(
        "--host", default=os.environ.get("CATALOG_HOST", "127.0.0.1"), help="CATALOG_HOST"
    )
    # argparse passes a default that is text through `type`, so a bad environment is an error too.
    serve.add_argument(
        "--port", type=_port, default=os.environ.get("CATALOG_PORT", "8101"), help="CATALOG_PORT"
    )
    serve.add_argument(
        "--follow",
        type=Path,
        metavar="SHOP",
        default=os.environ.get("CATALOG_FOLLOW"),
        help="the shop's database: import it, then take over its changes (CATALOG_FOLLOW)",
    )
    fill = commands.add_parser("import", help="fill the catalog's database from the shop's")
    fill.add_argument("--from", dest="shop", type=Path, default=_SHOP, help="the shop's database")
    for command in (serve, fill):
        command.add_argument(
            "--database",
            type=Path,
            default=os.environ.get("CATALOG_DATABASE", str(_DATABASE)),
            help="the catalog's own database (CATALOG_DATABASE)",
        )
    return parser


def main(arguments: list[str] | None = None) -> int:
    """Run the command; returns its exit code: 0, 1 (it failed) or 2 (it was called wrongly)."""
    options = _parser().parse_args(arguments)
    try:
        bugs = read_bugs(os.environ.get(VARIABLE, ""))
    except ValueError as error:
        print(f"catalog: {VARIABLE}: {error}", file=sys.stderr)
        return 2
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(name)s %(levelname)s %(message)s")
    try:
        if options.command == "import":
            shop = LegacyShop(options.shop)
            store = Store(options.database)
            print(f"imported {import_all(shop, store)} products into {options.database}")
            store.close()
            shop.close()
            return 0
        if bugs:
            log.warning("%s plants these faults on purpose: %s", VARIABLE, ", ".join(sorted(bugs)))
        web.run_app(
            make_app(options.database, follow=options.follow, bugs=bugs),
            host=options.host,
            port=options.port,
            access_log=None,
            print=None,
            # Requests in flight may finish; connections that idle are closed at once.
            shutdown_timeout=10,
        )
    except (OSError, sqlite3.Error) as error:
        print(f"catalog: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
