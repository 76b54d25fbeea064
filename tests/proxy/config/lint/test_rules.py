"""Every lint rule: one file that breaks it, and the nearest one that does not."""

from __future__ import annotations

from typing import Any

import pytest

from proxy.config.lint import RULES, Severity, check_text
from tests.proxy.config.lint.shop import UPSTREAMS, findings, rules

SEGMENTS = "segments: {staff: {any: [{cidr: 10.0.0.0/8}]}, b2b: {any: [{cidr: 10.1.0.0/16}]}}\n"
GROUP = "groups: {shared: {stickiness: device}}\n"


def rule(name: str, bad: str, good: str, key: str, says: str, **files: Any) -> Any:
    """A rule that `bad` breaks and `good` does not; `bad` and `good` share the rest of the file."""
    return pytest.param(name.partition(" ")[0], bad, good, key, says, files, id=name)


A = "id: a, match: {path: {prefix: /a}}"
NEW_A = A + ", new: catalog"

TABLE = [
    rule("MATCH001 methods", "id: a, match: {path: {exact: /a}, methods: [GET, HEAD]}\n"
         "id: b, match: {path: {exact: /a}, methods: [HEAD, POST]}",
         "id: a, match: {path: {exact: /a}, methods: [GET, HEAD]}\n"
         "id: b, match: {path: {exact: /a}, methods: [POST]}",
         "routes[1].match", "route b and a (line 7) both match HEAD /a"),
    rule("MATCH002 same", "id: a, match: {path: {exact: /a}}\nid: b, match: {path: {exact: /a}}",
         "id: a, match: {path: {exact: /a}}\nid: b, match: {path: {exact: /b}}",
         "routes[1].match", "route b is never reached: a (line 7) takes every request"),
    rule("MATCH004", "id: a, match: {path: {exact: /a}, methods: [GTE]}",
         "id: a, match: {path: {exact: /a}, methods: [PROPFIND]}",
         "routes[0].match.methods", "matches GTE, which the proxy answers with 501"),
    rule("MATCH005", "id: a, match: {path: {exact: /a}, methods: [GET]}, new: catalog",
         "id: a, match: {path: {exact: /a}, methods: [GET, HEAD]}, new: catalog",
         "routes[0].match.methods", "matches GET without HEAD"),
    rule("MATCH005 elsewhere", "id: a, match: {path: {exact: /a}, methods: [GET]}, new: catalog",
         "id: a, match: {path: {exact: /a}, methods: [GET]}, new: catalog\n"
         "id: h, match: {path: {exact: /a}, methods: [HEAD]}, new: catalog",
         "routes[0].match.methods", "matches GET without HEAD"),
    rule("PATH002", "id: a, match: {path: {exact: /a}}\nid: b, match: {path: {exact: /A}}",
         "id: a, match: {path: {exact: /a}}\nid: b, match: {path: {exact: /b}}",
         "routes[1].match.path", "route b and a (line 7) differ in upper and lower case only"),
    rule("PATH003 star", 'id: a, match: {path: {prefix: "/a/*"}}', A,
         "routes[0].match.path.prefix", "takes /a/* literally"),
    rule("PATH003 regex",
         'id: a, match: {path: {exact: "/a(.*)"}}', "id: a, match: {path: {exact: /a}}",
         "routes[0].match.path.exact", "takes /a(.*) literally"),
    rule("PATH004 slash", "id: a, match: {path: {prefix: /a/}}", A,
         "routes[0].match.path.prefix", "is matched as /a"),
    rule("PATH004 escape",
         'id: a, match: {path: {exact: "/%7ea"}}', "id: a, match: {path: {exact: /~a}}",
         "routes[0].match.path.exact", "is matched as /~a"),
    rule("PATH004 letters", "id: a, match: {path: {exact: /straße}}",
         'id: a, match: {path: {exact: "/stra%C3%9Fe"}}',
         "routes[0].match.path.exact", "is matched as /stra%C3%9Fe"),
    rule("PATH005 prefix", 'id: a, match: {path: {regex: "/a/.*"}}',
         'id: a, match: {path: {regex: "/a.*"}}', "routes[0].match.path.regex",
         "has a regex that says no more than another kind"),
    rule("PATH005 exact", 'id: a, match: {path: {regex: "/a"}}',
         'id: a, match: {path: {regex: "/(a|b)"}}', "routes[0].match.path.regex",
         "has a regex that says no more than another kind"),
    rule("PATH005 template", "id: a, match: {path: {template: /a/b}}",
         'id: a, match: {path: {template: "/a/{b}"}}', "routes[0].match.path.template",
         "has a template without parameters"),
    rule("STAGE002", NEW_A + ", stage: complete",
         NEW_A + ", stage: live", "routes[0].stage",
         "is complete: no rollback, percentage or cohort applies to it"),
    rule("STAGE003", NEW_A + ", stage: shadow",
         NEW_A + ", stage: shadow, shadow: {sample: 5%}",
         "routes[0].stage", "is in stage shadow and copies nothing"),
    rule("STAGE004 without new", A + ", max_percent: 5",
         A, "routes[0].max_percent",
         "gains nothing from max_percent without new"),
    rule("STAGE004 nothing to end", A + ", on_rollback: close",
         A, "routes[0].on_rollback",
         "gains nothing from on_rollback without new"),
    rule("STAGE004 live", NEW_A + ", stage: live, max_percent: 5",
         NEW_A + ", stage: canary, max_percent: 5",
         "routes[0].max_percent", "gains nothing from max_percent at stage live"),
    rule("STAGE004 complete",
         NEW_A + ", stage: complete, cohorts: {never: [staff, b2b]}",
         NEW_A + ", stage: live, cohorts: {never: [staff, b2b]}",
         "routes[0].cohorts", "gains nothing from cohorts at stage complete", extra=SEGMENTS),
    rule("SHADOW001",
         "id: a, match: {path: {prefix: /a}, methods: [POST]}, new: catalog, shadow: {sample: 5%}",
         "id: a, match: {path: {prefix: /a}, methods: [GET, POST]}, new: catalog, "
         "shadow: {sample: 5%}",
         "routes[0].shadow", "matches POST only, and only safe methods are copied"),
    rule("SHADOW001 no mode",
         "id: a, match: {path: {prefix: /a}, methods: [PUT]}, new: catalog, shadow: {sample: 5%}",
         "id: a, match: {path: {prefix: /a}, methods: [PUT]}, new: catalog, "
         "shadow: {sample: 5%, writes: record}",
         "routes[0].shadow", "matches PUT only, and only safe methods are copied"),
    rule("SHADOW002", NEW_A + ", stage: shadow, shadow: {sample: 5%}",
         NEW_A + ", stage: legacy, shadow: {sample: 5%}", "shadow.kill_switch",
         "nothing is copied, though a (line 7) would be", extra="shadow: {kill_switch: true}\n"),
    rule("SHADOW003 reads",
         "id: a, match: {path: {prefix: /a}, methods: [GET, HEAD]}, new: catalog, "
         "shadow: {sample: 5%, writes: record}",
         "id: a, match: {path: {prefix: /a}, methods: [GET, HEAD, POST]}, new: catalog, "
         "shadow: {sample: 5%, writes: record}",
         "routes[0].shadow.writes", "matches GET, HEAD only, so writes: record copies nothing"),
    rule("SHADOW003 live", NEW_A + ", stage: live, shadow: {sample: 5%, writes: dry_run}",
         NEW_A + ", stage: live, shadow: {sample: 5%, writes: record}",
         "routes[0].shadow.writes", "legacy never gets a copied write"),
    rule("SHADOW004", NEW_A + ", stage: canary, shadow: {sample: 5%, writes: dry_run}",
         NEW_A + ", stage: canary, shadow: {sample: 5%, writes: sandbox, sandbox: search}",
         "routes[0].shadow.writes", "sends copies of writes to catalog, which must change nothing"),
    rule("SHADOW006 reverse", NEW_A + ", stage: live, shadow: {sample: 5%, sessions: keep}",
         NEW_A + ", stage: canary, shadow: {sample: 5%, sessions: keep}",
         "routes[0].shadow.sessions", "asks legacy with the visitor's own session"),
    rule("SHADOW006 again",
         NEW_A + ", stage: canary, shadow: {sample: 5%, aa: {sessions: keep}}",
         NEW_A + ", stage: canary, shadow: {sample: 5%, aa: {sessions: drop}}",
         "routes[0].shadow.aa.sessions", "(shadow.aa.sessions: keep)"),
    rule("SHADOW007 path",
         'id: a, match: {path: {template: "/cart/{id}/delete"}}, new: catalog, stage: shadow, '
         "shadow: {sample: 5%}",
         'id: a, match: {path: {template: "/cart/{id}/delete"}}, new: catalog, stage: shadow, '
         'shadow: {sample: 5%, unsafe_get: ["/cart/*/delete"]}',
         "routes[0].match", "copies GET requests, and 'delete' looks as if they changed something"),
    rule("SHADOW007 query",
         "id: a, match: {path: {exact: /index.php}, query: {do: delete}}, new: catalog, "
         "stage: shadow, shadow: {sample: 5%}",
         "id: a, match: {path: {exact: /index.php}, query: {action: delete}}, new: catalog, "
         "stage: shadow, shadow: {sample: 5%}",
         "routes[0].match", "'delete' looks as if they changed something"),
    rule("SHADOW007 method",
         "id: a, match: {path: {exact: /vote.php}}, new: catalog, stage: shadow, "
         "shadow: {sample: 5%}",
         "id: a, match: {path: {exact: /vote.php}, methods: [HEAD, POST]}, new: catalog, "
         "stage: shadow, shadow: {sample: 5%}",
         "routes[0].match", "'vote' looks as if they changed something"),
    rule("COMPARE001",
         NEW_A + ", compare: {rules: [{path: $.a, op: shape, expires: 2026-11-21}]}",
         NEW_A + ", compare: {rules: [{path: $.a, op: shape, expires: 2026-12-21}]}",
         "routes[0].compare.rules[0].expires",
         "route a has a rule for $.a that expired on 2026-11-21", today="2026-11-22"),
    rule("COMPARE002",
         NEW_A + ", compare: {rules: [{path: $.a, op: shape, expires: 2026-12-05}]}",
         NEW_A + ", compare: {rules: [{path: $.a, op: shape, expires: 2026-12-06}]}",
         "routes[0].compare.rules[0].expires",
         "route a has a rule for $.a that ends in 13 days", today="2026-11-22"),
    rule("COMPARE002 last day",
         NEW_A + ", compare: {rules: [{path: $.a, op: shape, expires: 2026-11-22}]}",
         NEW_A + ", compare: {rules: [{path: $.a, op: shape}]}",
         "routes[0].compare.rules[0].expires",
         "route a has a rule for $.a that ends today", today="2026-11-22"),
    rule("COMPARE003",
         NEW_A + ', compare: {rules: [{path: "$..*", op: ignore, reason: x, expires: 2099-01-01}]}',
         NEW_A + ', compare: {rules: [{path: "$..x", op: ignore, reason: x, expires: 2099-01-01}]}',
         "routes[0].compare.rules[0].path", "ignores $..*, which is the whole body"),
    rule("GATE001", NEW_A + ", gate: {min_window: 7d}",
         NEW_A + ", gate: {min_window: 7d}, shadow: {sample: 1%}",
         "routes[0].gate", "has a gate and copies nothing"),
    rule("GATE002",
         NEW_A + ", shadow: {sample: 1%}, gate: {max_mismatch: {critical: 1%}}",
         NEW_A + ", shadow: {sample: 1%}, gate: {max_mismatch: {critical: 1%, major: 1%}}",
         "routes[0].gate.max_mismatch", "bears more critical mismatches (1.000%) than major ones"),
    rule("STAGE004 gate", A + ", gate: {min_window: 7d}", A, "routes[0].gate",
         "gains nothing from gate without new"),
    rule("STICK001", NEW_A + ", stage: canary, stickiness: none",
         NEW_A + ", stage: live, stickiness: none",
         "routes[0].stage", "its percentage has no effect, nobody gets the new side"),
    rule("STICK002 keys",
         NEW_A + ", group: shared\n"
         "id: b, match: {path: {prefix: /b}}, new: catalog, group: shared, stickiness: {header: "
         "X-U}\n"
         "id: c, match: {path: {prefix: /c}}, new: catalog, group: shared",
         NEW_A + ", group: shared\n"
         "id: b, match: {path: {prefix: /b}}, new: catalog, group: shared, stickiness: device\n"
         "id: c, match: {path: {prefix: /c}}, new: catalog, group: shared",
         "routes[1].stickiness",
         "route b has another key than a (line 7), c (line 9) in group shared",
         extra=GROUP),
    rule("STICK002 login",
         "id: cart, match: {path: {prefix: /cart}}, new: catalog, group: shared, stage: canary\n"
         "id: enter, match: {path: {exact: /user/login}}, new: catalog, group: shared, stage: "
         "legacy",
         "id: cart, match: {path: {prefix: /cart}}, new: catalog, group: shared, stage: live\n"
         "id: enter, match: {path: {exact: /user/login}}, new: catalog, group: shared, stage: "
         "legacy",
         "routes[1].group", "route enter looks like a login and is in the canary group shared",
         extra=GROUP),
    rule("STICK003",
         NEW_A + ", stage: canary, stickiness: {cookie: PHPSESSID}",
         NEW_A + ", stage: canary, stickiness: {cookie: uid}",
         "routes[0].stickiness",
         "is sticky by cookie PHPSESSID, which applications change at login"),
    rule("COHORT001",
         NEW_A + ", cohorts: {always: [staff], never: [b2b, staff]}",
         NEW_A + ", cohorts: {always: [staff], never: [b2b]}",
         "routes[0].cohorts",
         "has segment staff in always and in never: never wins", extra=SEGMENTS),
    rule("GROUP001",
         "id: a, match: {path: {prefix: /a}, methods: [GET, HEAD]}, new: catalog, stage: canary\n"
         "id: b, match: {path: {prefix: /a}, methods: [POST]}, new: catalog, stage: canary, "
         "group: shared",
         "id: a, match: {path: {prefix: /a}, methods: [HEAD]}, new: catalog, stage: canary, "
         "group: shared\n"
         "id: b, match: {path: {prefix: /a}, methods: [POST]}, new: catalog, stage: canary, "
         "group: shared",
         "routes[1].group", "writes where a (line 7) reads, and the two are moved separately",
         extra=GROUP),
    rule("FALLBACK001",
         NEW_A + ", fallback: {when: [connect, 502], methods: [GET, POST]}",
         NEW_A + ", fallback: {when: [connect], methods: [GET, POST]}",
         "routes[0].fallback",
         "sends POST to legacy after 502: the new side may have done it already"),
    rule("FALLBACK001 idempotent",
         NEW_A + ", fallback: {when: [timeout], methods: [PUT]}",
         NEW_A + ", idempotent: true, "
         "fallback: {when: [timeout], methods: [PUT]}",
         "routes[0].fallback", "sends PUT to legacy after timeout"),
    rule("FALLBACK002", NEW_A + ", stage: complete, fallback: {}",
         NEW_A + ", stage: live, fallback: {}",
         "routes[0].fallback", "is complete and falls back to legacy"),
    rule("FALLBACK003 budget", NEW_A + ", fallback: {budget: 0%}",
         NEW_A + ", fallback: {budget: 1%}",
         "routes[0].fallback", "can never fall back: its budget is 0%"),
    rule("FALLBACK003 methods",
         "id: a, match: {path: {prefix: /a}, methods: [POST]}, new: catalog, fallback: {}",
         "id: a, match: {path: {prefix: /a}, methods: [POST]}, new: catalog, "
         "fallback: {methods: [POST]}",
         "routes[0].fallback", "it matches none of fallback.methods"),
    rule("REWRITE001",
         'id: a, match: {path: {prefix: /a}}, new: catalog, rewrite: {path: "/x/{query.id}"}',
         'id: a, match: {path: {prefix: /a}, query: {id: {present: true}}}, new: catalog, '
         'rewrite: {path: "/x/{query.id}"}',
         "routes[0].rewrite", "needs the query parameter id: requests without it stay on legacy"),
    rule("PERCENT001", NEW_A + ", shadow: {sample: 0.1}",
         NEW_A + ", shadow: {sample: 0.1%}",
         "routes[0].shadow.sample", "has shadow.sample: 0.1, which is 0.1 percent"),
]  # fmt: skip


