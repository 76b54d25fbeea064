"""Pages are compared facet by facet, and one fault is told once."""

from __future__ import annotations

import html

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.compare.comparison import Comparison, Kind, Result
from proxy.compare.pair import compare
from proxy.compare.policy import CompareRuleError, CompiledPolicy
from proxy.compare_policy import ComparePolicy, Facet, HtmlPolicy, Op, Profile, Rule, Severity
from tests.proxy.compare.pairs import answer, rule

HTML = b"text/html; charset=utf-8"
PHP = ComparePolicy(profile=Profile.PHP)
LD = '<script type="application/ld+json">{"offers": {"price": "12.50"}}</script>'
TOKEN = "abcdef0123456789abcdef"


def page(
    *, title: str = "Saws", head: str = "", main: str = "", foot: str = "prices with VAT"
) -> str:
    cards = "".join(
        f'<li class="product row-{n}"><a href="/product/{n}"><img src="/i/{n}.jpg" alt="Saw {n}">'
        f' Saw {n}</a> <span class="price">€{n}.345</span> <p>Nice saw number {n}</p></li>\n'
        for n in range(5)
    )
    return (
        f'<!doctype html><html lang="en"><head><title>{title}</title>'
        f'<link rel="canonical" href="/saws">{head}{LD}</head><body><header class="site">'
        '<form class="search" action="/search"><input id="q" name="q" type="search">'
        f'<input type="hidden" name="csrf_token" value="{TOKEN}">'
        '<select name="sort"><option value="a">A</option><option value="b">B</option></select>'
        f"</form></header><main><h1>Shop</h1>{main}<ul>{cards}</ul></main>"
        f"<footer>{foot}</footer></body></html>"
    )


PAGE = page()


def compared(
    legacy: str | bytes, new: str | bytes, policy: ComparePolicy | None = None
) -> Comparison:
    one, other = (b if isinstance(b, bytes) else b.encode() for b in (legacy, new))
    compiled = CompiledPolicy.compile(policy or ComparePolicy())
    return compare(answer(one, HTML), answer(other, HTML), compiled)


@pytest.mark.parametrize(
    "new",
    [
        pytest.param(PAGE.replace("<main>", "<main>\n\n  "), id="white space"),
        pytest.param(PAGE.replace("<main>", "<main><!-- made by new -->"), id="a comment"),
        pytest.param(
            PAGE.replace('class="search" action="/search"', 'action="/search" class="search"'),
            id="attributes in another order",
        ),
        pytest.param(PAGE.replace("product row-1", "row-1 product"), id="classes in another order"),
        pytest.param(PAGE.replace("</li>", "").replace("</p>", ""), id="end tags left out"),
        pytest.param(PAGE.replace(TOKEN, TOKEN[::-1]), id="another token against forgery"),
        pytest.param(PAGE.replace("€", "&euro;"), id="a character as an entity"),
        pytest.param(
            PAGE.replace('"price": "12.50"', '"price":"12.50"'), id="spaces in embedded JSON"
        ),
    ],
)
def test_what_a_person_cannot_tell_apart_is_equal(new: str) -> None:
    found = compared(PAGE, new)
    assert (found.result, found.differences) == (Result.NORMALISED, ())
    assert found.rules_used


