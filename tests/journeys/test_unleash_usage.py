"""What Unleash is told of the use of its flags, over the real program: true counts, and whose."""

from __future__ import annotations

from tests.journeys.conftest import Shop
from tests.journeys.test_fail_safe import server, start
from tests.rigs.fake_unleash import FakeUnleash

__all__ = ["server"]

METRICS = "/api/client/metrics"
REQUESTS = 7


def test_unleash_is_told_how_many_requests_each_flag_was_on_for_at_the_end_too(
    shop: Shop, server: FakeUnleash
) -> None:
    server.flag("figway-rollback", enabled=False)
    figway = start(shop, server, FIGWAY_REPLICA="replica-7")
    figway.wait_until(lambda: bool(server.to("/api/client/register")))
    for _ in range(REQUESTS):
        assert figway.get("/product/a").headers["x-origin"] == "new"
    # What it has counted until now is told at its end.
    counted = {"route": "product-page", "upstream": "catalog", "reason": "bucket_in"}
    assert figway.metric("figway_requests_total", code="200", **counted) == REQUESTS
    assert figway.stop() == 0

    [registered] = server.to("/api/client/register")
    assert registered.body["instanceId"] == "replica-7"
    told: dict[str, tuple[int, int]] = {}
    for each in server.to(METRICS):
        assert each.body["instanceId"] == "replica-7"
        for flag, said in each.body["bucket"]["toggles"].items():
            yes, no = told.get(flag, (0, 0))
            told[flag] = (yes + said["yes"], no + said["no"])
    assert told["figway-product-page"] == (REQUESTS, 0)
    # The kill switch was asked by each of them, and said no.
    assert told["figway-rollback"] == (0, REQUESTS)
    # Flags that Unleash does not have are not told of.
    assert set(told) <= set(server.features)
