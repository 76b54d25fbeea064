"""shadow, compare and gate in routes.yaml: what each key becomes, and what is refused."""

from __future__ import annotations

from decimal import Decimal

import pytest

from proxy.compare_policy import (
    ComparePolicy,
    Facet,
    HeaderPolicy,
    HtmlPolicy,
    Op,
    Profile,
    Rule,
)
from proxy.config.parse import parse_routes
from proxy.gate import Gate
from proxy.routing.route import RouteFile
from proxy.shadow_policy import (
    DispatchAt,
    ExemplarStore,
    ObserverPolicy,
    ReprobePolicy,
    SampleKey,
    SampleKeyKind,
    SessionUse,
    ShadowPolicy,
    WriteMode,
)
from tests.proxy.config.example import changed, line_of
from tests.proxy.config.mistakes import case, check, problems_of
from tests.proxy.config.shadow_example import GOOD


@pytest.fixture(scope="module")
def file() -> RouteFile:
    return parse_routes(GOOD.encode(), "routes.yaml")


def test_shadow_of_a_route_becomes_its_policy(file: RouteFile) -> None:
    assert file.routes[0].shadow == ShadowPolicy(
        sample=0.25,
        key=SampleKey(kind=SampleKeyKind.COOKIE, name="PHPSESSID"),
        budget_rps=20.0,
        legacy_extra_rps=0.5,
        dispatch=DispatchAt.CONCURRENT,
        writes=WriteMode.SANDBOX,
        sandbox="sandbox",
        unsafe_get=("/logout*", "?action=*", "/cart*?op=del*", "*/buy"),
        sessions=SessionUse.SKIP,
        session_cookies=("PHPSESSID", "sid"),
        aa=ReprobePolicy(rate=0.05, on_mismatch=False, sessions=SessionUse.KEEP),
    )


def test_compare_becomes_its_policy_with_the_lines_of_the_rules(file: RouteFile) -> None:
    assert file.routes[0].compare == ComparePolicy(
        profile=Profile.PHP,
        rules=(
            Rule(
                path="$.generated_at",
                op=Op.DATETIME,
                line=line_of("$.generated_at", GOOD),
                tolerance=5.0,
            ),
            Rule(path="$.items[*]", op=Op.KEY_BY, line=line_of("$.items", GOOD), key="sku"),
            Rule(
                path="$..price",
                op=Op.NUMBER,
                line=line_of("$..price", GOOD),
                absolute=Decimal("0.005"),
                relative=Decimal("0.001"),
            ),
            Rule(
                path="$.debug",
                op=Op.IGNORE,
                line=line_of("$.debug", GOOD),
                reason="SHOP-12",
                expires="2026-12-01",
            ),
            Rule(
                path="$.tax",
                op=Op.EXPECTED,
                line=line_of("$.tax", GOOD),
                reason="SHOP-13: new rates",
                expires="2026-12-31",
            ),
        ),
        headers=HeaderPolicy(compare=("content-type", "x-rate-*"), presence=("etag",)),
        html=HtmlPolicy(
            facets=(Facet.TITLE, Facet.TEXT),
            drop=("input[name=_token]", "script[nonce]@nonce"),
        ),
        redact=("$..email", "header:x-user", "query:token"),
    )


def test_gate_becomes_its_limits(file: RouteFile) -> None:
    assert file.routes[0].gate == Gate(
        max_critical=0.001,
        max_major=0.005,
        confidence=0.99,
        min_window=7 * 86400.0,
        max_unseen=0.02,
        max_lost=0.05,
        p95_ratio=1.1,
        repeats_per_hour=100,
    )


def test_the_section_of_the_file_becomes_the_policy_of_the_observer(file: RouteFile) -> None:
    assert file.shadow == ObserverPolicy(
        kill_switch=True,
        queue=256,
        concurrency=8,
        max_body=2 * 1024 * 1024,
        deadline=3.0,
        loop_lag_shed=0.0,
        exemplars=ExemplarStore.OFF,
        exemplars_per_fingerprint=3,
        ttl=7 * 86400.0,
        max_store=64 * 1024 * 1024,
    )


def test_upstreams_say_what_is_deployed_there(file: RouteFile) -> None:
    legacy, orders, _ = file.upstreams
    assert (legacy.version, legacy.version_header) == ("4.2", "")
    assert (orders.version, orders.version_header) == ("", "x-app-version")