@pytest.mark.parametrize(("name", "bad", "good", "key", "says", "files"), TABLE)
def test_a_rule_finds_what_breaks_it_and_nothing_else(
    name: str, bad: str, good: str, key: str, says: str, files: dict[str, str]
) -> None:
    found = [each for each in findings(bad, **files) if each.rule == name]
    assert [(each.key, each.severity) for each in found] == [(key, RULES[name].severity)]
    assert says in found[0].message
    assert found[0].line > 0
    assert name not in rules(good, **files)


@pytest.mark.parametrize(
    ("was", "now", "found"),
    [
        pytest.param("legacy", "shadow", False, id="one step"),
        pytest.param("shadow", "canary", False, id="next step"),
        pytest.param("canary", "live", False, id="live"),
        pytest.param("live", "complete", False, id="complete"),
        pytest.param("live", "live", False, id="unchanged"),
        pytest.param("live", "legacy", False, id="back"),
        pytest.param("legacy", "canary", True, id="two steps"),
        pytest.param("shadow", "complete", True, id="three steps"),
        pytest.param("complete", "live", True, id="back from complete"),
        pytest.param("complete", "legacy", True, id="far back from complete"),
    ],
)
def test_a_stage_moves_one_step_forward_and_never_back_from_complete(
    was: str, now: str, found: bool
) -> None:
    route = "id: a, match: {path: {prefix: /a}}, new: catalog, stage: %s, shadow: {sample: 1%%}"
    assert ("STAGE001" in rules(route % now, against=route % was)) is found


