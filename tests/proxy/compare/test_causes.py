"""What explains a difference: one pair of values, one cause."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.compare.causes import infer

ROOT = Path(__file__).resolve().parents[3]
TEXTS = st.text(max_size=60)
LEXEMES = st.one_of(
    st.integers().map(lambda n: str(n).encode()),
    st.floats(allow_nan=False, allow_infinity=False).map(lambda f: repr(f).encode()),
)
SCALARS = st.one_of(TEXTS, LEXEMES, st.booleans(), st.none())


@pytest.mark.parametrize(
    ("legacy", "new", "cause"),
    [
        pytest.param("2026-01-05T10:00:00Z", "2026-01-05T11:00:00Z", "offset:+3600s", id="iso"),
        pytest.param("2026-01-05 10:00:00", "2026-01-05 09:00:00", "offset:-3600s", id="sql"),
        pytest.param(
            *("2026-01-05T10:00:00+01:00", "2026-01-05T10:00:00Z", "offset:+3600s"),
            id="zone-dropped",
        ),
        pytest.param(
            *("Mon, 05 Jan 2026 10:00:00 GMT", "Mon, 05 Jan 2026 15:30:00 GMT", "offset:+19800s"),
            id="half-hour-zone",
        ),
        pytest.param(b"1767607200", b"1767610800", "offset:+3600s", id="timestamp"),
        pytest.param(b"1767607200000", b"1767603600000", "offset:-3600s", id="milliseconds"),
        pytest.param("1767607200", "1767610800", "offset:+3600s", id="timestamp-as-text"),
        pytest.param(
            *("2026-01-05T10:00:00Z", "2026-01-05T11:00:02Z", "offset:+3600s"),
            id="wrong-zone-read-two-seconds-later",
        ),
        pytest.param("2026-01-05", "2026-01-06", "offset:+86400s", id="day"),
        pytest.param("23:30", "00:30", "offset:+3600s", id="past-midnight"),
        pytest.param("10:30 am", "11:30 am", "offset:+3600s", id="half-days"),
        pytest.param("5.1.2026 10:00", "5.1.2026 11:00", "offset:+3600s", id="german"),
        pytest.param("January 5, 2026 10:00", "January 5, 2026 11:00", "offset:+3600s", id="long"),
        pytest.param(
            *("Changed on 2026/01/05 10:00 by Ann", "Changed on 2026/01/05 11:00 by Ann"),
            "offset:+3600s",
            id="date-inside-a-text",
        ),
        pytest.param(
            *("from 10:00 to 12:00", "from 11:00 to 13:00", "offset:+3600s"),
            id="two-dates-one-offset",
        ),
        pytest.param("from 10:00 to 12:00", "from 11:00 to 14:00", "", id="two-offsets"),
        pytest.param("2026-01-05T10:00:00Z", "2026-01-05T10:00:07Z", "clock_skew", id="skew"),
        pytest.param("2026-01-05T10:00:00Z", "2026-03-09T02:11:07Z", "", id="any-other-time"),
        pytest.param("2026-01-05T10:00:00Z", "2026-01-05 10:00:00", "date_format", id="format"),
        pytest.param(
            *("2026-01-05T10:00:00Z", "2026-01-05T11:00:00+01:00", "date_format"),
            id="same-moment-other-zone",
        ),
        pytest.param("2026-01-05T10:00:00Z", b"1767607200", "date_format", id="text-to-timestamp"),
        pytest.param(
            *("2026-01-05T10:00:00.123456Z", "2026-01-05T10:00:00Z", "date_precision"),
            id="microseconds-cut",
        ),
        pytest.param(b"12.345", b"12.35", "rounding", id="rounded"),
        pytest.param(b"12.349", b"12.34", "rounding", id="cut-off"),
        pytest.param(b"12.35", b"12.34", "rounding", id="last-place"),
        pytest.param(b"12.4", b"12.39", "rounding", id="last-place-with-a-zero-dropped"),
        pytest.param(b"12.995", b"13", "rounding", id="rounded-to-whole"),
        pytest.param("22.95", "23.00", "rounding", id="rounded-and-written-with-its-zeros"),
        pytest.param("22.95", "22.00", "rounding", id="cut-off-and-written-with-its-zeros"),
        pytest.param("22.49", "23.50", "", id="further-away-than-rounding-goes"),
        pytest.param(b"12.35", b"12.345", "unrounded", id="legacy-rounds"),
        pytest.param(b"0.3", b"0.30000000000000004", "float_noise", id="binary-fractions"),
        pytest.param(b"10", b"10.0", "number_notation", id="zero-fraction"),
        pytest.param(b"100", b"1e2", "number_notation", id="exponent"),
        pytest.param(b"19.99", b"1999", "scale:100", id="cents"),
        pytest.param(b"1500", b"1.5", "scale:1/1000", id="kilo"),
        pytest.param(b"5", b"-5", "sign", id="sign"),
        pytest.param(b"5", b"6", "", id="other-integer"),
        pytest.param(b"5", b"7.25", "", id="other-number"),
        pytest.param("Total: 12.345 EUR", "Total: 12.35 EUR", "rounding", id="rounded-in-a-text"),
        pytest.param("1,234.50", "1234.5", "number_format", id="grouped"),
        pytest.param("1.234,50 €", "1,234.50 €", "number_format", id="german-to-english"),
        pytest.param("12.30", "12.3", "number_format", id="zero-dropped-in-a-text"),
        pytest.param(b"1", "1", "int_to_string", id="int-to-string"),
        pytest.param("7", b"7", "string_to_int", id="string-to-int"),
        pytest.param("12.50", b"12.5", "string_to_number", id="decimal-text-to-number"),
        pytest.param("5.00", b"5", "string_to_number", id="decimal-text-to-whole-number"),
        pytest.param(b"12.5", "12.50", "number_to_string", id="number-to-decimal-text"),
        pytest.param(b"1", "2", "", id="other-type-and-other-value"),
        pytest.param(True, b"1", "bool_to_int", id="bool-to-int"),
        pytest.param(b"0", False, "int_to_bool", id="int-to-bool"),
        pytest.param(False, "", "bool_to_string", id="php-false-as-text"),
        pytest.param(True, b"0", "", id="bool-to-the-other-int"),
        pytest.param(None, "", "null_to_empty", id="null-to-empty"),
        pytest.param("", None, "empty_to_null", id="empty-to-null"),
        pytest.param(None, b"0", "null_to_zero", id="null-to-zero"),
        pytest.param(None, "x", "", id="null-to-something"),
        pytest.param("Red Drill", "RED DRILL", "case", id="case"),
        pytest.param("a  b\r\n", "a b", "whitespace", id="whitespace"),
        pytest.param("caf\u00e9", "cafe\u0301", "unicode_form", id="unicode-form"),
        pytest.param("it's", "it’s", "typography", id="typography"),
        pytest.param("Tom & Jerry", "Tom &amp; Jerry", "entity_escaping", id="entities"),
        pytest.param("Tom &amp; Jerry", "Tom &amp;amp; Jerry", "entity_escaping", id="twice"),
        pytest.param("a b", "a%20b", "url_escaping", id="percent"),
        pytest.param("O'Brien", "O\\'Brien", "backslash_escaping", id="addslashes"),
        pytest.param("<b>new</b> drill", "new drill", "tags", id="tags"),
        pytest.param("Köln", "KÃ¶ln", "encoding", id="utf8-read-as-latin1"),
        pytest.param("KÃ¶ln", "Köln", "encoding", id="mended"),
        pytest.param("Köln", "K?ln", "encoding", id="letter-lost"),
        pytest.param("K\udcf6ln", "Köln", "encoding", id="stray-byte"),
        pytest.param("Köln", "Koln", "accents", id="accents"),
        pytest.param("A drill with two gears", "A drill with two", "truncation", id="cut"),
        pytest.param("A drill with two gears", "A drill with…", "truncation", id="ellipsis"),
        pytest.param("red", "blue", "", id="other-word"),
        pytest.param("SKU-1", "SKU-2", "", id="other-number-in-a-word"),
    ],
)
def test_a_cause_accounts_for_the_whole_difference(legacy: object, new: object, cause: str) -> None:
    assert infer(legacy, new).cause == cause


def test_every_word_is_explained_to_operators() -> None:
    explained = (ROOT / "docs" / "shadow.md").read_text()
    words = {
        node.args[0].value
        for path in (ROOT / "proxy" / "compare").glob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Name)
        and node.func.id == "Inference"
        and node.args
        and isinstance(node.args[0], ast.Constant)
    }
    assert "rounding" in words
    # `int_to_string` and its like are explained together.
    assert {word for word in words if "_to_" not in word and f"`{word}`" not in explained} == set()


@given(SCALARS, SCALARS)
def test_inferring_never_fails(legacy: object, new: object) -> None:
    found = infer(legacy, new)
    assert bool(found.cause) <= bool(found.note)


@pytest.mark.parametrize(
    ("legacy", "new", "words"),
    [
        pytest.param(b"12.345", b"12.35", "rounded to 2 places", id="rounding"),
        pytest.param("22.95", "23.00", "rounded to whole numbers", id="rounding-to-euros"),
        pytest.param("10:00", "11:30", "90 minutes later", id="minutes"),
        pytest.param("2026-01-05", "2026-01-04", "1 day earlier", id="day"),
        pytest.param("12:00", "10:00", "2 hours earlier", id="hours"),
    ],
)
def test_the_note_tells_the_parameter(legacy: object, new: object, words: str) -> None:
    assert words in infer(legacy, new).note


@pytest.mark.parametrize(
    ("legacy", "new", "note"),
    [
        pytest.param(b"3.015", b"3.0", "rounded to 1 place", id="as many places as are written"),
        pytest.param(b"3.07", b"3.0", "cut off after 1 place", id="too far for that"),
        pytest.param(b"22.95", b"23.00", "rounded to whole numbers", id="zeros of money"),
        pytest.param(b"12.345", b"12.30", "rounded to 1 place", id="one zero of money"),
    ],
)
def test_rounding_is_told_with_the_places_that_are_left(
    legacy: bytes, new: bytes, note: str
) -> None:
    assert infer(legacy, new).note == note
