"""What YAML readers disagree about, and what they should not be asked: refused with its mend."""

from __future__ import annotations

import pytest

from tests.proxy.config.example import line_of
from tests.proxy.config.mistakes import case, check

YAML = [
    case("word on", "methods: [GET, HEAD]", "methods: [GET, 'HEAD', on]", "YAML001",
         "routes[0].match.methods[2]",
         'the plain word on is the boolean true to YAML 1.1: write "on"'),
    case("stage off", "stage: canary", "stage: off", "YAML001", "routes[0].stage",
         "the plain word off is the boolean false"),
    case("word No", "owner: team-catalog", "owner: No", "YAML001", "routes[0].owner",
         "plain word No"),
    case("word y", "owner: team-catalog", "owner: y", "YAML001", "routes[0].owner",
         "plain word y"),
    case("key on", "theme: dark", "on: dark", "YAML001", "routes[0].match.cookies.on",
         "the plain word on"),
    case("key null", "theme: dark", "~: dark", "YAML005", "routes[0].match.cookies",
         'the key ~ is not a word to YAML: write "~"'),
    case("key number", "theme: dark", "404: dark", "YAML005", "routes[0].match.cookies",
         'write "404"'),
    case("key list", "theme: dark", "[a]: dark", "YAML005", "routes[0].match.cookies",
         "a key must be a word, not a list"),
    case("duplicate key", "    stage: canary\n", "    stage: canary\n    stage: live\n", "YAML002",
         "routes[0].stage", f"given twice, first in line {line_of('stage: canary')}",
         line_of('stage: canary') + 1),
    case("anchor", "owner: team-catalog", "owner: &who team-catalog", "YAML003", "routes[0].owner",
         "the anchor &who is not allowed"),
    case("tag", "owner: team-catalog", "owner: !!python/object/apply:os.system [id]", "YAML003",
         "routes[0].owner", "python/object/apply:os.system is not allowed"),
    case("string tag", "max_percent: 25", "max_percent: !!float 25", "YAML003",
         "routes[0].max_percent", "is not allowed: remove it"),
    case("merge key", "theme: dark", "<<: {theme: dark}", "YAML003", "routes[0].match.cookies",
         "the merge key << is not allowed"),
    case("octal", "max_percent: 25", "max_percent: 010", "YAML004", "routes[0].max_percent",
         "010 is octal to some YAML readers"),
    case("octal 0o", "max_percent: 25", "max_percent: 0o17", "YAML004", "routes[0].max_percent",
         "0o17 is octal"),
    case("hexadecimal", "max_percent: 25", "max_percent: 0x19", "YAML004", "routes[0].max_percent",
         "another base"),
    case("sexagesimal", "connect: 2s", "connect: 12:30", "YAML004",
         "upstreams.legacy.timeouts.connect", "12:30 is a number in base sixty to YAML 1.1"),
    case("exponent", "max_percent: 25", "max_percent: 1e1", "YAML004", "routes[0].max_percent",
         "1e1 is a number to some YAML readers and a word to others"),
    case("underscores", "capacity_rps: 900", "capacity_rps: 1_000", "YAML004",
         "upstreams.legacy.capacity_rps", "1_000 is a number only to YAML 1.1"),
    case("infinity", "capacity_rps: 900", "capacity_rps: .inf", "YAML004",
         "upstreams.legacy.capacity_rps", "is not a finite number"),
    case("not a number", "capacity_rps: 900", "capacity_rps: .NaN", "YAML004",
         "upstreams.legacy.capacity_rps", "is not a finite number"),
    case("endless number", "capacity_rps: 900", 'capacity_rps: ' + '9' * 400, "YAML004",
         "upstreams.legacy.capacity_rps", "has too many digits"),
    case("date", "theme: dark", "theme: 2026-05-01", "YAML004", "routes[0].match.cookies.theme",
         "2026-05-01 is a date to YAML 1.1"),
    case("two documents", "tests:\n", "---\ntests:\n", "YAML005", "",
         "a second document begins here", line_of('tests:\n')),
]  # fmt: skip


@pytest.mark.parametrize(("old", "new", "rule", "key", "message", "line"), YAML)
def test_a_mistake_is_named_with_its_line_its_key_and_a_mend(
    old: str, new: str, rule: str, key: str, message: str, line: int
) -> None:
    check(old, new, rule, key, message, line)
