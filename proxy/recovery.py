"""What may be done for a request that went wrong: which faults, which requests, how often.

Retry classes: nothing was sent -> any method may go to another endpoint. A reused connection died
before any byte of a response -> only what may be executed twice. After a byte of a response ->
never.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from proxy.errors import (
    BrokenResponse,
    ConnectFailed,
    ConnectTimeout,
    FirstByteTimeout,
    PoolExhausted,
    ProxyError,
    UpstreamClosed,
    UpstreamError,
)
from proxy.routing.route import FallbackCause
from proxy.stages import Side, Stage

if TYPE_CHECKING:
    from proxy.http1.request import Request
    from proxy.routing.decision import Decision

# Faults of an endpoint that another endpoint may not have.
_OF_ONE_ENDPOINT: Final = (ConnectFailed, ConnectTimeout)
_NOTHING_SENT: Final = (ConnectFailed, ConnectTimeout, PoolExhausted)
_CAUSE_OF_ERROR: Final[dict[type[ProxyError], FallbackCause]] = {
    ConnectFailed: FallbackCause.CONNECT,
    ConnectTimeout: FallbackCause.CONNECT,
    PoolExhausted: FallbackCause.STATUS_503,
    UpstreamClosed: FallbackCause.STATUS_502,
    BrokenResponse: FallbackCause.STATUS_502,
    FirstByteTimeout: FallbackCause.STATUS_504,
}
_CAUSE_OF_STATUS: Final = {
    500: FallbackCause.STATUS_500,
    502: FallbackCause.STATUS_502,
    503: FallbackCause.STATUS_503,
    504: FallbackCause.STATUS_504,
}


def may_repeat(request: Request, decision: Decision) -> bool:
    """Tell whether executing the request twice does no harm (RFC 9110, 9.2.1 and 9.2.2)."""
    return request.is_safe() or decision.route.idempotent


def may_ask_another(error: type[ProxyError]) -> bool:
    """Tell whether another endpoint may do better; nothing was sent, so the method is no matter."""
    return error in _OF_ONE_ENDPOINT


def may_ask_again(
    error: type[UpstreamError],
    request: Request,
    decision: Decision,
    *,
    reused: bool,
    answered: bool,
) -> bool:
    """Tell whether the same request may go out once more, on a fresh connection.

    RFC 9110, 9.2.2: "A proxy MUST NOT automatically retry non-idempotent requests." A reused
    connection that dies without a byte was most likely closed before our request arrived.
    """
    return error is UpstreamClosed and reused and not answered and may_repeat(request, decision)


def fallback_cause(decision: Decision, fault: type[ProxyError] | int) -> FallbackCause | None:
    """The cause under which the route lets legacy answer for this fault or status, if it does."""
    policy = decision.route.fallback
    if policy is None or decision.side is not Side.NEW or decision.route.stage is Stage.COMPLETE:
        return None
    cause = _CAUSE_OF_STATUS.get(fault) if isinstance(fault, int) else _CAUSE_OF_ERROR.get(fault)
    return cause if cause in policy.when else None


def may_fall_back(request: Request, decision: Decision, fault: type[ProxyError] | int) -> bool:
    """Tell whether legacy may get this request although the new side may have executed it."""
    policy = decision.route.fallback
    if policy is None or request.method not in policy.methods or request.upgrade:
        return False
    return fault in _NOTHING_SENT or may_repeat(request, decision)
