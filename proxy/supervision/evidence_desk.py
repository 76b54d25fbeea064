"""The evidence desk: questions of operators to the observer, checked against routes.yaml."""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

from flags.scope import ALL, group_scope, route_scope
from proxy.config.rule_draft import DraftError, draft_rules, rule_as_written
from proxy.routing.route import RouteFile
from proxy.supervision.audit import Actor, Entry
from proxy.supervision.change import Refusal, Refused
from proxy.supervision.journal import Journal
from proxy.supervision.percentage import known

_KINDS = {
    400: Refusal.INVALID,
    404: Refusal.UNKNOWN,
    409: Refusal.CONFLICT,
    503: Refusal.UNAVAILABLE,
}


# An audit line waits no longer for evidence, and names no more routes.
VERDICT_SECONDS = 0.2
VERDICTS_FRESH_SECONDS = 2.0
MAX_VERDICTS = 20
_WORST = {"NO-GO": -2, "NEED-MORE-DATA": -1}


class Asker(Protocol):
    """Whoever asks the observer: status as in HTTP and JSON, with `detail` if it is not 200."""

    async def ask(self, what: str, params: Mapping[str, object]) -> tuple[int, object]:
        """Ask one question. Never raises."""

    async def until_started(self) -> None:
        """Wait for an observer that is starting, but not for long."""


class EvidenceDesk:
    """Every question raises Refused, with what the observer says, when it has no good answer."""

    def __init__(
        self,
        *,
        observer: Asker,
        file: Callable[[], RouteFile],
        journal: Journal,
        revision: Callable[[], int],
    ) -> None:
        self._observer = observer
        self._file = file
        self._journal = journal
        self._revision = revision
        # The scope that was asked for last: when, and what was said.
        self._verdicts: dict[str, tuple[float, dict[str, str]]] = {}

    async def report(self, route: str = "") -> object:
        """What the evidence says of one route, or of all."""
        answer = self._with_stages(await self._ask("report", {"route": route} if route else {}))
        if route and isinstance(answer, dict) and not answer.get("routes"):
            self._check(route)
        return answer

    async def show(self, number: str) -> object:
        """One exemplar, whole."""
        return await self._ask("show", {"id": number})

    async def exemplars(self, route: str, fingerprint: str = "") -> object:
        """The exemplars of a route, or of one of its causes."""
        params = {"route": route} | ({"fingerprint": fingerprint} if fingerprint else {})
        return await self._ask("exemplars", params)

    async def rules(self, route: str, draft: Sequence[object] | None = None) -> object:
        """What the rules of a route did; with a draft: what it would change."""
        if draft is None:
            return await self._ask("rules", {"route": route})
        try:
            rules = draft_rules(draft)
        except DraftError as error:
            raise Refused(Refusal.INVALID, "\n".join(error.problems)) from None
        written = [rule_as_written(rule) for rule in rules]
        return await self._ask("rules", {"route": route, "draft": written})

    async def replay(self, number: str) -> object:
        """Ask both sides again what an exemplar asked."""
        return await self._ask("replay", {"id": number})

    async def accept(self, route: str, path: str) -> object:
        """The rule that the paired test proposes for a path."""
        return await self._ask("accept", {"route": route, "path": path})

    async def triage(
        self, route: str, fingerprint: str, *, ticket: str, note: str, actor: Actor
    ) -> object:
        """Note that somebody has looked at a cause: it no longer stops a GO by being new."""
        answer = await self._ask(
            "triage", {"route": route, "fingerprint": fingerprint, "ticket": ticket, "note": note}
        )
        await self._journal.write_down(
            Entry(
                phase="done",
                action="shadow_triage",
                scope=f"route:{route}",
                actor=actor,
                reason=" ".join(filter(None, (ticket, note))),
                before=fingerprint,
                after="triaged",
                revision=self._revision(),
            )
        )
        return answer

    async def verdicts(self, scope: str) -> dict[str, str]:
        """What the evidence says of the routes in a scope, for the audit: the worst come first.

        Never raises and never takes long: no evidence is no line, whatever the reason.
        """
        members = [
            route.id
            for route in self._file().routes
            if route.new and scope in (ALL, group_scope(route.group), route_scope(route.id))
        ]
        if not members:
            return {}
        asked, known = self._verdicts.get(scope, (-math.inf, {}))
        if time.monotonic() - asked < VERDICTS_FRESH_SECONDS:
            return known
        params = {"route": members[0]} if len(members) == 1 else {}
        try:
            asking = self._observer.ask("report", params)
            status, answer = await asyncio.wait_for(asking, VERDICT_SECONDS)
        except TimeoutError:
            status, answer = 503, {}
        reports = answer.get("routes") if status == 200 and isinstance(answer, dict) else None
        found = {
            str(report["route"]): str(report["verdict"])
            for report in (reports if isinstance(reports, list) else ())
            if isinstance(report, dict) and report.get("route") in members
        }
        worst = sorted(found, key=lambda route: (_WORST.get(found[route], 0), route))
        verdicts = {route: found[route] for route in worst[:MAX_VERDICTS]}
        # A storm of flips does not ask the observer as often.
        self._verdicts = {scope: (time.monotonic(), verdicts)}
        return verdicts

    def _check(self, route: str) -> None:
        known(route, (each.id for each in self._file().routes), "route")

    async def _ask(self, what: str, params: Mapping[str, object]) -> object:
        await self._observer.until_started()
        status, answer = await self._observer.ask(what, params)
        if status == 200:
            return answer
        if status == 404 and "route" in params:
            # A route without evidence and a name that was misspelt need different words.
            self._check(str(params["route"]))
        detail = answer.get("detail") if isinstance(answer, dict) else None
        raise Refused(
            _KINDS.get(status, Refusal.UNAVAILABLE),
            str(detail or f"the observer answered {status}"),
        )

    def _with_stages(self, answer: object) -> object:
        """Complete what the observer may not know: the stage that routes.yaml gives a route."""
        stages = {route.id: route.stage.value for route in self._file().routes}
        reports = answer.get("routes") if isinstance(answer, dict) else None
        for report in reports if isinstance(reports, list) else ():
            if isinstance(report, dict) and not report.get("stage"):
                report["stage"] = stages.get(str(report.get("route")), "")
        return answer