def test_writes_have_no_shadow_stage_to_go_through() -> None:
    route = "id: a, match: {path: {prefix: /a}, methods: [POST]}, new: catalog, stage: %s"
    assert "STAGE001" not in rules(route % "canary", against=route % "legacy")
    assert "STAGE001" in rules(route % "live", against=route % "legacy")


def test_a_new_route_starts_at_legacy() -> None:
    other = "id: b, match: {path: {prefix: /b}}"
    route = f"{other}\nid: a, match: {{path: {{prefix: /a}}}}, new: catalog, stage: canary"
    (finding,) = [each for each in findings(route, against=other) if each.rule == "STAGE001"]
    assert "goes from legacy to canary in one change (it is new" in finding.message
    assert finding.mend == "go to shadow first"


def test_a_completed_route_may_not_vanish() -> None:
    other = "id: b, match: {path: {prefix: /b}}"
    gone = f"{other}\nid: a, match: {{path: {{prefix: /a}}}}, new: catalog, stage: complete"
    (finding,) = [each for each in findings(other, against=gone) if each.rule == "STAGE001"]
    assert "route a was complete and is gone" in finding.message
    assert "STAGE001" not in rules(other, against=gone.replace("complete", "live"))


PAGE = "id: a, match: {path: {template: '/p/{x}'}}, new: catalog, stage: %s"