@pytest.mark.parametrize(
    ("legacy", "new", "path", "kind", "severity", "cause"),
    [
        pytest.param(
            PAGE, page(title="Axes"), "html:title", Kind.VALUE, Severity.MAJOR, "", id="title"
        ),
        pytest.param(
            PAGE,
            PAGE.replace('"/saws"', '"/s"'),
            "html:canonical",
            Kind.VALUE,
            Severity.CRITICAL,
            "",
            id="canonical",
        ),
        pytest.param(
            PAGE,
            page(head='<meta name="robots" content="noindex">'),
            "html:canonical.robots",
            Kind.EXTRA,
            Severity.CRITICAL,
            "extra",
            id="robots",
        ),
        pytest.param(
            page(head='<link rel="alternate" hreflang="de" href="/de">'),
            PAGE,
            "html:canonical.hreflang[de]",
            Kind.MISSING,
            Severity.MAJOR,
            "missing",
            id="language gone",
        ),
        pytest.param(
            PAGE,
            PAGE.replace("/product/3", "/p/3"),
            "html:links[.product a]@href",
            Kind.VALUE,
            Severity.MAJOR,
            "",
            id="a link leads elsewhere",
        ),
        pytest.param(
            PAGE,
            PAGE.replace("/i/3.jpg", "/i/x.jpg"),
            "html:links[.product img]@src",
            Kind.VALUE,
            Severity.MAJOR,
            "",
            id="another picture",
        ),
        pytest.param(
            PAGE,
            PAGE.replace('action="/search"', 'action="/find"'),
            "html:forms[form.search]@action",
            Kind.VALUE,
            Severity.CRITICAL,
            "",
            id="a form leads elsewhere",
        ),
        pytest.param(
            PAGE,
            PAGE.replace('action="/search"', 'action="/search" method="post"'),
            "html:forms[form.search]@method",
            Kind.VALUE,
            Severity.CRITICAL,
            "",
            id="method",
        ),
        pytest.param(
            PAGE,
            PAGE.replace(f'<input type="hidden" name="csrf_token" value="{TOKEN}">', ""),
            "html:forms[.search input].csrf_token",
            Kind.MISSING,
            Severity.CRITICAL,
            "missing",
            id="no token against forgery",
        ),
        pytest.param(
            PAGE,
            PAGE.replace('type="search"', 'type="text"'),
            "html:forms[input#q].q@type",
            Kind.VALUE,
            Severity.CRITICAL,
            "",
            id="type of a field",
        ),
        pytest.param(
            PAGE,
            PAGE.replace('<option value="b">B</option>', ""),
            "html:forms[.search option].sort.option",
            Kind.MISSING,
            Severity.MAJOR,
            "missing",
            id="an option gone",
        ),
        pytest.param(
            PAGE,
            PAGE.replace('<option value="b">', '<option value="b" selected>'),
            "html:forms[.search select].sort",
            Kind.VALUE,
            Severity.MAJOR,
            "",
            id="another option selected",
        ),
        pytest.param(
            PAGE,
            page(foot="prices without VAT"),
            "html:text[footer]",
            Kind.VALUE,
            Severity.MAJOR,
            "",
            id="a word",
        ),
        pytest.param(
            page(foot="<b>All</b> prices"),
            page(foot="<b>ALL</b> prices"),
            "html:text[footer b]",
            Kind.VALUE,
            Severity.MAJOR,
            "case",
            id="case",
        ),
        pytest.param(
            page(main="<p class=x>A &amp; B</p>"),
            page(main="<p class=x>A &amp;amp; B</p>"),
            "html:text[p.x]",
            Kind.VALUE,
            Severity.MAJOR,
            "entity_escaping",
            id="escaped twice",
        ),
        pytest.param(
            page(foot="at 2026-03-01 23:30:00 by x"),
            page(foot="at 2026-03-02 00:30:00 by x"),
            "html:text[footer]",
            Kind.VALUE,
            Severity.MAJOR,
            "offset:+3600s",
            id="an hour later",
        ),
        pytest.param(
            PAGE,
            PAGE.replace('"12.50"', "12.50"),
            "html:ld+json$.offers.price",
            Kind.TYPE,
            Severity.CRITICAL,
            "string_to_number",
            id="embedded JSON",
        ),
        pytest.param(
            PAGE,
            PAGE.replace("<ul>", '<div class="wrap"><ul>').replace("</ul>", "</ul></div>"),
            "html:markup[div.wrap]",
            Kind.EXTRA,
            Severity.MINOR,
            "extra",
            id="only markup",
        ),
        pytest.param(
            page(main='<img class=x src=/x alt="Old">'),
            page(main='<img class=x src=/x alt="New">'),
            "html:text[img.x]@alt",
            Kind.VALUE,
            Severity.MAJOR,
            "",
            id="text of a picture",
        ),
        pytest.param(
            page(foot="It&#039;s"),
            page(foot="It&#39;s"),
            "html:markup",
            Kind.VALUE,
            Severity.MINOR,
            "entity_escaping",
            id="spelling of an entity",
        ),
    ],
)
def test_one_fault_is_one_difference_in_its_facet(
    legacy: str, new: str, path: str, kind: Kind, severity: Severity, cause: str
) -> None:
    found = compared(legacy, new)
    told = [(d.path, d.kind, d.severity, d.cause) for d in found.differences]
    assert told == [(path, kind, severity, cause)]


