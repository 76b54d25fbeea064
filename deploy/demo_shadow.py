"""`make demo-shadow`: a crowd visits the shop, the catalog has faults, and Figway finds them.

The environment chooses the faults (FIGWAY_DEMO_BUGS, `all` unless set; empty is none), the number
of requests (DEMO_REQUESTS) and what servers.py reads.
"""

from __future__ import annotations

import http.client
import json
import os
import shlex
import shutil
import sqlite3
import subprocess
import sys
from collections import Counter
from dataclasses import dataclass

from deploy.port import HOST
from deploy.servers import (
    LOGS,
    ROOT,
    SHOP_DATA,
    Ports,
    RunError,
    figway_command,
    find_php,
    seed_shop,
    start_catalog,
    start_figway,
    start_shop,
    write_route_file,
)
from deploy.session import Session, Stop, run_session
from deploy.visitors import Assortment, send_visitors, visits

# Evidence of its own: what an earlier demonstration found is not found again.
_STATE = LOGS / "demo-shadow"
# Flags of its own: what a tour left in flags.yaml would move requests away from the comparison.
_FLAGS = LOGS / "demo-shadow-flags.yaml"
_EVERY = 500
_SETTLE_SECONDS = 0.5
_SETTLE_LOOKS = 240


@dataclass(frozen=True, slots=True, kw_only=True)
class _Progress:
    """How far the evidence is: requests that count, and those still without an outcome."""

    eligible: int
    pending: int


def _requests() -> int:
    text = os.environ.get("DEMO_REQUESTS", "2000")
    if not text.isascii() or not text.isdigit() or not 0 < int(text) <= 100_000:
        raise RunError(f"DEMO_REQUESTS must be a number from 1 to 100000, got {text!r}.")
    return int(text)


def _serve(session: Session) -> None:
    ports = Ports.from_environment()
    count = _requests()
    bugs = os.environ.get("FIGWAY_DEMO_BUGS", "all")
    php = find_php()
    ports.check("make demo-shadow")
    LOGS.mkdir(exist_ok=True)
    shutil.rmtree(_STATE, ignore_errors=True)
    _FLAGS.write_text("rollback: false\n")
    seed_shop(php)
    print(
        f"Starting the shop, the catalog with FIGWAY_DEMO_BUGS={bugs}, and Figway ...", flush=True
    )
    session.add(start_shop(php, ports.shop))
    session.add(start_catalog(ports.catalog, bugs=bugs))
    write_route_file(ports)
    session.add(start_figway(ports, state=_STATE, flags=_FLAGS))
    session.wait_until_ready()
    if session.stop.asked():
        return
    _visit(session.stop, ports, count)
    report = _settled(session, ports)
    if session.stop.asked():
        return
    print(_figway(ports, "report"), flush=True)
    print(_summary(report), flush=True)
    print(_things_to_try(ports, report), flush=True)
    session.wait_until_stopped()


def _visit(stop: Stop, ports: Ports, count: int) -> None:
    print(f"{count:,} requests of visitors; every one is asked of both sides ...", flush=True)

    def progress(done: int) -> None:
        if done % _EVERY == 0:
            print(f"  {done:,}", flush=True)

    try:
        crowd = visits(Assortment.read(SHOP_DATA / "shop.sqlite"), count)
        statuses = send_visitors(ports.front.number, crowd, cancelled=stop.asked, progress=progress)
    except (OSError, http.client.HTTPException, sqlite3.Error) as error:
        raise RunError(f"a visitor got no answer: {error!r}. See {LOGS.name}/.") from error
    said = ", ".join(f"{status}: {times:,}" for status, times in sorted(statuses.items()))
    print(f"  the visitors got {said}", flush=True)


def _settled(session: Session, ports: Ports) -> dict[str, object]:
    """The report, once every request has its outcome."""
    before: _Progress | None = None
    report: dict[str, object] = {}
    for look in range(_SETTLE_LOOKS):
        if session.stop.asked():
            return report
        session.check()
        try:
            report = json.loads(_figway(ports, "report", "--format", "json"))
        except RunError:
            # The observer starts beside the workers, and the visitors did not wait for it.
            if look == _SETTLE_LOOKS - 1:
                raise
            session.stop.wait(_SETTLE_SECONDS)
            continue
        now = _progress(report)
        if now == before and now.eligible > 0 and now.pending == 0:
            return report
        before = now
        session.stop.wait(_SETTLE_SECONDS)
    print("Some requests have no outcome yet; the report says how many.", flush=True)
    return report


