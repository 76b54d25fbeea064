"""Who may do what."""

from __future__ import annotations

import pytest

from proxy.admin.roles import NEEDS, Kind, Role, need_of


def test_each_role_includes_the_ones_below_it_and_no_other() -> None:
    order = [Role.VIEWER, Role.OPERATOR, Role.ADMIN]
    assert [[one.includes(other) for other in order] for one in order] == [
        [True, False, False],
        [True, True, False],
        [True, True, True],
    ]


@pytest.mark.parametrize(
    ("method", "path", "role", "kind"),
    [
        pytest.param("GET", "/api/v1/status", Role.VIEWER, Kind.READ, id="look"),
        pytest.param("POST", "/api/v1/explain", Role.VIEWER, Kind.READ, id="ask"),
        pytest.param("POST", "/api/v1/rollback", Role.OPERATOR, Kind.ROLLBACK, id="rollback"),
        pytest.param("POST", "/api/v1/percent", Role.OPERATOR, Kind.CHANGE, id="percent"),
        pytest.param("POST", "/api/v1/tokens", Role.ADMIN, Kind.CHANGE, id="tokens"),
        pytest.param("GET", "/api/v1/tokens", Role.ADMIN, Kind.READ, id="who has tokens"),
        pytest.param("GET", "/api/v9/nothing", Role.VIEWER, Kind.READ, id="unknown"),
        pytest.param("POST", "/api/v9/nothing", Role.ADMIN, Kind.CHANGE, id="unknown change"),
        pytest.param("DELETE", "/api/v1/status", Role.ADMIN, Kind.CHANGE, id="unknown method"),
    ],
)
def test_what_a_call_needs(method: str, path: str, role: Role, kind: Kind) -> None:
    need = need_of(method, path)
    assert (need.role, need.kind) == (role, kind)


def test_nothing_but_rollback_takes_the_allowance_of_rollbacks() -> None:
    assert [call for call, need in NEEDS.items() if need.kind is Kind.ROLLBACK] == [
        ("POST", "/api/v1/rollback")
    ]