def test_rounding_on_many_pages_is_one_cause() -> None:
    prints = set()
    for wanted in range(1, 4):
        found = compared(page(foot=str(wanted)), page(foot=str(wanted)).replace(".345", ".35"))
        [cause] = found.causes
        assert (cause.cause, cause.count) == ("rounding", 5)
        prints.add(cause.fingerprint)
    assert len(prints) == 1


def test_a_place_can_be_found_in_a_browser() -> None:
    [difference] = compared(PAGE, PAGE.replace("€3.345", "€4.345")).differences
    assert difference.at.endswith("li.product:nth-child(4) > span.price:nth-child(2)]")


def test_words_around_a_difference_are_shown() -> None:
    [difference] = compared(
        page(foot="one two three four"), page(foot="one two 3 four")
    ).differences
    assert (difference.legacy, difference.new) == ("one two three four", "one two 3 four")


def test_the_php_profile_takes_spellings_of_entities_as_equal_and_counts_them() -> None:
    found = compared(page(foot="It&#039;s"), page(foot="It&#39;s"), PHP)
    assert found.result is Result.NORMALISED
    assert "php:entity" in {use.rule for use in found.rules_used}


@pytest.mark.parametrize(
    ("made", "result"),
    [
        pytest.param(rule("html:text", Op.IGNORE), Result.NORMALISED, id="a facet"),
        pytest.param(rule("html:text[span.price]", Op.IGNORE), Result.NORMALISED, id="a place"),
        pytest.param(rule("html:text[p]", Op.IGNORE), Result.DIFFERENT, id="another place"),
        pytest.param(rule("html:text", Op.EXPECTED), Result.EXPECTED, id="expected"),
        pytest.param(rule("html:text", Op.SHAPE), Result.DIFFERENT, id="another shape"),
    ],
)
def test_rules_hold_for_facets_and_places(made: Rule, result: Result) -> None:
    new = PAGE.replace("€3.345", "€sold")
    assert compared(PAGE, new, ComparePolicy(rules=(made,))).result is result


@pytest.mark.parametrize(
    "drop",
    [
        pytest.param("footer", id="an element"),
        pytest.param('footer, [title="a@b"]', id="an @ within brackets"),
    ],
)
def test_what_is_dropped_is_not_compared(drop: str) -> None:
    policy = ComparePolicy(html=HtmlPolicy(drop=(drop,)))
    assert compared(PAGE, page(foot="other"), policy).result is Result.NORMALISED


def test_one_attribute_can_be_dropped() -> None:
    policy = ComparePolicy(html=HtmlPolicy(drop=(".product a@href",)))
    assert compared(PAGE, PAGE.replace("/product/", "/p/"), policy).result is Result.NORMALISED


def test_a_selector_that_is_none_is_refused_with_its_place() -> None:
    policy = ComparePolicy(html=HtmlPolicy(drop=("p", "div[[")))
    with pytest.raises(CompareRuleError, match=r"html\.drop\[1\].*CSS selector"):
        CompiledPolicy.compile(policy)