def test_what_is_left_out_has_the_defaults_of_the_definitions(file: RouteFile) -> None:
    more = file.routes[1]
    assert (more.shadow, more.compare, more.gate) == (ShadowPolicy(), ComparePolicy(), Gate())
    bare = parse_routes((GOOD[: GOOD.index("shadow:\n  kill")] + "shadow:\n").encode(), "r")
    assert bare.shadow == ObserverPolicy()


@pytest.mark.parametrize(
    ("sample", "expected"),
    [
        pytest.param("10", 0.1, id="number of percent"),
        pytest.param("12.5%", 0.125, id="percent"),
        pytest.param("{rate: 0.25}", 0.25, id="share"),
        pytest.param("{rate: 0.5%}", 0.005, id="half a percent"),
        pytest.param("{rate: 100%, key: client}", 1.0, id="everything"),
    ],
)
def test_a_sample_is_written_in_several_ways(sample: str, expected: float) -> None:
    text = changed("{rate: 25%, key: {cookie: PHPSESSID}}", sample, GOOD)
    shadow = parse_routes(text, "routes.yaml").routes[0].shadow
    assert (shadow.sample, shadow.key) == (expected, SampleKey())


SAMPLE = "sample: {rate: 25%, key: {cookie: PHPSESSID}}"
SHADOW = "routes[0].shadow"
RULES = "routes[0].compare.rules"
REFUSED = [
    case("sample of more than all", SAMPLE, "sample: 101%", "LOAD003", f"{SHADOW}.sample",
         "must be between 0% and 100%, got 101%"),
    case("a list as sample", SAMPLE, "sample: [10%]", "LOAD003", f"{SHADOW}.sample",
         "must be a percentage such as 10%"),
    case("rate that could be either", "rate: 25%", "rate: 1", "LOAD003", f"{SHADOW}.sample.rate",
         "must be a percentage with its sign such as 5%, or a share below one such as 0.05, got 1"),
    case("no rate", SAMPLE, "sample: {key: client}", "LOAD002", f"{SHADOW}.sample.rate",
         "is required: Share of the sessions"),
    case("sample key", "key: {cookie: PHPSESSID}", "key: user", "LOAD003", f"{SHADOW}.sample.key",
         'must be client, got "user"'),
    case("two sample keys", "key: {cookie: PHPSESSID}", "key: {cookie: a, header: b}", "LOAD003",
         f"{SHADOW}.sample.key", "must have exactly one of cookie or header"),
    case("no sample key", "key: {cookie: PHPSESSID}", "key: 7", "LOAD003", f"{SHADOW}.sample.key",
         "must be client, {cookie: NAME} or {header: NAME}, got 7"),
    case("dispatch", "dispatch: concurrent", "dispatch: later", "LOAD003", f"{SHADOW}.dispatch",
         "must be one of concurrent, on_response or after_response"),
    case("writes", "writes: sandbox", "writes: dryrun", "LOAD003", f"{SHADOW}.writes",
         'did you mean "dry_run"?'),
    case("budget", "rps: 20,", "rps: 0,", "LOAD003", f"{SHADOW}.budget.rps", "must be more than 0"),
    case("sandbox that is not there", "sandbox: sandbox", "sandbox: sandbx", "LOAD004",
         f"{SHADOW}.sandbox", 'there is no upstream "sandbx"; did you mean "sandbox"?'),
    case("legacy as sandbox", "sandbox: sandbox", "sandbox: legacy", "LOAD007",
         f"{SHADOW}.sandbox", "a copied write would be done twice"),
    case("new as sandbox", "sandbox: sandbox", "sandbox: orders", "LOAD007",
         f"{SHADOW}.sandbox", "a sandbox needs data of its own"),
    case("no sandbox", "      sandbox: sandbox\n", "", "LOAD007", f"{SHADOW}.writes",
         "sandbox needs sandbox: NAME", line_of("writes: sandbox", GOOD)),
    case("sandbox for nothing", "writes: sandbox", "writes: dry_run", "LOAD007",
         f"{SHADOW}.sandbox", "goes with writes: sandbox, not with dry_run",
         line_of("sandbox: sandbox", GOOD)),
    case("unsafe_get without a path", '"/logout*"', '"logout"', "LOAD003",
         f"{SHADOW}.unsafe_get[0]", "must be /path, ?name=value or /path?name=value"),
    case("unsafe_get without a name", '"?action=*"', '"?=*"', "LOAD003",
         f"{SHADOW}.unsafe_get[1]", "must be /path, ?name=value"),
    case("unsafe_get of two parameters", '"?action=*"', '"?a=1&b=2"', "LOAD003",
         f"{SHADOW}.unsafe_get[1]", "must be /path, ?name=value"),
    case("empty unsafe_get", '"?action=*"', '""', "LOAD003", f"{SHADOW}.unsafe_get[1]",
         "must be /path, ?name=value"),
    case("sessions", "sessions: skip", "sessions: remove", "LOAD003", f"{SHADOW}.sessions",
         "must be one of drop, skip or keep"),
    case("copies without new", "match: {path: {prefix: /more}}",
         "match: {path: {prefix: /more}}\n    shadow: {sample: 5%}", "LOAD007",
         "routes[1].shadow.sample", "has no effect without new: NAME",
         line_of("/more", GOOD) + 1),
    case("sampled copies without new", "match: {path: {prefix: /more}}",
         "match: {path: {prefix: /more}}\n    shadow: {sample: {rate: 5%}}", "LOAD007",
         "routes[1].shadow.sample", "has no effect without new: NAME",
         line_of("/more", GOOD) + 1),
    case("profile", "profile: php", "profile: PHP", "LOAD003", "routes[0].compare.profile",
         "must be one of strict or php"),
    case("op", "op: key_by", "op: keyby", "LOAD003", f"{RULES}[1].op", 'did you mean "key_by"?'),
    case("no path", "path: $.debug, ", "", "LOAD002", f"{RULES}[3].path", "is required: Where"),
    case("path that ends after a dot", "path: $.debug,", "path: $.debug., ", "LOAD003",
         f"{RULES}[3].path", "it ends after a dot"),
    case("no kind of path", "path: $.debug,", "path: debug,", "LOAD003", f"{RULES}[3].path",
         "begin it with $, header:"),
    case("no facet", "path: $.debug,", "path: html:titel,", "LOAD003", f"{RULES}[3].path",
         "names no facet"),
    case("redacted nowhere", "header:x-user", "x-user", "LOAD003", "routes[0].compare.redact[1]",
         "begin it with $, header:"),
    case("datetime without tolerance", ", tolerance: 5s", "", "LOAD003", f"{RULES}[0]",
         "op datetime needs tolerance: such as 5s", line_of("$.generated_at", GOOD)),
    case("number without limits", ", abs: 0.005, rel: 0.1%", "", "LOAD003", f"{RULES}[2]",
         "op number needs abs or rel", line_of("$..price", GOOD)),
    case("key_by without key", ", key: sku", "", "LOAD003", f"{RULES}[1]",
         "op key_by needs key", line_of("$.items", GOOD)),
    case("ignore without reason", "reason: SHOP-12, expires: 2026-12-01", "expires: 2026-12-01",
         "LOAD003", f"{RULES}[3]", "op ignore needs reason, so that somebody looks at it again"),
    case("expected without anything", ', reason: "SHOP-13: new rates", expires: "2026-12-31"', "",
         "LOAD003", f"{RULES}[4]", "op expected needs reason and expires"),
    case("parameter of another op", "key: sku", "key: sku, abs: 1", "LOAD003", f"{RULES}[1]",
         "abs goes with op number, not with key_by: remove it"),
    case("no date", "expires: 2026-12-01", "expires: soon", "LOAD003", f"{RULES}[3].expires",
         'must be a date such as 2026-12-01, got "soon"'),
    case("no such day", "expires: 2026-12-01", "expires: 2026-02-30", "LOAD003",
         f"{RULES}[3].expires", 'must be a date such as 2026-12-01, got "2026-02-30"'),
    case("time of day", "expires: 2026-12-01", "expires: 2026-12-01T10", "YAML004",
         f"{RULES}[3].expires", "is a date to YAML 1.1"),
    case("no number", "abs: 0.005", "abs: little", "LOAD003", f"{RULES}[2].abs",
         'must be a number, got "little"'),
    case("nothing", "abs: 0.005", "abs: 0", "LOAD003", f"{RULES}[2].abs",
         "must be more than 0, got 0"),
    case("relative", "rel: 0.1%", "rel: 2", "LOAD003", f"{RULES}[2].rel",
         "must be a percentage with its sign"),
    case("unknown key of a rule", "tolerance: 5s", "tolerence: 5s", "LOAD001",
         f"{RULES}[0].tolerence", 'did you mean "tolerance"?'),
    case("star in a header", "X-Rate-*", "X-*-Rate", "LOAD003",
         "routes[0].compare.headers.compare[1]", "a star may stand at the end only"),
    case("header", "X-Rate-*", '"X Rate"', "LOAD003", "routes[0].compare.headers.compare[1]",
         "must be a name without spaces"),
    case("header in both lists", "presence: [etag]", "presence: [etag, content-type]", "LOAD007",
         "routes[0].compare.headers.presence[1]", "stands under compare too"),
    case("facet", "facets: [title, text]", "facets: [title, texts]", "LOAD003",
         "routes[0].compare.html.facets[1]", 'did you mean "text"?'),
    case("no facets", "facets: [title, text]", "facets: []", "LOAD003",
         "routes[0].compare.html.facets", "must not be empty"),
    case("selector", '"input[name=_token]"', '"input["', "LOAD003",
         "routes[0].compare.html.drop[0]", "is no CSS selector"),
    case("attribute of nothing", '"script[nonce]@nonce"', '"script[@nonce"', "LOAD003",
         "routes[0].compare.html.drop[1]", "write one such as input[name=_token]"),
    case("limit of nothing", "critical: 0.001", "critical: 0", "LOAD003",
         "routes[0].gate.max_mismatch.critical", "must be more than 0%, got 0"),
    case("limit that could be either", "critical: 0.001", "critical: 1", "LOAD003",
         "routes[0].gate.max_mismatch.critical", "must be a percentage with its sign"),
    case("certainty", "confidence: 99%", "confidence: 100%", "LOAD003", "routes[0].gate.confidence",
         "must be at least 50% and less than 100%, got 100%"),
    case("window", "min_window: 7d", "min_window: 7", "LOAD003", "routes[0].gate.min_window",
         "must be a duration with its unit such as 7s"),
    case("ratio", "p95_ratio: 1.1", "p95_ratio: fast", "LOAD003",
         "routes[0].gate.latency.p95_ratio", 'must be a number, got "fast"'),
    case("kill switch", "kill_switch: true", "kill_switch: on", "YAML001", "shadow.kill_switch",
         "the plain word on is the boolean true"),
    case("store off", 'store: "off"', "store: off", "YAML001", "shadow.exemplars.store",
         'write "off" for the word'),
    case("body of nothing", "max_body: 2MiB", "max_body: 0", "LOAD003", "shadow.max_body",
         "must be at least 1"),
    case("body too large", "max_body: 2MiB", "max_body: 65MiB", "LOAD003", "shadow.max_body",
         "must be at most 64MiB: each body is held in memory whole"),
    case("unknown key of the file's section", "queue: 256", "que: 256", "LOAD001", "shadow.que",
         'did you mean "queue"?'),
    case("version", 'version: "4.2"', "version: 4.2", "LOAD003", "upstreams.legacy.version",
         'write "4.2" in quotes'),
]  # fmt: skip


@pytest.mark.parametrize(("old", "new", "rule", "key", "message", "line"), REFUSED)
def test_a_mistake_is_named_with_its_line_its_key_and_a_mend(
    old: str, new: str, rule: str, key: str, message: str, line: int
) -> None:
    check(old, new, rule, key, message, line, GOOD)


def test_all_problems_of_shadow_compare_and_gate_are_reported_together() -> None:
    text = GOOD.replace("rps: 20,", "rps: 0,").replace("op: key_by", "op: by_key")
    text = text.replace("confidence: 99%", "confidence: 1").replace("workers: 8", "workers: 0")
    assert [problem.key for problem in problems_of(text.encode())] == [
        f"{SHADOW}.budget.rps",
        f"{RULES}[1].op",
        "routes[0].gate.confidence",
        "shadow.workers",
    ]
