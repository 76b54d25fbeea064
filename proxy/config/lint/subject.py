"""What the rules look at: the definitions, their text, and the file before the change."""

from __future__ import annotations

from dataclasses import dataclass, field

from proxy.config.lint.finding import RULES, Finding
from proxy.config.yaml_scalar import printable
from proxy.config.yaml_text import Document, Path, show_path
from proxy.routing.route import Route, RouteFile
from proxy.stages import Stage


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """One routes.yaml under check."""

    file: RouteFile
    document: Document
    # The routes.yaml that is live now, to judge transitions.
    against: RouteFile | None = None
    # ISO date, to judge ends of rules; empty: they are not judged.
    today: str = ""
    positions: dict[str, int] = field(default_factory=dict)

    def path(self, route: Route, *below: str | int) -> Path:
        """The key path of something in a route."""
        return ("routes", self.positions[route.id], *below)

    def finding(self, rule: str, path: Path, message: str, mend: str = "") -> Finding:
        """Make a finding at a key path."""
        line, column = self.document.place(path)
        return Finding(
            file=self.document.name,
            line=line,
            column=column,
            rule=rule,
            severity=RULES[rule].severity,
            key=show_path(path),
            message=printable(message),
            mend=printable(mend),
        )

    def at(self, rule: str, route: Route, message: str, mend: str = "", *below: str) -> Finding:
        """Make a finding about a route, named by its id."""
        return self.finding(rule, self.path(route, *below), f"route {route.id} {message}", mend)

    def gives(self, path: Path) -> bool:
        """Whether a key is written in the file."""
        return self.document.node(path) is not None


def moving(route: Route) -> bool:
    """Whether flags can move the route: a rollback applies to it."""
    return bool(route.new) and route.stage in (Stage.CANARY, Stage.LIVE)


def named(routes: list[Route], limit: int = 5) -> str:
    """List routes by id and line, as many as a reader wants to see."""
    shown = ", ".join(f"{route.id} (line {route.line})" for route in routes[:limit])
    return shown + (f" and {len(routes) - limit} more" if len(routes) > limit else "")
