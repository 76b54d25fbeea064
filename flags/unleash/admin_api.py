"""Unleash's admin API, as far as Figway needs it: set a percentage, and ask who changed what."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import quote

import aiohttp

from flags.provider import FlagSourceError
from flags.unleash.connection import UnleashConnection
from flags.unleash.events import Event, read_event
from flags.unleash.flag_state import flag_name

# One page of Unleash's event log.
_EVENTS: Final = 100
_ROLLOUT: Final = "flexibleRollout"


class AdminApi:
    """Calls with the admin token. Every method raises FlagSourceError that says what to mend."""

    def __init__(self, connection: UnleashConnection) -> None:
        self._connection = connection

    async def set_percent(self, scope: str, basis_points: int, environment: str) -> None:
        """Set the percentage of a group's or route's flag, and switch the flag on for more than 0.

        Constraints, segments, variants and stickiness of its strategy stay as they are.
        """
        flag = flag_name(scope)
        if not self._connection.admin_token:
            raise FlagSourceError(
                f"flags come from Unleash: set it at {self._page(flag)}, or give Figway an admin"
                " token (FIGWAY_UNLEASH_ADMIN_TOKEN)"
            )
        if basis_points % 100:
            raise FlagSourceError(
                f"Unleash takes whole percentages, and {basis_points / 100:g} % is none: its SDKs"
                " would let nobody in"
            )
        if not environment:
            raise FlagSourceError(
                "the environment is not known: use a backend token of the form"
                " project:environment.secret"
            )
        async with self._session() as session:
            await self._set(session, flag, basis_points // 100, environment)

    async def events(self) -> tuple[Event, ...]:
        """The newest events, newest first."""
        async with self._session() as session:
            said = await self._call(session, "GET", f"search/events?limit={_EVENTS}")
        found = said.get("events") if isinstance(said, dict) else None
        return tuple(filter(None, map(read_event, found if isinstance(found, list) else ())))

    async def _set(
        self, session: aiohttp.ClientSession, flag: str, percent: int, environment: str
    ) -> None:
        project = await self._project(session, flag)
        place = f"projects/{quote(project)}/features/{quote(flag)}/environments/{environment}"
        there = await self._call(session, "GET", place)
        strategies = [each for each in there.get("strategies", ()) if not each.get("disabled")]
        if not strategies:
            name = flag.removeprefix("figway-")
            await self._call(
                session,
                "POST",
                f"{place}/strategies",
                {
                    "name": _ROLLOUT,
                    "parameters": {
                        "rollout": f"{percent}",
                        "stickiness": "default",
                        "groupId": name,
                    },
                    "constraints": [],
                },
            )
        elif len(strategies) == 1 and strategies[0].get("name") == _ROLLOUT:
            await self._call(
                session,
                "PATCH",
                f"{place}/strategies/{quote(str(strategies[0]['id']))}",
                [{"op": "replace", "path": "/parameters/rollout", "value": f"{percent}"}],
            )
        else:
            kinds = ", ".join(str(each.get("name")) for each in strategies)
            raise FlagSourceError(
                f"{flag} has the strategies {kinds} in {environment}, and only one"
                f" {_ROLLOUT} has a percentage to set: change it at {self._page(flag, project)}"
            )
        if percent and not there.get("enabled"):
            await self._call(session, "POST", f"{place}/on")

    async def _project(self, session: aiohttp.ClientSession, flag: str) -> str:
        said = await self._call(session, "GET", f"search/features?query={quote(flag)}&limit=100")
        for each in said.get("features", ()) if isinstance(said, dict) else ():
            if each.get("name") == flag and not each.get("archivedAt"):
                return str(each.get("project") or "default")
        raise FlagSourceError(
            f"Unleash has no flag {flag}: create it at"
            f" {self._connection.page}/projects/default (type release, strategy gradual rollout,"
            f" groupId {flag.removeprefix('figway-')})"
        )

    async def _call(
        self,
        session: aiohttp.ClientSession,
        method: str,
        path: str,
        body: object = None,
    ) -> Any:
        url = f"{self._connection.api}/admin/{path}"
        try:
            async with session.request(method, url, json=body) as response:
                text = await response.text()
                if response.status >= 400:
                    raise FlagSourceError(self._refusal(response.status, text))
                return json.loads(text) if text else {}
        except (aiohttp.ClientError, TimeoutError, ValueError) as error:
            what = "no answer in time" if isinstance(error, TimeoutError) else str(error)
            raise FlagSourceError(
                f"Unleash's admin API at {self._connection.page} cannot be asked ({what})"
            ) from None

    def _refusal(self, status: int, text: str) -> str:
        if status in (401, 403):
            return (
                f"Unleash refuses the admin token ({status}): it needs the right to change flags"
                " of this project and environment"
            )
        try:
            said = json.loads(text)
        except ValueError:
            said = None
        message = said.get("message") if isinstance(said, Mapping) else None
        return f"Unleash answers {status}: {str(message or 'without a reason')[:300]}"

    def _session(self) -> aiohttp.ClientSession:
        # One for each use: they are rare, and none is open between them.
        return aiohttp.ClientSession(
            headers={"Authorization": self._connection.admin_token},
            timeout=aiohttp.ClientTimeout(total=self._connection.patience),
        )

    def _page(self, flag: str, project: str = "default") -> str:
        return f"{self._connection.page}/projects/{quote(project)}/features/{quote(flag)}"
