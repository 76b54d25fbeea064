"""Three replicas of Figway, and the Redis and Unleash that they share: ports, starts, seeds.

The environment chooses the ports: RUN_PORT_1..3 and RUN_ADMIN_PORT_1..3 of the replicas,
RUN_REDIS_PORT, RUN_UNLEASH_PORT, RUN_POSTGRES_PORT, and those of the shop as in servers.py.
"""

from __future__ import annotations

import json
import os
import secrets
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from deploy.port import HOST, Port
from deploy.postgres import Postgres, not_root
from deploy.servers import (
    CATALOG_PORT,
    LOGS,
    ROOT,
    SHOP_PORT,
    RunError,
    check_ports,
    port_from_environment,
)
from deploy.service import Service
from deploy.unleash.admin import AdminError, UnleashAdmin
from deploy.unleash.seed import seed
from deploy.unleash.server import UnleashServer

FOLDER = LOGS / "fleet"
REPLICAS = (1, 2, 3)
_TOKENS = FOLDER / "tokens.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class FleetPorts:
    """The eleven ports, from the environment or the usual ones."""

    shop: Port
    catalog: Port
    redis: Port
    postgres: Port
    unleash: Port
    fronts: tuple[Port, ...]
    admins: tuple[Port, ...]

    @classmethod
    def from_environment(cls) -> FleetPorts:
        """Read RUN_*_PORT*. Raises RunError."""
        fronts, admins = (8080, 8082, 8083), (9900, 9901, 9902)
        take = port_from_environment
        return cls(
            shop=take("RUN_SHOP_PORT", SHOP_PORT, "the PHP shop"),
            catalog=take("RUN_CATALOG_PORT", CATALOG_PORT, "the catalog service"),
            redis=take("RUN_REDIS_PORT", 6390, "Redis"),
            postgres=take("RUN_POSTGRES_PORT", 54329, "Unleash's database"),
            unleash=take("RUN_UNLEASH_PORT", 4242, "Unleash"),
            fronts=tuple(
                take(f"RUN_PORT_{n}", port, f"replica {n}")
                for n, port in zip(REPLICAS, fronts, strict=True)
            ),
            admins=tuple(
                take(f"RUN_ADMIN_PORT_{n}", port, f"the admin listener of replica {n}")
                for n, port in zip(REPLICAS, admins, strict=True)
            ),
        )

    def check(self) -> None:
        """Raises RunError that names every port in use, and every two that are the same."""
        single = (self.shop, self.catalog, self.redis, self.postgres, self.unleash)
        check_ports((*single, *self.fronts, *self.admins), "make run-fleet")


