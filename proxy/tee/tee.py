"""The tee: which requests of one generation are copied, and which are not and why."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import TYPE_CHECKING, Final

from flags.evaluate import BASIS_POINTS, bucket_of
from proxy.handover import MAX_BODY, Decided
from proxy.headers import SAFE_METHODS
from proxy.routing.unsafe_get import compile_unsafe_get
from proxy.shadow_policy import SampleKey, SampleKeyKind, ShadowPolicy, WriteMode
from proxy.tee.copy import Copy

if TYPE_CHECKING:
    from flags.snapshot import FlagSnapshot
    from proxy.http1.request import Request
    from proxy.routing.decision import Decision
    from proxy.routing.table import RouteTable
    from proxy.tee.books import Books
    from proxy.tee.outlet import Outlet

_compile_unsafe_get: Final = lru_cache(maxsize=1024)(compile_unsafe_get)


class Branch:
    """Everything about one decision that its copies share, with nothing left to compute."""

    __slots__ = (
        "books",
        "decided",
        "dispatch",
        "hash_prefix",
        "key",
        "number",
        "threshold",
        "unsafe_get",
        "writes",
    )

    def __init__(self, policy: ShadowPolicy, decided: Decided, books: Books) -> None:
        self.decided = decided
        self.books = books.of(decided.route)
        self.dispatch = policy.dispatch
        self.writes = policy.writes is not WriteMode.NEVER
        self.unsafe_get = _compile_unsafe_get(policy.unsafe_get)
        # A share that rounds to nothing is still not nothing.
        self.threshold = max(1, round(policy.sample * BASIS_POINTS))
        self.hash_prefix = f"shadow:{decided.route}:"
        self.key = _key_reader(policy.key)
        # What the outlet's connection calls it; 0: nothing yet.
        self.number = 0


class Tee:
    """The tee of one generation. A generation without one copies nothing: the kill switch."""

    __slots__ = ("_books", "_branches", "_config_revision", "_flag_revision", "max_body", "outlet")

    def __init__(
        self, table: RouteTable, flags: FlagSnapshot, outlet: Outlet, books: Books
    ) -> None:
        self.outlet = outlet
        self.max_body = min(table.file.shadow.max_body, MAX_BODY)
        self._books = books
        self._config_revision = table.revision
        self._flag_revision = flags.revision
        # By identity: hashing a decision would hash its whole route. The generation keeps them.
        self._branches: dict[int, Branch | None] = {}

    def copy_of(self, request: Request, decision: Decision) -> Copy | None:
        """A copy for a request that is eligible and sampled; the others are counted by reason."""
        try:
            branch = self._branches[id(decision)]
        except KeyError:
            branch = self._branch(decision)
        if branch is None:
            return None
        if request.method not in SAFE_METHODS:
            reason = "" if branch.writes else "method"
        elif branch.unsafe_get is not None and branch.unsafe_get(request.path, request.query):
            reason = "unsafe_get"
        else:
            reason = ""
        reason = reason or request.special_use()
        if not reason and branch.threshold < BASIS_POINTS:
            key = branch.key(request) or request.client_ip
            if bucket_of(branch.hash_prefix + key) >= branch.threshold:
                reason = "unsampled"
        books = branch.books
        if reason:
            books.leave_out(reason)
            return None
        books.eligible += 1
        books.changed = True
        return Copy(self, branch)

    def _branch(self, decision: Decision) -> Branch | None:
        branch = None
        shadow = decision.shadow
        if shadow is not None and decision.route.shadow.sample > 0:
            decided = Decided(
                route=decision.route.id,
                stage=decision.route.stage,
                side=decision.side,
                upstream=decision.upstream.name,
                shadow=shadow,
                reason=decision.reason,
                config_revision=self._config_revision,
                flag_revision=self._flag_revision,
            )
            branch = Branch(decision.route.shadow, decided, self._books)
        self._branches[id(decision)] = branch
        return branch

    def __repr__(self) -> str:
        return f"<Tee of {self._config_revision} [{self.outlet!r}]>"


def has_shadow(table: RouteTable) -> bool:
    """Whether any decision of a table gives a copy away."""
    return any(
        decision.shadow is not None and decision.route.shadow.sample > 0
        for decision in table.decisions()
    )


def _key_reader(key: SampleKey) -> Callable[[Request], str | None]:
    name = key.name
    match key.kind:
        case SampleKeyKind.CLIENT:
            return lambda request: request.sent_device_id()
        case SampleKeyKind.COOKIE:
            return lambda request: request.cookie(name)
        case SampleKeyKind.HEADER:
            lower = name.lower()
            return lambda request: request.header(lower)
