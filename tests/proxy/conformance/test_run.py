"""Cases against two real origins: who is asked, in which order, and what makes a case fail."""

from __future__ import annotations

import threading

import pytest

from proxy.compare.comparison import Result
from proxy.compare_policy import Severity
from proxy.conformance.result import CaseOutcome
from proxy.conformance.result_text import failure_lines
from proxy.conformance.run import RunOptions
from proxy.conformance.sender import Unreachable
from proxy.stages import Side
from tests.proxy.conformance.two_sides import (
    ROUTES,
    by_target,
    http,
    json_answer,
    run_cases,
)
from tests.rigs.scripted_origin import (
    Conversation,
    Received,
    ScriptedOrigin,
    closed_port,
    hang_up,
)

ONE = "version: 1\ncases:\n  - name: one\n    request: {url: /product/saw}\n"


def origins(legacy: dict[bytes, object], new: dict[bytes, object]) -> tuple[ScriptedOrigin, ...]:
    return tuple(ScriptedOrigin(by_target(answers)) for answers in (legacy, new))  # type: ignore[arg-type]  # a table of bytes and functions


@pytest.mark.parametrize(
    ("legacy", "new", "outcome"),
    [
        pytest.param({"a": 1}, {"a": 1}, CaseOutcome.PASSED, id="equal"),
        pytest.param({"a": 1}, {"a": 2}, CaseOutcome.FAILED, id="different"),
        pytest.param(
            {"at": "2026-11-22T10:00:00Z"},
            {"at": "2026-11-22T10:00:03Z"},
            CaseOutcome.PASSED,
            id="by the rule of the route",
        ),
    ],
)
def test_answers_are_compared_by_the_rules_of_the_route(
    legacy: object, new: object, outcome: CaseOutcome
) -> None:
    old, young = origins(
        {b"/product/saw": json_answer(legacy)}, {b"/product/saw": json_answer(new)}
    )
    with old, young:
        (result,) = run_cases(ONE, old, young, routes=ROUTES)
    assert result.outcome is outcome
    assert result.route == "product"


def test_a_redirect_that_names_the_host_that_was_asked_is_one_that_does_not() -> None:
    def absolute(received: Received) -> bytes:
        (host,) = received.values(b"host")
        return http(302, Location=f"http://{host.decode()}/cart")

    old, young = origins(
        {b"/product/saw": absolute}, {b"/product/saw": http(302, Location="/cart")}
    )
    with old, young:
        (result,) = run_cases(ONE, old, young, routes=ROUTES)
    assert result.outcome is CaseOutcome.PASSED


def test_legacy_is_asked_first_and_new_when_it_has_answered() -> None:
    order: list[str] = []

    def says(name: str) -> object:
        def answer(_: Received) -> bytes:
            order.append(name)
            return http(200, "x")

        return answer

    old, young = origins({b"/product/saw": says("legacy")}, {b"/product/saw": says("new")})
    with old, young:
        run_cases(ONE, old, young)
    assert order == ["legacy", "new"]


def test_the_new_side_gets_the_rewritten_target() -> None:
    text = ONE.replace("/product/saw", "'/index.php?route=product&id=7'")
    old, young = origins(
        {b"/index.php?route=product&id=7": http(200, "x")},
        {b"/products/7?route=product&id=7": http(200, "x")},
    )
    with old, young:
        (result,) = run_cases(text, old, young, routes=ROUTES)
    assert result.outcome is CaseOutcome.PASSED


def test_expectations_hold_for_both_sides() -> None:
    text = ONE + "    expect: {status: 200, contains: [drill]}\n"
    old, young = origins({b"/product/saw": http(200, "saw")}, {b"/product/saw": http(404, "saw")})
    with old, young:
        (result,) = run_cases(text, old, young)
    assert result.outcome is CaseOutcome.FAILED
    assert result.steps[0].failures == (
        "legacy: the body does not hold drill",
        "new: status is 404, expected 200",
        "new: the body does not hold drill",
    )
    assert result.steps[0].comparison is not None


def test_two_broken_servers_are_not_alike() -> None:
    old, young = origins({b"/product/saw": http(500, "x")}, {b"/product/saw": http(500, "x")})
    with old, young:
        (result,) = run_cases(ONE, old, young)
        (meant,) = run_cases(ONE + "    expect: {status: 500}\n", old, young)
    assert result.outcome is CaseOutcome.FAILED
    assert "expect: {status: 500}" in result.steps[0].failures[0]
    assert meant.outcome is CaseOutcome.PASSED


@pytest.mark.parametrize(
    ("fail_on", "outcome"),
    [
        (Severity.MINOR, CaseOutcome.FAILED),
        (Severity.MAJOR, CaseOutcome.FAILED),
        (Severity.CRITICAL, CaseOutcome.PASSED),
    ],
)
def test_the_mildest_difference_that_counts_can_be_chosen(
    fail_on: Severity, outcome: CaseOutcome
) -> None:
    old, young = origins(
        {b"/product/saw": json_answer({"a": 1})}, {b"/product/saw": json_answer({"a": 2})}
    )
    with old, young:
        (result,) = run_cases(ONE, old, young, options=RunOptions(fail_on=fail_on))
    assert result.outcome is outcome


