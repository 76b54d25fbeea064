"""Flags of a real Unleash that say more than a percentage, over the real program."""

from __future__ import annotations

from tests.journeys.conftest import ROUTES, Shop
from tests.journeys.figway_process import FigwayProcess
from tests.rigs.unleash_server import Unleash

CONTEXT = """\
flags:
  provider: unleash
  unleash:
    poll: 100ms
    context: {{country: {{header: X-Shop-Country}}, userId: {{cookie: customer}}}}
"""
FLAG = "figway-product-page"
DEVICE = "figway_id=0123456789abcdef0123456789abcdef"


def start(shop: Shop, unleash: Unleash) -> FigwayProcess:
    shop.write_routes(ROUTES + CONTEXT)
    told = {"FIGWAY_UNLEASH_URL": unleash.api, "FIGWAY_UNLEASH_TOKEN": unleash.client_token}
    return shop.start(workers=1, environ=told, options=("--access-log", "all")).serving()


def test_who_gets_the_new_side_is_clicked_in_unleash(shop: Shop, unleash: Unleash) -> None:
    admin = unleash.admin
    admin.create_flag("figway-enabled")
    admin.turn_on("figway-enabled")
    dach = {"contextName": "country", "operator": "IN", "values": ["DE", "AT"]}
    segment = admin.create_segment("dach", [dach])
    admin.create_flag(FLAG)
    admin.depend(FLAG, "figway-enabled")
    admin.add_strategy(
        FLAG,
        "flexibleRollout",
        {"rollout": "100", "stickiness": "default", "groupId": FLAG},
        constraints=[
            {
                "contextName": "currentTime",
                "operator": "DATE_AFTER",
                "value": "2020-01-01T00:00:00.000Z",
            },
            {"contextName": "environment", "operator": "IN", "values": ["production"]},
        ],
        segments=[segment],
    )
    admin.add_strategy(
        FLAG,
        "default",
        constraints=[
            {
                "contextName": "userId",
                "operator": "STR_ENDS_WITH",
                "values": ["@shop.example"],
                "caseInsensitive": True,
            }
        ],
    )
    admin.turn_on(FLAG)
    unleash.wait_until_served(lambda features: FLAG in features)
    figway = start(shop, unleash)

    def side(**headers: str) -> str:
        return figway.get("/product/a", **headers).headers["x-origin"]

    german, french = ({"X-Shop-Country": c, "Cookie": DEVICE} for c in ("DE", "FR"))
    figway.wait_until(lambda: side(**german) == "new")
    assert side(**french) == "legacy"
    assert side(Cookie=DEVICE) == "legacy"
    assert side(Cookie="customer=anna@SHOP.example") == "new"
    # Readers of this request disagree about who it is.
    assert side(Cookie="customer=anna@shop.example; customer=b") == "legacy"
    # Nobody gets an identity who cannot get in anyway.
    assert "set-cookie" not in figway.get("/product/a", **{"X-Shop-Country": "FR"}).headers

    headers = ("-H", f"Cookie: {DEVICE}", "-H", "X-Shop-Country: FR")
    told = figway.run("explain", "GET", "/product/a", *headers)
    assert told.code == 0, told
    assert "country IN DE, AT (segment dach): country is FR" in told.out
    assert "> flag_off" in told.out
    assert "unleash" in told.out
    figway.wait_until(
        lambda: {"flag_on", "flag_off"} <= {e["reason"] for e in figway.events("request_served")}
    )
    [shown] = [r for r in figway.api("/api/v1/routes").json["routes"] if r["id"] == "product-page"]
    assert shown["rule"].startswith("needs figway-enabled on; 100 % if ")
    assert (shown["because"], shown["effective_percent"]) == ("rule", 100)

    # What the flag depends on is off: so is the flag.
    admin.turn_off("figway-enabled")
    figway.wait_until(lambda: side(**german) == "legacy")
    admin.turn_on("figway-enabled")
    figway.wait_until(lambda: side(**german) == "new")
    # A rollback goes before every rule.
    assert figway.run("rollback", "--all", "--reason", "try").code == 0
    assert side(**german) == "legacy"