def test_pages_without_any_route_for_assets_are_noted_once_for_each_upstream() -> None:
    text = [PAGE % "canary", PAGE.replace("id: a", "id: b").replace("/p/", "/q/") % "live"]
    whole = "version: 1\nupstreams:\n" + UPSTREAMS + "routes:\n"
    whole += "".join(f"  - {{{line}}}\n" for line in text)
    whole += "  - {id: monolith, match: {path: {prefix: /}}}\n"
    (finding,) = [each for each in check_text(whole.encode(), "r") if each.rule == "GROUP002"]
    assert "if catalog answers pages (a (line 7), b (line 8))" in finding.message
    assert "GROUP002" not in rules("\n".join(text))


@pytest.mark.parametrize(
    ("legacy", "stage", "expected"),
    [
        pytest.param("capacity_rps: 99", "live", ["CAP001"], id="too small"),
        pytest.param("capacity_rps: 99", "canary", ["CAP001"], id="too small for a canary"),
        pytest.param("capacity_rps: 100", "live", [], id="enough"),
        pytest.param("capacity_rps: 99", "complete", ["STAGE002"], id="nothing to roll back"),
        pytest.param("capacity_rps: 99", "legacy", [], id="nothing moved"),
        pytest.param("pool: {}", "live", ["CAP002"], id="unknown"),
        pytest.param("pool: {}", "canary", [], id="unknown and not live"),
    ],
)
def test_a_rollback_must_not_send_legacy_more_than_it_bears(
    legacy: str, stage: str, expected: list[str]
) -> None:
    upstreams = UPSTREAMS.replace("capacity_rps: 1000", legacy)
    assert rules(PAGE % stage, upstreams=upstreams) == expected