def test_a_difference_that_a_rule_expects_passes_until_the_rule_ends() -> None:
    text = ONE + "    rules: [{path: $.a, op: expected, reason: FIG-1, expires: '2026-12-01'}]\n"
    old, young = origins(
        {b"/product/saw": json_answer({"a": 1})}, {b"/product/saw": json_answer({"a": 2})}
    )
    with old, young:
        (before,) = run_cases(text, old, young, options=RunOptions(today="2026-12-01"))
        (after,) = run_cases(text, old, young, options=RunOptions(today="2026-12-02"))
    assert before.outcome is CaseOutcome.PASSED
    assert before.steps[0].comparison is not None
    assert before.steps[0].comparison.result is Result.EXPECTED
    assert after.outcome is CaseOutcome.FAILED


def test_a_side_that_gives_no_answer_is_an_error_of_that_case() -> None:
    text = ONE + "  - name: two\n    request: {url: /two}\n"
    old, young = origins({b"/two": http(200), b"/product/saw": http(200)}, {b"/two": http(200)})
    answers = young.script

    def first_hangs_up(conversation: Conversation) -> None:
        (hang_up if conversation.number == min(c.number for c in young.conversations) else answers)(
            conversation
        )

    young.script = first_hangs_up
    with old, young:
        one, two = run_cases(text, old, young)
    assert one.outcome is CaseOutcome.ERROR
    assert one.steps[0].failures == ("new: the connection ended before the answer was whole",)
    assert two.outcome is CaseOutcome.PASSED


def test_a_side_that_nobody_listens_at_ends_the_run() -> None:
    with ScriptedOrigin() as old:
        young = ScriptedOrigin()
        port = closed_port()
        young_url = f"http://127.0.0.1:{port}"
        with young, pytest.raises(Unreachable, match=young_url):
            run_cases(ONE, old, _At(young_url))  # type: ignore[arg-type]  # only its url is read


class _At:
    def __init__(self, url: str) -> None:
        self.url = url


@pytest.mark.parametrize(
    ("request_", "reason"),
    [
        (
            "{method: POST, url: /product/saw}",
            "POST /product/saw may change something: --allow-writes sends it",
        ),
        ("{url: '/search?forget=1'}", "GET /search?forget=1 may change something"),
        ("{url: /cart}", "nothing to compare: route monolith has no new side"),
        ("{url: '/index.php?route=product'}", "nothing to compare: it lacks a value"),
    ],
)
def test_what_is_not_sent_is_skipped_with_its_reason(request_: str, reason: str) -> None:
    text = f"version: 1\ncases:\n  - name: one\n    request: {request_}\n"
    with ScriptedOrigin() as old, ScriptedOrigin() as young:
        (result,) = run_cases(text, old, young, routes=ROUTES)
        assert not old.conversations
        assert not young.conversations
    assert result.outcome is CaseOutcome.SKIPPED
    assert result.reason.startswith(reason)


def test_writes_are_sent_when_that_is_allowed() -> None:
    text = ONE.replace("{url", "{method: POST, body: x, url")
    options = RunOptions(allow_writes=True)
    old, young = origins({b"/product/saw": http(201)}, {b"/product/saw": http(201)})
    with old, young:
        (result,) = run_cases(text, old, young, options=options)
        assert (old.one_request().body, young.one_request().body) == (b"x", b"x")
    assert result.outcome is CaseOutcome.PASSED


def test_a_skipped_case_says_why() -> None:
    with ScriptedOrigin() as old, ScriptedOrigin() as young:
        (result,) = run_cases(ONE + "    skip: FIG-9\n", old, young)
    assert (result.outcome, result.reason) == (CaseOutcome.SKIPPED, "FIG-9")


LOGIN = """\
version: 1
cases:
  - name: a visitor logs in and reads
    steps:
      - request: {url: /product/login}
        capture: {csrf: {json_path: $.csrf}}
        expect: {status: 200}
      - request: {method: POST, url: /product/login, form: {user: ada, csrf: "${csrf}"}}
      - request: {url: /product/orders}
    rules:
      - {path: $.csrf, op: expected, reason: a token, expires: '2099-12-31'}
"""


def login(token: str, session: str) -> dict[bytes, object]:
    def post(request: Received) -> bytes:
        right = request.body == f"user=ada&csrf={token}".encode()
        return http(302 if right else 403, Set_Cookie=f"sid={session}; Path=/", Location="/")

    def by_method(request: Received) -> bytes:
        return post(request) if request.method == b"POST" else json_answer({"csrf": token})

    def orders(request: Received) -> bytes:
        known = request.values(b"Cookie") == [f"sid={session}".encode()]
        return json_answer({"orders": [1, 2]}) if known else http(401)

    return {b"/product/login": by_method, b"/product/orders": orders}


