"""The figway command: finds the subcommand and runs it. Each is one file beside this one."""

from __future__ import annotations

import argparse
import errno
import importlib
import json
import os
import sys
from collections.abc import Sequence
from typing import NoReturn

from proxy.cli.output import OK, UNUSABLE, Failure, Help

# Command, module, what it is for. Only the module of the chosen command is imported: a rollback
# must not wait for a YAML parser.
COMMANDS = (
    ("serve", "serve", "run the proxy"),
    ("status", "status", "show what is running: workers, revisions, rollbacks, health"),
    ("routes", "routes", "show every route: stage, flag, percentage, upstream"),
    ("explain", "explain", "tell why a request goes where it goes"),
    ("percent", "percent", "move a share of a route's traffic to the new side"),
    ("rollback", "rollback", "send everything, a group or a route back to legacy"),
    ("resume", "resume", "end a rollback"),
    ("shadow", "shadow.command", "show the evidence: is it safe to cut over?"),
    ("audit", "audit", "show who moved what and why, and whether that was altered"),
    ("token", "token", "say who may look, move traffic, or make tokens"),
    ("reload", "reload", "read routes.yaml and the flag file again"),
    ("check", "check", "lint routes.yaml"),
    ("test", "test_routes", "run the tests: block of routes.yaml"),
    ("diff", "diff.command", "tell which requests a change of routes or flags would move"),
    ("compare", "compare", "compare two answers that are kept in files"),
    ("conform", "conform", "send cases to both sides and compare the answers"),
    ("schema", "schema", "print the JSON schema of routes.yaml"),
)

EXAMPLES = """examples:
  figway serve --config routes.yaml --listen 127.0.0.1:8080 --admin 127.0.0.1:9900
  figway explain GET http://127.0.0.1:8080/product/red-drill
  figway percent product-page 12.5 --reason "first customers"
  figway rollback --all --reason "error rate"
  figway resume --all --reason "fixed in 4.2"

exit codes: 0 done, 1 refused or not applied, 2 wrong usage or figway unreachable
documentation, in docs/: rollback.md, fleet.md, routes.md, explain.md, diff.md, \
shadow.md, observability.md, admin.md, audit.md
"""


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        # argparse's own usage dump hides the message below a screen of brackets.
        self.exit(UNUSABLE, f"{self.prog}: {message}\n  `{self.prog} --help` shows the usage\n")


class _Version(argparse.Action):
    def __call__(self, parser: argparse.ArgumentParser, *_: object, **__: object) -> None:
        from importlib.metadata import version

        print(f"figway {version('figway')}")
        parser.exit(OK)


def parser(command: str | None) -> argparse.ArgumentParser:
    """The parser; only `command`'s own options are filled in."""
    top = _Parser(
        prog="figway",
        description="A strangler-fig migration proxy: one request, one table, one flag.",
        epilog=EXAMPLES,
        formatter_class=Help,
        allow_abbrev=False,
    )
    top.add_argument("--version", action=_Version, nargs=0, help="print the version and exit")
    commands = top.add_subparsers(
        dest="command", metavar="COMMAND", required=True, parser_class=_Parser
    )
    for name, module, purpose in COMMANDS:
        if name == command:
            importlib.import_module(f"proxy.cli.{module}").add_parser(commands)
        else:
            commands.add_parser(name, help=purpose)
    return top


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code."""
    _open_what_is_closed()
    words = list(sys.argv[1:] if argv is None else argv)
    known = {name: module for name, module, _ in COMMANDS}
    command = next((word for word in words if not word.startswith("-")), None)
    args = parser(command if command in known else None).parse_args(words)
    try:
        code: int = importlib.import_module(f"proxy.cli.{known[args.command]}").run(args)
        # A reader that has gone (`figway status | head`) is noticed here, not at interpreter exit.
        sys.stdout.flush()
    except Failure as failure:
        if getattr(args, "json", False):
            detail = failure.answer or {"detail": str(failure)}
            print(json.dumps(detail, indent=2))
        print(f"figway {args.command}: {failure}", file=sys.stderr)
        return failure.code
    except BrokenPipeError:
        sys.stderr.close()
        return OK
    except KeyboardInterrupt:
        return 130
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT, errno.EIO):
            raise
        print(f"figway {args.command}: stdout takes nothing: {error.strerror}", file=sys.stderr)
        # What waits in the buffer would fail again at interpreter exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return UNUSABLE
    return code


def _open_what_is_closed() -> None:
    """Give a process that was started without stdin, stdout or stderr a null device in its place.

    Else the first file or socket that it opens gets that number, and then what is printed.
    """
    for number, name, mode in ((0, "stdin", "r"), (1, "stdout", "w"), (2, "stderr", "w")):
        try:
            os.fstat(number)
        except OSError:
            # The lowest free number is taken, which is this one.
            os.open(os.devnull, os.O_RDWR)
            os.set_inheritable(number, True)
            setattr(sys, name, os.fdopen(number, mode))


if __name__ == "__main__":
    sys.exit(main())