@dataclass(frozen=True, slots=True, kw_only=True)
class Fleet:
    """Everything but the shop: what is started, in this order, and what each one is told."""

    ports: FleetPorts
    postgres: Postgres
    unleash: UnleashServer
    redis_password: str
    webhook_token: str

    @classmethod
    def on(cls, ports: FleetPorts, folder: Path) -> Fleet:
        """With secrets of this run only, and its database in a folder that any account enters."""
        postgres = Postgres(
            folder=folder, port=ports.postgres.number, password=secrets.token_urlsafe(12)
        )
        return cls(
            ports=ports,
            postgres=postgres,
            unleash=UnleashServer(port=ports.unleash.number, database_url=postgres.url()),
            redis_password=secrets.token_urlsafe(12),
            webhook_token=secrets.token_urlsafe(12),
        )

    @property
    def redis_url(self) -> str:
        """What the replicas are told."""
        return f"redis://:{self.redis_password}@{HOST}:{self.ports.redis.number}"

    def start_redis(self) -> Service:
        """Redis, in memory only."""
        program = shutil.which("redis-server")
        if program is None:
            raise RunError("redis-server was not found. `make` installs it where it may.")
        port = self.ports.redis.number
        # The password stands in a file of ours: everybody can read command lines.
        settings = FOLDER / "redis.conf"
        settings.touch(mode=0o600)
        settings.write_text(
            f"bind {HOST}\nport {port}\nsave ''\nappendonly no\nrequirepass {self.redis_password}\n"
        )
        return Service(
            "Redis",
            [program, str(settings)],
            ready=f"tcp://{HOST}:{port}",
            log=FOLDER / "redis.log",
            environment={},
            directory=FOLDER,
        )

    def start_postgres(self) -> Service:
        """Unleash's database; make it before."""
        return Service(
            "Unleash's database",
            self.postgres.command(),
            ready=f"tcp://{HOST}:{self.postgres.port}",
            log=FOLDER / "postgres.log",
            environment={},
            directory=self.postgres.folder,
            runs_as=not_root(),
        )

    def start_unleash(self) -> Service:
        """The Unleash server; its database has to accept."""
        return Service(
            "Unleash",
            self.unleash.command(),
            ready=self.unleash.health,
            log=FOLDER / "unleash.log",
            environment=self.unleash.environment(),
            directory=FOLDER,
        )

    def start_replica(self, number: int) -> Service:
        """One Figway with two workers, in front of the same shop and catalog."""
        front, admin = self.ports.fronts[number - 1], self.ports.admins[number - 1]
        options = {
            "config": FOLDER / "routes.yaml",
            "flags": FOLDER / "flags.yaml",
            "state-dir": state_folder(number),
            "listen": f"{HOST}:{front.number}",
            "admin": f"{HOST}:{admin.number}",
            "workers": 2,
        }
        words = [word for name, value in options.items() for word in (f"--{name}", str(value))]
        return Service(
            f"replica {number}",
            [sys.executable, "-m", "proxy", *words],
            ready=f"{admin.url}/readyz",
            log=FOLDER / f"replica-{number}.log",
            environment=self.told(number),
            directory=ROOT,
        )

    def told(self, number: int) -> Mapping[str, str]:
        """The variables of a replica."""
        peers = [p.url for n, p in enumerate(self.ports.admins, start=1) if n != number]
        return {
            "FIGWAY_REPLICA": f"replica-{number}",
            "FIGWAY_TOKENS_FILE": str(_TOKENS),
            "FIGWAY_REDIS_URL": self.redis_url,
            "FIGWAY_UNLEASH_URL": self.unleash.api,
            "FIGWAY_UNLEASH_TOKEN": self.unleash.client_token,
            "FIGWAY_UNLEASH_ADMIN_TOKEN": self.unleash.admin_token,
            "FIGWAY_UNLEASH_WEBHOOK_TOKEN": self.webhook_token,
            "FIGWAY_PEERS": ",".join(peers),
        }

    def seed_unleash(self) -> None:
        """The flags that routes.yaml asks for, and a webhook for every replica. Raises RunError."""
        admin = UnleashAdmin(url=self.unleash.url, token=self.unleash.admin_token)
        try:
            seed(admin, [port.url for port in self.ports.admins], self.webhook_token)
        except (AdminError, OSError) as error:
            raise RunError(f"Unleash did not take the flags: {error}") from error


def state_folder(number: int) -> Path:
    """Where a replica keeps what survives its restart."""
    return FOLDER / f"replica-{number}"


def write_files(ports: FleetPorts) -> None:
    """The routes, the flag file and the tokens of all replicas, and what a shell is told of them.

    A command that cannot reach Redis asks every replica by itself: one token has to do for all.
    Raises RunError.
    """
    text = (ROOT / "routes.yaml").read_text()
    for usual, port in ((SHOP_PORT, ports.shop), (CATALOG_PORT, ports.catalog)):
        text = text.replace(f"http://{HOST}:{usual}", port.url)
    (FOLDER / "routes.yaml").write_text(text)
    shutil.copyfile(ROOT / "flags" / "flags.yaml", FOLDER / "flags.yaml")
    for number in REPLICAS:
        state_folder(number).mkdir(mode=0o700)
    token = FOLDER / "token"
    token.touch(mode=0o600)
    token.write_text(_make_token())
    commands = os.path.relpath(Path(sys.executable).parent, ROOT)
    (FOLDER / "env").write_text(
        f"# For a shell in {ROOT}: the commands of Figway ask replica 1.\n"
        f'export PATH="$PWD/{commands}:$PATH"\n'
        f'export FIGWAY_STATE_DIR="$PWD/{os.path.relpath(state_folder(1), ROOT)}"\n'
        f'export FIGWAY_TOKEN_FILE="$PWD/{os.path.relpath(token, ROOT)}"\n'
    )


def _make_token() -> str:
    done = subprocess.run(  # noqa: S603 - our own command
        [
            *(sys.executable, "-m", "proxy.cli.main", "token", "create", "make-run-fleet"),
            *("--role", "admin", "--reason", "make run-fleet", "--file", _TOKENS, "--json"),
        ],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        raise RunError(f"no token could be made:\n{done.stderr or done.stdout}")
    return str(json.loads(done.stdout)["secret"])
