"""Where Unleash is, what we are there, and how often we ask: the connection's settings, checked."""

from __future__ import annotations

import importlib.util
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import urlsplit

from flags.unleash.features import APP_NAME

INSTALL: Final = "pip install 'figway[unleash]'"
# A header that an Authorization cannot hold would fail at every request, so it is refused at once.
_VISIBLE: Final = range(0x21, 0x7F)


@dataclass(frozen=True, slots=True, kw_only=True)
class UnleashConnection:
    """One Unleash and one environment of it. Raises ValueError that names what to mend.

    Tokens are left out of `repr`. Times are in seconds.
    """

    # With or without /api at its end.
    url: str
    # A backend token of the environment: project:environment.secret.
    token: str = field(repr=False)
    # For `figway percent` and for who changed what; empty: neither.
    admin_token: str = field(default="", repr=False)
    # What Unleash's webhook sends as Authorization; empty: the webhook is closed.
    webhook_token: str = field(default="", repr=False)
    app_name: str = APP_NAME
    # What this replica is called in Unleash's list of instances.
    instance: str = APP_NAME
    # Between two polls, give or take a fifth, so that replicas do not ask in step.
    poll: float = 5.0
    # Between two polls without If-None-Match: changes that leave Unleash's revision as it is.
    full_fetch: float = 300.0
    # For connecting, and for each pause while an answer comes in.
    patience: float = 5.0
    # Between two reports of how often flags were in and out.
    report: float = 60.0

    def __post_init__(self) -> None:
        """Check what a person typed."""
        parts = urlsplit(self.url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValueError(
                f"must be the http or https address of Unleash, such as"
                f" https://unleash.example.com/api, got {self._plain_url!r}"
            )
        if parts.username or parts.password:
            raise ValueError("must hold no user or password: the token says who we are")
        if parts.query or parts.fragment:
            raise ValueError(f"must hold no query and no fragment, got {self._plain_url!r}")
        for name, token in (
            ("the backend token", self.token),
            ("the admin token", self.admin_token),
            ("the webhook token", self.webhook_token),
        ):
            if any(ord(character) not in _VISIBLE for character in token.removeprefix("Bearer ")):
                raise ValueError(f"{name} holds a space or a character that no token has")
        if not self.token:
            raise ValueError(
                "a backend token is needed: in Unleash, Admin > API access > New API token, type"
                " backend, and the environment that this Figway is for"
            )
        if self.token.startswith("*:*."):
            raise ValueError("this is an admin token: a backend token of one environment is needed")

    @property
    def api(self) -> str:
        """The address that a client SDK is told, ending with /api."""
        address = self.url.rstrip("/")
        return address if address.endswith("/api") else f"{address}/api"

    @property
    def page(self) -> str:
        """The address of Unleash's pages."""
        return self.api.removesuffix("/api")

    @property
    def environment(self) -> str:
        """The environment that the token names; empty when it does not."""
        _, colon, rest = self.token.partition(":")
        name, dot, _ = rest.partition(".")
        return name if colon and dot else ""

    @property
    def _plain_url(self) -> str:
        # What is refused may hold a password.
        return self.url.rpartition("@")[2]


def missing_extra() -> str:
    """What to install before Unleash can be asked; empty when all is there."""
    if importlib.util.find_spec("UnleashClient") is None:
        return f"the Unleash client is not installed: {INSTALL}"
    return ""
