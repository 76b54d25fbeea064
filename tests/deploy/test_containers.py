"""The container set-up, as far as it can be proven without a container engine.

Its nginx and php-fpm files are run by the real programs; what the Dockerfiles and compose.yaml say
of each other must fit together.
"""

from __future__ import annotations

import http.client
import json
import re
import shlex
import shutil
import string
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from tests.rigs.child import ROOT, Child, free_ports
from tests.rigs.shop import SHOP, Visitor, seed_shop, start_shop

DEPLOY = ROOT / "deploy"
DOCKERFILES = [
    ROOT / "Dockerfile",
    *(DEPLOY / f"{name}.Dockerfile" for name in ("shop", "catalog", "seed")),
]


def program(*names: str) -> str:
    for name in names:
        found = shutil.which(name) or shutil.which(name, path="/usr/sbin:/usr/local/sbin")
        if found:
            return found
    pytest.fail(f"{names[0]} is missing: .ci/install-system test")


def nginx_configuration(folder: Path, **values: str) -> Path:
    """The template filled in as the nginx image does it, within a main file like the image's."""
    template = (DEPLOY / "shop.conf.template").read_text()
    server = re.sub(r"\$\{(SHOP_[A-Z]+)\}", lambda name: values[name[1]], template)
    (folder / "server.conf").write_text(server)
    main = folder / "nginx.conf"
    main.write_text(
        string.Template(
            """
            user root;
            daemon off;
            pid $folder/nginx.pid;
            error_log stderr;
            events { worker_connections 64; }
            http {
                include /etc/nginx/mime.types;
                default_type application/octet-stream;
                access_log off;
                client_body_temp_path $folder/body;
                fastcgi_temp_path $folder/fastcgi;
                proxy_temp_path $folder/proxy;
                scgi_temp_path $folder/scgi;
                uwsgi_temp_path $folder/uwsgi;
                include $folder/server.conf;
            }
            """
        ).substitute(folder=folder)
    )
    return main


@pytest.fixture(scope="module")
def ports(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, int]]:
    """The shop twice on the same data: behind nginx and php-fpm, and on PHP's own server."""
    folder = tmp_path_factory.mktemp("fpm")
    assert seed_shop(folder, "--products", "100").returncode == 0
    front, fpm, plain = free_ports(3)
    environment = {
        "TECHFLOW_DATA": str(folder),
        "SHOP_FPM": f"127.0.0.1:{fpm}",
        "SHOP_USER": "root",
    }
    php_fpm = Child(
        [
            program("php-fpm", "php-fpm8.4", "php-fpm8.3", "php-fpm8.2"),
            *("--nodaemonize", "--allow-to-run-as-root"),
            *("--fpm-config", DEPLOY / "php-fpm.conf"),
        ],
        log=folder / "fpm.log",
        environment=environment,
    )
    configuration = nginx_configuration(
        folder,
        SHOP_LISTEN=f"127.0.0.1:{front}",
        SHOP_FPM=f"127.0.0.1:{fpm}",
        SHOP_ROOT=str(SHOP),
    )
    nginx = Child([program("nginx"), "-c", configuration, "-p", folder], log=folder / "nginx.log")
    with php_fpm, nginx, start_shop(folder, plain):
        php_fpm.wait_for_port(fpm)
        nginx.wait_for_port(front)
        yield {"front": front, "plain": plain}


@pytest.mark.parametrize(
    "target",
    [
        "/",
        "/category/power-tools?sort=price_asc&page=2",
        "/index.php?route=product/product&product_id=40",
        "/api/categories/hammers",
        "/search?q=%C3%BC",
        "/nowhere",
        "/assets/style.css",
        "/assets/nothing.css",
        "/robots.txt",
        "/seed.php",
        "/src/database.php",
        "/var/shop.sqlite",
    ],
)
def test_nginx_and_php_fpm_serve_the_same_shop(ports: dict[str, int], target: str) -> None:
    front, plain = Visitor(ports["front"]).get(target), Visitor(ports["plain"]).get(target)
    assert (front.status, front.body) == (plain.status, plain.body)
    kind = (front.header("content-type") or "").lower()
    assert kind == (plain.header("content-type") or "").lower()


@pytest.mark.parametrize(
    "target", ["/../seed.php", "/assets/../../seed.php", "/assets/%2e%2e/src/cart.php"]
)
def test_nothing_outside_the_public_folder_is_served(ports: dict[str, int], target: str) -> None:
    answer = Visitor(ports["front"]).get(target)
    assert answer.status in (400, 404)
    assert b"<?php" not in answer.body


def test_a_session_lives_behind_nginx(ports: dict[str, int]) -> None:
    visitor = Visitor(ports["front"])
    visitor.post("/cart", action="add", product_id=40, quantity=3, csrf=visitor.token())
    assert json.loads(visitor.get("/api/cart").body)["count"] == 3


