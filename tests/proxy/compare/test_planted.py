"""What is planted in a page or a document is never a match, however small it is."""

from __future__ import annotations

import gzip

import pytest

from proxy.compare.comparison import Comparison, Result
from proxy.compare.pair import compare
from proxy.compare.policy import CompiledPolicy
from proxy.compare_policy import ComparePolicy, Facet, HtmlPolicy, Op, Profile
from tests.proxy.compare.pairs import answer, compare_bodies, compare_values, rule, told

HTML, XML = b"text/html; charset=utf-8", b"text/xml"
POLICY = CompiledPolicy.compile(ComparePolicy(profile=Profile.PHP))


def both_ways(legacy: str, new: str, kind: bytes) -> Comparison:
    """Two bodies compared; the other way round comes to the same."""
    one, other = answer(legacy.encode(), kind), answer(new.encode(), kind)
    found = compare(one, other, POLICY)
    assert compare(other, one, POLICY).result is found.result
    return found


def table(*cells: str) -> str:
    return f"<table><tr>{''.join(f'<td>{cell}</td>' for cell in cells)}</tr></table>"


@pytest.mark.parametrize(
    ("legacy", "new"),
    [
        pytest.param("<p lang=de>Tag</p>", "<p lang=fr>Tag</p>", id="the language of a part"),
        pytest.param("<img src=/a>", "<img src=/a alt=''>", id="a picture that says nothing"),
        pytest.param("<form target=a>", "<form target=b>", id="where a form opens"),
        pytest.param("<form novalidate>", "<form>", id="whether a form is checked"),
        pytest.param("<form accept-charset=a>", "<form>", id="the charset of a form"),
        pytest.param("<input name=a form=f>", "<input name=a form=g>", id="the form of a field"),
        pytest.param("<input value=1>", "<input value=2>", id="a field without a name"),
        pytest.param("<textarea>a</textarea>", "<textarea>b</textarea>", id="a text without one"),
        pytest.param("<button disabled>x</button>", "<button>x</button>", id="a button"),
        pytest.param(
            "<datalist><option value=1></datalist>",
            "<datalist><option value=2></datalist>",
            id="a suggestion",
        ),
        pytest.param("<xmp>a</xmp>", "<xmp>b</xmp>", id="what is shown as it is"),
        pytest.param(
            "<template><b>a</b></template>", "<template><b>b</b></template>", id="a template"
        ),
        pytest.param(
            "<svg><title>a</title></svg>", "<svg><title>b</title></svg>", id="a drawing's title"
        ),
        pytest.param("<link rel=icon href=/a sizes=1>", "<link rel=icon href=/a>", id="an icon"),
        pytest.param(
            "<link rel=canonical href=/a type=b>",
            "<link rel=canonical href=/a>",
            id="the type of a canonical address",
        ),
        pytest.param(
            "<meta property=og:image content=/1><meta property=og:image content=/2>",
            "<meta property=og:image content=/1><meta property=og:image content=/3>",
            id="a second picture",
        ),
        pytest.param("<p>a <b>b</b></p>", "<p><b>a</b> b</p>", id="what is bold"),
        pytest.param("<p>a<br>b c</p>", "<p>a b<br>c</p>", id="where a line ends"),
    ],
)
def test_what_was_changed_in_a_page_is_found(legacy: str, new: str) -> None:
    assert both_ways(legacy, new, HTML).result is Result.DIFFERENT


def test_a_choice_that_is_sold_out_is_a_value() -> None:
    page = "<select name=size><option value=s{}>S<option value=m>M</select>"
    found = both_ways(page.format(""), page.format(" disabled"), HTML)
    (difference,) = found.differences
    assert difference.path == "html:forms[option].size.option@disabled"
    assert (difference.legacy, difference.new, difference.severity) == ("no", "yes", "major")


@pytest.mark.parametrize(
    ("legacy", "new"),
    [
        pytest.param(table("1", "12"), table("1 12", ""), id="cells"),
        pytest.param("<p>a</p><p>b</p>", "<p>a b</p><p></p>", id="paragraphs"),
        pytest.param(
            "<li><a href=/x>x</a></li><li>y", "<li><a href=/x></a></li><li>x y", id="list"
        ),
    ],
)
def test_the_same_words_in_another_block_are_text_that_moved(legacy: str, new: str) -> None:
    found = both_ways(legacy, new, HTML)
    assert {(d.kind.value, d.cause, d.severity.value) for d in found.differences} == {
        ("order", "moved", "major")
    }
    assert all(d.path.startswith("html:text") for d in found.differences)


def test_words_that_moved_are_found_beside_another_change() -> None:
    found = both_ways("<p>x</p>" + table("1", "12"), "<p>y</p><p>new</p>" + table("1 12", ""), HTML)
    assert {("html:text[table td]", "order", "moved")} < told(found)


