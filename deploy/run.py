"""`make run`: the PHP shop, the catalog service and Figway on this machine, until Ctrl-C.

`make` has made .venv and installed PHP before this starts. The environment chooses other ports
(RUN_PORT, RUN_ADMIN_PORT, RUN_SHOP_PORT, RUN_CATALOG_PORT) and the size of a new shop
(RUN_PRODUCTS).
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import urllib.request
from dataclasses import dataclass
from pathlib import Path

from deploy.port import HOST, Port
from deploy.service import Service, ServiceError

ROOT = Path(__file__).resolve().parent.parent
LOGS = ROOT / ".run"
STATE = ROOT / ".figway"
SHOP_DATA = ROOT / "legacy_stub" / "var"
# The upstream addresses in routes.yaml.
SHOP_PORT = 8081
CATALOG_PORT = 8101
_PHP_NAMES = ("php", "php8.4", "php8.3", "php8.2", "php84", "php83", "php82")
_PHP_WORKERS = "4"
_READY_SECONDS = 60.0
# Figway drains for up to 30 s; a second Ctrl-C cuts it short.
_STOP_SECONDS = 35.0


class RunError(Exception):
    """Why nothing was started, and the mend."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ports:
    """The four ports, from the environment or the usual ones."""

    shop: Port
    catalog: Port
    front: Port
    admin: Port

    @classmethod
    def from_environment(cls) -> Ports:
        """Read RUN_*_PORT. Raises RunError."""
        return cls(
            shop=_port("RUN_SHOP_PORT", SHOP_PORT, "the PHP shop"),
            catalog=_port("RUN_CATALOG_PORT", CATALOG_PORT, "the catalog service"),
            front=_port("RUN_PORT", 8080, "Figway"),
            admin=_port("RUN_ADMIN_PORT", 9900, "Figway's admin listener"),
        )

    def check(self) -> None:
        """Raises RunError that names every port in use, and every two that are the same."""
        ports = (self.shop, self.catalog, self.front, self.admin)
        problems = [port.complaint() for port in ports if not port.is_free()]
        for index, port in enumerate(ports):
            problems += [
                f"{port.variable} and {other.variable} are both {port.number}: choose two ports."
                for other in ports[index + 1 :]
                if other.number == port.number
            ]
        if problems:
            raise RunError("\n".join(problems))


def _port(variable: str, default: int, purpose: str) -> Port:
    text = os.environ.get(variable, str(default))
    if not text.isascii() or not text.isdigit() or not 0 < int(text) < 65536:
        raise RunError(f"{variable} must be a port from 1 to 65535, got {text!r}.")
    return Port(number=int(text), purpose=purpose, variable=variable)


def _find_php() -> str:
    for name in _PHP_NAMES:
        path = shutil.which(name)
        if path is not None:
            return path
    raise RunError(
        "PHP was not found. `make run` installs it where it may; see .ci/install-system."
    )


