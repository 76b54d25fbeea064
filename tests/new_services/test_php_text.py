"""Our text functions against PHP's own."""

from __future__ import annotations

import json
import subprocess
from urllib.parse import quote

from hypothesis import given, settings
from hypothesis import strategies as st

from new_services.catalog.php_text import (
    Json,
    escape,
    json_encode,
    query_parameters,
    raw_url_encode,
    trim,
    words,
)

# Lone surrogates cannot be written as UTF-8, in a database or anywhere else.
TEXT = st.text(st.characters(codec="utf-8"), max_size=20)
NUMBERS = st.integers(-(10**9), 10**9) | st.integers(-(10**6), 10**6).map(lambda n: n / 1000)
DOCUMENTS = st.recursive(
    st.none() | st.booleans() | NUMBERS | TEXT,
    # Numeric keys and empty lists are where PHP's arrays are ambiguous; the shop has neither.
    lambda inner: (
        st.lists(inner, min_size=1, max_size=3)
        | st.dictionaries(st.sampled_from(["a", "weight_kg", "ä/b"]), inner, min_size=1)
    ),
    max_leaves=8,
)


def php(code: str, value: object) -> list[object]:
    """Give a JSON value to PHP as $in and read what it prints as JSON."""
    done = subprocess.run(
        ["php", "-r", f"$in = json_decode(stream_get_contents(STDIN), true); {code}"],
        input=json.dumps(value).encode(),
        capture_output=True,
        check=True,
    )
    result: list[object] = json.loads(done.stdout)
    return result


# Lists, because starting PHP takes longer than asking it a hundred questions.
@given(st.lists(TEXT, min_size=20, max_size=60))
@settings(max_examples=15, deadline=None)
def test_escape_is_htmlspecialchars(texts: list[str]) -> None:
    expected = php("echo json_encode(array_map(fn($t) => htmlspecialchars($t), $in));", texts)
    assert [escape(text) for text in texts] == expected


@given(st.lists(DOCUMENTS, min_size=10, max_size=30))
@settings(max_examples=15, deadline=None)
def test_json_encode_is_json_encode(documents: list[Json]) -> None:
    expected = php("echo json_encode(array_map(fn($d) => json_encode($d), $in));", documents)
    assert [json_encode(document) for document in documents] == expected


PIECES = st.sampled_from(
    [
        *("page", "sort", "=", "&", "[", "]", "[]", "+", "%5B", "%5D", ".", "_", "%20", "%00"),
        *("%", "%zz", "%C3%A4", "1", "name", ";", "?"),
    ]
)


@given(st.lists(st.lists(PIECES, max_size=8).map("".join), min_size=20, max_size=60))
@settings(max_examples=15, deadline=None)
def test_query_parameters_are_what_get_holds(queries: list[str]) -> None:
    code = """echo json_encode(array_map(function ($q) {
        parse_str($q, $all);
        return array_map(fn($n) => is_string($all[$n] ?? null) ? $all[$n] : null, ['page', 'sort']);
    }, $in));"""
    expected = php(code, queries)
    found = [[query_parameters(query).get(name) for name in ("page", "sort")] for query in queries]
    assert found == expected


SPACED = st.lists(
    st.sampled_from(["a", "ü", "\0", *map(chr, range(33)), "\x7f", "\x85", "\xa0", "\u180e"])
    | st.characters(categories=["Zs", "Zl", "Zp", "Cf"]),
    max_size=8,
).map("".join)


@given(st.lists(SPACED, min_size=20, max_size=60))
@settings(max_examples=15, deadline=None)
def test_words_are_split_where_php_splits_them(texts: list[str]) -> None:
    code = """echo json_encode(array_map(fn($t) => [
        trim($t), preg_split('/\\s+/u', trim($t), -1, PREG_SPLIT_NO_EMPTY), rawurlencode($t),
    ], $in));"""
    found = [[trim(text), words(text), raw_url_encode(text)] for text in texts]
    assert found == php(code, texts)


def test_a_name_may_be_percent_encoded() -> None:
    assert query_parameters(quote("page", safe="").replace("p", "%70") + "=2") == {"page": "2"}
