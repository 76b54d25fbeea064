"""Scopes, as data and as options of a command."""

from __future__ import annotations

import pytest

from flags.scope import ALL, as_option, checked_scope, group_of, group_scope, route_of, route_scope


def test_a_scope_names_one_group_or_route_or_everything() -> None:
    assert (group_of(group_scope("a")), route_of(group_scope("a"))) == ("a", None)
    assert (group_of(route_scope("a")), route_of(route_scope("a"))) == (None, "a")
    assert (group_of(ALL), route_of(ALL)) == (None, None)


@pytest.mark.parametrize(
    ("scope", "option"),
    [
        pytest.param("all", "--all", id="all"),
        pytest.param("group:purchase", "--group purchase", id="group"),
        pytest.param("route:product-page", "--route product-page", id="route"),
    ],
)
def test_a_scope_is_shown_as_the_option_to_type(scope: str, option: str) -> None:
    assert as_option(checked_scope(scope)) == option


@pytest.mark.parametrize("scope", ["", "everything", "group:", "route:", "group", "ALL"])
def test_anything_else_is_refused(scope: str) -> None:
    with pytest.raises(ValueError, match="must be all, group:NAME or route:ID"):
        checked_scope(scope)
