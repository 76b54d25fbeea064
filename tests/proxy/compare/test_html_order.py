"""Lists of a page in another order: one difference, whatever else differs in them."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.compare.comparison import Comparison, Kind, Result
from proxy.compare.html_events import Sides
from proxy.compare.html_order import in_one_order
from proxy.compare.html_page import Page, parse, read
from proxy.compare.pair import compare
from proxy.compare.policy import CompiledPolicy
from proxy.compare_policy import CompareLimits, ComparePolicy, Facet, HtmlPolicy, Op, Rule, Severity
from tests.proxy.compare.pairs import answer

LIMITS = CompareLimits()
ALL = frozenset(Facet)
CARDS = [
    '<li class="card"><a href="/saw"><h3>Saw</h3></a> <p class="price">€1.00</p></li>',
    '<li class="card"><a href="/axe"><h3>Axe</h3></a> <p class="price">€2.00</p></li>',
    '<li class="card"><a href="/tap"><h3>Tap</h3></a> <p class="price">€3.00</p></li>',
    '<li class="card"><a href="/pan"><h3>Pan</h3></a> <p class="price">€4.00</p></li>',
]


def page(*cards: str) -> str:
    return (
        "<!doctype html><html><head><title>T</title></head><body><main><h1>Shop</h1>"
        f'<ul class="cards">\n{chr(10).join(cards)}\n</ul></main><footer>F</footer></body></html>'
    )


def compared(legacy: str, new: str, policy: ComparePolicy | None = None) -> Comparison:
    compiled = CompiledPolicy.compile(policy or ComparePolicy())
    kind = b"text/html; charset=utf-8"
    return compare(answer(legacy.encode(), kind), answer(new.encode(), kind), compiled)


def read_page(text: str) -> Page:
    return read(parse(text, (), LIMITS), LIMITS)


def told(found: Comparison) -> list[tuple[Kind, str]]:
    return [(difference.kind, difference.path) for difference in found.differences]


@pytest.mark.parametrize(
    "order",
    [
        pytest.param([1, 0, 2, 3], id="two changed places"),
        pytest.param([3, 2, 1, 0], id="reversed"),
        pytest.param([1, 2, 3, 0], id="one moved to the end"),
    ],
)
def test_another_order_is_one_difference(order: list[int]) -> None:
    found = compared(page(*CARDS), page(*(CARDS[place] for place in order)))
    assert told(found) == [(Kind.ORDER, "html:links[ul.cards]")]
    [cause] = found.causes
    assert (cause.cause, cause.severity) == ("order", Severity.MAJOR)
    assert "elements stand in another order" in cause.explanation


def test_what_differs_in_a_reordered_list_is_told_as_what_it_is() -> None:
    dearer = CARDS[0].replace("€1.00", "€1.25")
    found = compared(page(*CARDS), page(CARDS[2], CARDS[3], dearer, CARDS[1]))
    assert sorted(told(found)) == sorted(
        [(Kind.ORDER, "html:links[ul.cards]"), (Kind.VALUE, "html:text[p.price]")]
    )


@pytest.mark.parametrize("gone", range(4))
def test_a_missing_element_is_told_once_and_is_no_other_order(gone: int) -> None:
    kept = [card for place, card in enumerate(CARDS) if place != gone]
    assert told(compared(page(*CARDS), page(*kept))) == [(Kind.MISSING, "html:links[li.card]")]
    assert told(compared(page(*kept), page(*CARDS))) == [(Kind.EXTRA, "html:links[li.card]")]


def test_words_that_the_next_element_has_too_stay_with_their_own() -> None:
    stock = "<ul><li>Hamburg: 7</li><li>Kassel: 0</li><li>Linz: 0</li></ul>"
    found = compared(page(stock), page(stock.replace("<li>Linz: 0</li>", "")))
    [difference] = found.differences
    assert (difference.kind, difference.legacy) == (Kind.MISSING, "Linz: 0")


def test_a_missing_element_in_another_order_is_both() -> None:
    found = compared(page(*CARDS), page(CARDS[3], CARDS[2], CARDS[0]))
    assert sorted(kind for kind, _ in told(found)) == [Kind.MISSING, Kind.ORDER]


def test_a_rule_unordered_makes_the_lists_equal() -> None:
    rule = Rule(path="html:links[ul.cards]", op=Op.UNORDERED)
    found = compared(page(*CARDS), page(*reversed(CARDS)), ComparePolicy(rules=(rule,)))
    assert found.result is Result.NORMALISED
    assert "rule:0" in {use.rule for use in found.rules_used}


@pytest.mark.parametrize(
    ("facets", "path"),
    [
        pytest.param((Facet.TEXT,), "html:text[ul.cards]", id="text"),
        pytest.param((Facet.MARKUP,), "html:markup[ul.cards]", id="markup"),
    ],
)
def test_the_order_is_told_in_a_facet_that_is_compared(
    facets: tuple[Facet, ...], path: str
) -> None:
    policy = ComparePolicy(html=HtmlPolicy(facets=facets))
    found = compared(page(*CARDS), page(*reversed(CARDS)), policy)
    assert told(found) == [(Kind.ORDER, path)]


def test_a_facet_that_sees_no_order_tells_none() -> None:
    policy = ComparePolicy(html=HtmlPolicy(facets=(Facet.TITLE, Facet.CANONICAL)))
    assert compared(page(*CARDS), page(*reversed(CARDS)), policy).result is not Result.DIFFERENT


def test_the_order_of_a_head_is_no_list() -> None:
    texts = [
        f"<html><head><title>T</title>{first}{second}</head><body><p>x</p></body></html>"
        for first, second in (
            ('<link rel="a" href="/1">', '<link rel="b" href="/2">'),
            ('<link rel="b" href="/2">', '<link rel="a" href="/1">'),
        )
    ]
    sides = Sides(read_page(texts[0]), read_page(texts[1]))
    assert in_one_order(sides, ALL) == (sides, [])


def test_equal_elements_are_paired_in_turn() -> None:
    twins = ["<li>one</li>", "<li>two</li>", "<li>one</li>"]
    sides = Sides(read_page(page(*twins)), read_page(page(*twins)))
    assert in_one_order(sides, ALL)[1] == []


NODES = st.recursive(
    st.tuples(st.sampled_from(["b", "p", "a"]), st.integers(0, 30)),
    lambda inner: st.lists(inner, min_size=1, max_size=5),
    max_leaves=25,
)


def written(node: object, chance: random.Random | None) -> str:
    """A tree of lists as HTML, each list shuffled by `chance`."""
    if isinstance(node, tuple):
        tag, number = node
        return f'<{tag} href="/{number}" title="t{number}">word {number}</{tag}>'
    assert isinstance(node, list)
    inner = [written(each, chance) for each in node]
    if chance is not None:
        chance.shuffle(inner)
    return f"<div>text <ul>{' '.join(f'<li>{each}</li>' for each in inner)}</ul> after</div>"


@given(NODES, st.randoms(use_true_random=False))
def test_shuffled_lists_read_as_the_page_they_were(node: object, chance: random.Random) -> None:
    legacy = read_page(f"<body>{written(node, None)}</body>")
    new = read_page(f"<body>{written(node, chance)}</body>")
    sides, events = in_one_order(Sides(legacy, new), ALL)
    assert sides.new == legacy
    assert bool(events) == (new != legacy)


@given(NODES, NODES, st.randoms(use_true_random=False))
def test_nothing_is_lost_or_made_up(one: object, other: object, chance: random.Random) -> None:
    legacy = read_page(f"<body>{written([one, other], None)}</body>")
    new = read_page(f"<body>{written([other, one, one], chance)}</body>")
    sides, _ = in_one_order(Sides(legacy, new), ALL)
    for field in ("tags", "words", "texts"):
        assert sorted(getattr(sides.new, field)) == sorted(getattr(new, field))
    for element, (parent, end) in enumerate(zip(sides.new.parents, sides.new.ends, strict=True)):
        assert parent < element < end
        assert parent < 0 or end <= sides.new.ends[parent]
    for word, owner in enumerate(sides.new.owners):
        start, stop = sides.new.word_ranges[owner]
        assert start <= word < stop
