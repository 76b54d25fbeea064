"""Who may do what on the admin listener: three roles, and what each call needs. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType


class Role(StrEnum):
    """What somebody may do; each includes the ones before it."""

    # Sees everything that is shown.
    VIEWER = "viewer"
    # Moves traffic.
    OPERATOR = "operator"
    # Says who may do what.
    ADMIN = "admin"

    def includes(self, other: Role) -> bool:
        """Whether whoever has this role may do what the other one may."""
        return _ORDER.index(self) >= _ORDER.index(other)


_ORDER = (Role.VIEWER, Role.OPERATOR, Role.ADMIN)


class Kind(StrEnum):
    """What a call is to the rate limit: each kind has an allowance of its own."""

    READ = "read"
    CHANGE = "change"
    # Toward legacy: never waits for the allowance of anything else.
    ROLLBACK = "rollback"


@dataclass(frozen=True, slots=True)
class Need:
    """What one call needs, and what it counts as."""

    role: Role
    kind: Kind


_SEE = Need(Role.VIEWER, Kind.READ)
_MOVE = Need(Role.OPERATOR, Kind.CHANGE)
_RULE = Need(Role.ADMIN, Kind.CHANGE)

# By method and path as the router has it.
NEEDS: Mapping[tuple[str, str], Need] = MappingProxyType(
    {
        ("GET", "/openapi.json"): _SEE,
        ("GET", "/api/v1/status"): _SEE,
        ("GET", "/api/v1/routes"): _SEE,
        ("GET", "/api/v1/flags"): _SEE,
        ("GET", "/api/v1/audit"): _SEE,
        ("GET", "/api/v1/audit/verify"): _SEE,
        ("GET", "/api/v1/plan"): _SEE,
        ("POST", "/api/v1/explain"): _SEE,
        ("POST", "/api/v1/rollback"): Need(Role.OPERATOR, Kind.ROLLBACK),
        ("POST", "/api/v1/resume"): _MOVE,
        ("POST", "/api/v1/percent"): _MOVE,
        ("POST", "/api/v1/reload"): _MOVE,
        ("GET", "/api/v1/tokens"): Need(Role.ADMIN, Kind.READ),
        ("POST", "/api/v1/tokens"): _RULE,
        ("POST", "/api/v1/tokens/revoke"): _RULE,
        ("GET", "/api/v1/shadow/report"): _SEE,
        ("GET", "/api/v1/shadow/exemplars"): _SEE,
        ("GET", "/api/v1/shadow/exemplars/{id}"): _SEE,
        ("GET", "/api/v1/shadow/rules"): _SEE,
        ("POST", "/api/v1/shadow/what-if"): _SEE,
        ("POST", "/api/v1/shadow/accept"): _SEE,
        # Sends a request to both sides.
        ("POST", "/api/v1/shadow/replay"): _MOVE,
        # Lets a verdict become a GO.
        ("POST", "/api/v1/shadow/triage"): _MOVE,
        ("POST", "/api/v1/shadow/pause"): _MOVE,
        ("POST", "/api/v1/shadow/resume"): _MOVE,
    }
)


def need_of(method: str, path: str) -> Need:
    """What a call needs. One that no row knows: to read, a viewer; to change, an admin."""
    known = NEEDS.get((method, path))
    if known is not None:
        return known
    return _SEE if method in ("GET", "HEAD") else _RULE
