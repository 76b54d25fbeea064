"""figway token: who may look, move traffic, or make tokens."""

from __future__ import annotations

import argparse
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from proxy.cli import client, scope
from proxy.cli.output import OK, REFUSED, Failure, Help, inert, print_json, table
from proxy.cli.span import span

Parsers = Any  # argparse's own type for it is private

ROLES = ("viewer", "operator", "admin")


def add_parser(subparsers: Parsers) -> None:
    """Add `token` with `create`, `list` and `revoke`."""
    parser = subparsers.add_parser(
        "token",
        help="say who may look, move traffic, or make tokens",
        description="Make, list and revoke the tokens of people and programs. A viewer sees"
        " everything, an operator also moves traffic, an admin also makes and revokes tokens. Only"
        " hashes are kept, in tokens.json of the state directory or the file that a fleet shares"
        " (FIGWAY_TOKENS_FILE); figway uses a change at once.",
        epilog='example:\n  figway token create ann --role operator --reason "on call from May"\n'
        '  FIGWAY_TOKEN=fgw_... figway rollback --all --reason "error rate"\n'
        "  figway token list --json\n"
        "\nexit codes: 0 done, 1 refused, 2 figway cannot be reached or asked\n",
        formatter_class=Help,
        allow_abbrev=False,
    )
    verbs = parser.add_subparsers(dest="verb", metavar="VERB", required=True)
    create = verbs.add_parser(
        "create",
        help="make a token; it is printed once",
        epilog='example:\n  figway token create ci --role viewer --expires 90d --reason "checks"\n',
        formatter_class=Help,
        allow_abbrev=False,
    )
    create.add_argument("name", metavar="NAME", help="whose it is; it stands in the audit")
    create.add_argument("--role", required=True, choices=ROLES, help="what it may do")
    create.add_argument(
        "--expires", type=span, default=0, metavar="SPAN", help="such as 90d; default: never"
    )
    create.set_defaults(verb=_create)
    listing = verbs.add_parser("list", help="show every token", allow_abbrev=False)
    listing.set_defaults(verb=_list)
    revoke = verbs.add_parser(
        "revoke",
        help="end a token at once",
        epilog='example:\n  figway token revoke ann --reason "left the team"\n',
        formatter_class=Help,
        allow_abbrev=False,
    )
    revoke.add_argument("token", metavar="NAME_OR_ID", help="as `figway token list` shows it")
    revoke.set_defaults(verb=_revoke)
    for verb in (create, revoke):
        verb.add_argument("--reason", required=True, help="why, for the audit")
        verb.add_argument("--ticket", default="", help="the ticket it belongs to, for the audit")
    for verb in (create, listing, revoke):
        verb.add_argument("--json", action="store_true", help="print JSON")
        verb.add_argument(
            "--file",
            metavar="FILE",
            help="work on this file instead of asking a running figway, to bring it to a fleet",
        )
        client.add_options(verb)


def run(args: argparse.Namespace) -> int:
    """Make, list or revoke; exit 0 when done, 1 when refused."""
    code: int = args.verb(args)
    return code


def _create(args: argparse.Namespace) -> int:
    if args.file:
        created: dict[str, Any] = _create_in_file(args)
    else:
        body = {
            "name": args.name,
            "role": args.role,
            "expires_seconds": args.expires,
            **_why(args),
        }
        created = client.ask(args, "POST", "/api/v1/tokens", body)
    if args.json:
        print_json(created)
        return OK
    # Alone on stdout, for whatever stores it.
    print(created["secret"])
    token = created["token"]
    ends = f" until {_day(token['expires'])}" if token["expires"] else ""
    print(
        f"{token['role']} {token['name']} (id {token['id']}){ends}: this is the only time that the"
        " token is shown; use it as FIGWAY_TOKEN",
        file=sys.stderr,
    )
    return OK


def _list(args: argparse.Namespace) -> int:
    if args.file:
        from proxy.admin.token_file import TokenFileError, load

        try:
            tokens = [_shown(token) for token in load(Path(args.file)).tokens]
        except TokenFileError as error:
            raise Failure(REFUSED, str(error)) from None
        answer = {"path": args.file, "problem": "", "tokens": tokens}
    else:
        answer = client.ask(args, "GET", "/api/v1/tokens")
    if args.json:
        print_json(answer)
        return OK
    if answer["problem"]:
        print(f"not in use: {answer['problem']}", file=sys.stderr)
    if not answer["tokens"]:
        print(f"{answer['path']}: no tokens; admin-token in the state directory is the only one")
        return OK
    rows = [
        (
            token["id"],
            token["name"],
            token["role"],
            token["standing"],
            _day(token["created"]),
            inert(token["created_by"]),
            _day(token["expires"]) if token["expires"] else "never",
        )
        for token in answer["tokens"]
    ]
    print(table(("id", "name", "role", "standing", "made", "by", "expires"), rows))
    return OK


def _revoke(args: argparse.Namespace) -> int:
    if args.file:
        revoked = _revoke_in_file(args)
    else:
        body = {"token": args.token, **_why(args)}
        revoked = client.ask(args, "POST", "/api/v1/tokens/revoke", body)
    if args.json:
        print_json(revoked)
    else:
        print(f"revoked {revoked['name']} ({revoked['role']}, id {revoked['id']})")
    return OK


def _why(args: argparse.Namespace) -> dict[str, object]:
    return {"reason": args.reason, "ticket": args.ticket, "actor": scope.actor()}


# Without a running figway.


def _create_in_file(args: argparse.Namespace) -> dict[str, Any]:
    import secrets

    from proxy.admin.roles import Role
    from proxy.admin.token_file import TokenFileError, change
    from proxy.admin.tokens import ID_BYTES, SECRET_BYTES, TokenError, mint

    now = time.time()
    try:
        token, text = mint(
            name=args.name,
            role=Role(args.role),
            random=secrets.token_bytes(ID_BYTES + SECRET_BYTES),
            now=now,
            by=scope.actor(),
            expires=now + args.expires if args.expires else 0.0,
        )
        change(Path(args.file), lambda tokens: tokens.with_token(token, now))
    except (TokenError, TokenFileError) as error:
        raise Failure(REFUSED, str(error)) from None
    return {"secret": text, "token": _shown(token)}


def _revoke_in_file(args: argparse.Namespace) -> dict[str, Any]:
    from proxy.admin.token_file import TokenFileError, change
    from proxy.admin.tokens import Token, TokenError, TokenSet

    revoked: list[Token] = []

    def edit(tokens: TokenSet) -> TokenSet:
        left, row = tokens.without(args.token, now=time.time(), by=scope.actor())
        revoked.append(row)
        return left

    try:
        change(Path(args.file), edit)
    except (TokenError, TokenFileError) as error:
        raise Failure(REFUSED, str(error)) from None
    return _shown(revoked[0])


def _shown(token: Any) -> dict[str, Any]:
    """As the admin API shows it."""
    from dataclasses import asdict

    row = asdict(token)
    del row["sha256"]
    return {**row, "standing": token.standing(time.time())}


def _day(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d")
