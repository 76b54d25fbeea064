"""Who may speak to the admin listener."""

from __future__ import annotations

import pytest

from proxy.admin.guard import OPEN_PATHS, Guard
from proxy.admin.problem import AdminError

TOKEN = "a-token-of-some-length"
GUARD = Guard(token=TOKEN, admin_host="figway.internal")
OURS = {"Host": "127.0.0.1:9900", "Authorization": f"Bearer {TOKEN}"}


def refusal(headers: dict[str, str], path: str = "/api/v1/status") -> int | None:
    try:
        GUARD.check(path, headers)
    except AdminError as error:
        return error.status
    return None


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1:9900",
        "127.0.0.1",
        "localhost:1",
        "LOCALHOST",
        "[::1]:9900",
        "10.1.2.3:9900",
        "figway.internal:9900",
        "figway.internal.",
    ],
)
def test_our_names_and_every_address_are_hosts_of_this_listener(host: str) -> None:
    assert refusal({**OURS, "Host": host}) is None


@pytest.mark.parametrize(
    "host",
    [
        "",
        ":9900",
        "evil",
        "evil:9900",
        "[evil]",
        "127.0.0.1.evil.example",
        "127.0.0.1@evil",
        "localhost.evil.example",
        "figway.internal.evil",
        "2130706433",
    ],
)
@pytest.mark.parametrize("path", ["/api/v1/status", *sorted(OPEN_PATHS)])
def test_another_host_is_refused_on_every_path(host: str, path: str) -> None:
    assert refusal({**OURS, "Host": host}, path) == 403


@pytest.mark.parametrize(
    "headers",
    [
        pytest.param({}, id="none"),
        pytest.param({"Authorization": ""}, id="empty"),
        pytest.param({"Authorization": "Bearer"}, id="no_token"),
        pytest.param({"Authorization": "Bearer wrong"}, id="wrong"),
        pytest.param({"Authorization": f"Bearer {TOKEN}x"}, id="longer"),
        pytest.param({"Authorization": f"Bearer {TOKEN[:-1]}"}, id="shorter"),
        pytest.param({"Authorization": f"Basic {TOKEN}"}, id="another_scheme"),
        pytest.param({"Authorization": TOKEN}, id="bare"),
        pytest.param({"Authorization": "Bearer \udce9"}, id="bytes_that_are_no_text"),
        pytest.param({"Cookie": f"token={TOKEN}"}, id="cookie"),
    ],
)
def test_without_the_token_nothing_is_said(headers: dict[str, str]) -> None:
    assert refusal({"Host": "localhost", **headers}) == 401


@pytest.mark.parametrize("path", sorted(OPEN_PATHS))
def test_probes_and_metrics_need_no_token(path: str) -> None:
    assert refusal({"Host": "localhost"}, path) is None


@pytest.mark.parametrize(
    "path", ["/", "/metrics/", "/livez/x", "/api/v1/rollback", "/openapi.json"]
)
def test_every_other_path_needs_the_token(path: str) -> None:
    assert refusal({"Host": "localhost"}, path) == 401


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        pytest.param({"Origin": "http://127.0.0.1:9900"}, None, id="own_origin"),
        pytest.param({"Origin": "http://evil.example"}, 403, id="another_origin"),
        pytest.param({"Origin": "http://127.0.0.1:8080"}, 403, id="another_port"),
        pytest.param({"Origin": "null"}, 403, id="opaque_origin"),
        pytest.param({"Origin": ""}, 403, id="empty_origin"),
        pytest.param({"Sec-Fetch-Site": "same-origin"}, None, id="same_origin"),
        pytest.param({"Sec-Fetch-Site": "none"}, None, id="typed_by_the_user"),
        pytest.param({"Sec-Fetch-Site": "cross-site"}, 403, id="cross_site"),
        pytest.param({"Sec-Fetch-Site": "same-site"}, 403, id="same_site"),
        pytest.param({"Sec-Fetch-Mode": "no-cors"}, 403, id="no_cors"),
    ],
)
def test_a_page_of_another_site_is_refused_even_with_the_token(
    headers: dict[str, str], status: int | None
) -> None:
    assert refusal({**OURS, **headers}) == status


def test_no_message_and_no_dump_holds_the_token() -> None:
    with pytest.raises(AdminError) as caught:
        GUARD.check("/", {"Host": "localhost", "Authorization": "Bearer guess-of-a-secret"})
    assert "guess-of-a-secret" not in str(caught.value)
    assert TOKEN not in repr(vars(GUARD))
