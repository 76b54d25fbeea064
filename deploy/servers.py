"""The three servers of `make run` and `make demo-shadow`: their ports, files and command lines.

The environment chooses other ports (RUN_PORT, RUN_ADMIN_PORT, RUN_SHOP_PORT, RUN_CATALOG_PORT) and
the size of a new shop (RUN_PRODUCTS).
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from deploy.port import HOST, Port
from deploy.service import Service

ROOT = Path(__file__).resolve().parent.parent
LOGS = ROOT / ".run"
STATE = ROOT / ".figway"
FLAGS = ROOT / "flags" / "flags.yaml"
SHOP_DATA = ROOT / "legacy_stub" / "var"
# The upstream addresses in routes.yaml.
SHOP_PORT = 8081
CATALOG_PORT = 8101
_ADMIN_PORT = 9900
_PHP_NAMES = ("php", "php8.4", "php8.3", "php8.2", "php84", "php83", "php82")
_PHP_WORKERS = "4"


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
            shop=port_from_environment("RUN_SHOP_PORT", SHOP_PORT, "the PHP shop"),
            catalog=port_from_environment("RUN_CATALOG_PORT", CATALOG_PORT, "the catalog service"),
            front=port_from_environment("RUN_PORT", 8080, "Figway"),
            admin=port_from_environment("RUN_ADMIN_PORT", _ADMIN_PORT, "Figway's admin listener"),
        )

    def check(self, command: str) -> None:
        """Raises RunError that names every port in use, and every two that are the same."""
        check_ports((self.shop, self.catalog, self.front, self.admin), command)


def check_ports(ports: Sequence[Port], command: str) -> None:
    """Raises RunError that names every port in use, and every two that are the same."""
    problems = [port.complaint(command) for port in ports if not port.is_free()]
    for index, port in enumerate(ports):
        problems += [
            f"{port.variable} and {other.variable} are both {port.number}: choose two ports."
            for other in ports[index + 1 :]
            if other.number == port.number
        ]
    if problems:
        raise RunError("\n".join(problems))


def port_from_environment(variable: str, default: int, purpose: str) -> Port:
    """The port that a variable chooses. Raises RunError."""
    text = os.environ.get(variable, str(default))
    if not text.isascii() or not text.isdigit() or not 0 < int(text) < 65536:
        raise RunError(f"{variable} must be a port from 1 to 65535, got {text!r}.")
    return Port(number=int(text), purpose=purpose, variable=variable)


def find_php() -> str:
    """The path of PHP's command. Raises RunError."""
    for name in _PHP_NAMES:
        path = shutil.which(name)
        if path is not None:
            return path
    raise RunError("PHP was not found. `make` installs it where it may; see .ci/install-system.")


def seed_shop(php: str) -> None:
    """Fill the shop's database, unless there is one. Raises RunError."""
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


def route_file(ports: Ports) -> Path:
    """routes.yaml as it stands in Git; with other upstream ports, where their copy is."""
    usual = (ports.shop.number, ports.catalog.number) == (SHOP_PORT, CATALOG_PORT)
    return ROOT / "routes.yaml" if usual else LOGS / "routes.yaml"


def write_route_file(ports: Ports) -> None:
    """Write the copy with other upstream addresses, if there is one."""
    path, original = route_file(ports), ROOT / "routes.yaml"
    if path == original:
        return
    text = original.read_text().replace(f"http://{HOST}:{SHOP_PORT}", ports.shop.url)
    path.write_text(text.replace(f"http://{HOST}:{CATALOG_PORT}", ports.catalog.url))


def start_shop(php: str, port: Port) -> Service:
    """The PHP shop on its seeded database."""
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


def start_catalog(port: Port, *, bugs: str = "") -> Service:
    """The catalog service, following the shop; `bugs` is FIGWAY_DEMO_BUGS, else our own."""
    return Service(
        "the catalog service",
        _module("new_services.catalog", "serve")
        + _option("host", HOST)
        + _option("port", port.number)
        + _option("follow", SHOP_DATA / "shop.sqlite"),
        ready=f"http://{HOST}:{port.number}/healthz",
        log=LOGS / "catalog.log",
        environment={"FIGWAY_DEMO_BUGS": bugs} if bugs else {},
        directory=ROOT,
    )


def start_figway(ports: Ports, *, state: Path = STATE, flags: Path = FLAGS) -> Service:
    """Figway with two workers in front of both."""
    return Service(
        "Figway",
        _module("proxy")
        + _option("config", route_file(ports))
        + _option("flags", flags)
        + _option("state-dir", state)
        + _option("listen", f"{HOST}:{ports.front.number}")
        + _option("admin", f"{HOST}:{ports.admin.number}")
        + _option("workers", 2),
        ready=f"http://{HOST}:{ports.admin.number}/readyz",
        log=LOGS / "figway.log",
        environment={},
        directory=ROOT,
    )


def figway_command(ports: Ports, *, state: Path = STATE) -> str:
    """How the command is typed in the folder of the clone, for messages."""
    words = [f"{os.path.relpath(Path(sys.executable).parent, ROOT)}/figway"]
    if state != STATE:
        # Where the admin listener is stands there too.
        words.insert(0, f"FIGWAY_STATE_DIR={os.path.relpath(state, ROOT)}")
    elif ports.admin.number != _ADMIN_PORT:
        words.insert(0, f"FIGWAY_ADMIN=http://{HOST}:{ports.admin.number}")
    return " ".join(words)


def _module(*words: str) -> list[str]:
    return [sys.executable, "-m", *words]


def _option(name: str, value: object) -> list[str]:
    return [f"--{name}", str(value)]
