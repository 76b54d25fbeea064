"""Coverage: which requests are of one kind, and how much was not seen yet."""

from __future__ import annotations

from random import Random
from typing import Any

import pytest

from proxy.evidence.coverage import path_template, signature, unseen_mass

PLAIN: dict[str, Any] = {
    "template": "/product/{slug}",
    "query_keys": ("page", "sort"),
    "status": 200,
    "content_type": "text/html; charset=utf-8",
    "signed_in": False,
    "shape": "object",
}


@pytest.mark.parametrize(
    "changed",
    [
        pytest.param({"template": "/category/{slug}"}, id="template"),
        pytest.param({"query_keys": ("page",)}, id="query keys"),
        pytest.param({"status": 404}, id="status"),
        pytest.param({"content_type": "application/json"}, id="content type"),
        pytest.param({"signed_in": True}, id="signed in"),
        pytest.param({"shape": "array"}, id="shape"),
    ],
)
def test_every_part_makes_a_kind_of_its_own(changed: dict[str, Any]) -> None:
    assert signature(**(PLAIN | changed)) != signature(**PLAIN)


def test_order_repetition_and_parameters_make_none() -> None:
    same = PLAIN | {"query_keys": ("sort", "page", "page"), "content_type": "Text/HTML"}
    assert signature(**same) == signature(**PLAIN)


@pytest.mark.parametrize(
    ("path", "template"),
    [
        ("/orders/4711", "/orders/{id}"),
        ("/orders/3f2b8c1e-0d4a-4b6e-9c7f-1a2b3c4d5e6f/items", "/orders/{id}/items"),
        ("/product/screwdriver", "/product/screwdriver"),
        ("/", "/"),
        ("/v2/list", "/v2/list"),
    ],
)
def test_ids_in_a_path_make_no_kind(path: str, template: str) -> None:
    assert path_template(path) == template


@pytest.mark.parametrize(
    ("compared", "once", "mass"),
    [
        pytest.param(0, 0, 1.0, id="nothing seen"),
        pytest.param(100, 100, 1.0, id="each of its own kind"),
        pytest.param(1000, 5, 0.005, id="five once"),
        pytest.param(1000, 0, 0.0, id="none once"),
    ],
)
def test_the_unseen_mass_is_the_share_of_what_was_seen_once(
    compared: int, once: int, mass: float
) -> None:
    assert unseen_mass(compared, once) == mass


def test_the_estimate_is_near_the_truth_for_a_long_tail() -> None:
    """Kinds with a probability of 1 / rank: many of them stay unseen for long."""
    random = Random(3)
    kinds = 2000
    weights = [1 / rank for rank in range(1, kinds + 1)]
    drawn = random.choices(range(kinds), weights, k=3000)
    seen: dict[int, int] = {}
    for kind in drawn:
        seen[kind] = seen.get(kind, 0) + 1
    truth = sum(weight for kind, weight in enumerate(weights) if kind not in seen) / sum(weights)
    once = sum(count == 1 for count in seen.values())
    assert unseen_mass(len(drawn), once) == pytest.approx(truth, rel=0.15)
