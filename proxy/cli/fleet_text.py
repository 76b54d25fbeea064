"""A fleet and a flag provider in text: who is there, who differs, who cannot be heard."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from proxy.cli.output import bad, table

# A dash under "rollback" would say that none holds there.
_UNHEARD = ("-", "-", "-", "-", "-", "?")


def provider(view: Mapping[str, Any]) -> str:
    """One line on where percentages come from; more where something is wrong with it."""
    line = f"provider: {view['name']}"
    if view["name"] != "file":
        line += f" at {view['where']}" if view["where"] else ""
        line += f", revision {view['revision']}"
    if view["age_seconds"] is not None:
        how_old = f"{view['age_seconds']:.1f} s ago"
        line += ", confirmed " if view["confirmed"] else ", not heard of since the start "
        line += how_old
    lines = [line]
    if view["state"] != "fresh":
        lines.append(bad(f"  flags are {view['state']}"))
    if view["connection"] not in ("ok", "starting"):
        lines.append(bad(f"  {view['connection']}: {view['detail']}"))
    if view["from_disk"] and view["connection"] != "ok":
        lines.append(bad("  what is used was kept on disk before the start"))
    lines += [bad(f"  missing, and held: {name}") for name in view["held"]]
    lines += [bad(f"  {problem}") for problem in view["problems"]]
    if view["to_legacy"]:
        lines.append(bad(f"  on legacy for that: {', '.join(view['to_legacy'])}"))
    return "\n".join(lines)


def fleet(status: Mapping[str, Any]) -> str:
    """Every replica in a table, how the shared store is doing, and what differs."""
    view = status["fleet"]
    heard = "" if view["subscribed"] else ", changes come by polling only"
    store = f"fleet: {view['environment']} at {view['store']}, {view['state']}{heard}"
    lines = [store if view["state"] in ("ok", "slow") else bad(store)]
    if view["detail"]:
        lines.append(bad(f"  {view['detail']}"))
    if view["stale"]:
        lines.append(
            bad(
                "  STALE: the newest shared state was not proven for"
                f" {view['unproven_seconds']:.0f} s"
            )
        )
    newest = max((r["applied"] for r in status["replicas"] if r["live"]), default=0)
    rows = [
        (
            each["replica"] + (" (this)" if each["this"] else ""),
            _state(each),
            *(_told(each, newest) if each["live"] else _UNHEARD),
        )
        for each in status["replicas"]
    ]
    if rows:
        head = ("replica", "state", "workers", "routes", "shared", "flags", "version", "rollback")
        lines.append(table(head, rows))
    lines += [bad(f"DIFFER: {each['detail']}") for each in status["differences"]]
    return "\n".join(lines)


def _told(replica: Mapping[str, Any], newest: int) -> tuple[str, ...]:
    return (
        f"{replica['workers_ready']}/{replica['workers']}",
        replica["config"],
        "current" if replica["applied"] >= newest else f"BEHIND: {replica['applied']}",
        _flags(replica),
        replica["version"],
        ", ".join(replica["holds"]) or "-",
    )


def _state(replica: Mapping[str, Any]) -> str:
    if not replica["live"]:
        # A figway of before does not tell the two apart.
        return f"{replica.get('state', 'gone')}, last heard {replica['seen_seconds']:.0f} s ago"
    if replica["stale"]:
        return f"STALE {replica['stale']:.0f} s"
    return str(replica["phase"])


def _flags(replica: Mapping[str, Any]) -> str:
    text = f"{replica['flags_from'] or replica['provider']}"
    age = replica["flags_age"]
    return text if age is None else f"{text}, {age:.0f} s old"