def test_what_nothing_uses_is_noted() -> None:
    extra = SEGMENTS + GROUP
    upstreams = UPSTREAMS + '  spare: {urls: ["http://a:4"]}\n'
    found = findings("id: a, match: {path: {prefix: /a}}", extra, upstreams)
    assert [each.key for each in found if each.rule == "UPSTREAM001"] == [
        "upstreams.spare",
        "segments.staff",
        "segments.b2b",
        "groups.shared",
    ]


@pytest.mark.parametrize(
    ("change", "to", "expected"),
    [
        pytest.param("http://a:2", "http://a:1", "UPSTREAM002", id="address of legacy"),
        pytest.param(
            '["http://a:2"]', '["http://a:2", "http://b:2"]', "UPSTREAM004", id="no health"
        ),
        pytest.param(
            '["http://a:2"]', '["https://a:2"], tls: {ca: none.pem}', "UPSTREAM003", id="no file"
        ),
    ],
)
def test_an_upstream_that_will_not_do_is_found(change: str, to: str, expected: str) -> None:
    assert rules("id: a, match: {path: {prefix: /a}}") == []
    upstreams = UPSTREAMS.replace(change, to)
    assert rules("id: a, match: {path: {prefix: /a}}", upstreams=upstreams) == [expected]


def test_several_endpoints_with_a_health_check_are_fine() -> None:
    to = '["http://a:2", "http://b:2"], health: {path: /healthz}'
    upstreams = UPSTREAMS.replace('["http://a:2"]', to)
    assert rules("id: a, match: {path: {prefix: /a}}", upstreams=upstreams) == []


