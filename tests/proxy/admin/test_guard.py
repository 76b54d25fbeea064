"""Who may speak to the admin listener."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from multidict import CIMultiDict

from proxy.admin.guard import ADMIN_TOKEN, OPEN_PATHS, Asked, Guard
from proxy.admin.principal import Principal
from proxy.admin.problem import AdminError
from proxy.admin.roles import Role
from proxy.admin.tokens import ID_BYTES, SECRET_BYTES, TokenSet, mint
from proxy.settings import Access, Identity

TOKEN = "a-token-of-some-length"
NOW = 1_800_000_000.0
OURS = {"Host": "127.0.0.1:9900", "Authorization": f"Bearer {TOKEN}"}
Fields = dict[str, str] | list[tuple[str, str]]


def guard(**options: object) -> Guard:
    """A guard whose clocks stand, and whose failures cost nothing but when that is the test."""
    fixed: dict[str, object] = {"monotonic": lambda: 0.0, "wall": lambda: NOW}
    return Guard(token=TOKEN, admin_host="figway.internal", **{**fixed, **options})  # type: ignore[arg-type] # a table of options


def asked(
    headers: Fields,
    path: str = "/api/v1/status",
    *,
    method: str = "GET",
    remote: str = "192.0.2.1",
) -> Asked:
    return Asked(method=method, path=path, headers=CIMultiDict(headers), remote=remote)


def refusal(headers: Fields, path: str = "/api/v1/status") -> int | None:
    try:
        guard().check(asked(headers, path))
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


@pytest.mark.parametrize("name", ["Host", "Origin", "Authorization"])
def test_of_two_fields_none_is_believed(name: str) -> None:
    fields = [*OURS.items(), ("Origin", "http://127.0.0.1:9900")]
    doubled = [*fields, next(field for field in fields if field[0] == name)]
    assert refusal(doubled) == 400


def test_no_message_and_no_dump_holds_the_token() -> None:
    keeper = guard()
    with pytest.raises(AdminError) as caught:
        keeper.check(asked({"Host": "localhost", "Authorization": "Bearer guess-of-a-secret"}, "/"))
    assert "guess-of-a-secret" not in str(caught.value)
    assert TOKEN not in repr(vars(keeper))


def test_more_names_of_the_listener_may_be_given() -> None:
    keeper = guard(access=Access(hosts=("figway-1",)), hosts=("Machine.Internal.", ""))
    for host in ("figway-1:9900", "machine.internal"):
        assert keeper.check(asked({**OURS, "Host": host})) is not None
    for host in ("figway-2", ""):
        with pytest.raises(AdminError, match=r"access\.hosts"):
            keeper.check(asked({**OURS, "Host": host}))


# Tokens and roles.

RANDOM = bytes(range(ID_BYTES + SECRET_BYTES))


def with_token(role: Role, *, expires: float = 0.0) -> tuple[TokenSet, str]:
    token, text = mint(name="ann", role=role, random=RANDOM, now=1.0, by="x", expires=expires)
    return TokenSet((token,)), text


def bearer(text: str) -> dict[str, str]:
    return {"Host": "localhost", "Authorization": f"Bearer {text}"}


def test_the_shared_token_is_an_admin_without_a_name() -> None:
    assert guard().check(asked(OURS)) == Principal(name="", role=Role.ADMIN, credential=ADMIN_TOKEN)


def test_a_token_says_who_it_is() -> None:
    tokens, text = with_token(Role.OPERATOR)
    keeper = guard(tokens=lambda: tokens)
    assert keeper.check(asked(bearer(text))) == Principal(
        name="ann", role=Role.OPERATOR, credential=f"token {tokens.tokens[0].id}"
    )


@pytest.mark.parametrize(
    ("role", "method", "path", "status"),
    [
        pytest.param(Role.VIEWER, "GET", "/api/v1/status", None, id="viewer_looks"),
        pytest.param(Role.VIEWER, "POST", "/api/v1/explain", None, id="viewer_asks"),
        pytest.param(Role.VIEWER, "POST", "/api/v1/rollback", 403, id="viewer_rolls_back"),
        pytest.param(Role.VIEWER, "POST", "/api/v1/percent", 403, id="viewer_moves"),
        pytest.param(Role.VIEWER, "GET", "/api/v1/tokens", 403, id="viewer_counts_tokens"),
        pytest.param(Role.OPERATOR, "POST", "/api/v1/rollback", None, id="operator_rolls_back"),
        pytest.param(Role.OPERATOR, "POST", "/api/v1/tokens", 403, id="operator_makes_tokens"),
        pytest.param(Role.OPERATOR, "POST", "/api/v1/new", 403, id="operator_at_the_unknown"),
        pytest.param(Role.ADMIN, "POST", "/api/v1/tokens", None, id="admin_makes_tokens"),
    ],
)
def test_a_role_opens_what_it_is_for(
    role: Role, method: str, path: str, status: int | None
) -> None:
    tokens, text = with_token(role)
    keeper = guard(tokens=lambda: tokens)
    question = asked(bearer(text), path, method=method)
    if status is None:
        assert keeper.check(question) is not None
        return
    with pytest.raises(AdminError, match="needs the role") as caught:
        keeper.check(question)
    assert caught.value.status == status


def test_a_token_that_is_no_longer_good_is_told_so_to_whoever_has_it_only() -> None:
    tokens, text = with_token(Role.VIEWER, expires=NOW)
    keeper = guard(tokens=lambda: tokens)
    with pytest.raises(AdminError, match="is expired") as caught:
        keeper.check(asked(bearer(text)))
    assert caught.value.status == 401
    tokens, _ = tokens.without("ann", now=NOW, by="x")
    with pytest.raises(AdminError, match="is revoked"):
        guard(tokens=lambda: tokens).check(asked(bearer(text)))
    with pytest.raises(AdminError, match="is wrong"):
        keeper.check(asked(bearer(text[:-1] + "f")))


# What a proxy says.

PROXY = "10.0.0.7"
IDENTITY = Identity(
    header="X-Forwarded-Email",
    groups_header="X-Forwarded-Groups",
    proxies=(f"{PROXY}/32", "fd00::/64"),
    viewers=("*",),
    operators=("ann@example.org", "group:oncall"),
    admins=("group:platform",),
)


def seen_through(
    fields: Fields, *, remote: str = PROXY, identity: Identity = IDENTITY
) -> Principal:
    headers = CIMultiDict(fields)
    headers["Host"] = "localhost"
    question = Asked(method="GET", path="/api/v1/status", headers=headers, remote=remote)
    found = guard(access=Access(identity=identity)).check(question)
    assert found is not None
    return found


@pytest.mark.parametrize(
    ("fields", "role"),
    [
        pytest.param({}, Role.VIEWER, id="everybody"),
        pytest.param({"X-Forwarded-Groups": "dev, oncall"}, Role.OPERATOR, id="group"),
        pytest.param({"X-Forwarded-Groups": "oncall,platform"}, Role.ADMIN, id="highest"),
        pytest.param({"X-Forwarded-Groups": "group:platform"}, Role.VIEWER, id="no_group_of_that"),
        pytest.param({"X-Forwarded-Groups": ""}, Role.VIEWER, id="no_groups"),
    ],
)
def test_a_trusted_proxy_says_who_it_is_and_the_lists_say_what_they_may(
    fields: dict[str, str], role: Role
) -> None:
    found = seen_through({"X-Forwarded-Email": "bob@example.org", **fields})
    assert found == Principal(
        name="bob@example.org", role=role, credential=f"X-Forwarded-Email from {PROXY}"
    )


def test_names_have_roles_too_and_groups_may_come_in_several_fields() -> None:
    assert seen_through({"X-Forwarded-Email": "ann@example.org"}).role is Role.OPERATOR
    several = [
        ("X-Forwarded-Email", "bob@example.org"),
        ("X-Forwarded-Groups", "dev"),
        ("X-Forwarded-Groups", "platform"),
    ]
    assert seen_through(several).role is Role.ADMIN


@pytest.mark.parametrize("remote", ["10.0.0.8", "127.0.0.1", "::1", "", "not an address"])
def test_from_anywhere_else_the_header_means_nothing(remote: str) -> None:
    with pytest.raises(AdminError) as caught:
        seen_through({"X-Forwarded-Email": "ann@example.org"}, remote=remote)
    assert caught.value.status == 401


@pytest.mark.parametrize("remote", ["fd00::7", f"::ffff:{PROXY}"])
def test_a_proxy_is_known_by_each_form_of_its_address(remote: str) -> None:
    assert seen_through({"X-Forwarded-Email": "ann@example.org"}, remote=remote).name


@pytest.mark.parametrize(
    "name", ["", " ", "*", "group:platform", "a\tb", "x" * 201, "\u00e4nn", "\u202eann"]
)
def test_a_name_that_could_be_misread_is_refused(name: str) -> None:
    with pytest.raises(AdminError) as caught:
        seen_through({"X-Forwarded-Email": name})
    assert caught.value.status == 400


def test_two_names_are_none() -> None:
    with pytest.raises(AdminError) as caught:
        seen_through([("X-Forwarded-Email", "ann@example.org"), ("X-Forwarded-Email", "bob")])
    assert caught.value.status == 400


def test_somebody_without_a_role_is_known_but_may_nothing() -> None:
    with pytest.raises(AdminError, match="has no role here") as caught:
        seen_through(
            {"X-Forwarded-Email": "bob"},
            identity=Identity(header="X-Forwarded-Email", proxies=(PROXY,), admins=("ann",)),
        )
    assert caught.value.status == 403


def test_a_good_token_counts_more_than_a_header_and_a_bad_one_does_not_stand_in_its_way() -> None:
    header = {"X-Forwarded-Email": "bob@example.org"}
    assert seen_through({**header, "Authorization": f"Bearer {TOKEN}"}).credential == ADMIN_TOKEN
    passed_on = {**header, "Authorization": "Bearer an.oidc.token"}
    assert seen_through(passed_on).name == "bob@example.org"


# How often.


def exhausted(keeper: Guard, question: Callable[[], Asked]) -> AdminError:
    for _ in range(100_000):
        try:
            keeper.check(question())
        except AdminError as error:
            if error.status == 429:
                return error
    raise AssertionError("it was never too much")


def rollback() -> Asked:
    return asked(OURS, "/api/v1/rollback", method="POST")


def test_too_many_calls_are_refused_with_the_time_to_wait() -> None:
    clock = [0.0]
    keeper = guard(
        access=Access(changes_per_second=1), monotonic=lambda: clock[0], wall=lambda: NOW
    )
    error = exhausted(keeper, lambda: asked(OURS, "/api/v1/percent", method="POST"))
    assert error.headers["Retry-After"] == "1"
    clock[0] += 1.0
    assert keeper.check(asked(OURS, "/api/v1/percent", method="POST")) is not None


def test_a_rollback_is_never_starved_by_other_calls() -> None:
    keeper = guard(access=Access(reads_per_second=1, changes_per_second=1))
    exhausted(keeper, lambda: asked(OURS))
    exhausted(keeper, lambda: asked(OURS, "/api/v1/resume", method="POST"))
    exhausted(keeper, lambda: asked({"Host": "localhost"}))
    assert keeper.check(rollback()) is not None


def test_one_callers_rollbacks_do_not_starve_anothers() -> None:
    tokens, text = with_token(Role.OPERATOR)
    keeper = guard(tokens=lambda: tokens)
    exhausted(keeper, rollback)
    question = asked(bearer(text), "/api/v1/rollback", method="POST")
    assert keeper.check(question) is not None


def test_whoever_guesses_tokens_is_slowed_down_and_nobody_else_at_that_address() -> None:
    keeper = guard(access=Access(changes_per_second=2))
    wrong = asked({"Host": "localhost", "Authorization": "Bearer guess"})
    statuses = []
    for _ in range(20 + 5):
        with pytest.raises(AdminError) as caught:
            keeper.check(wrong)
        statuses.append(caught.value.status)
    assert statuses == [401] * 20 + [429] * 5
    assert keeper.check(asked(OURS)) is not None


def test_neighbours_in_one_network_of_ipv6_are_one_caller() -> None:
    keeper = guard(access=Access(changes_per_second=2))
    statuses = set()
    for number in range(20 + 1):
        with pytest.raises(AdminError) as caught:
            keeper.check(asked({"Host": "localhost"}, remote=f"2001:db8::{number:x}"))
        statuses.add(caught.value.status)
    assert statuses == {401, 429}


def test_probes_are_never_held_up() -> None:
    keeper = guard(access=Access(reads_per_second=1))
    for _ in range(1000):
        assert keeper.check(asked({"Host": "localhost"}, "/readyz")) is None


def test_pages_of_other_sites_that_keep_trying_are_slowed_down_too() -> None:
    keeper = guard(access=Access(changes_per_second=2))
    statuses = []
    for _ in range(25):
        with pytest.raises(AdminError) as caught:
            keeper.check(asked({**OURS, "Origin": "http://evil.example"}))
        statuses.append(caught.value.status)
    assert statuses == [403] * 20 + [429] * 5
    assert keeper.check(asked(OURS)) is not None
