"""figway explain: why a request goes where it goes."""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

from proxy.cli import client
from proxy.cli.output import OK, REFUSED, UNUSABLE, Failure, Help, print_json

Parsers = Any  # argparse's own type for it is private


def add_parser(subparsers: Parsers) -> None:
    """Add `explain`."""
    parser = subparsers.add_parser(
        "explain",
        help="tell why a request goes where it goes",
        description="Tell why a request goes where it goes: the routes in order with the first"
        " criterion that failed, the override chain, the bucket and its threshold. Asks the running"
        " figway; with --config or --flags it reads those files instead.",
        epilog="examples:\n  figway explain GET https://shop.example/product/red-drill"
        " -H 'X-Employee: 1'\n"
        "  figway explain GET /cart --device-id 0123456789abcdef0123456789abcdef\n"
        "\nexit codes: 0 explained, 1 no such request can be sent,"
        " 2 a file cannot be used or figway cannot be reached\n"
        "documentation: docs/explain.md\n",
        formatter_class=Help,
        allow_abbrev=False,
    )
    parser.add_argument("method", metavar="METHOD", help="such as GET")
    parser.add_argument("url", metavar="URL", help="absolute, or a path beginning with /")
    parser.add_argument(
        "-H",
        "--header",
        action="append",
        default=[],
        type=_header,
        metavar="'NAME: VALUE'",
        help="a header field; repeat it for more",
    )
    parser.add_argument(
        "--client-ip", default="127.0.0.1", metavar="IP", help="the client's address"
    )
    parser.add_argument(
        "--device-id", default="", metavar="HEX", help="the identity cookie's 32 hex digits"
    )
    parser.add_argument("--config", metavar="FILE", help="read these routes, offline")
    parser.add_argument("--flags", metavar="FILE", help="read these flags, offline")
    parser.add_argument("--json", action="store_true", help="print JSON")
    client.add_options(parser)


def run(args: argparse.Namespace) -> int:
    """Explain one request; exit 0 when that was possible."""
    if args.config or args.flags:
        text, value = _offline(args)
    else:
        value = client.ask(
            args,
            "POST",
            "/api/v1/explain",
            {
                "method": args.method,
                "url": args.url,
                "headers": args.header,
                "client_ip": args.client_ip,
                "device_id": args.device_id,
            },
        )
        text = value.pop("text")
    if args.json:
        print_json(value)
    else:
        print(text)
    return OK


def _offline(args: argparse.Namespace) -> tuple[str, Any]:
    from flags.snapshot import NOTHING_SET
    from proxy.cli.flag_file import FileFlags, read_flags
    from proxy.config.load import load_routes, load_settings
    from proxy.config.typed_request import typed_request
    from proxy.errors import ConfigError
    from proxy.routing.explain import explain
    from proxy.routing.explain_text import render
    from proxy.routing.table import RouteTable

    try:
        config = Path(args.config or "routes.yaml")
        table = RouteTable.compile(load_routes(config))
        settings = load_settings(config, {}, {})
    except ConfigError as error:
        raise Failure(UNUSABLE, str(error)) from None
    said = read_flags(args.flags) if args.flags else FileFlags(snapshot=NOTHING_SET, origins={})
    try:
        facts = typed_request(
            args.method,
            args.url,
            headers=args.header,
            client_ip=args.client_ip,
            device_id=args.device_id,
            cookie_name=settings.cookie_name,
        )
    except ValueError as error:
        raise Failure(REFUSED, str(error)) from None
    nowhere = "nowhere: no flags were read, --flags names a file of them"
    if args.flags:
        nowhere = f"nowhere: {Path(args.flags).name} does not speak of it"
    explanation = explain(table, said.snapshot, facts, said.origins, nowhere)
    return render(explanation), json.loads(json.dumps(asdict(explanation)))


def _header(text: str) -> tuple[str, str]:
    name, colon, value = text.partition(":")
    if not colon or not name.strip():
        raise argparse.ArgumentTypeError(f"expected 'NAME: VALUE', got {text!r}")
    return name.strip(), value.strip()
