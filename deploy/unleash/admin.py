"""Unleash's admin API, as far as a person clicks in its page: flags, strategies, webhooks."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

_TIMEOUT_SECONDS = 20.0
# What JSON can hold; what is read is checked where it is used.
Json = Any


class AdminError(Exception):
    """Unleash refused; the message has what was asked, the status and Unleash's own words."""

    def __init__(self, asked: str, status: int, words: str) -> None:
        super().__init__(f"Unleash answered {status} to {asked}: {words}")
        self.status = status


@dataclass(frozen=True, slots=True, kw_only=True)
class UnleashAdmin:
    """The one project of the open-source server, and one environment of it."""

    url: str
    token: str
    environment: str = "production"

    def create_flag(self, name: str, *, kind: str = "release", description: str = "") -> None:
        """A flag, off in every environment."""
        self.call("POST", _FEATURES, {"name": name, "type": kind, "description": description})

    def add_strategy(
        self,
        flag: str,
        name: str = "default",
        parameters: Mapping[str, str] | None = None,
        *,
        constraints: Sequence[Mapping[str, Json]] = (),
        segments: Sequence[int] = (),
    ) -> str:
        """An activation strategy of the flag; its id."""
        body = {
            "name": name,
            "parameters": dict(parameters or {}),
            "constraints": list(constraints),
            "segments": list(segments),
        }
        return str(self.call("POST", f"{self._there(flag)}/strategies", body)["id"])

    def set_percentage(self, flag: str, percent: int, *, group: str = "") -> None:
        """Make a gradual rollout the flag's only strategy, or change its percentage."""
        parameters = {
            "rollout": str(percent),
            "stickiness": "default",
            "groupId": group or flag,
        }
        strategies = self.call("GET", f"{self._there(flag)}/strategies")
        if len(strategies) == 1 and strategies[0]["name"] == "flexibleRollout":
            strategy = strategies[0]["id"]
            body = {"name": "flexibleRollout", "parameters": parameters, "constraints": []}
            self.call("PUT", f"{self._there(flag)}/strategies/{strategy}", body)
            return
        for strategy in strategies:
            self.call("DELETE", f"{self._there(flag)}/strategies/{strategy['id']}")
        self.add_strategy(flag, "flexibleRollout", parameters)

    def turn_on(self, flag: str) -> None:
        """Switch the flag on in the environment; one without a strategy gets 100 %."""
        self.call("POST", f"{self._there(flag)}/on")

    def turn_off(self, flag: str) -> None:
        """Switch the flag off in the environment."""
        self.call("POST", f"{self._there(flag)}/off")

    def depend(self, child: str, parent: str, *, enabled: bool = True) -> None:
        """Make a flag count only while its parent is on, or off."""
        path = f"{_FEATURES}/{_part(child)}/dependencies"
        self.call("POST", path, {"feature": parent, "enabled": enabled})

    def archive(self, flag: str) -> None:
        """Put the flag away: clients hear of it no more."""
        self.call("DELETE", f"{_FEATURES}/{_part(flag)}")

    def create_segment(self, name: str, constraints: Sequence[Mapping[str, Json]]) -> int:
        """A named list of constraints; its id."""
        body = {"name": name, "constraints": list(constraints)}
        return int(self.call("POST", "/api/admin/segments", body)["id"])

    def add_webhook(self, url: str, *, authorization: str, events: Sequence[str]) -> int:
        """Have Unleash POST to `url` at these events, with this Authorization header; its id."""
        body = {
            "provider": "webhook",
            "enabled": True,
            "description": f"{_WEBHOOK}{url}",
            "parameters": {"url": url, "authorization": authorization},
            "events": list(events),
        }
        return int(self.call("POST", _WEBHOOKS, body)["id"])

    def webhooks(self) -> dict[str, int]:
        """Whom Unleash tells of events: address to id. Unleash itself hides the addresses."""
        found = self.call("GET", _WEBHOOKS)["addons"]
        return {
            webhook["description"].removeprefix(_WEBHOOK): webhook["id"]
            for webhook in found
            if webhook["enabled"]
        }

    def silence_webhooks(self) -> None:
        """Have Unleash tell nobody any more."""
        # Not deleted: Unleash 7 ends itself when it cannot write down how a webhook went that
        # was deleted meanwhile.
        nobody = {
            "provider": "webhook",
            "enabled": False,
            "parameters": {"url": "http://127.0.0.1:1/"},
            "events": ["feature-created"],
        }
        for webhook in self.webhooks().values():
            self.call("PUT", f"{_WEBHOOKS}/{webhook}", nobody)

    def flags(self) -> list[str]:
        """The names of all flags that are not archived."""
        return [flag["name"] for flag in self.call("GET", _FEATURES)["features"]]

    def events(self) -> list[Json]:
        """What was changed, the newest first."""
        found: list[Json] = self.call("GET", "/api/admin/search/events?limit=100")["events"]
        return found

    def clear(self) -> None:
        """Delete every flag and segment, and have nobody told of anything."""
        self.silence_webhooks()
        # A parent can be put away only after its children.
        for flag in self.flags():
            with suppress(AdminError):
                self.call("DELETE", f"{_FEATURES}/{_part(flag)}/dependencies")
        for flag in self.flags():
            self.archive(flag)
        for flag in self.call("GET", _ARCHIVED)["features"]:
            self.call("DELETE", f"/api/admin/archive/{_part(flag['name'])}")
        for segment in self.call("GET", "/api/admin/segments")["segments"]:
            self.call("DELETE", f"/api/admin/segments/{segment['id']}")

    def call(self, method: str, path: str, body: Json = None) -> Json:
        """One call; the answer's JSON, or None for an empty one. Raises AdminError, OSError."""
        data = json.dumps(body).encode() if body is not None else None
        request = urllib.request.Request(  # noqa: S310 - http on loopback
            f"{self.url}{path}",
            data=data,
            method=method,
            headers={"Authorization": self.token, "Content-Type": "application/json"},
        )
        try:
            with urllib.request.urlopen(request, timeout=_TIMEOUT_SECONDS) as answer:  # noqa: S310 - http on loopback
                text = answer.read()
        except urllib.error.HTTPError as error:
            with error:
                words = error.read(2000).decode(errors="replace")
            raise AdminError(f"{method} {path}", error.code, words) from None
        return json.loads(text) if text.strip() else None

    def _there(self, flag: str) -> str:
        return f"{_FEATURES}/{_part(flag)}/environments/{self.environment}"


_ARCHIVED = "/api/admin/search/features?archived=IS:true&limit=100"
_WEBHOOKS = "/api/admin/addons"
_WEBHOOK = "Figway at "
_FEATURES = "/api/admin/projects/default/features"


def _part(name: str) -> str:
    return quote(name, safe="")
