"""`make run-fleet`: three replicas of Figway with Redis and Unleash on this machine, until Ctrl-C.

`make` has made .venv and installed the servers before this starts. fleet.py says what the
environment chooses; RUN_OUTAGE_SECONDS is how long a server that you kill stays away (30).
"""

from __future__ import annotations

import json
import os
import shutil
import sys
import tempfile
import urllib.request
from functools import partial
from pathlib import Path

from deploy.fleet import (
    FOLDER,
    REPLICAS,
    Fleet,
    FleetPorts,
    write_files,
)
from deploy.leftovers import Leftovers
from deploy.port import HOST
from deploy.servers import LOGS, ROOT, RunError, find_php, seed_shop, start_catalog, start_shop
from deploy.service import Service
from deploy.session import Session, run_session

_RECORD = LOGS / "fleet.json"


def _things_to_try(fleet: Fleet, session: Session) -> str:
    ports = fleet.ports
    with urllib.request.urlopen(f"{ports.shop.url}/api/products", timeout=10) as answer:  # noqa: S310 - http on loopback
        path = json.load(answer)["products"][0]["url"]
    fronts = " ".join(str(port.number) for port in ports.fronts)
    ask = (
        f"for p in {fronts}; do curl -sI http://{HOST}:$p{path} | grep -i -E 'powered|served'; done"
    )
    folder = os.path.relpath(FOLDER, ROOT)
    seconds = f"{session.outage_seconds:.0f}"
    return f"""
The shop is open, three times: {" ".join(port.url for port in ports.fronts)}
Admin listeners:               {" ".join(port.url for port in ports.admins)}
Unleash:                       {fleet.unleash.url}   (user admin, password {fleet.unleash.password})
Logs, routes, flags, state:    {folder}/

Things to try in another terminal; first, there:
       . {folder}/env
  1. See every replica, and that all agree:
       figway status
  2. Move the product page to the catalog service, and ask all three who answers; X-Powered-By is
     PHP, X-Served-By is the new service:
       figway percent product-page 100 --reason try
       {ask}
     In Unleash it is the flag figway-product-page; what you change there is live within a second:
       {fleet.unleash.url}/projects/default/features/figway-product-page
  3. Take everything back, and see in how many milliseconds each replica did it:
       figway rollback --all --reason INC-42 --wait
     It stays until you say:
       figway resume --all --reason "INC-42 is over"
  4. Do the same with one switch in Unleash, on and off again:
       {fleet.unleash.url}/projects/default/features/figway-rollback
  5. Kill what they share, and roll back all the same; it is started again after {seconds} s:
       kill -9 $(cat {folder}/redis.pid)       # Redis: the command asks every replica by itself
       kill -9 $(cat {folder}/unleash.pid)     # Unleash: nothing moves
       figway rollback --all --reason INC-43 --wait
  6. Read who did what:
       figway audit --verify

Ctrl-C stops all of it.
"""


def _outage_seconds() -> float:
    text = os.environ.get("RUN_OUTAGE_SECONDS", "30")
    if not text.isascii() or not text.isdigit() or int(text) > 3600:
        raise RunError(f"RUN_OUTAGE_SECONDS must be a number from 0 to 3600, got {text!r}.")
    return float(text)


def _serve(session: Session) -> None:
    session.outage_seconds = _outage_seconds()
    ports = FleetPorts.from_environment()
    php = find_php()
    LOGS.mkdir(exist_ok=True)
    leftovers = Leftovers(file=_RECORD)
    left = leftovers.clear()
    if left:
        print(f"Ended what a killed run had left: {', '.join(left)}.", flush=True)
    ports.check()
    shutil.rmtree(FOLDER, ignore_errors=True)
    FOLDER.mkdir()
    seed_shop(php)
    # The account of the database cannot enter every clone.
    folder = Path(tempfile.mkdtemp(prefix="figway-fleet-"))
    session.on_end(lambda: shutil.rmtree(folder, ignore_errors=True), leftovers.forget)

    def remember(services: list[Service]) -> None:
        leftovers.write([(service.pid, service.name) for service in services], folder)
        for service in services:
            service.log.with_suffix(".pid").write_text(f"{service.pid}\n")

    session.on_start = remember
    _start(session, Fleet.on(ports, folder), php)


def _start(session: Session, fleet: Fleet, php: str) -> None:
    ports = fleet.ports
    print("Starting the shop, the catalog service, Redis and Unleash ...", flush=True)
    fleet.postgres.make()
    session.start(fleet.start_postgres)
    session.wait_until_ready()
    if session.stop.asked():
        return
    session.start(fleet.start_unleash, fleet.start_redis)
    session.add(start_shop(php, ports.shop))
    session.add(start_catalog(ports.catalog))
    session.wait_until_ready()
    if session.stop.asked():
        return
    fleet.seed_unleash()
    # It keeps its list of webhooks for a minute, unless it is started anew.
    session.restart(fleet.start_unleash)
    if session.stop.asked():
        return
    print("Starting three replicas of Figway ...", flush=True)
    write_files(ports)
    session.start(*(partial(fleet.start_replica, number) for number in REPLICAS))
    session.wait_until_ready()
    if not session.stop.asked():
        print(_things_to_try(fleet, session), flush=True)
    session.wait_until_stopped()


def main() -> int:
    """Run; 0 when it was stopped on purpose, 1 when something failed."""
    return run_session("make run-fleet", _serve)


if __name__ == "__main__":
    sys.exit(main())
