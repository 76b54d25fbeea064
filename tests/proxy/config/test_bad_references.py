"""What takes two places to judge: unknown keys and names, duplicates, what goes with what."""

from __future__ import annotations

import pytest

from tests.proxy.config.example import line_of
from tests.proxy.config.mistakes import case, check

WHOLE = [
    case("unknown key", "owner: team-catalog", "ownr: team-catalog", "LOAD001", "routes[0].ownr",
         'unknown key; did you mean "owner"? known keys: id, owner, match'),
    case("other proxy's word", "max_percent: 25", "weight: 25", "LOAD001", "routes[0].weight",
         'did you mean "max_percent"?'),
    case("unknown key in union", "{present: true}", "{presnt: true}", "LOAD001",
         "routes[0].match.headers.X-Beta.presnt",
         'did you mean "present"? known keys: regex, present'),
    case("unknown key in list", "{cidr: 10.0.0.0/8}", "{cdr: 10.0.0.0/8}", "LOAD001",
         "segments.staff.any[1].cdr", 'did you mean "cidr"?'),
    case("unknown top key", "groups:\n", "group:\n", "LOAD001", "group", 'did you mean "groups"?',
         line_of('groups:')),
    case("unknown setting", "workers: 4", "worker: 4", "LOAD001", "settings.worker",
         'did you mean "workers"?'),
    case("missing id", "  - id: cart\n    match", "  - match", "LOAD002", "routes[1].id",
         "is required: Names the flag", line_of('id: cart')),
    case("missing health path", "{path: /healthz, interval: 5s}", "{interval: 5s}", "LOAD002",
         "upstreams.catalog.health.path", "is required: GET this"),
    case("unknown upstream", "    new: catalog\n    stage: canary",
         "    new: catlog\n    stage: canary", "LOAD004", "routes[0].new",
         'there is no upstream "catlog"; did you mean "catalog"? there is catalog',
         line_of('stage: canary') - 1),
    case("unknown group", "group: purchase\n", "group: purchse\n", "LOAD004", "routes[1].group",
         'there is no group "purchse"; did you mean "purchase"?', line_of('group: purchase')),
    case("unknown segment", "always: [staff]", "always: [stuff]", "LOAD004",
         "routes[0].cohorts.always[0]", 'did you mean "staff"? there is staff, trade'),
    case("unknown path parameter", "{path_param: slug}", "{path_param: id}", "LOAD004",
         "routes[0].stickiness", "the route's template has no parameter \"id\": it has slug"),
    case("unknown group parameter", "purchase: {stickiness: device}",
         "purchase: {stickiness: {path_param: id}}", "LOAD004", "routes[1].group",
         'has no parameter "id": it has none', line_of('group: purchase')),
    case("unknown rewrite variable", '"/v2/{slug}/{query.lang}"', '"/v2/{id}"', "LOAD004",
         "routes[0].rewrite.path", 'has no parameter "id": it has slug'),
    case("unknown route in test", "expect: {route: monolith}", "expect: {route: monolit}",
         "LOAD004", "tests[0].expect.route", 'did you mean "monolith"?'),
    case("unknown upstream in test", "expect: {route: monolith}", "expect: {upstream: php}",
         "LOAD004", "tests[0].expect.upstream", "there is catalog, legacy"),
    case("unknown rollback in test", "rollback_routes: [cart]", "rollback_routes: [carts]",
         "LOAD004", "tests[0].state.rollback_routes[0]", 'did you mean "cart"?'),
    case("unknown group rollback", "rollback_routes: [cart]", "rollback_groups: [cart]", "LOAD004",
         "tests[0].state.rollback_groups[0]", "there is purchase"),
    case("unknown percentage", "percent: {purchase: 10}", "percent: {purchse: 10}", "LOAD004",
         "tests[0].state.percent.purchse", 'did you mean "purchase"?'),
    case("percentage of a member", "percent: {purchase: 10}", "percent: {cart: 10}", "LOAD007",
         "tests[0].state.percent.cart",
         "route cart is in group purchase, whose percentage counts"),
    case("duplicate id", "id: cart", "id: product-page", "LOAD005", "routes[1].id",
         f"is the id of the route in line {line_of('id: product-page')} too"),
    case("id of a group", "id: cart", "id: purchase", "LOAD005", "routes[1].id",
         '"purchase" is a group too'),
    case("reserved id", "id: monolith", "id: rollback-cart", "LOAD005", "routes[2].id",
         "figway-rollback-cart would be a rollback flag"),
    case("reserved group", "  purchase: {stickiness: device}", "  rollback: {}\n  purchase: {}",
         "LOAD005", "groups.rollback", "is reserved", line_of('purchase: {stickiness')),
    case("address twice", '"http://127.0.0.1:8102"', '"https://catalog.internal:8443"', "LOAD005",
         "upstreams.catalog.urls[1]", "stands twice"),
    case("no legacy", "    role: legacy\n", "    role: new\n", "LOAD006", "upstreams",
         "one upstream must have role: legacy, none has", line_of('upstreams:\n')),
    case("two legacies", "  catalog:\n", "  catalog:\n    role: legacy\n", "LOAD006",
         "upstreams.catalog.role",
         'only one upstream may have role: legacy, "legacy" has it already',
         line_of('  catalog:') + 1),
    case("stage without new", "    new: catalog\n    group: purchase", "    group: purchase",
         "LOAD007", "routes[1].stage", "live needs new: NAME", line_of('stage: live') - 1),
    case("tls without https", '["https://catalog.internal:8443", "http://127.0.0.1:8102"]',
         '["http://127.0.0.1:8102"]', "LOAD007", "upstreams.catalog.tls",
         "goes with https:// urls", line_of('tls:')),
    case("prefix rewrite", '{path: "/v2/{slug}/{query.lang}"}', "{prefix: /v2}", "LOAD007",
         "routes[0].rewrite.prefix", "goes with match.path.prefix: write rewrite.path"),
    case("no catch-all", "match: {path: {prefix: /}}",
         "match: {path: {prefix: /}, methods: [GET]}", "MATCH003", "routes",
         "no catch-all: add - {id: monolith", line_of('routes:\n')),
    case("catch-all with new", "match: {path: {prefix: /}}",
         "match: {path: {prefix: /}}\n    new: catalog", "MATCH003", "routes[2].new",
         "the catch-all always goes to legacy", line_of('prefix: /}') + 1),
]  # fmt: skip


@pytest.mark.parametrize(("old", "new", "rule", "key", "message", "line"), WHOLE)
def test_a_mistake_is_named_with_its_line_its_key_and_a_mend(
    old: str, new: str, rule: str, key: str, message: str, line: int
) -> None:
    check(old, new, rule, key, message, line)