def test_connections_are_kept_and_pages_are_chunked(ports: dict[str, int]) -> None:
    """What PHP's own server never does: a proxy meets both in one migration."""
    connection = http.client.HTTPConnection("127.0.0.1", ports["front"], timeout=30)
    connection.request("GET", "/category/power-tools")
    page = connection.getresponse()
    assert page.getheader("transfer-encoding") == "chunked"
    page.read()
    held = connection.sock
    connection.request("GET", "/assets/style.css")
    style = connection.getresponse()
    assert style.getheader("etag") is not None
    style.read()
    assert connection.sock is held is not None
    connection.close()


# What the files say of each other


def instructions(path: Path) -> list[tuple[str, str]]:
    text = re.sub(r"\\\n\s*", " ", path.read_text())
    lines = [line.strip() for line in text.splitlines()]
    return [
        (word.upper(), rest)
        for line in lines
        if line and not line.startswith("#")
        for word, _, rest in [line.partition(" ")]
    ]


def stages(path: Path) -> dict[str, list[tuple[str, str]]]:
    """Stage name -> its instructions, with those of the stage it is built on in front."""
    found: dict[str, list[tuple[str, str]]] = {}
    current: list[tuple[str, str]] = []
    for word, rest in instructions(path):
        if word == "FROM":
            image, _, name = rest.partition(" AS ")
            current = list(found.get(image, []))
            found[name] = current
        current.append((word, rest))
    return found


def last(stage: list[tuple[str, str]], word: str) -> str | None:
    return next((rest for key, rest in reversed(stage) if key == word), None)


@pytest.mark.parametrize("path", [pytest.param(p, id=p.name) for p in DOCKERFILES])
def test_what_a_dockerfile_copies_is_there_and_sent(path: Path) -> None:
    sent = {
        line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line[:1] == "!"
    }
    for word, rest in instructions(path):
        if word != "COPY" or "--from=" in rest:
            continue
        words = [w for w in shlex.split(rest) if not w.startswith("--")]
        for source in words[:-1]:
            assert (ROOT / source).exists(), source
            assert source.split("/")[0] in sent, f"{source} is kept out by .dockerignore"


@pytest.mark.parametrize("path", [pytest.param(p, id=p.name) for p in DOCKERFILES])
def test_a_container_gets_signals_itself(path: Path) -> None:
    for word, rest in instructions(path):
        if word in ("ENTRYPOINT", "CMD"):
            command = json.loads(rest)
            assert command
            assert "sh" not in command[0].split("/")[-1:], "a shell would keep the signals"


@pytest.mark.parametrize(
    ("path", "stage"),
    [
        (ROOT / "Dockerfile", "figway"),
        (ROOT / "Dockerfile", "techflow"),
        (DEPLOY / "shop.Dockerfile", "php"),
        (DEPLOY / "catalog.Dockerfile", "catalog"),
        (DEPLOY / "seed.Dockerfile", "seed"),
    ],
    ids=lambda value: value.name if isinstance(value, Path) else value,
)
def test_nothing_runs_as_root(path: Path, stage: str) -> None:
    assert last(stages(path)[stage], "USER") == "10001:10001"


def test_the_image_without_a_shop_is_the_one_built_by_default() -> None:
    assert list(stages(ROOT / "Dockerfile"))[-1] == "figway"
    assert "slim" in (last(stages(ROOT / "Dockerfile")["base"], "FROM") or "")


def test_the_containers_listen_where_routes_yaml_looks() -> None:
    upstreams = yaml.safe_load((ROOT / "routes.yaml").read_text())["upstreams"]
    front = last(stages(DEPLOY / "shop.Dockerfile")["front"], "ENV") or ""
    assert upstreams["legacy"]["urls"] == ["http://" + front.split("SHOP_LISTEN=")[1].split()[0]]
    catalog = json.loads(last(stages(DEPLOY / "catalog.Dockerfile")["catalog"], "CMD") or "")
    host, port = (catalog[catalog.index(option) + 1] for option in ("--host", "--port"))
    assert upstreams["catalog"]["urls"] == [f"http://{host}:{port}"]


def test_the_image_has_what_a_fleet_needs() -> None:
    """Its requirements are read from pyproject.toml, by the same names."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    text = (ROOT / "Dockerfile").read_text()
    [extra] = re.findall(r"p\['optional-dependencies'\]\['(\w+)'\]", text)
    assert any(line.startswith("UnleashClient") for line in project["optional-dependencies"][extra])
    assert any(line.startswith("redis>") for line in project["dependencies"])


def test_the_catalog_image_has_the_versions_of_the_project() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    wanted = [d for d in project["dependencies"] if d.startswith(("aiohttp", "pydantic"))]
    text = (DEPLOY / "catalog.Dockerfile").read_text()
    assert len(wanted) == 2
    assert all(f'"{line}"' in text for line in wanted)
