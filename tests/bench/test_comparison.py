"""The row that measures comparing: its pairs are what they say, its figures become the targets."""

from __future__ import annotations

import json
import sys

import pytest

from bench.pairs import Pair, differing_documents, differing_pages, equal_documents
from bench.processes import HarnessError
from bench.rows.comparison import (
    DIFFERING,
    EQUAL,
    GROWTH,
    PAGES,
    PEER,
    deep_diff,
    describe_comparison,
    size_name,
    time_pairs,
)
from proxy.compare.comparison import Result
from proxy.compare.pair import compare
from proxy.compare.policy import CompiledPolicy
from proxy.compare_policy import ComparePolicy, Profile

PHP = CompiledPolicy.compile(ComparePolicy(profile=Profile.PHP))


def timed(
    *, equal: float = 40, differing: float = 1000, peer: float = 50_000
) -> dict[str, list[float]]:
    return {EQUAL: [equal], DIFFERING: [differing], PEER: [peer], PAGES: [3000.0]}


def grown(*, per_byte: float = 0.1, largest: float = 0.1) -> dict[str, list[float]]:
    figures = {size_name(size): [size * per_byte] for size in GROWTH}
    return {**figures, size_name(GROWTH[-1]): [GROWTH[-1] * largest]}


@pytest.mark.parametrize(
    ("pair", "size"),
    [
        pytest.param(equal_documents(10_000, 7), 10_000, id="equal documents"),
        pytest.param(differing_documents(10_000, 7), 10_000, id="differing documents"),
        pytest.param(differing_documents(1_000_000, 7), 1_000_000, id="large documents"),
        pytest.param(differing_pages(30_000, 7), 30_000, id="pages"),
    ],
)
def test_a_pair_is_about_as_large_as_it_says(pair: Pair, size: int) -> None:
    assert pair.size == pytest.approx(size, rel=0.1)


def test_equal_documents_are_the_same_bytes_in_two_objects() -> None:
    pair = equal_documents(10_000, 1)
    assert pair.legacy.body == pair.new.body
    assert pair.legacy.body is not pair.new.body
    assert compare(pair.legacy, pair.new, PHP).result is Result.EQUAL


@pytest.mark.parametrize("number", range(12))
def test_differing_documents_differ_in_four_ways(number: int) -> None:
    pair = differing_documents(10_000, number)
    found = compare(pair.legacy, pair.new, PHP)
    assert found.result is Result.DIFFERENT
    assert len(found.causes) == 4, found.causes


def test_differing_pages_differ() -> None:
    pair = differing_pages(30_000, 1)
    assert compare(pair.legacy, pair.new, PHP).result is Result.DIFFERENT


def test_figures_within_their_bounds_meet_every_target() -> None:
    row = describe_comparison(timed(), grown())
    assert [target.value for target in row.targets] == pytest.approx([40, 1000, 1 / 50, 1])
    assert all(target.met for target in row.targets)
    assert row.lines[0] == (EQUAL, "25,000", "40.0 µs", "40.0 µs - 40.0 µs", "4.0 µs")
    assert row.lines[-1][0] == "5 MB JSON, differing"
    assert row.figures["deepdiff_x_ours"] == pytest.approx(50)


@pytest.mark.parametrize(
    ("figures", "missed"),
    [
        pytest.param((timed(equal=51), grown()), 0, id="equal pairs too slow"),
        pytest.param((timed(differing=1251), grown()), 1, id="differing pairs too slow"),
        pytest.param((timed(peer=29_000), grown()), 2, id="DeepDiff too near"),
        pytest.param((timed(), grown(largest=0.21)), 3, id="growing faster than the bytes"),
    ],
)
def test_a_figure_beyond_its_bound_misses_its_target(
    figures: tuple[dict[str, list[float]], dict[str, list[float]]], missed: int
) -> None:
    row = describe_comparison(*figures)
    assert [not target.met for target in row.targets] == [n == missed for n in range(4)]


def test_cases_take_turns_and_walk_through_their_pairs() -> None:
    pairs = [equal_documents(1000, number) for number in range(3)]
    asked: list[tuple[str, int]] = []

    def noting(name: str) -> object:
        return lambda pair: asked.append((name, pairs.index(pair)))

    figures = time_pairs({"a": (noting("a"), pairs, 2), "b": (noting("b"), pairs, 1)}, passes=2)
    assert {name: len(values) for name, values in figures.items()} == {"a": 2, "b": 2}
    assert asked[2:] == [("a", 0), ("a", 1), ("b", 0), ("a", 2), ("a", 0), ("b", 1)]


def test_deep_diff_finds_what_differs(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[tuple[object, object]] = []

    class Fake:
        DeepDiff = staticmethod(lambda legacy, new: seen.append((legacy, new)))

    monkeypatch.setitem(sys.modules, "deepdiff", Fake)
    pair = differing_documents(1000, 1)
    deep_diff()(pair)
    assert seen == [(json.loads(pair.legacy.body), json.loads(pair.new.body))]


def test_without_deep_diff_the_mend_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "deepdiff", None)
    with pytest.raises(HarnessError, match=r"pip install -e '\.\[bench\]'"):
        deep_diff()
