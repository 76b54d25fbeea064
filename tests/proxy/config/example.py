"""A routes.yaml that uses every part of the format; tests change one place of it."""

from __future__ import annotations

GOOD = """\
version: 1
upstreams:
  legacy:
    role: legacy
    urls: ["http://127.0.0.1:8081"]
    timeouts: {connect: 2s, first_byte: 30s}
    capacity_rps: 900
  catalog:
    urls: ["https://catalog.internal:8443", "http://127.0.0.1:8102"]
    pool: {connections: 64, waiting: 10, idle: 4s}
    health: {path: /healthz, interval: 5s}
    tls: {server_name: catalog.internal}
groups:
  purchase: {stickiness: device}
segments:
  staff: {any: [{header: {name: X-Employee, value: "1"}}, {cidr: 10.0.0.0/8}]}
  trade: {any: [{cookie: {name: tenant, regex: "b2b-.*"}}]}
routes:
  - id: product-page
    owner: team-catalog
    match:
      path: {template: "/product/{slug}"}
      hosts: [shop.example, "*.shop.example"]
      methods: [GET, HEAD]
      headers: {X-Beta: {present: true}}
      query: {lang: {regex: "[a-z]{2}"}}
      cookies: {theme: dark}
    new: catalog
    stage: canary
    max_percent: 25
    stickiness: {path_param: slug}
    cohorts: {always: [staff], never: [trade]}
    rewrite: {path: "/v2/{slug}/{query.lang}"}
    fallback: {when: [connect, 502, timeout], methods: [GET], budget: 10%}
    shadow: {sample: 12.5%}
  - id: cart
    match: {path: {prefix: /cart}}
    new: catalog
    group: purchase
    stage: live
  - id: monolith
    match: {path: {prefix: /}}
tests:
  - name: staff see the new page
    request: {url: "http://shop.example/product/drill?lang=de", headers: {X-Beta: "1"}}
    state: {percent: {purchase: 10}, rollback_routes: [cart]}
    expect: {route: monolith}
settings:
  workers: 4
  access_log: all
  limits: {body_bytes: 10MiB}
  deadlines: {header: 5s}
"""


def line_of(text: str, good: str = GOOD) -> int:
    """The line of the good file in which a text begins; it must stand there once."""
    assert good.count(text) == 1, text
    return good.count("\n", 0, good.index(text)) + 1


def changed(old: str, new: str, good: str = GOOD) -> bytes:
    """The good file with one place changed."""
    assert good.count(old) == 1, old
    return good.replace(old, new).encode()
