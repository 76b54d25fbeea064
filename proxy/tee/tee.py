"""The tee: which requests of one generation are copied, and which are not and why."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import TYPE_CHECKING, Final

from flags.evaluate import BASIS_POINTS, bucket_of
from proxy.handover import MAX_BODY, Decided
from proxy.headers import SAFE_METHODS
from proxy.routing.unsafe_get import UnsafeGet, compile_unsafe_get
from proxy.shadow_policy import DispatchAt, SampleKey, SampleKeyKind, ShadowPolicy, WriteMode
from proxy.tee.copy import Copy

if TYPE_CHECKING:
    from flags.snapshot import FlagSnapshot
    from proxy.http1.request import Request
    from proxy.routing.decision import Decision
    from proxy.routing.table import RouteTable
    from proxy.tee.books import Books
    from proxy.tee.outlet import Outlet

# Targets remembered for each set of patterns: most requests ask for what was asked for before.
_TARGETS: Final = 4096


class UnsafeTargets(dict[bytes, bool]):
    """Whether a GET for a target may change something, by target."""

    __slots__ = ("_unsafe",)

    def __init__(self, unsafe: UnsafeGet) -> None:
        super().__init__()
        self._unsafe = unsafe

    def __missing__(self, target: bytes) -> bool:
        path, _, query = target.decode("latin-1").partition("?")
        unsafe = self._unsafe(path, query)
        if len(self) >= _TARGETS:
            self.clear()
        self[target] = unsafe
        return unsafe


@lru_cache(maxsize=256)
def _unsafe_targets(patterns: tuple[str, ...]) -> UnsafeTargets | None:
    unsafe = compile_unsafe_get(patterns)
    return None if unsafe is None else UnsafeTargets(unsafe)


class Branch:
    """Everything about one decision that its copies share, with nothing left to compute."""

    __slots__ = (
        "books",
        "concurrent",
        "decided",
        "hash_prefix",
        "key",
        "max_body",
        "number",
        "on_response",
        "outlet",
        "samples",
        "threshold",
        "unsafe_get",
        "writes",
    )

    def __init__(
        self, policy: ShadowPolicy, decided: Decided, books: Books, outlet: Outlet, max_body: int
    ) -> None:
        self.decided = decided
        self.outlet = outlet
        self.books = books.of(decided.route)
        self.max_body = max_body
        # When a copy is announced, if that is before it is whole.
        self.concurrent = policy.dispatch is DispatchAt.CONCURRENT
        self.on_response = policy.dispatch is DispatchAt.ON_RESPONSE
        self.writes = policy.writes is not WriteMode.NEVER
        self.unsafe_get = _unsafe_targets(policy.unsafe_get)
        self.samples = policy.sample < 1
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
        if request.method in SAFE_METHODS:
            unsafe = branch.unsafe_get
            reason = "unsafe_get" if unsafe is not None and unsafe[request.target] else ""
        else:
            reason = "" if branch.writes else "method"
        if not reason:
            known = request.known
            use = None if known is None else known.special_use
            reason = request.special_use() if use is None else use
            if not reason and branch.samples:
                reason = self._sampled(request, branch)
        books = branch.books
        books.changed = True
        if reason:
            books.leave_out(reason)
            return None
        books.eligible += 1
        return Copy(branch)

    def _sampled(self, request: Request, branch: Branch) -> str:
        key = branch.key(request) or request.client_ip
        return "" if bucket_of(branch.hash_prefix + key) < branch.threshold else "unsampled"

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
            branch = Branch(decision.route.shadow, decided, self._books, self.outlet, self.max_body)
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
