"""Paths, hosts, patterns and rewrites that two readers would read differently, or nobody."""

from __future__ import annotations

import pytest

from tests.proxy.config.mistakes import case, check

PATHS = [
    case("relative", 'template: "/product/{slug}"', "exact: product", "LOAD003",
         "routes[0].match.path.exact", "must start with /"),
    case("double slash", "prefix: /cart", "prefix: /a//b", "LOAD003",
         "routes[1].match.path.prefix", "must not hold an empty segment (//)"),
    case("dot segment", "prefix: /cart", "prefix: /a/../b", "LOAD003",
         "routes[1].match.path.prefix", "must not hold dot segments"),
    case("encoded dot segment", "prefix: /cart", "prefix: /a/%2e%2E/b", "LOAD003",
         "routes[1].match.path.prefix", "must not hold dot segments"),
    case("parameters", "prefix: /cart", "prefix: /cart;v=1", "LOAD003",
         "routes[1].match.path.prefix", "must not hold path parameters (;)"),
    case("query", "prefix: /cart", "prefix: /cart?a=b", "LOAD003", "routes[1].match.path.prefix",
         "must not hold a query: match the parameters under query:"),
    case("fragment", "prefix: /cart", "prefix: /cart#a", "LOAD003", "routes[1].match.path.prefix",
         "must not hold a fragment"),
    case("backslash", "prefix: /cart", "prefix: /a\\b", "LOAD003", "routes[1].match.path.prefix",
         "must not hold a backslash"),
    case("encoded slash", "prefix: /cart", "prefix: /a%2fb", "LOAD003",
         "routes[1].match.path.prefix", "must not hold an encoded slash"),
    case("broken escape", "prefix: /cart", "prefix: /a%zz", "LOAD003",
         "routes[1].match.path.prefix", "can never match, because it holds a %"),
    case("braces", "prefix: /cart", 'prefix: "/cart/{id}"', "LOAD003",
         "routes[1].match.path.prefix", "a path with {names} is a template"),
    case("half a segment", '"/product/{slug}"', '"/product/p-{slug}"', "LOAD003",
         "routes[0].match.path.template", "a parameter is a whole segment such as {slug}"),
    case("parameter twice", '"/product/{slug}"', '"/product/{slug}/{slug}"', "LOAD003",
         "routes[0].match.path.template", "the parameter {slug} stands twice"),
    case("two kinds", '{template: "/product/{slug}"}', '{template: "/product/{slug}", exact: /x}',
         "LOAD003", "routes[0].match.path",
         "must have exactly one of exact, template, prefix or regex, has exact and template"),
    case("no kind", "path: {prefix: /cart}", "path: {}", "LOAD003", "routes[1].match.path",
         "has none of them"),
    case("regex", "path: {prefix: /cart}", 'path: {regex: "/(a"}', "LOAD003",
         "routes[1].match.path.regex", "is not an RE2 pattern (missing )"),
    case("look-around", "path: {prefix: /cart}", 'path: {regex: "/a(?=b)"}', "LOAD003",
         "routes[1].match.path.regex", "no look-around, no back-references"),
    case("long regex", "path: {prefix: /cart}", f"""path: {{regex: "/{'a' * 1000}"}}""", "LOAD003",
         "routes[1].match.path.regex", "must have at most 1000 characters, has 1001"),
    case("value regex", '{regex: "[a-z]{2}"}', '{regex: "[a-z"}', "LOAD003",
         "routes[0].match.query.lang.regex", "is not an RE2 pattern"),
    case("rewrite brace", '"/v2/{slug}/{query.lang}"', '"/v2/{slug"', "LOAD003",
         "routes[0].rewrite.path", "braces are not closed"),
    case("rewrite variable", '"/v2/{slug}/{query.lang}"', '"/v2/{header.host}"', "LOAD003",
         "routes[0].rewrite.path", "a variable is {name} of the template or {query.name}"),
    case("rewrite climbs", '"/v2/{slug}/{query.lang}"', '"/v2/../{slug}"', "LOAD003",
         "routes[0].rewrite.path", "must not hold dot segments"),
    case("host with port", "hosts: [shop.example,", 'hosts: ["shop.example:80",', "LOAD003",
         "routes[0].match.hosts[0]", "must not hold a port"),
    case("host with scheme", "hosts: [shop.example,", 'hosts: ["http://shop.example",', "LOAD003",
         "routes[0].match.hosts[0]", "must be a host alone"),
    case("every host", "hosts: [shop.example,", 'hosts: ["*",', "LOAD003",
         "routes[0].match.hosts[0]", "leave hosts out to match every host"),
    case("wildcard inside", "hosts: [shop.example,", 'hosts: ["a.*.example",', "LOAD003",
         "routes[0].match.hosts[0]", "may hold one * as its first label"),
    case("host name", "hosts: [shop.example,", 'hosts: ["shop..example",', "LOAD003",
         "routes[0].match.hosts[0]", "does not hold a valid host name"),
]  # fmt: skip


@pytest.mark.parametrize(("old", "new", "rule", "key", "message", "line"), PATHS)
def test_a_mistake_is_named_with_its_line_its_key_and_a_mend(
    old: str, new: str, rule: str, key: str, message: str, line: int
) -> None:
    check(old, new, rule, key, message, line)
