"""Every knob of a Figway process: its name, default, meaning and cost.

Order of authority: default < `settings:` in routes.yaml < environment `FIGWAY_*` < option.
"""

from __future__ import annotations

from dataclasses import dataclass

KIB = 1024
MIB = 1024 * KIB
GIB = 1024 * MIB


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What one client may ask of a worker. Sizes in bytes."""

    # The request line. RFC 9112, 3: "It is RECOMMENDED that all HTTP senders and recipients
    # support, at a minimum, request-line lengths of 8000 octets". Beyond it: 414.
    request_line_bytes: int = 8190
    # One header field, name and value. Beyond it: 431 (502 for a response).
    header_bytes: int = 8190
    # Header fields in one message, and in one trailer section. Beyond it: 431 (502 for a response).
    header_count: int = 128
    # A whole head. Bounds the memory of a connection whose head is incomplete.
    head_bytes: int = 64 * KIB
    # One response header field and a whole response head: real applications send large cookies and
    # policies. Beyond it: 502.
    response_header_bytes: int = 32 * KIB
    response_head_bytes: int = 128 * KIB
    # A request body, counted as it streams. Beyond it: 413. Bodies are never stored, so a large
    # limit costs no memory.
    body_bytes: int = 2 * GIB
    # Open client connections of one worker. Beyond it new ones wait in the kernel's queue.
    connections: int = 16_384
    # Open connections of one client address in one worker; 0 is no limit. Behind a load balancer
    # all clients share its address.
    connections_per_address: int = 0
    # A request body of a safe or idempotent request is kept up to this size, so that it can be
    # sent again on another connection. A larger one is never retried.
    replay_bytes: int = 64 * KIB


@dataclass(frozen=True, slots=True, kw_only=True)
class Deadlines:
    """How long a client may take. Seconds; checked every tenth of a second."""

    # From the first byte of a request (or from accept) to the end of its head: 408.
    header: float = 10.0
    # Between two pieces of a request body: 408.
    body_idle: float = 30.0
    # Slowest tolerated upload in bytes per second, averaged after `body_idle` has passed; 0 is off.
    body_min_rate: int = 128
    # A kept-alive connection without a request.
    keep_alive: float = 75.0
    # A client that does not read its response.
    write: float = 60.0
    # After an error or an early response: how long what the client still sends is read and thrown
    # away, so that it can read the response (RFC 9112, 9.6). In all, and between two pieces.
    linger: float = 30.0
    linger_idle: float = 5.0
    # A tunnel (WebSocket) in which neither side speaks.
    tunnel_idle: float = 3600.0
    # At shutdown: how long requests in flight may take to finish.
    drain: float = 30.0
    # At shutdown: how long an idle kept-alive connection is left open for its next request, which
    # is answered with `Connection: close`. Closing at once would race with that request.
    drain_idle: float = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """A proxy before the admin listener that authenticates people and passes on who they are."""

    # The header with the name, and one with groups. Empty: nobody is believed.
    header: str = ""
    groups_header: str = ""
    # CIDR blocks of the proxies that are believed.
    proxies: tuple[str, ...] = ()
    # Names, `group:NAME`, or `*` for everybody that the proxy lets in.
    viewers: tuple[str, ...] = ()
    operators: tuple[str, ...] = ()
    admins: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Access:
    """Who may speak to the admin listener, and how often. The workers do not use it."""

    # Names that may stand in Host, beside loopback, addresses and the host of `admin`.
    hosts: tuple[str, ...] = ()
    # Calls of one caller. Ten seconds' worth may come at once.
    reads_per_second: int = 100
    changes_per_second: int = 20
    # Rollbacks wait for no other call.
    rollbacks_per_second: int = 50
    identity: Identity = Identity()


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """One immutable bundle, handed to every worker."""

    # Where clients come in, and where operators do. HOST:PORT; the admin listener is never on the
    # data port.
    listen: str = "127.0.0.1:8080"
    admin: str = "127.0.0.1:9900"
    workers: int = 2
    # TLS on the data listener: PEM files.
    tls_certificate: str = ""
    tls_key: str = ""
    # off, errors (what failed, fell back or was slow, plus one in a thousand) or all.
    access_log: str = "errors"
    # A request slower than this is an access-log line of its own.
    slow_seconds: float = 1.0
    # Lines that may wait for the log writer; a line that finds the queue full is dropped and
    # counted.
    log_queue: int = 10_000
    # Whose X-Forwarded-* and Forwarded are believed: CIDR blocks. Nobody by default.
    trusted_proxies: tuple[str, ...] = ()
    # Our name in Via; also how a loop is noticed.
    via: str = "figway"
    # The cookie that makes an anonymous client stable. It holds an identity, never a destination.
    cookie_name: str = "figway_id"
    cookie_max_age: int = 400 * 24 * 3600
    # `Upgrade` tokens that become a tunnel; any other upgrade is served as a plain request.
    upgrade_protocols: tuple[str, ...] = ("websocket",)
    # Without a sign of life from the supervisor for this long, a worker sends what may go either
    # way to legacy. 0 is off.
    state_max_age: float = 15.0
    limits: Limits = Limits()
    deadlines: Deadlines = Deadlines()
    access: Access = Access()
