"""Where live replicas differ in what they should have in common, and for how long. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from proxy.fleet.replica import Facts

# Flags are compared only where the source counts its revisions for all: the revision of a file is
# the time at which this host got it.
_NAMES = {
    "config": "revision of routes.yaml",
    "flags": "revision of the flags in Unleash",
    "version": "version of Figway",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """One thing in which live replicas differ."""

    # config, flags, version or state.
    kind: str
    # Who has which value, one sentence.
    detail: str
    # Whether it stands as it was when replicas were last compared, since not all are heard now.
    last_known: bool = False

    def as_known(self, seconds: float) -> Difference:
        """The same, as it was known so many seconds ago."""
        detail = f"{self.detail} (last known {seconds:.0f} s ago)"
        return replace(self, detail=detail, last_known=True)


@dataclass(frozen=True, slots=True)
class _Behind:
    """A replica that does not use a revision which the fleet has."""

    revision: int
    since: float


class Watchdog:
    """Tells what has differed for longer than `after` seconds; changes on their way do not."""

    def __init__(self, after: float) -> None:
        self._after = after
        self._since: dict[Difference, float] = {}
        self._behind: dict[str, _Behind] = {}

    def look(self, replicas: Iterable[Facts], *, newest: int, now: float) -> tuple[Difference, ...]:
        """What lasts, given all live replicas and the newest shared revision that is known."""
        serving = [facts for facts in replicas if facts.phase in ("", "serving")]
        found = tuple(_differences(serving))
        self._since = {each: self._since.get(each, now) for each in found}
        lasting = [each for each in found if now - self._since[each] >= self._after]
        behind = self._look_behind(serving, newest, now)
        if behind:
            names = ", ".join(sorted(behind))
            lasting.append(
                Difference(
                    kind="state", detail=f"not all workers use the newest shared state: {names}"
                )
            )
        return tuple(lasting)

    def _look_behind(self, serving: Sequence[Facts], newest: int, now: float) -> list[str]:
        before, self._behind = self._behind, {}
        for facts in serving:
            if facts.applied >= newest:
                continue
            known = before.get(facts.boot)
            # What it lacked then it has by now: what it lacks now is another change.
            if known is None or facts.applied >= known.revision:
                known = _Behind(newest, now)
            self._behind[facts.boot] = known
        return [
            facts.replica
            for facts in serving
            if facts.boot in self._behind and now - self._behind[facts.boot].since >= self._after
        ]


def _differences(serving: Sequence[Facts]) -> Iterator[Difference]:
    for kind, name in _NAMES.items():
        values = [(facts.replica, value) for facts in serving if (value := _value(kind, facts))]
        counted = Counter(value for _, value in values)
        if len(counted) < 2:
            continue
        usual = max(counted, key=lambda value: (counted[value], value))
        odd = ", ".join(f"{who} has {value}" for who, value in sorted(values) if value != usual)
        yield Difference(kind=kind, detail=f"{name}: {counted[usual]} have {usual}, {odd}")


def _value(kind: str, facts: Facts) -> str:
    match kind:
        case "config":
            return facts.config
        case "flags":
            from_unleash = facts.provider == "unleash" and facts.flags_revision
            return str(facts.flags_revision) if from_unleash else ""
        case _:
            return facts.version