def test_steps_carry_cookies_and_captured_values_for_each_side() -> None:
    old, young = origins(login("111", "aaa"), login("222", "bbb"))
    text = LOGIN.replace(
        "{url: /product/orders}", "{url: /product/orders}\n        expect: {status: 200}"
    )
    with old, young:
        (result,) = run_cases(text, old, young, options=RunOptions(allow_writes=True))
    assert result.outcome is CaseOutcome.PASSED, [s.failures for s in result.steps]
    assert len(result.steps) == 3


def test_a_captured_value_cannot_add_a_field() -> None:
    text = """\
version: 1
cases:
  - name: one
    steps:
      - request: {url: /product/a}
        capture: {x: {json_path: $.x}}
      - request: {url: /product/b, headers: {X-Value: "${x}"}}
"""
    evil = {b"/product/a": json_answer({"x": "1\r\nX-Admin: yes"})}
    old, young = origins(dict(evil), dict(evil))
    with old, young:
        (result,) = run_cases(text, old, young)
        assert b"X-Admin" not in old.received
    assert result.outcome is CaseOutcome.ERROR
    assert result.reason == "the value of header x-value holds control characters"
    assert list(failure_lines("cases.yaml", result)) == [
        "cases.yaml:7: GET /product/b",
        "the value of header x-value holds control characters",
    ]


def test_a_step_that_fails_ends_its_case() -> None:
    young_says = login("222", "bbb")
    young_says[b"/product/login"] = http(200, "no token here")
    old, young = origins(login("111", "aaa"), young_says)
    with old, young:
        (result,) = run_cases(LOGIN, old, young, options=RunOptions(allow_writes=True))
    assert result.outcome is CaseOutcome.FAILED
    assert "new: nothing to capture as csrf (json_path)" in result.steps[-1].failures
    assert len(result.steps) == 1


def test_a_step_without_a_new_side_prepares_both() -> None:
    text = """\
version: 1
cases:
  - name: a session of the monolith
    steps:
      - request: {url: /account/login}
        capture: {who: {header: x-who}}
      - request: {url: "/product/${who}"}
"""

    def product(request: Received) -> bytes:
        return http(200, b"; ".join(request.values(b"Cookie")))

    old, young = origins(
        {
            b"/account/login": http(200, Set_Cookie="sid=1; Path=/", X_Who="saw"),
            b"/product/saw": product,
        },
        {b"/product/saw": product},
    )
    with old, young:
        (result,) = run_cases(text, old, young, routes=ROUTES)
        assert young.targets == [b"/product/saw"]
        assert young.one_request().values(b"Cookie") == [b"sid=1"]
    assert result.outcome is CaseOutcome.PASSED
    assert [asked.side for asked in result.steps[0].asked] == [Side.LEGACY]
    assert result.steps[0].alone == "route monolith has no new side"


def test_what_is_expected_may_hold_captured_values() -> None:
    text = """\
version: 1
cases:
  - name: an order is found again
    steps:
      - request: {url: /product/new}
        capture: {id: {json_path: $.id}}
      - request: {url: "/product/${id}"}
        expect: {json_path: {$.id: "${id}"}, contains: ["${id}"], lacks: ["no ${id}"]}
    rules: [{path: $.id, op: expected, reason: generated, expires: "2099-12-31"}]
"""

    def says(number: str) -> dict[bytes, object]:
        return {
            b"/product/new": json_answer({"id": number}),
            b"/product/%b" % number.encode(): json_answer({"id": number}),
        }

    old, young = origins(says("o-1"), says("n-2"))
    with old, young:
        (result,) = run_cases(text, old, young)
    assert result.outcome is CaseOutcome.PASSED, result.steps[-1].failures


def many(count: int) -> str:
    cases = "".join(f"  - name: case {n}\n    request: {{url: /{n}}}\n" for n in range(count))
    return f"version: 1\ncases:\n{cases}"


def test_cases_run_beside_each_other_and_are_told_in_order() -> None:
    together = threading.Barrier(4)

    def waits(_: Received) -> bytes:
        together.wait(20)
        return http(200, "x")

    answers = {b"/%d" % n: waits for n in range(4)}
    old, young = origins(dict(answers), {key: http(200, "x") for key in answers})
    with old, young:
        results = run_cases(many(4), old, young, concurrency=4)
    assert [result.case.name for result in results] == [f"case {n}" for n in range(4)]
    assert all(result.outcome is CaseOutcome.PASSED for result in results)


def test_after_the_first_failure_the_rest_can_be_left() -> None:
    answers = {b"/0": http(200, "x"), b"/1": http(200, "x"), b"/2": http(200, "x")}
    old, young = origins(dict(answers), {**answers, b"/1": http(200, "y")})
    with old, young:
        results = run_cases(many(3), old, young, fail_fast=True)
        assert b"/2" not in old.targets
    assert [result.outcome for result in results] == [
        *(CaseOutcome.PASSED, CaseOutcome.FAILED, CaseOutcome.SKIPPED),
    ]
    assert results[2].reason == "an earlier case failed"