def test_whoever_compares_text_alone_does_not_care_who_carries_it() -> None:
    text = CompiledPolicy.compile(ComparePolicy(html=HtmlPolicy(facets=(Facet.TEXT,))))
    one, other = (answer(body, HTML) for body in (b"<p>a <b>b</b></p>", b"<p><b>a</b> b</p>"))
    assert compare(one, other, text).result is Result.NORMALISED


@pytest.mark.parametrize(
    ("legacy", "new", "shown"),
    [
        pytest.param("<x>a<b/>c</x>", "<x>ac<b/></x>", "a<b/>c", id="between"),
        pytest.param("<x>a <b>1</b> c</x>", "<x>a c<b>1</b></x>", "a<b/>c", id="beside"),
    ],
)
def test_text_around_other_elements_is_found_in_xml(legacy: str, new: str, shown: str) -> None:
    found = both_ways(legacy, new, XML)
    assert told(found) == {("xml:/x", "order", "moved")}
    assert found.differences[0].legacy == shown


def test_spaces_between_the_elements_of_a_text_say_nothing_in_xml() -> None:
    found = both_ways("<x>a <b/><c/></x>", "<x>a\n  <b/>\n  <c/>\n</x>", XML)
    assert found.result is Result.NORMALISED


@pytest.mark.parametrize(
    ("legacy", "new"),
    [
        pytest.param(b'{"a":1,"a":2}', b'{"a":3,"a":2}', id="at the root"),
        pytest.param(
            b'{"n":0,"b":[{"a":1,"a":2}]}', b'{"n":0,"b":[{"a":{},"a":2}]}', id="further down"
        ),
    ],
)
def test_a_value_that_a_later_one_of_its_name_hides_is_compared(legacy: bytes, new: bytes) -> None:
    found = compare_bodies(legacy, new)
    assert told(found) == {("$..a", "body", "duplicate_key")}
    assert found.differences[0].legacy == "1, then another"


def test_the_same_name_twice_on_both_sides_is_no_difference() -> None:
    found = compare_bodies(b'{"a": NaN, "a": 2.0}', b'{"a":NaN,"a":2.0}')
    assert found.result is Result.EQUAL


def test_json_in_another_charset_than_utf8_is_told_even_where_its_header_says_so() -> None:
    kind = b"application/json; charset=iso-8859-1"
    one, other = (answer('{"a":"é"}'.encode(codec), kind) for codec in ("utf-8", "latin-1"))
    found = compare(one, other, POLICY)
    assert told(found) == {("$", "body", "encoding")}
    assert (found.differences[0].legacy, found.differences[0].new) == ("UTF-8", "no UTF-8")


@pytest.mark.parametrize("coding", [b"gzip", b"deflate", b"br", b"zstd"])
def test_a_body_that_one_side_cannot_unpack_is_critical(coding: bytes) -> None:
    broken = answer(b"\x00\x01broken", coding=coding)
    found = compare(answer(b'{"a":1}'), broken, POLICY)
    assert found.causes[0].cause == "undecodable:new"
    assert found.severity == "critical"
    assert compare(broken, answer(b"{}"), POLICY).causes[0].cause == "undecodable:legacy"
    both = compare(broken, answer(b"\x00\x02", coding=coding), POLICY)
    assert (both.result, both.incomparable) == (Result.INCOMPARABLE, "decode")


def test_a_minor_difference_beside_a_body_that_nobody_could_compare_is_no_answer() -> None:
    packed = answer(gzip.compress(b" " * 20_000_000), coding=b"gzip")
    found = compare(answer(b'{"a":1}'), packed, POLICY)
    assert (found.result, found.incomparable) == (Result.INCOMPARABLE, "ratio")
    assert [difference.path for difference in found.differences] == ["header:content-encoding"]


def test_a_rule_for_arrays_in_an_array_is_none_for_their_order() -> None:
    inner = rule("$.rows[*]", Op.UNORDERED)
    legacy = {"rows": [[1, 2], [3, 4]]}
    assert compare_values(legacy, {"rows": [[2, 1], [4, 3]]}, inner).result is Result.NORMALISED
    assert told(compare_values(legacy, {"rows": [[3, 4], [1, 2]]}, inner)) == {
        ("$.rows", "order", "order")
    }
    assert compare_values({"rows": [1, 2]}, {"rows": [2, 1]}, inner).result is Result.NORMALISED


def test_a_mark_before_a_form_field_is_a_character() -> None:
    kind = b"application/x-www-form-urlencoded"
    one, other = (answer(body, kind) for body in (b"a=1&b=2", b"a=1&%EF%BB%BFb=2"))
    assert compare(one, other, POLICY).result is Result.DIFFERENT