def test_routes_without_their_slash_twin_are_one_note() -> None:
    alone = "id: a, match: {path: {exact: /a}}, new: catalog"
    (finding,) = findings(
        f"{alone}\nid: b, match: {{path: {{template: '/b/{{x}}'}}}}, new: catalog"
    )
    assert finding.rule == "PATH001"
    assert "a (line 7), b (line 8)" in finding.message
    assert findings(f"{alone}\nid: b, match: {{path: {{exact: /a/}}}}, new: catalog") == ()
    assert findings(alone.replace("exact", "prefix")) == ()
    assert findings(alone.replace("/a", "/a.php")) == ()


def test_live_routes_without_a_shadow_of_legacy_are_one_note() -> None:
    live = "id: %s, match: {path: {prefix: /%s}}, new: catalog, stage: live"
    both = f"{live % ('a', 'a')}\n{live % ('b', 'b')}"
    (finding,) = [each for each in findings(both) if each.rule == "SHADOW005"]
    assert finding.key == "routes[0].stage"
    assert "live without a shadow of legacy: a (line 7), b (line 8)" in finding.message
    proven = f"{live % ('a', 'a')}, shadow: {{sample: 1%}}"
    assert "SHADOW005" not in [each.rule for each in findings(proven)]


def test_ends_of_rules_are_judged_only_by_a_day_that_is_given() -> None:
    old = NEW_A + ", compare: {rules: [{path: $.a, op: shape, expires: 2020-01-01}]}"
    assert rules(old) == []
    assert rules(old, today="2020-01-02") == ["COMPARE001"]


def test_a_sandbox_is_used() -> None:
    upstreams = UPSTREAMS + '  spare: {urls: ["http://a:4"]}\n'
    text = NEW_A + ", stage: shadow, shadow: {sample: 5%, writes: sandbox, sandbox: spare}"
    assert rules(text, upstreams=upstreams) == []


def test_writes_that_are_copied_go_through_the_stage_of_shadow() -> None:
    writes = "id: a, match: {path: {prefix: /a}, methods: [PUT]}, new: catalog, stage: %s"
    assert rules(writes % "canary", against=writes % "legacy") == []
    copied = writes + ", shadow: {sample: 5, writes: record}"
    assert rules(copied % "canary", against=copied % "legacy") == ["STAGE001"]


def test_settings_that_do_not_go_together_are_found() -> None:
    extra = 'settings: {listen: "127.0.0.1:9900"}\n'
    (finding,) = findings("id: a, match: {path: {prefix: /a}}", extra)
    assert (finding.rule, finding.key) == ("SETTING", "settings.admin")


def test_what_the_loader_refuses_is_a_finding_with_the_same_place() -> None:
    text = "id: a, match: {path: {prefix: a}}, stage: off"
    found = [(each.rule, each.line, each.key, each.severity) for each in findings(text)]
    assert found == [
        ("LOAD003", 7, "routes[0].match.path.prefix", Severity.ERROR),
        ("LOAD003", 7, "routes[0].stage", Severity.ERROR),
        ("YAML001", 7, "routes[0].stage", Severity.ERROR),
    ]


def test_every_rule_has_a_test() -> None:
    loader = {
        r for r in RULES if r.startswith(("YAML", "LOAD")) or r in ("READ", "TABLE", "SETTING")
    }
    tested = {each.values[0] for each in TABLE}
    elsewhere = {"MATCH003", "STAGE001", "GROUP002", "CAP001", "CAP002", "PATH001"}
    elsewhere |= {"SHADOW005", "UPSTREAM001", "UPSTREAM002", "UPSTREAM003", "UPSTREAM004"}
    elsewhere |= {"FLAG001", "FLAG002", "FLAG003", "FLAG004", "FLAG005"}
    assert set(RULES) == loader | tested | elsewhere
