"""Everything that can go wrong between a client and an upstream.

ProxyError                         source     status
├── ConfigError                    operator   -    (start-up and reload only)
├── ClientError                    client     400
│   ├── BadRequest                            400
│   ├── RequestTimeout                        408
│   ├── BodyTooLarge                          413
│   ├── TargetTooLong                         414
│   ├── ExpectationFailed                     417
│   ├── HeadersTooLarge                       431
│   ├── MethodNotAllowed                      405
│   ├── MethodNotImplemented                  501
│   ├── CodingNotImplemented                  501
│   ├── VersionNotSupported                   505
│   ├── LoopDetected                          508
│   └── ClientDisconnected                    499  (never sent, never blamed on an upstream)
├── UpstreamError                  upstream   502
│   ├── ConnectFailed                         502
│   ├── ConnectTimeout                        504
│   ├── UpstreamClosed                        502
│   ├── BrokenResponse                        502
│   ├── FirstByteTimeout                      504
│   └── ResponseIdleTimeout                   504  (visible to the client as a cut connection)
└── Overloaded                     proxy      503
    ├── PoolExhausted                         503
    ├── ShuttingDown                          503
    └── RolledBack                            503  (visible to the client as an ended stream)

`cause` is the label under which an error is counted and logged. This is the only place that turns
an error into a status.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar


class ProxyError(Exception):
    """Root of the tree; never raised itself."""

    status: ClassVar[int] = 500
    source: ClassVar[str] = "proxy"
    cause: ClassVar[str] = "internal"


@dataclass(frozen=True, slots=True, order=True)
class Problem:
    """One thing wrong in a file: where, what, and how to mend it."""

    file: str
    line: int
    column: int
    key: str
    message: str
    rule: str = "LOAD"

    def __str__(self) -> str:
        """Format as `file:line: key: message`, the form editors and CI can jump to."""
        where = f"{self.file}:{self.line}" if self.line else self.file
        return f"{where}: {self.key}: {self.message}" if self.key else f"{where}: {self.message}"


class ConfigError(ProxyError):
    """A file that cannot be used, with every problem found in it."""

    source = "operator"
    cause = "config"

    def __init__(self, problems: tuple[Problem, ...]) -> None:
        super().__init__("\n".join(map(str, problems)))
        self.problems = problems


class ClientError(ProxyError):
    """The client did something that cannot be answered with an upstream's response."""

    status = 400
    source = "client"
    cause = "bad_request"


class BadRequest(ClientError):
    """A message whose framing or syntax cannot be trusted."""


class RequestTimeout(ClientError):
    """The head or the body did not arrive in time (RFC 9110, 15.5.9)."""

    status = 408
    cause = "request_timeout"


class BodyTooLarge(ClientError):
    """The body is over the limit (RFC 9110, 15.5.14)."""

    status = 413
    cause = "body_too_large"


class TargetTooLong(ClientError):
    """The request line is over the limit (RFC 9110, 15.5.15)."""

    status = 414
    cause = "target_too_long"


class ExpectationFailed(ClientError):
    """An Expect other than 100-continue (RFC 9110, 15.5.18)."""

    status = 417
    cause = "expectation_failed"


class HeadersTooLarge(ClientError):
    """Too many header fields, or too large ones (RFC 6585, 5)."""

    status = 431
    cause = "headers_too_large"


class MethodNotAllowed(ClientError):
    """CONNECT and TRACE are never forwarded."""

    status = 405
    cause = "method_not_allowed"


class MethodNotImplemented(ClientError):
    """A method outside the parser's list (RFC 9110, 15.6.2)."""

    status = 501
    cause = "method_not_implemented"


class CodingNotImplemented(ClientError):
    """A transfer coding other than chunked (RFC 9112, 6.1)."""

    status = 501
    cause = "coding_not_implemented"


class VersionNotSupported(ClientError):
    """Neither HTTP/1.0 nor HTTP/1.1 (RFC 9110, 15.6.6)."""

    status = 505
    cause = "version_not_supported"


class LoopDetected(ClientError):
    """The request has been here before: our own pseudonym stands in its Via (RFC 9110, 7.6.3)."""

    status = 508
    cause = "loop_detected"


class ClientDisconnected(ClientError):
    """The client went away; the status is for the log only."""

    status = 499
    cause = "client_disconnected"


class UpstreamError(ProxyError):
    """The upstream could not be reached or did not speak HTTP."""

    status = 502
    source = "upstream"
    cause = "upstream"


class ConnectFailed(UpstreamError):
    """No connection to any endpoint; nothing was sent."""

    cause = "connect"


class ConnectTimeout(UpstreamError):
    """The endpoint did not accept in time; nothing was sent."""

    status = 504
    cause = "connect_timeout"


class UpstreamClosed(UpstreamError):
    """The connection ended before the response was whole."""

    cause = "closed"


class BrokenResponse(UpstreamError):
    """The response is not HTTP/1.1 that can be relayed safely."""

    cause = "broken_response"


class FirstByteTimeout(UpstreamError):
    """The request was sent and nothing came back in time."""

    status = 504
    cause = "first_byte_timeout"


class ResponseIdleTimeout(UpstreamError):
    """The response stopped half-way."""

    status = 504
    cause = "response_idle_timeout"


class Overloaded(ProxyError):
    """This proxy cannot take the request now; asking again later may help."""

    status = 503
    cause = "overloaded"


class PoolExhausted(Overloaded):
    """Every connection is busy, and the wait queue is full or was waited in too long."""

    cause = "pool_exhausted"


class ShuttingDown(Overloaded):
    """This process is draining."""

    cause = "shutting_down"


class RolledBack(Overloaded):
    """The route was rolled back, and what its new side still sent was ended."""

    cause = "rolled_back"
