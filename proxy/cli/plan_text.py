"""The plan of a rollback as text for a terminal."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from proxy.cli.output import bad, bold, good, table

# Routes beyond it are counted: what matters is the load.
_SHOWN = 15


def render(plan: Mapping[str, Any]) -> str:
    """What an answer of /api/v1/plan says."""
    return "\n".join(_lines(plan))


def verdict(plan: Mapping[str, Any]) -> str:
    """Its verdict on one line, in colour."""
    line = f"plan: {plan['summary']}"
    match plan["verdict"]:
        case "exceeds":
            return bad(f"{line}: MORE THAN IT BEARS")
        case "fits":
            return good(line)
        case _:
            return line


def _lines(plan: Mapping[str, Any]) -> Iterator[str]:
    if not plan["seconds"]:
        yield bold(f"rollback of {plan['scope']}")
        yield verdict(plan)
        return
    replicas = plan["replicas"]
    whose = replicas[0] if len(replicas) == 1 else f"{len(replicas)} replicas"
    yield bold(f"rollback of {plan['scope']}, by the traffic of the last {plan['seconds']:g} s")
    yield f"traffic of {whose}; nothing is changed"
    moving = [route for route in plan["routes"] if not route["stays"]]
    staying = [route["route"] for route in plan["routes"] if route["stays"]]
    if moving:
        rows = [
            (route["route"], route["upstream"], _rps(route["rps"]), _rps(route["peak_rps"]))
            for route in sorted(moving, key=lambda route: -route["rps"])[:_SHOWN]
        ]
        yield ""
        yield table(("moves to legacy", "from", "rps", "busiest"), rows)
        if len(moving) > _SHOWN:
            yield f"and {len(moving) - _SHOWN} more routes"
    else:
        yield "no request would move: nothing of it is on the new side now"
    if staying:
        yield f"stays on the new side (stage complete): {', '.join(staying)}"
    yield ""
    yield table(
        ("upstream", "rps now", "rps after", "busiest now", "busiest after", "capacity_rps"),
        [
            (
                each["upstream"],
                _rps(each["rps_before"]),
                _rps(each["rps_after"]),
                _rps(each["peak_before"]),
                _rps(each["peak_after"]),
                "-" if each["capacity_rps"] is None else f"{each['capacity_rps']:g}",
            )
            for each in plan["upstreams"]
        ],
    )
    yield from (f"note: {note}" for note in plan["notes"])
    yield verdict(plan)


def _rps(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.1f}"