def _seed(php: str) -> None:
    if (SHOP_DATA / "shop.sqlite").exists():
        if "RUN_PRODUCTS" in os.environ:
            print("The shop is seeded already, RUN_PRODUCTS is for a new one: make clean")
        return
    products = os.environ.get("RUN_PRODUCTS", "2000")
    print(f"Seeding the shop with {products} products ...", flush=True)
    done = subprocess.run(  # noqa: S603 - our own script
        [php, ROOT / "legacy_stub" / "seed.php", "--products", products],
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        raise RunError(f"seeding failed:\n{done.stderr or done.stdout}")


def _route_file(ports: Ports) -> Path:
    """routes.yaml as it stands in Git; with other upstream ports, where their copy is."""
    usual = (ports.shop.number, ports.catalog.number) == (SHOP_PORT, CATALOG_PORT)
    return ROOT / "routes.yaml" if usual else LOGS / "routes.yaml"


def _write_route_file(ports: Ports) -> None:
    """Write the copy with other upstream addresses, if there is one."""
    path, original = _route_file(ports), ROOT / "routes.yaml"
    if path == original:
        return
    text = original.read_text().replace(f"http://{HOST}:{SHOP_PORT}", ports.shop.url)
    path.write_text(text.replace(f"http://{HOST}:{CATALOG_PORT}", ports.catalog.url))


def _start_shop(php: str, port: Port) -> Service:
    address = f"{HOST}:{port.number}"
    return Service(
        "the PHP shop",
        [php, "-S", address, "-t", "legacy_stub/public", "legacy_stub/router.php"],
        ready=f"http://{address}/api/categories",
        log=LOGS / "shop.log",
        environment={"PHP_CLI_SERVER_WORKERS": _PHP_WORKERS, "TECHFLOW_DATA": str(SHOP_DATA)},
        directory=ROOT,
        group=True,
    )


def _start_catalog(port: Port) -> Service:
    return Service(
        "the catalog service",
        _module("new_services.catalog", "serve")
        + _option("host", HOST)
        + _option("port", port.number)
        + _option("follow", SHOP_DATA / "shop.sqlite"),
        ready=f"http://{HOST}:{port.number}/healthz",
        log=LOGS / "catalog.log",
        environment={},
        directory=ROOT,
    )


def _start_figway(ports: Ports) -> Service:
    return Service(
        "Figway",
        _module("proxy")
        + _option("config", _route_file(ports))
        + _option("flags", ROOT / "flags" / "flags.yaml")
        + _option("state-dir", STATE)
        + _option("listen", f"{HOST}:{ports.front.number}")
        + _option("admin", f"{HOST}:{ports.admin.number}")
        + _option("workers", 2),
        ready=f"http://{HOST}:{ports.admin.number}/readyz",
        log=LOGS / "figway.log",
        environment={},
        directory=ROOT,
    )


def _module(*words: str) -> list[str]:
    return [sys.executable, "-m", *words]


def _option(name: str, value: object) -> list[str]:
    return [f"--{name}", str(value)]


def _things_to_try(ports: Ports) -> str:
    front = f"http://{HOST}:{ports.front.number}"
    admin = f"http://{HOST}:{ports.admin.number}"
    with urllib.request.urlopen(f"{front}/api/products", timeout=10) as answer:  # noqa: S310 - http on loopback
        page = front + json.load(answer)["products"][0]["url"]
    figway = f"{os.path.relpath(Path(sys.executable).parent, ROOT)}/figway"
    if ports.admin.number != 9900:
        figway = f"FIGWAY_ADMIN={admin} {figway}"
    return f"""
The shop is open: {front}   (admin: {admin}, logs: {LOGS.name}/)
Its routes are in {_route_file(ports).relative_to(ROOT)}, its flags in flags/flags.yaml:
whatever you save there is live.

Four things to try in another terminal:
  1. See who answers; X-Powered-By is PHP, X-Served-By is the new service:
       curl -sI {page} | grep -i -E 'powered|served'
  2. Move the product page to the catalog service, and look again:
       {figway} percent product-page 100 --reason try
  3. Take everything back with one command, and look again:
       {figway} rollback --all --reason try
     It stays until you say:  {figway} resume --all --reason try
  4. Ask why a request goes where it goes:
       {figway} explain GET {page}

Ctrl-C stops all of it.
"""


class _Stop:
    """Ctrl-C, SIGTERM and SIGHUP: the first stops in order, the second at once."""

    def __init__(self) -> None:
        self._asked = threading.Event()
        self.times = 0
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, self._on_signal)

    def _on_signal(self, _number: int, _frame: object) -> None:
        self.times += 1
        self._asked.set()

    def asked(self) -> bool:
        """Whether we were told to stop."""
        return self._asked.is_set()

    def wait(self, seconds: float) -> None:
        """Sleep, but not beyond the signal."""
        self._asked.wait(seconds)


def _serve(stop: _Stop, services: list[Service]) -> None:
    ports = Ports.from_environment()
    php = _find_php()
    ports.check()
    LOGS.mkdir(exist_ok=True)
    _seed(php)
    print("Starting the shop, the catalog service and Figway ...", flush=True)
    services.append(_start_shop(php, ports.shop))
    services.append(_start_catalog(ports.catalog))
    _write_route_file(ports)
    services.append(_start_figway(ports))
    for service in services:
        service.wait_until_ready(_READY_SECONDS, stop.asked)
    if not stop.asked():
        print(_things_to_try(ports), flush=True)
    while not stop.asked():
        for service in services:
            if not service.is_running():
                raise ServiceError(service.death_notice())
        stop.wait(0.2)


def main() -> int:
    """Run; 0 when it was stopped on purpose, 1 when something failed."""
    stop = _Stop()
    services: list[Service] = []
    status = 0
    try:
        _serve(stop, services)
    except (RunError, ServiceError) as error:
        # Whoever stops us in the middle of seeding is not told that seeding failed.
        if not stop.asked():
            print(f"make run: {error}", file=sys.stderr, flush=True)
            status = 1
    finally:
        if services:
            print("Stopping ...", flush=True)
        # Figway first, so that no request finds its upstream gone.
        for service in reversed(services):
            service.stop(_STOP_SECONDS, hurry=lambda: stop.times > 1)
    return status


if __name__ == "__main__":
    sys.exit(main())