def test_only_facets_that_are_asked_for_are_compared() -> None:
    policy = ComparePolicy(html=HtmlPolicy(facets=(Facet.TITLE,)))
    assert compared(PAGE, page(foot="other"), policy).result is Result.NORMALISED
    assert compared(PAGE, page(title="other"), policy).result is Result.DIFFERENT


@pytest.mark.parametrize(
    "new",
    [
        pytest.param(page(foot="Größe").encode("cp1252"), id="no UTF-8"),
        pytest.param(b"", id="nothing"),
        pytest.param(b"\x00\xff<html", id="rubbish"),
    ],
)
def test_another_encoding_is_a_difference_and_no_failure(new: bytes) -> None:
    assert compared(page(foot="Größe"), new).result is Result.DIFFERENT


def test_the_charset_of_a_meta_element_counts() -> None:
    text = page(head='<meta charset="iso-8859-1">', foot="Größe")
    kind = b"text/html"
    policy = CompiledPolicy.compile(ComparePolicy())
    utf8 = text.replace("iso-8859-1", "utf-8").encode()
    found = compare(answer(text.encode("cp1252"), kind), answer(utf8, kind), policy)
    assert not [d for d in found.differences if d.path.startswith("html:text")]


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        pytest.param("<div>" * 100_000, "depth", id="elements in elements"),
        pytest.param(
            "<p " + " ".join(f"a{n}" for n in range(20_000)) + ">", "nodes", id="attributes"
        ),
        pytest.param("<b>" * 300 + "x", "depth", id="deeper than the limit"),
        pytest.param("<rt>" * 20_000, "depth", id="a kind that is not closed"),
        pytest.param("<div><!--</div>-->" * 20_000, "depth", id="closed in comments alone"),
        pytest.param("<div a='</div>'>" * 20_000, "depth", id="closed in attributes alone"),
    ],
)
def test_a_page_that_would_keep_a_parser_busy_is_incomparable(body: str, reason: str) -> None:
    found = compared(body, body + "x")
    assert (found.result, found.incomparable) == (Result.INCOMPARABLE, reason)


@pytest.mark.parametrize(
    "body",
    [
        *("<p>x" * 20_000, "</p>" * 20_000, "<" * 50_000, "<!--" * 20_000, "<a>x" * 20_000),
        *("<table><tr><td>x" * 20, "<option>x" * 20_000, "&amp" * 20_000, "<svg><td>" * 50),
    ],
)
def test_odd_pages_are_compared(body: str) -> None:
    found = compared(body, body + "<p>more words")
    assert found.result in (Result.DIFFERENT, Result.NORMALISED)


PIECES = st.sampled_from(
    [
        "<p>",
        "</p>",
        "<li class=a>",
        "text ",
        "12.50",
        "<a href=/x>",
        "</a>",
        "<form action=/f>",
        "<input name=a value=1>",
        "<select name=s><option>",
        "<!--",
        "-->",
        "&amp;",
        "&#039;",
        "é",
        "<table><tr><td>",
        "</table>",
        "<script type=application/json>",
        "{}",
        "</script>",
        "\x00",
        "<title>",
        "<svg>",
        "<template>",
        "<textarea name=t>",
        "</textarea>",
        "<b>",
        "</b>",
        "�",
    ]
)
PAGES = st.lists(PIECES, max_size=30).map(lambda pieces: "".join(pieces).encode("utf-8", "replace"))


@given(PAGES, PAGES)
def test_comparing_never_raises_and_an_equal_page_is_equal(legacy: bytes, new: bytes) -> None:
    compared(legacy, new)
    assert compared(legacy, legacy).result is Result.EQUAL


@given(st.text(st.characters(codec="utf-8", exclude_characters="\x00\r"), max_size=30))
def test_text_that_differs_is_found_whatever_it_is(text: str) -> None:
    shown = " ".join(text.split())
    found = compared(page(foot="x"), page(foot=f"x {html.escape(text)}"))
    assert (found.severity is Severity.MAJOR) == bool(shown)
