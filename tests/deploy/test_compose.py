"""deploy/compose.yaml, as far as it can be proven without a container engine.

What it says is compared with the Dockerfiles, with `make run-fleet`, and with what the real
programs understand.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest
import yaml

from deploy.fleet import Fleet, FleetPorts
from deploy.unleash.seed import hook
from deploy.unleash.server import UnleashServer
from proxy.admin.roles import Role
from proxy.admin.token_file import load
from proxy.admin.tokens import Standing
from proxy.cli.serve import add_parser
from tests.deploy.test_containers import DEPLOY, DOCKERFILES, stages
from tests.rigs.child import ROOT, Child, free_ports
from tests.rigs.redis_server import RedisServer
from tests.rigs.unleash_server import Unleash

REPLICAS = ("figway-1", "figway-2", "figway-3")
# What runs to its end; everything else says whether it is well.
ENDS = {"seed"}
# The pod only sleeps; nginx and php-fpm are asked through Figway's own health checks of the shop.
UNASKED = {"pod", "shop-php", "shop-front"}
Service = dict[str, Any]


@pytest.fixture(scope="module")
def document() -> dict[str, Any]:
    loaded: dict[str, Any] = yaml.safe_load((DEPLOY / "compose.yaml").read_text())
    return loaded


@pytest.fixture(scope="module")
def services(document: dict[str, Any]) -> dict[str, Service]:
    return dict(document["services"])


def option(command: list[str], name: str) -> str:
    return command[command.index(name) + 1]


def test_it_builds_and_mounts_what_there_is(document: dict[str, Any]) -> None:
    for name, service in document["services"].items():
        assert ("build" in service) != ("image" in service), name
        if build := service.get("build"):
            path = (DEPLOY / build["context"]).resolve() / build.get("dockerfile", "Dockerfile")
            assert path in DOCKERFILES, name
            assert build.get("target") in {None, *stages(path)}, name
        for volume in service.get("volumes", []):
            assert volume.split(":")[0] in document["volumes"], name
    mounted = {v.split(":")[0] for s in document["services"].values() for v in s.get("volumes", [])}
    assert mounted == set(document["volumes"])


def test_an_image_from_outside_has_a_version(services: dict[str, Service]) -> None:
    for service in services.values():
        if "image" in service:
            assert re.search(r":\d+\.?\d*", service["image"])


def test_only_the_shop_and_the_page_of_unleash_are_published(services: dict[str, Service]) -> None:
    assert [name for name, service in services.items() if "ports" in service] == ["pod"]
    ports = (8080, 8082, 8083, 4242)
    assert services["pod"]["ports"] == [f"127.0.0.1:{port}:{port}" for port in ports]
    for name, service in services.items():
        assert name == "pod" or service["network_mode"] == "service:pod"


def test_what_is_not_published_listens_on_loopback(services: dict[str, Service]) -> None:
    for name in REPLICAS:
        assert option(services[name]["command"], "--admin").startswith("127.0.0.1:")
    assert option(services["redis"]["command"], "--bind") == "127.0.0.1"
    assert "listen_addresses=127.0.0.1" in services["postgres"]["command"]


def test_whoever_runs_says_whether_it_is_well(services: dict[str, Service]) -> None:
    for name, service in services.items():
        if name in ENDS | UNASKED:
            continue
        healthy = "healthcheck" in service
        if build := service.get("build"):
            path = (DEPLOY / build["context"]).resolve() / build.get("dockerfile", "Dockerfile")
            healthy |= any(word == "HEALTHCHECK" for word, _ in list(stages(path).values())[-1])
        assert healthy, name


def test_whoever_is_waited_for_says_that_it_is_well(services: dict[str, Service]) -> None:
    waited = [
        (name, other)
        for name, service in services.items()
        if isinstance(service.get("depends_on"), dict)
        for other, how in service["depends_on"].items()
        if how["condition"] == "service_healthy"
    ]
    assert waited == [("unleash", "postgres"), ("seed", "unleash")]
    assert all("healthcheck" in services[other] for _, other in waited)
    for service in services.values():
        assert set(service.get("depends_on", [])) <= set(services)


@pytest.mark.parametrize("name", REPLICAS)
def test_a_replica_is_told_what_figway_understands(services: dict[str, Service], name: str) -> None:
    parser = argparse.ArgumentParser()
    add_parser(parser.add_subparsers())
    given = parser.parse_args(services[name]["command"])
    # Its health check asks its own admin listener.
    assert f"http://{given.admin}/livez" in services[name]["healthcheck"]["test"][-1]
    peers = services[name]["environment"]["FIGWAY_PEERS"].split(",")
    others = [services[other]["command"] for other in REPLICAS if other != name]
    assert peers == [f"http://{option(command, '--admin')}" for command in others]


def test_replicas_differ_in_nothing_but_their_names_and_places(
    services: dict[str, Service],
) -> None:
    own = {"command", "environment", "healthcheck", "volumes"}
    rest = [{k: v for k, v in services[name].items() if k not in own} for name in REPLICAS]
    assert rest[0] == rest[1] == rest[2]
    told = [
        {
            k: v
            for k, v in services[name]["environment"].items()
            if k not in ("FIGWAY_REPLICA", "FIGWAY_PEERS")
        }
        for name in REPLICAS
    ]
    assert told[0] == told[1] == told[2]
    for where in ("--listen", "--admin", "--state-dir"):
        values = [option(services[name]["command"], where) for name in REPLICAS]
        assert len(set(values)) == (1 if where == "--state-dir" else 3)
    states = [services[name]["volumes"][0] for name in REPLICAS]
    assert len(set(states)) == 3


def test_it_tells_the_same_variables_as_make_run_fleet(
    services: dict[str, Service], tmp_path: Path
) -> None:
    fleet = Fleet.on(FleetPorts.from_environment(), tmp_path)
    for number, name in enumerate(REPLICAS, start=1):
        # There a command runs in a container, here in a shell that is told the token.
        told = set(services[name]["environment"]) - {"FIGWAY_TOKEN"}
        assert told == set(fleet.told(number))
    ours = set(fleet.unleash.environment()) - {"NODE_ENV", "DATABASE_POOL_MAX"}
    assert set(services["unleash"]["environment"]) == ours


def test_everybody_has_the_tokens_and_passwords_of_the_others(
    services: dict[str, Service],
) -> None:
    replica, unleash = services["figway-1"]["environment"], services["unleash"]["environment"]
    assert replica["FIGWAY_UNLEASH_TOKEN"] == unleash["INIT_BACKEND_API_TOKENS"]
    assert replica["FIGWAY_UNLEASH_ADMIN_TOKEN"] == unleash["INIT_ADMIN_API_TOKENS"]
    password = option(services["redis"]["command"], "--requirepass")
    assert f":{password}@127.0.0.1:6379" in replica["FIGWAY_REDIS_URL"]
    assert password in services["redis"]["healthcheck"]["test"]
    database = services["postgres"]["environment"]
    assert unleash["DATABASE_URL"] == (
        f"postgres://{database['POSTGRES_USER']}:{database['POSTGRES_PASSWORD']}"
        f"@127.0.0.1:5432/{database['POSTGRES_DB']}"
    )


def test_the_token_of_the_containers_is_good_on_every_replica(
    document: dict[str, Any], tmp_path: Path
) -> None:
    file = tmp_path / "tokens.json"
    file.write_text(document["configs"]["tokens"]["content"])
    for name in REPLICAS:
        service = document["services"][name]
        [config] = service["configs"]
        assert config == {
            "source": "tokens",
            "target": service["environment"]["FIGWAY_TOKENS_FILE"],
        }
        token, standing = load(file).find(service["environment"]["FIGWAY_TOKEN"], time.time())
        assert standing is Standing.GOOD
        assert token is not None
        assert token.role is Role.ADMIN


def test_the_unleash_image_has_the_version_of_the_tests(services: dict[str, Service]) -> None:
    package = json.loads((DEPLOY / "unleash" / "package.json").read_text())
    version = package["dependencies"]["unleash-server"]
    assert services["unleash"]["image"].endswith(f":{version}")


def test_redis_understands_its_command(services: dict[str, Service], tmp_path: Path) -> None:
    program, *words = services["redis"]["command"]
    [port] = free_ports(1)
    with Child(
        [program, *words, "--port", str(port)], log=tmp_path / "redis.log", directory=tmp_path
    ) as child:
        child.wait_for_port(port)
        asked = RedisServer(tmp_path, port=port, password=option(words, "--requirepass"))
        assert asked.command("PING") == "PONG"


@pytest.fixture
def told_to_seed(services: dict[str, Service], unleash: Unleash) -> dict[str, str]:
    """What the seed is told, with the tests' own Unleash in place of the container's."""
    environment = {
        **services["seed"]["environment"],
        "UNLEASH_URL": unleash.url,
        "UNLEASH_ADMIN_TOKEN": unleash.admin_token,
    }
    return {**os.environ, **environment}


def run_seed(environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
    command = [*json.loads(dict(stages(DEPLOY / "seed.Dockerfile")["seed"])["ENTRYPOINT"])]
    return subprocess.run(
        [str(ROOT / ".venv" / "bin" / command[0]), *command[1:]],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )


def test_the_seed_gives_unleash_what_routes_yaml_asks_for_once(
    told_to_seed: dict[str, str], unleash: Unleash, services: dict[str, Service]
) -> None:
    done = run_seed(told_to_seed)
    assert done.returncode == 0, done.stderr
    routes = yaml.safe_load((ROOT / "routes.yaml").read_text())
    canaries = [r["id"] for r in routes["routes"] if r.get("stage") == "canary"]
    flags = set(unleash.admin.flags())
    assert "figway-rollback" in flags
    names = {flag.removeprefix("figway-").removeprefix("rollback-") for flag in flags}
    known = {r["id"] for r in routes["routes"]} | set(routes["groups"])
    assert names - {"rollback"} <= known, "a flag of nothing"
    assert {f"figway-{name}" for name in canaries} <= flags
    admins = [option(services[name]["command"], "--admin") for name in REPLICAS]
    assert set(unleash.admin.webhooks()) == {hook(f"http://{admin}") for admin in admins}

    again = run_seed(told_to_seed)
    assert (again.returncode, again.stdout) == (0, "all was there\n")
    assert set(unleash.admin.flags()) == flags


@pytest.mark.parametrize(
    ("change", "code", "words"),
    [
        pytest.param({"UNLEASH_ADMIN_TOKEN": "*:*.wrong"}, 1, "Unleash answered 401", id="token"),
        pytest.param({"UNLEASH_URL": "http://127.0.0.1:1"}, 1, "refused", id="nobody there"),
        pytest.param(
            {"REPLICAS": "", "WEBHOOK_TOKEN": ""}, 2, "set WEBHOOK_TOKEN, REPLICAS", id="unset"
        ),
    ],
)
def test_a_seed_that_cannot_says_why(
    told_to_seed: dict[str, str], change: dict[str, str], code: int, words: str
) -> None:
    done = run_seed(told_to_seed | change)
    assert done.returncode == code
    assert words in done.stderr


def test_unleash_is_told_what_it_reads() -> None:
    """Or a misspelt variable would be ignored without a word."""
    server = ROOT / ".run" / "unleash" / "node_modules" / "unleash-server" / "dist"
    text = "".join(
        path.read_text()
        for path in (server / "lib").rglob("*.js")
        if "process.env" in path.read_text()
    )
    for name in UnleashServer(port=1, database_url="").environment():
        assert name in text, name
