"""One examination: two answers compared under a route's rules. Pure, so it can run anywhere."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from proxy.compare.comparison import Comparison, Result
from proxy.compare.pair import compare
from proxy.compare.policy import CompiledPolicy
from proxy.exchange import Answer

# Bodies, both together, that are compared where the observer's loop waits for it. Bytes.
LIGHT: Final = 32 * 1024
# What a content coding may hide, and what a tree of HTML costs over one of JSON.
_CODED: Final = 8
_HTML: Final = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """What is to be compared."""

    legacy: Answer
    new: Answer
    policy: CompiledPolicy
    method: str
    # The Host field of the request; "" where it is not known.
    host: str = ""

    @property
    def is_light(self) -> bool:
        """Whether comparing takes about a millisecond."""
        first, second = self.legacy, self.new
        if first.body == second.body:
            return len(first.body) <= 8 * LIGHT
        weight = len(first.body) + len(second.body)
        if weight > LIGHT:
            return False
        for answer in (first, second):
            if answer.header(b"content-encoding") is not None:
                weight *= _CODED
            if b"html" in (answer.header(b"content-type") or b""):
                weight *= _HTML
        return weight <= LIGHT

    @property
    def size(self) -> int:
        """Bytes of both bodies."""
        return len(self.legacy.body) + len(self.new.body)

    def run(self) -> Comparison:
        """Compare."""
        return examine(self)


def examine(job: Job) -> Comparison:
    """Compare. A defect of the comparison is an incomparable pair, not the end of the observer."""
    try:
        return compare(job.legacy, job.new, job.policy, method=job.method, host=job.host)
    except MemoryError:
        return out_of("budget")
    except Exception:  # noqa: BLE001 -- hostile bytes found a defect: told, and the pair is lost
        return out_of("internal")


def out_of(reason: str) -> Comparison:
    """What a comparison that did not take place comes to."""
    return Comparison(result=Result.INCOMPARABLE, incomparable=reason)
