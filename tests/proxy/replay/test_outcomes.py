"""A logged request comes to what traffic would come to, as far as the log tells."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flags.rule import Constraint, Rule, Strategy
from flags.snapshot import FlagSnapshot
from proxy.replay.logged_facts import LoggedFacts
from proxy.replay.logged_request import LoggedRequest
from proxy.replay.outcomes import Judge
from proxy.replay.version import Version
from proxy.routing.decision import decide
from proxy.routing.facts import PlainFacts
from tests.proxy.replay.two_versions import PRODUCT, logged, version

LEGACY = version(PRODUCT + "legacy")


def told(before: Version, after: Version, request: LoggedRequest) -> dict[str, float]:
    """Shares by `upstream reason -> upstream reason`."""
    found = Judge(before, after).outcomes(LoggedFacts(request))
    assert sum(outcome.share for outcome in found) == pytest.approx(1)
    return {
        f"{o.before.upstream.name} {o.before.reason} -> {o.after.upstream.name} {o.after.reason}": (
            round(o.share, 9)
        )
        for o in found
    }


@pytest.mark.parametrize(
    ("before", "after", "request_", "shares"),
    [
        pytest.param(
            version(PRODUCT + "canary", product=500),
            version(PRODUCT + "canary", product=2517),
            logged(),
            {
                "catalog bucket_in -> catalog bucket_in": 0.05,
                "legacy bucket_out -> catalog bucket_in": 0.2017,
                "legacy bucket_out -> legacy bucket_out": 0.7483,
            },
            id="a wider canary takes more of the same clients",
        ),
        pytest.param(
            version(PRODUCT + "canary", product=1000),
            version(PRODUCT + "canary, group: purchase", purchase=1000),
            logged(),
            {
                "catalog bucket_in -> catalog bucket_in": 0.01,
                "catalog bucket_in -> legacy bucket_out": 0.09,
                "legacy bucket_out -> catalog bucket_in": 0.09,
                "legacy bucket_out -> legacy bucket_out": 0.81,
            },
            id="a route that joins a group shuffles its clients",
        ),
        pytest.param(
            version(PRODUCT + "canary, max_percent: 10", product=5000),
            version(PRODUCT + "live"),
            logged(),
            {
                "catalog bucket_in -> catalog live": 0.1,
                "legacy bucket_out -> catalog live": 0.9,
            },
            id="live is everybody",
        ),
        pytest.param(
            LEGACY,
            version(PRODUCT + "canary"),
            logged(),
            {"legacy stage_legacy -> legacy bucket_out": 1.0},
            id="a canary without a flag moves nobody",
        ),
        pytest.param(
            LEGACY,
            version(PRODUCT + "canary, stickiness: {header: X-User}", product=2500),
            logged(),
            {
                "legacy stage_legacy -> catalog bucket_in": 0.25,
                "legacy stage_legacy -> legacy bucket_out": 0.75,
            },
            id="a key that the log does not hold",
        ),
        pytest.param(
            LEGACY,
            version(PRODUCT + "canary, stickiness: {header: X-User}", product=2500),
            logged(headers={"x-user": None}),
            {"legacy stage_legacy -> legacy no_sticky_key": 1.0},
            id="a key that was not sent",
        ),
        pytest.param(
            LEGACY,
            version(PRODUCT + "canary, stickiness: {cookie: uid}", product=2500),
            logged(headers={"cookie": "a=b; uid=7"}),
            # bucket("product", "7") is 3646
            {"legacy stage_legacy -> legacy bucket_out": 1.0},
            id="a key in the cookies",
        ),
        pytest.param(
            LEGACY,
            version(PRODUCT + "canary, cohorts: {always: [staff]}"),
            logged(headers={"x-employee": "1"}),
            {"legacy stage_legacy -> catalog cohort_always": 1.0},
            id="a cohort by a field in the log",
        ),
        pytest.param(
            LEGACY,
            version(PRODUCT + "canary, cohorts: {never: [office]}", product=10_000),
            logged(client_ip="203.0.113.9"),
            {"legacy stage_legacy -> legacy cohort_never": 1.0},
            id="a cohort by address",
        ),
        pytest.param(
            version(PRODUCT + "live"),
            version(PRODUCT + "live", flags=FlagSnapshot(rollback_all=True)),
            logged("http://shop.example/product/saw"),
            {"catalog live -> legacy rollback_all": 1.0},
            id="a rollback, an absolute target",
        ),
    ],
)
def test_shares_are_those_of_the_decision(
    before: Version, after: Version, request_: LoggedRequest, shares: dict[str, float]
) -> None:
    assert told(before, after, request_) == shares


@settings(max_examples=25, deadline=None)
@given(
    old=st.integers(0, 10_000),
    new=st.integers(0, 10_000),
    device=st.binary(min_size=16, max_size=16),
)
def test_a_log_with_the_identity_is_decided_as_traffic_is(
    old: int, new: int, device: bytes
) -> None:
    before = version(PRODUCT + "canary, max_percent: 60", product=old)
    after = version(PRODUCT + "canary", product=new)
    request = logged(cookies={"figway_id": device.hex()})
    (outcome,) = Judge(before, after).outcomes(LoggedFacts(request))
    facts = PlainFacts.of("GET", "/product/saw", device_id=device.hex())
    assert outcome.before == decide(before.table, before.flags, facts)
    assert outcome.after == decide(after.table, after.flags, facts)


@settings(max_examples=25, deadline=None)
@given(old=st.integers(0, 10_000), new=st.integers(0, 10_000))
def test_shares_of_unknown_clients_are_exact_to_a_basis_point(old: int, new: int) -> None:
    before = version(PRODUCT + "canary", product=old)
    after = version(PRODUCT + "canary", product=new)
    found = Judge(before, after).outcomes(LoggedFacts(logged()))
    moved = sum(outcome.share for outcome in found if outcome.is_change)
    assert moved == pytest.approx(abs(new - old) / 10_000)


def test_a_rule_is_asked_what_the_log_holds() -> None:
    rule = Rule(
        flag="figway-product",
        strategies=(
            Strategy(
                name="flexibleRollout",
                basis_points=5000,
                hash_group="figway-product",
                constraints=(
                    Constraint(field="remoteAddress", operator="IN", values=("192.0.2.7",)),
                ),
            ),
        ),
    )
    after = version(PRODUCT + "canary", flags=FlagSnapshot(rules={"route:product": rule}))
    inside = told(LEGACY, after, logged(client_ip="192.0.2.7"))
    outside = told(LEGACY, after, logged(client_ip="192.0.2.8"))
    to_new = sum(share for pair, share in inside.items() if "-> catalog" in pair)
    assert to_new == pytest.approx(0.5, abs=0.01)
    assert not any("-> catalog" in pair for pair in outside)


def test_another_target_of_the_same_upstream_is_a_change() -> None:
    before = version(PRODUCT + "live")
    after = version(PRODUCT + "live, rewrite: {prefix: /p}")
    (outcome,) = Judge(before, after).outcomes(LoggedFacts(logged()))
    assert outcome.is_change
    assert outcome.other_target
    (outcome,) = Judge(before, before).outcomes(LoggedFacts(logged()))
    assert not outcome.is_change


def test_equal_requests_share_one_answer() -> None:
    judge = Judge(LEGACY, version(PRODUCT + "canary", product=100))
    first = judge.outcomes(LoggedFacts(logged()))
    assert judge.outcomes(LoggedFacts(replace(logged(), target="/product/drill"))) is first


def test_what_was_asked_and_is_not_in_the_log_is_named() -> None:
    after = version(PRODUCT + "canary, cohorts: {always: [staff, office]}", product=100)
    facts = LoggedFacts(logged(headers={"referer": None}))
    Judge(LEGACY, after).outcomes(facts)
    assert facts.missing == {"header x-employee", "client address"}
