"""What routes.yaml says about shadow requests: which are sent, when, and how much they may cost."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

MIB = 1024 * 1024
DAY = 86_400.0
# The most that `max_body` may be: bodies are held whole, in worker and observer. Bytes.
MAX_BODY = 64 * MIB


class WriteMode(StrEnum):
    """What becomes of a request whose method is not safe."""

    # Not eligible.
    NEVER = "never"
    # Kept as an exemplar; nothing is sent.
    RECORD = "record"
    # Sent with `X-Figway-Dry-Run: 1`; the new side promises to change nothing.
    DRY_RUN = "dry_run"
    # Sent to the upstream that `sandbox` names, which has data of its own.
    SANDBOX = "sandbox"


class DispatchAt(StrEnum):
    """When the shadow request is handed over."""

    # When the request is whole.
    CONCURRENT = "concurrent"
    # At the head of the primary's response.
    ON_RESPONSE = "on_response"
    # When the primary's response is whole.
    AFTER_RESPONSE = "after_response"


class SampleKeyKind(StrEnum):
    """Whose hash decides what is sampled, so that sessions stay whole."""

    # The identity cookie if one was sent, else the client's address.
    CLIENT = "client"
    COOKIE = "cookie"
    HEADER = "header"


class SessionUse(StrEnum):
    """What becomes of a request with a session cookie when legacy is asked as a shadow."""

    # Sent without the cookie.
    DROP = "drop"
    # Not sent at all.
    SKIP = "skip"
    # Sent as it is: PHP locks the session file, so this can delay the visitor.
    KEEP = "keep"


@dataclass(frozen=True, slots=True, kw_only=True)
class SampleKey:
    """The key whose stable hash decides; a request without it is keyed by the client's address."""

    kind: SampleKeyKind = SampleKeyKind.CLIENT
    name: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReprobePolicy:
    """A/A: how often legacy is asked once more, to tell noise from regression."""

    # Share of the comparisons, 0..1.
    rate: float = 0.01
    on_mismatch: bool = True
    sessions: SessionUse = SessionUse.SKIP


@dataclass(frozen=True, slots=True, kw_only=True)
class ShadowPolicy:
    """How much of one route is copied to the other side, and how."""

    # Share of the eligible sessions, 0..1.
    sample: float = 0.0
    key: SampleKey = SampleKey()
    # Shadow requests per second of all workers together; None is no limit.
    budget_rps: float | None = None
    # Re-probes of legacy per second.
    legacy_extra_rps: float = 2.0
    dispatch: DispatchAt = DispatchAt.ON_RESPONSE
    writes: WriteMode = WriteMode.NEVER
    # Upstream that answers writes in mode sandbox.
    sandbox: str = ""
    # GET requests that change something: `/path*`, `?name=value*` or `/path*?name=value*`;
    # `*` stands for any characters. They are never shadowed.
    unsafe_get: tuple[str, ...] = ("*/logout", "?action=*")
    # Reverse shadow (stage live): what becomes of the visitor's session at legacy.
    sessions: SessionUse = SessionUse.DROP
    session_cookies: tuple[str, ...] = ("PHPSESSID",)
    aa: ReprobePolicy = ReprobePolicy()


class ExemplarStore(StrEnum):
    """What of a pair is kept on disk."""

    # Aggregates, shapes and hashes only.
    OFF = "off"
    # The pair with its secrets taken out.
    REDACTED = "redacted"


@dataclass(frozen=True, slots=True, kw_only=True)
class ObserverPolicy:
    """The top-level `shadow:` of routes.yaml: what all routes share."""

    kill_switch: bool = False
    # Exchanges that may wait in the observer for their shadow request; beyond it a burst waits in
    # the buffers of the workers.
    queue: int = 512
    # Shadow requests in flight.
    concurrency: int = 16
    # Of one body, request or response, primary or shadow. Bytes.
    max_body: int = MIB
    # Of one shadow request, its wait in the queue included: one that has waited half of it is not
    # sent any more. Seconds.
    deadline: float = 5.0
    # The observer's event loop lags by more than this: new work is shed. Seconds; 0 is off. A lag
    # costs no client anything; beyond a tenth of the deadline it would be held against the shadow.
    loop_lag_shed: float = 0.5
    exemplars: ExemplarStore = ExemplarStore.REDACTED
    exemplars_per_fingerprint: int = 5
    # How long exemplars, and evidence of ended epochs, are kept. Seconds.
    ttl: float = 14 * DAY
    # Of the evidence database. Bytes.
    max_store: int = 256 * MIB
