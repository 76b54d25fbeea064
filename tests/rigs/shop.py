"""The PHP shop and the catalog service as servers, and a visitor who keeps cookies."""

from __future__ import annotations

import http.client
import os
import re
import subprocess
import sys
from dataclasses import dataclass, field
from http.cookies import SimpleCookie
from pathlib import Path
from types import EllipsisType
from urllib.parse import urlencode

from tests.rigs.child import ROOT, Child

SHOP = ROOT / "legacy_stub"


def seed_shop(data: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run seed.php for a data directory."""
    return subprocess.run(
        ["php", SHOP / "seed.php", *arguments],
        env={**os.environ, "TECHFLOW_DATA": str(data)},
        capture_output=True,
        text=True,
        check=False,
    )


def start_php(
    docroot: Path, router: Path | None, port: int, log: Path, environment: dict[str, str]
) -> Child:
    """PHP's own server with several workers."""
    command = ["php", "-S", f"127.0.0.1:{port}", "-t", str(docroot)]
    return Child(
        [*command, str(router)] if router else command,
        log=log,
        environment={"PHP_CLI_SERVER_WORKERS": "4", **environment},
    ).wait_for_port(port)


def start_shop(data: Path, port: int, *, log: Path | None = None, defect: bool = False) -> Child:
    """The shop on a seeded data directory; with `defect` PHP warnings stand in product answers."""
    return start_php(
        SHOP / "public",
        SHOP / "router.php",
        port,
        log or data / "shop.log",
        {"TECHFLOW_DATA": str(data), "TECHFLOW_DEFECT": "1" if defect else ""},
    )


def start_catalog(
    data: Path,
    port: int,
    *,
    bugs: str = "",
    follow: Path | EllipsisType | None = ...,
    log: str = "catalog.log",
) -> Child:
    """The catalog service on a database beside the shop's, which it follows.

    `bugs` is FIGWAY_DEMO_BUGS; `follow` another shop's database, or None for none.
    """
    shop = data / "shop.sqlite" if follow is ... else follow
    return Child(
        [
            *(sys.executable, "-m", "new_services.catalog", "serve", "--port", str(port)),
            *("--database", data / "catalog.sqlite"),
            *(() if shop is None else ("--follow", shop)),
        ],
        log=data / log,
        environment={"FIGWAY_DEMO_BUGS": bugs},
    ).wait_for_port(port)


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """A response: header names in lower case, in the order sent."""

    status: int
    headers: tuple[tuple[str, str], ...]
    body: bytes

    def header(self, name: str) -> str | None:
        """All values of a header joined, or None."""
        values = [value for key, value in self.headers if key == name]
        return ", ".join(values) if values else None

    @property
    def text(self) -> str:
        """The body as text."""
        return self.body.decode()

    def csrf(self) -> str:
        """The form token that stands in a page."""
        found = re.search(r'name="csrf" value="([0-9a-f]{32})"', self.text)
        assert found is not None, self.text
        return found[1]


@dataclass(slots=True)
class Visitor:
    """A client of one server that keeps its cookies and does not follow redirects.

    `host` is what it believes the server is called: the same on a direct way and on one through a
    proxy makes an application write the same addresses.
    """

    port: int
    cookies: dict[str, str] = field(default_factory=dict)
    host: str = ""

    def get(self, target: str, method: str = "GET", **headers: str) -> Answer:
        """Ask for a target, byte for byte as written."""
        return self._send(method, target, None, headers)

    def post(self, target: str, **fields: object) -> Answer:
        """Send a form."""
        form = urlencode({name: str(value) for name, value in fields.items()}).encode()
        return self.send(target, form, "application/x-www-form-urlencoded")

    def send(self, target: str, body: bytes, content_type: str) -> Answer:
        """POST a body as it is."""
        return self._send("POST", target, body, {"Content-Type": content_type})

    def token(self) -> str:
        """The visitor's form token, as shop.js gets it."""
        found = re.search(r'"csrf":"([0-9a-f]{32})"', self.get("/api/visitor").text)
        assert found is not None
        return found[1]

    def _send(
        self, method: str, target: str, body: bytes | None, headers: dict[str, str]
    ) -> Answer:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        if self.host:
            headers = {"Host": self.host, **headers}
        try:
            if self.cookies:
                headers = {
                    **headers,
                    "Cookie": "; ".join(f"{k}={v}" for k, v in self.cookies.items()),
                }
            connection.request(method, target, body, headers)
            response = connection.getresponse()
            answer = Answer(
                status=response.status,
                headers=tuple((name.lower(), value) for name, value in response.getheaders()),
                body=response.read(),
            )
        finally:
            connection.close()
        for name, value in answer.headers:
            if name == "set-cookie":
                for morsel in SimpleCookie(value).values():
                    self._keep(morsel.key, morsel.value, deleted="1970" in morsel["expires"])
        return answer

    def _keep(self, name: str, value: str, *, deleted: bool) -> None:
        if deleted:
            self.cookies.pop(name, None)
        else:
            self.cookies[name] = value
