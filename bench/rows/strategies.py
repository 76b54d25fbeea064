"""What rules of Unleash cost a worker: strategies, constraints and a segment beside a percentage.

Two figways split the same clients at the same buckets. One is told 50 % by its flag file. The
other is told by a real Unleash: a strategy for named users, which nobody here is, then 50 % for
those who meet three constraints and a segment, which everybody does. Whoever is out has met all of
it. A third, told by its file like the first, shows what the difference between two equal ones is.

A worker knows the heads of requests that it saw before, with what rules said of them, as it sees
them on kept connections. So both are measured once more with clients of whom each is new.
"""

from __future__ import annotations

import http.client
from contextlib import ExitStack, closing

from bench.field import running_origin
from bench.figway import Figway
from bench.priority import shield
from bench.rounds import Measured, Runner, Spread, measure_rounds, ratios
from bench.row import RowResult, Run, Target
from bench.servers import Unleash, wait_for
from bench.table import write_table
from bench.visitors import visitors, write_visitors
from deploy.unleash.admin import UnleashAdmin

ROUTES = 20
CONNECTIONS = 64
CLIENTS = 1000
# So many that a worker has forgotten one when it comes again.
NEW_CLIENTS = 50_000
PLAIN, AGAIN, RULES = "percentage", "percentage, again", "Unleash rules"
PLAIN_NEW, RULES_NEW = "percentage, new clients", "Unleash rules, new clients"
# What each one is compared with.
_BASE = {PLAIN: PLAIN, AGAIN: PLAIN, RULES: PLAIN, PLAIN_NEW: PLAIN_NEW, RULES_NEW: PLAIN_NEW}
BOUND = 1.03
_GROUP = "g"
_FLAG = f"figway-{_GROUP}"
_CONTEXT = """\
flags:
  unleash:
    context: {language: {header: Accept-Language}, agent: {header: User-Agent}}
"""


def measure_strategies(run: Run) -> RowResult:
    """Load all three in turns."""
    folder = run.folder / "strategies"
    folder.mkdir()
    mix = write_visitors(folder / "visitors", ROUTES - 1, CLIENTS)
    new = write_visitors(folder / "new-visitors", ROUTES - 1, NEW_CLIENTS)
    with ExitStack() as stack:
        legacy_port, new_port = stack.enter_context(running_origin(folder, run.cores))
        unleash = stack.enter_context(Unleash(folder / "unleash"))
        set_rules(unleash.admin)
        runners = []
        for number, name in enumerate((PLAIN, AGAIN, RULES)):
            place = folder / f"{number}"
            files = write_table(
                place,
                routes=ROUTES,
                legacy_port=legacy_port,
                new_port=new_port,
                percent=0 if name == RULES else 50,
                grouped=True,
            )
            environ = {}
            if name == RULES:
                files.routes.write_text(f"{files.routes.read_text()}{_CONTEXT}")
                environ = {
                    "FIGWAY_UNLEASH_URL": unleash.server.api,
                    "FIGWAY_UNLEASH_TOKEN": unleash.server.client_token,
                }
            figway = Figway(place, files, core=run.cores.proxy, environ=environ)
            stack.enter_context(figway)
            shield(figway.pid)
            runners.append(Runner(name=name, pid=figway.pid, port=figway.port))
        plain, _, ruled = runners
        wait_for("the rules are in use", lambda: "new" in sides(ruled.port, 50))
        split = sides(plain.port, CLIENTS), sides(ruled.port, CLIENTS)
        runners += (
            Runner(name=PLAIN_NEW, pid=plain.pid, port=plain.port),
            Runner(name=RULES_NEW, pid=ruled.pid, port=ruled.port),
        )
        measured = measure_rounds(
            runners,
            dict.fromkeys((PLAIN, AGAIN, RULES), mix) | dict.fromkeys((PLAIN_NEW, RULES_NEW), new),
            run.cores,
            rounds=3 if run.quick else 15,
            seconds=1 if run.quick else 2,
            connections=CONNECTIONS,
        )
    return describe_strategies(measured, *split)


