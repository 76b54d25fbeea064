"""`make run`: the PHP shop, the catalog service and Figway on this machine, until Ctrl-C.

`make` has made .venv and installed PHP before this starts. servers.py says what the environment
chooses.
"""

from __future__ import annotations

import json
import sys
import urllib.request

from deploy.port import HOST
from deploy.servers import (
    LOGS,
    ROOT,
    Ports,
    figway_command,
    find_php,
    route_file,
    seed_shop,
    start_catalog,
    start_figway,
    start_shop,
    write_route_file,
)
from deploy.session import Session, run_session


def _things_to_try(ports: Ports) -> str:
    front = f"http://{HOST}:{ports.front.number}"
    admin = f"http://{HOST}:{ports.admin.number}"
    with urllib.request.urlopen(f"{front}/api/products", timeout=10) as answer:  # noqa: S310 - http on loopback
        page = front + json.load(answer)["products"][0]["url"]
    figway = figway_command(ports)
    return f"""
The shop is open: {front}   (admin: {admin}, logs: {LOGS.name}/)
Its routes are in {route_file(ports).relative_to(ROOT)}, its flags in flags/flags.yaml:
whatever you save there is live.

Five things to try in another terminal:
  1. See who answers; X-Powered-By is PHP, X-Served-By is the new service:
       curl -sI {page} | grep -i -E 'powered|served'
  2. Move the product page to the catalog service, and look again:
       {figway} percent product-page 100 --reason try
  3. Take everything back with one command, and look again:
       {figway} rollback --all --reason try
     It stays until you say:  {figway} resume --all --reason try
  4. Ask why a request goes where it goes:
       {figway} explain GET {page}
  5. Read how the catalog compares with PHP so far; every page you ask PHP for is asked of both:
       {figway} shadow report
     make demo-shadow sends a crowd, to a catalog with mistakes.

Ctrl-C stops all of it.
"""


def _serve(session: Session) -> None:
    ports = Ports.from_environment()
    php = find_php()
    ports.check("make run")
    LOGS.mkdir(exist_ok=True)
    seed_shop(php)
    print("Starting the shop, the catalog service and Figway ...", flush=True)
    session.add(start_shop(php, ports.shop))
    session.add(start_catalog(ports.catalog))
    write_route_file(ports)
    session.add(start_figway(ports))
    session.wait_until_ready()
    if not session.stop.asked():
        print(_things_to_try(ports), flush=True)
    session.wait_until_stopped()


def main() -> int:
    """Run; 0 when it was stopped on purpose, 1 when something failed."""
    return run_session("make run", _serve)


if __name__ == "__main__":
    sys.exit(main())
