"""What differs between two files is named key by key."""

from __future__ import annotations

from dataclasses import replace

import pytest

from proxy.replay.changes import Difference, differences
from proxy.routing.route import ContextField, ContextKind
from tests.proxy.replay.two_versions import PRODUCT, file_of

CART = "id: cart, match: {path: {prefix: /cart}}"


def difference(part: str, name: str, kind: str = "changed", **said: str) -> Difference:
    return Difference(part=part, name=name, kind=kind, **said)


@pytest.mark.parametrize(
    ("before", "after", "said"),
    [
        pytest.param([PRODUCT + "live"], [PRODUCT + "live"], [], id="nothing"),
        pytest.param(
            [PRODUCT + "canary, max_percent: 5"],
            [PRODUCT + "canary, max_percent: 12.5, group: purchase, cohorts: {never: [staff]}"],
            [
                difference("route", "product", key="max_percent", before="5", after="12.5"),
                difference("route", "product", key="group", before="-", after="purchase"),
                difference("route", "product", key="cohorts.never", before="-", after="staff"),
            ],
            id="several keys",
        ),
        pytest.param(
            [PRODUCT + "canary, on_rollback: close"],
            [PRODUCT + "canary, on_rollback: drain 9s, cohorts: {always: [staff]}"],
            [
                difference("route", "product", key="cohorts.always", before="-", after="staff"),
                difference("route", "product", key="on_rollback", before="close", after="drain 9s"),
            ],
            id="keys as they are written",
        ),
        pytest.param(
            [PRODUCT + "shadow, shadow: {sample: 10%}"],
            [PRODUCT + "canary, shadow: {sample: 50%}"],
            [
                difference("route", "product", key="stage", before="shadow", after="canary"),
                difference("route", "product", key="shadow.sample", before="0.1", after="0.5"),
            ],
            id="inner keys",
        ),
        pytest.param(
            [PRODUCT + "canary, stickiness: {header: X-User}"],
            [PRODUCT + "canary, stickiness: {header: X-Account}"],
            [
                difference(
                    "route", "product", key="stickiness.name", before="x-user", after="x-account"
                )
            ],
            id="a name within a key",
        ),
        pytest.param(
            [PRODUCT + "legacy"],
            [PRODUCT.replace("/product", "/p") + "legacy"],
            [
                difference(
                    "route", "product", key="match", before="prefix /product", after="prefix /p"
                )
            ],
            id="a match is one thing",
        ),
        pytest.param(
            [CART],
            [PRODUCT + "legacy"],
            [
                difference(
                    "route",
                    "cart",
                    "removed",
                    before="match prefix /cart, stage legacy, max_percent 100",
                ),
                difference(
                    "route",
                    "product",
                    "added",
                    after="match prefix /product, new catalog, stage legacy, max_percent 100",
                ),
            ],
            id="routes come and go",
        ),
        pytest.param(
            [CART, PRODUCT + "legacy"],
            [PRODUCT + "legacy", CART],
            [
                difference(
                    "order",
                    "routes",
                    before="cart, product, monolith",
                    after="product, cart, monolith",
                )
            ],
            id="the order of the file",
        ),
    ],
)
def test_differences_are_named(before: list[str], after: list[str], said: list[Difference]) -> None:
    found = differences(file_of(*before), file_of(*after))
    assert sorted(found, key=str) == sorted(said, key=str)


def test_upstreams_and_the_shadow_budget_are_compared_and_tests_are_not() -> None:
    before = file_of(PRODUCT + "legacy")
    catalog = replace(before.upstreams[1], urls=("http://127.0.0.1:9",))
    after = replace(
        before,
        upstreams=(before.upstreams[0], catalog),
        shadow=replace(before.shadow, kill_switch=True),
        context=(ContextField(field="country", kind=ContextKind.HEADER, name="x-country"),),
        tests=(),
    )
    assert differences(before, after) == (
        difference(
            "upstream",
            "catalog",
            key="urls",
            before="http://127.0.0.1:2",
            after="http://127.0.0.1:9",
        ),
        difference("context", "country", "added", after="kind header"),
        difference("shadow", "shadow", key="kill_switch", before="false", after="true"),
    )