def _routes(report: dict[str, object]) -> list[dict[str, object]]:
    routes = report.get("routes")
    return (
        [route for route in routes if isinstance(route, dict)] if isinstance(routes, list) else []
    )


def _progress(report: dict[str, object]) -> _Progress:
    def total(key: str) -> int:
        return sum(value for route in _routes(report) if isinstance(value := route[key], int))

    return _Progress(eligible=total("eligible"), pending=total("pending"))


def _figway(ports: Ports, *words: str) -> str:
    """Run a `figway shadow` command to its end. Raises RunError."""
    done = subprocess.run(  # noqa: S603 - our own command
        [sys.executable, "-m", "proxy.cli.main", "shadow", *words],
        capture_output=True,
        text=True,
        check=False,
        cwd=ROOT,
        env={
            **os.environ,
            "FIGWAY_ADMIN": f"http://{HOST}:{ports.admin.number}",
            "FIGWAY_STATE_DIR": str(_STATE),
        },
    )
    if done.returncode != 0:
        raise RunError(f"figway shadow {shlex.join(words)} failed:\n{done.stderr or done.stdout}")
    return done.stdout


def _exemplar(report: dict[str, object]) -> tuple[str, str]:
    """A route with a cause, and the id of a pair that shows it; two empty texts without any."""
    for route in sorted(_routes(report), key=lambda each: each["route"] != "product-api"):
        causes = route.get("causes")
        for cause in causes if isinstance(causes, list) else []:
            for exemplar in cause["exemplars"]:
                return str(route["route"]), str(exemplar)
    return "", ""


def _summary(report: dict[str, object]) -> str:
    """One entry for each explanation: a fault of a page is one of its document too."""
    counts: Counter[str] = Counter()
    routes: dict[str, list[str]] = {}
    example: dict[str, str] = {}
    for route in _routes(report):
        causes = route.get("causes")
        for cause in causes if isinstance(causes, list) else []:
            word = cause["cause"] or "unexplained"
            counts[word] += cause["count"]
            routes.setdefault(word, []).append(str(route["route"]))
            example.setdefault(word, cause["explanation"])
    lines = [f"Over all routes, {len(counts)} explanations:"]
    for word, count in counts.most_common():
        lines += [
            f"  {word:15} {count:5} x in {', '.join(dict.fromkeys(routes[word]))}",
            f"  {'':15} {example[word]}",
        ]
    return "\n".join(lines)


def _things_to_try(ports: Ports, report: dict[str, object]) -> str:
    figway = figway_command(ports, state=_STATE)
    route, exemplar = _exemplar(report)
    if not exemplar:
        return f"""
Nothing differs. More evidence comes from more visitors:
  curl -s http://{HOST}:{ports.front.number}/search?q=saw > /dev/null; {figway} shadow report

Ctrl-C stops all of it.
"""
    return f"""
What was planted stands in new_services/catalog/demo_bugs.py. To try in another terminal:
  1. One pair, side by side, with the rule that would silence it:
       {figway} shadow show {exemplar}
  2. The same request again, to both sides:
       {figway} shadow replay {exemplar}
  3. What the rules of {route} do, and what a new one would hide:
       {figway} shadow rules {route}
  4. The report for a pipeline; it fails while a route is NO-GO:
       {figway} shadow report --format md --fail-on no-go
  5. Other faults, or none:
       FIGWAY_DEMO_BUGS=order,timezone make demo-shadow
       FIGWAY_DEMO_BUGS= make demo-shadow

Ctrl-C stops all of it.
"""


def main() -> int:
    """Run; 0 when it was stopped on purpose, 1 when something failed."""
    return run_session("make demo-shadow", _serve)


if __name__ == "__main__":
    sys.exit(main())
