"""Patterns for GET requests that change something."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.routing.unsafe_get import compile_unsafe_get
from proxy.shadow_policy import ShadowPolicy

DEFAULT = ShadowPolicy().unsafe_get


@pytest.mark.parametrize(
    ("patterns", "path", "query", "unsafe"),
    [
        pytest.param(DEFAULT, "/logout", "", True, id="logout"),
        pytest.param(DEFAULT, "/shop/logout", "", True, id="logout_below"),
        pytest.param(DEFAULT, "/shop/%6Cogout", "", True, id="logout_escaped"),
        pytest.param(DEFAULT, "/logout/help", "", False, id="not_the_end"),
        pytest.param(DEFAULT, "/cart", "action=delete", True, id="action"),
        pytest.param(DEFAULT, "/cart", "id=7&action=", True, id="action_empty"),
        pytest.param(DEFAULT, "/cart", "%61ction=delete", True, id="action_escaped"),
        pytest.param(DEFAULT, "/cart", "action[]=delete", True, id="action_as_php_reads_it"),
        pytest.param(DEFAULT, "/cart", "a=1;action=x", True, id="another_separator"),
        pytest.param(DEFAULT, "/cart", "reaction=delete", False, id="another_name"),
        pytest.param(DEFAULT, "/cart", "q=action", False, id="a_value_is_no_name"),
        pytest.param(DEFAULT, "/product/7", "id=7", False, id="a_plain_page"),
        pytest.param(DEFAULT, "/a//b", "", True, id="a_path_read_in_two_ways"),
        pytest.param(("/vote",), "/vote", "", True, id="exact"),
        pytest.param(("/vote",), "/votes", "", False, id="exact_is_exact"),
        pytest.param(("/a*b*c",), "/axxbxxc", "", True, id="stars"),
        pytest.param(("/a*b*c",), "/acb", "", False, id="stars_in_order"),
        pytest.param(("/ab*bc",), "/abc", "", False, id="ends_do_not_overlap"),
        pytest.param(("?do=e*t",), "/x", "do=edit", True, id="value_star"),
        pytest.param(("?do=e*t",), "/x", "do=show", False, id="another_value"),
        pytest.param(("?do",), "/x", "do=show", True, id="name_alone"),
        pytest.param(("?do",), "/x", "do", True, id="name_without_value"),
        pytest.param(("?del_*=1",), "/x", "a=1&del_7=1", True, id="name_star"),
        pytest.param(("?del_*=1",), "/x", "del_7=0", False, id="name_star_other_value"),
        pytest.param(("/cart*?do=x",), "/cart/1", "do=x", True, id="both"),
        pytest.param(("/cart*?do=x",), "/shop", "do=x", False, id="both_other_path"),
        pytest.param(("/cart*?do=x",), "/cart/1", "", False, id="both_no_query"),
    ],
)
def test_a_request_is_unsafe_when_any_reader_may_see_the_pattern(
    patterns: tuple[str, ...], path: str, query: str, unsafe: bool
) -> None:
    ask = compile_unsafe_get(patterns)
    assert ask is not None
    assert ask(path, query) is unsafe


def test_no_patterns_ask_nothing() -> None:
    assert compile_unsafe_get(()) is None


@given(
    pieces=st.lists(st.text("ab", max_size=3), min_size=1, max_size=5),
    fill=st.lists(st.text("abc", max_size=3), min_size=4, max_size=4),
)
def test_a_text_made_from_the_pattern_matches_it(pieces: list[str], fill: list[str]) -> None:
    ask = compile_unsafe_get(("/" + "*".join(pieces),))
    assert ask is not None
    made = pieces[0]
    for star, piece in zip(fill, pieces[1:], strict=False):
        made += star + piece
    assert ask("/" + made, "")
