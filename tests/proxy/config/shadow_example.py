"""A routes.yaml that uses every key of shadow, compare and gate; tests change one place of it."""

from __future__ import annotations

GOOD = """\
version: 1
upstreams:
  legacy: {role: legacy, urls: ["http://a:1"], version: "4.2"}
  orders: {urls: ["http://a:2"], version_header: X-App-Version}
  sandbox: {urls: ["http://a:3"]}
routes:
  - id: orders
    match: {path: {prefix: /api/orders}}
    new: orders
    stage: shadow
    shadow:
      sample: {rate: 25%, key: {cookie: PHPSESSID}}
      budget: {rps: 20, legacy_extra_rps: 0.5}
      dispatch: concurrent
      writes: sandbox
      sandbox: sandbox
      unsafe_get: ["/logout*", "?action=*", "/cart*?op=del*", "*/buy"]
      sessions: skip
      session_cookies: [PHPSESSID, sid]
      aa: {rate: 0.05, on_mismatch: false, sessions: keep}
    compare:
      profile: php
      rules:
        - {path: $.generated_at, op: datetime, tolerance: 5s}
        - {path: "$.items[*]", op: key_by, key: sku}
        - {path: "$..price", op: number, abs: 0.005, rel: 0.1%}
        - {path: $.debug, op: ignore, reason: SHOP-12, expires: 2026-12-01}
        - {path: $.tax, op: expected, reason: "SHOP-13: new rates", expires: "2026-12-31"}
      headers: {compare: [Content-Type, X-Rate-*], presence: [etag]}
      html: {facets: [title, text], drop: ["input[name=_token]", "script[nonce]@nonce"]}
      redact: ["$..email", header:x-user, query:token]
    gate:
      max_mismatch: {critical: 0.001, major: 0.5%}
      confidence: 99%
      min_window: 7d
      max_unseen: 2%
      max_lost: 0.05
      latency: {p95_ratio: 1.1}
      repeats_per_hour: 100
  - id: more
    match: {path: {prefix: /more}}
  - id: monolith
    match: {path: {prefix: /}}
shadow:
  kill_switch: true
  queue: 256
  workers: 8
  max_body: 2MiB
  deadline: 3s
  loop_lag_shed: 0
  exemplars: {store: "off", per_fingerprint: 3, ttl: 7d}
  max_store: 64MiB
"""
