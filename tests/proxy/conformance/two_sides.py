"""Two origins that answer by target, and a runner between them."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Mapping

from proxy.config.parse import parse_routes
from proxy.conformance.case_file import parse_cases
from proxy.conformance.result import CaseResult
from proxy.conformance.run import Runner, RunOptions
from proxy.conformance.site import Site
from tests.rigs.scripted_origin import Conversation, Received, ScriptedOrigin

Say = Callable[[Received], bytes] | bytes

ROUTES = """\
version: 1
upstreams:
  legacy: {role: legacy, urls: ["http://127.0.0.1:1"]}
  catalog: {urls: ["http://127.0.0.1:2"]}
  search: {urls: ["http://127.0.0.1:3"]}
routes:
  - id: product
    match: {path: {template: "/product/{slug}"}}
    new: catalog
    stage: canary
    compare:
      rules: [{path: $.at, op: datetime, tolerance: 5s}]
  - id: old-product
    match: {path: {exact: /index.php}, query: {route: product}}
    new: catalog
    stage: canary
    rewrite: {path: "/products/{query.id}"}
  - id: search
    match: {path: {prefix: /search}}
    new: search
    stage: shadow
    shadow: {sample: 100%, unsafe_get: ["?forget=*"]}
  - id: monolith
    match: {path: {prefix: /}}
"""


def http(status: int = 200, body: bytes | str = b"", **fields: str) -> bytes:
    """A response; `Content_Type="text/html"` is the field Content-Type."""
    content = body.encode() if isinstance(body, str) else body
    lines = [f"HTTP/1.1 {status} X", f"Content-Length: {len(content)}"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in fields.items()]
    return "\r\n".join((*lines, "", "")).encode("latin-1") + content


def json_answer(value: object, status: int = 200, **fields: str) -> bytes:
    """A response with a JSON body."""
    return http(status, json.dumps(value), Content_Type="application/json", **fields)


def by_target(answers: Mapping[bytes, Say]) -> Callable[[Conversation], None]:
    """Script: answer every request by its target; 404 for any other."""

    def play(conversation: Conversation) -> None:
        while True:
            request = conversation.read_request()
            said = answers.get(request.target, http(404, "no such thing"))
            conversation.send(said if isinstance(said, bytes) else said(request))

    return play


def run_cases(
    text: str,
    legacy: ScriptedOrigin,
    new: ScriptedOrigin,
    *,
    routes: str | None = None,
    concurrency: int = 1,
    fail_fast: bool = False,
    options: RunOptions | None = None,
) -> tuple[CaseResult, ...]:
    """Run the cases of a cases.yaml; every new upstream is the new origin."""
    file = parse_cases(text.encode(), "cases.yaml")
    table = parse_routes(routes.encode(), "routes.yaml") if routes is not None else None
    site = Site.of(table, legacy.url, (new.url,))
    runner = Runner(file, site, options or RunOptions())
    return asyncio.run(runner.run_all(concurrency=concurrency, fail_fast=fail_fast))
