"""The Unleash server from npm: how it is started, and what its clients are told."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from deploy.port import HOST
from deploy.servers import ROOT, RunError

# Where .ci/install-unleash puts it.
_KIT = ROOT / ".run" / "unleash"
SPECIFICATION = _KIT / "node_modules" / "@unleash" / "client-specification" / "specifications"
ENVIRONMENT = "production"


@dataclass(frozen=True, slots=True, kw_only=True)
class UnleashServer:
    """One server on a database. Its tokens are made at its first start on that database."""

    port: int
    database_url: str
    password: str = "unleash4all"  # noqa: S105 - Unleash's own default, on loopback
    admin_token: str = "*:*.figway-demo-admin-token"  # noqa: S105 - on loopback
    client_token: str = f"default:{ENVIRONMENT}.figway-demo-client-token"
    other_token: str = "default:development.figway-demo-client-token"  # noqa: S105 - on loopback

    @property
    def url(self) -> str:
        """The address of its page."""
        return f"http://{HOST}:{self.port}"

    @property
    def api(self) -> str:
        """What a client SDK is told."""
        return f"{self.url}/api"

    @property
    def health(self) -> str:
        """Answers 200 once it serves."""
        return f"{self.url}/health"

    def command(self) -> list[str]:
        """What starts it. Raises RunError."""
        node, program = _KIT / "node", _KIT / "node_modules" / "unleash-server" / "dist/server.js"
        if not node.exists() or not program.is_file():
            raise RunError("The Unleash server is missing: .ci/install-system fleet")
        return [str(node), "--max-old-space-size=192", str(program)]

    def environment(self) -> Mapping[str, str]:
        """Its settings; nothing of it asks anything outside this machine."""
        return {
            "NODE_ENV": "production",
            "DATABASE_URL": self.database_url,
            "DATABASE_SSL": "false",
            "DATABASE_POOL_MAX": "4",
            "HTTP_HOST": HOST,
            "HTTP_PORT": str(self.port),
            "UNLEASH_URL": self.url,
            "CHECK_VERSION": "false",
            "SEND_TELEMETRY": "false",
            "UNLEASH_DEFAULT_ADMIN_USERNAME": "admin",
            "UNLEASH_DEFAULT_ADMIN_PASSWORD": self.password,
            "INIT_ADMIN_API_TOKENS": self.admin_token,
            "INIT_BACKEND_API_TOKENS": f"{self.client_token},{self.other_token}",
        }
