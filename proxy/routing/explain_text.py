"""An explanation as plain text for a terminal."""

from __future__ import annotations

from proxy.routing.explain import Explanation, percent
from proxy.routing.explain_rule import rule_lines
from proxy.routing.facts import UNKNOWN_DEVICE


def render(explanation: Explanation) -> str:
    """The explanation as plain text, a few dozen lines at most for an ordinary table."""
    e = explanation
    query = f"?{e.query}" if e.query else ""
    lines = [f"{e.method} {e.host}{e.path}{query}", "", "routes, in order of precedence"]
    width = max((len(candidate.route) for candidate in e.candidates), default=0)
    for candidate in e.candidates:
        mark = ">" if candidate.chosen else "-" if candidate.reached else " "
        state = "" if candidate.chosen else candidate.failed if candidate.reached else "not reached"
        note = f"   [{state}]" if state else ""
        lines.append(f"  {mark} {candidate.route:<{width}}  {candidate.match}{note}")
    if e.omitted:
        why = "host or path do not fit" if e.matched_path else "not asked"
        lines.append(f"    ({e.omitted} more route{'s' if e.omitted != 1 else ''}: {why})")
    lines += ["", "decision, first hit wins"]
    for step in e.steps:
        mark = ">" if step.applies else "-"
        lines.append(f"  {mark} {step.reason.value:<21}  {step.detail}")
    if e.bucketing is not None and e.bucketing.hash_input is not None:
        b = e.bucketing
        flag = "no flag" if b.flag_basis_points is None else percent(b.flag_basis_points)
        lines += ["", "bucket"]
        if b.key == UNKNOWN_DEVICE:
            lines.append("    no identity cookie: a real client without one gets a random key")
        lines += [
            f"    murmur3_x86_32({b.hash_input!r}) = {b.hash}",
            f"    bucket {percent(b.bucket or 0)}, threshold {percent(b.threshold)}"
            f" ({b.flag}: {flag}, ceiling {percent(b.ceiling)})",
        ]
    if e.rule is not None:
        lines += ["", f"flag {e.rule.flag}", *rule_lines(e.rule)]
    if e.flag_source:
        lines.append(f"    from {e.flag_source}")
    lines += [
        "",
        f"answered by {e.upstream} ({e.side.value}): route {e.route}, reason {e.reason.value}",
        f"target      {e.target}",
        f"copy to     {e.shadow.value if e.shadow is not None else 'nobody'}",
        f"revisions   config {e.config_revision or '-'}, flags {e.flags_revision}",
    ]
    return "\n".join(lines) + "\n"