def set_rules(admin: UnleashAdmin) -> None:
    """The flag with its two strategies, and the segment."""
    english = {"contextName": "language", "operator": "STR_CONTAINS", "values": ["fr", "en"]}
    segment = admin.create_segment("english", [english])
    admin.create_flag(_FLAG)
    named = {"contextName": "userId", "operator": "IN", "values": ["anna", "ben", "carla"]}
    admin.add_strategy(_FLAG, constraints=[named])
    admin.add_strategy(
        _FLAG,
        "flexibleRollout",
        {"rollout": "50", "stickiness": "default", "groupId": _GROUP},
        constraints=[
            {"contextName": "agent", "operator": "STR_STARTS_WITH", "values": ["Mozilla"]},
            {"contextName": "environment", "operator": "IN", "values": ["production"]},
            {
                "contextName": "currentTime",
                "operator": "DATE_AFTER",
                "value": "2020-01-01T00:00:00.000Z",
            },
        ],
        segments=[segment],
    )
    admin.turn_on(_FLAG)


def sides(port: int, count: int) -> list[str]:
    """Who answers each of the first clients of the mix."""
    found = []
    with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=10)) as connection:
        for visitor in visitors(ROUTES - 1, count):
            headers = {
                "Cookie": f"figway_id={visitor.device}",
                "User-Agent": "Mozilla/5.0 (X11; Linux x86_64; rv:140.0)",
                "Accept-Language": "en-GB,en;q=0.8,de;q=0.5",
            }
            connection.request("GET", visitor.path, headers=headers)
            answer = connection.getresponse()
            answer.read()
            found.append(answer.headers.get("X-Origin", ""))
    return found


def describe_strategies(measured: Measured, plain: list[str], ruled: list[str]) -> RowResult:
    """Rounds of all three as a row; `plain` and `ruled` are who answered each client."""
    cpu = measured.values(lambda one: one.busiest_microseconds)
    whole = measured.values(lambda one: one.cpu_microseconds)
    spreads = {name: Spread.of(values) for name, values in cpu.items()}
    to_plain = {name: ratios(cpu, name, _BASE[name]) for name in cpu}
    errors = {name: sum(one.report.errors for one in measured.rounds[name]) for name in cpu}
    elsewhere = sum(one != other for one, other in zip(plain, ruled, strict=True))
    return RowResult(
        name="strategies",
        title="CPU of the worker per request, with rules of Unleash beside a plain percentage",
        header=(
            *("flags", "worker per request, median", "lowest - highest", "x percentage"),
            *("lowest - highest", "with supervisor", "requests/s", "errors"),
        ),
        lines=tuple(
            (
                name,
                f"{spreads[name].median:.2f} µs",
                f"{spreads[name].low:.2f} - {spreads[name].high:.2f} µs",
                f"{to_plain[name].median:.3f}",
                f"{to_plain[name].low:.3f} - {to_plain[name].high:.3f}",
                f"{Spread.of(whole[name]).median:.2f} µs",
                f"{Spread.of([one.report.per_second for one in rounds]).median:,.0f}",
                f"{errors[name]}",
            )
            for name, rounds in measured.rounds.items()
        ),
        targets=(
            Target(
                what="rules of Unleash x plain percentage, worker",
                value=to_plain[RULES].median,
                bound=BOUND,
            ),
            Target(what="clients that the rules send to another side", value=elsewhere, bound=0),
            Target(what="failed requests", value=sum(errors.values()), bound=0),
        ),
        notes=(
            f"{plain.count('new')} of {len(plain):,} clients get the new side. Rules: a strategy "
            "for three named users, then a gradual rollout with constraints on the user agent, the "
            "environment and the time, and a segment on the language.",
            "Ratios are taken turn by turn, then their median; percentage, again is a second "
            "figway like the first.",
            "new clients: a worker has seen none of these requests before; they are compared with "
            "the same clients under a percentage.",
            measured.note(),
        ),
        figures={
            name: {
                "worker_cpu_microseconds": cpu[name],
                "cpu_microseconds": whole[name],
                "ratio_to_percentage": to_plain[name].median,
                "disturbed": [one.disturbed for one in rounds],
                "errors": errors[name],
            }
            for name, rounds in measured.rounds.items()
        },
    )
