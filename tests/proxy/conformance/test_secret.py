"""What opens something, or names a person, is not written into a file that goes into Git."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.conformance.placeholder import fill
from proxy.conformance.secret import is_secret_name, stripped_target


@pytest.mark.parametrize(
    "name",
    [
        *("token", "csrf_token", "accessToken", "X-Api-Key", "apiKey", "api_key", "password"),
        *("PHPSESSID", "sid", "session_id", "client_secret", "sig", "email", "user-email", "jwt"),
    ],
)
def test_names_of_secrets_are_known(name: str) -> None:
    assert is_secret_name(name)


@pytest.mark.parametrize(
    "name",
    ["page", "sort", "q", "product_id", "keyword", "category", "insider", "author", "hashtag"],
)
def test_other_names_are_none(name: str) -> None:
    assert not is_secret_name(name)


@pytest.mark.parametrize(
    ("target", "text", "needs"),
    [
        ("/product/red-drill?page=2", "/product/red-drill?page=2", ()),
        ("/a?token=abc&page=1", "/a?token=${QUERY_TOKEN}&page=1", ("QUERY_TOKEN",)),
        (
            "/a?token=1&token=2",
            "/a?token=${QUERY_TOKEN}&token=${QUERY_TOKEN_2}",
            ("QUERY_TOKEN", "QUERY_TOKEN_2"),
        ),
        ("/a?csrf%5Ftoken=1", "/a?csrf%5Ftoken=${QUERY_CSRF_TOKEN}", ("QUERY_CSRF_TOKEN",)),
        ("/a?token=", "/a?token=", ()),
        ("/a?x=ada%40example.com", "/a?x=${QUERY_X}", ("QUERY_X",)),
        ("/reset/9f86d081884c7d659a2feaa0c55ad015", "/reset/${PATH_TOKEN}", ("PATH_TOKEN",)),
        ("/u/ada@example.com", "/u/${PATH_TOKEN}", ("PATH_TOKEN",)),
        ("/o/123e4567-e89b-12d3-a456-426614174000", "/o/123e4567-e89b-12d3-a456-426614174000", ()),
        ("/p/a-very-long-name-of-a-product-page", "/p/a-very-long-name-of-a-product-page", ()),
        ("/a?", "/a?", ()),
        ("/a/${x}?b=${y}", "/a/$${x}?b=$${y}", ()),
    ],
)
def test_secrets_of_a_target_become_placeholders(
    target: str, text: str, needs: tuple[str, ...]
) -> None:
    stripped = stripped_target(target)
    assert stripped.text == text
    assert stripped.needs == needs


@given(st.text(alphabet="ab/?&=%$.{}1@", max_size=40))
def test_a_target_without_secrets_comes_back_as_it_was(rest: str) -> None:
    stripped = stripped_target(f"/{rest}")
    if not stripped.needs:
        assert fill(stripped.text, {}) == f"/{rest}"
