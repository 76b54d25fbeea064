"""Every difference in JSON points at what it tells: its place read back gives its values."""

from __future__ import annotations

import copy
import json
from collections import Counter
from typing import Any

from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from proxy.compare.comparison import Difference, Kind
from proxy.compare.excerpt import cut, printable
from proxy.compare.json_show import shown
from proxy.compare.json_text import parse
from proxy.compare.paths import Take
from proxy.compare.paths import parse as steps_of
from proxy.compare.policy import CompiledPolicy
from proxy.compare_policy import CompareLimits, ComparePolicy
from tests.proxy.compare.pairs import compare_values

ROOT = CompiledPolicy.compile(ComparePolicy()).root
NAMES = st.sampled_from(
    ["id", "sku", "price", "name", "a b", "17", "x'y", "created_at", "createdAt"]
)
SCALARS = st.one_of(
    st.sampled_from([None, True, False, 0, 1, "", "1", "red", "2026-01-05T10:00:00Z"]),
    st.integers(-5, 5),
    st.text(max_size=5),
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.one_of(st.lists(inner, max_size=5), st.dictionaries(NAMES, inner, max_size=5)),
    max_leaves=25,
)


def leaves(value: Any, trail: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    if isinstance(value, dict):
        return [leaf for name, inner in value.items() for leaf in leaves(inner, (*trail, name))]
    if isinstance(value, list):
        return [leaf for i, inner in enumerate(value) for leaf in leaves(inner, (*trail, i))]
    return [trail]


def parsed(value: object) -> Any:
    return parse(json.dumps(value).encode(), "", CompareLimits()).value


def everything_in(value: Any) -> set[str]:
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return {printable(cut(shown(value, ROOT)))}.union(*map(everything_in, inner))


def at(value: Any, place: str) -> object:
    """What stands at a place, as it is shown."""
    current: Any = parsed(value)
    for step in steps_of(place):
        current = current[step.name if step.take is Take.MEMBER else step.index]
    return printable(cut(shown(current, ROOT)))


def points_at_its_values(difference: Difference, legacy: object, new: object) -> bool:
    match difference.kind:
        case Kind.VALUE | Kind.TYPE:
            return difference.legacy == at(legacy, difference.at)
        case Kind.MISSING if difference.cause not in ("name_style", "renamed"):
            return difference.legacy == at(legacy, difference.at)
        case Kind.EXTRA:
            # What it stands in may be elsewhere on the new side, or have another name there.
            return difference.new in everything_in(parsed(new))
        case _:
            return True


@given(VALUES, VALUES)
def test_a_place_read_back_gives_what_is_told(legacy: Any, new: Any) -> None:
    for difference in compare_values(legacy, new).differences:
        assert points_at_its_values(difference, legacy, new)


@given(VALUES, st.data())
def test_one_changed_value_is_one_difference_at_its_place(legacy: Any, data: st.DataObject) -> None:
    # Elements that become equal to others, or get another name, may be paired in another way.
    places = [t for t in leaves(legacy) if t and all(isinstance(step, str) for step in t)]
    assume(places)
    trail = data.draw(st.sampled_from(places))
    new = copy.deepcopy(legacy)
    target = new
    for step in trail[:-1]:
        target = target[step]
    target[trail[-1]] = "quite another value"
    (difference,) = compare_values(legacy, new).differences
    assert tuple(step.name for step in steps_of(difference.at)) == trail


@given(st.sets(st.integers(0, 30), min_size=3, max_size=15), st.data())
# What is assumed below depends on four draws at once, so many of them are thrown away.
@settings(max_examples=60, suppress_health_check=[HealthCheck.filter_too_much])
def test_named_elements_are_followed_wherever_they_go(ids: set[int], data: st.DataObject) -> None:
    legacy = [{"id": n, "v": f"v{n}"} for n in sorted(ids)]
    gone = data.draw(st.sets(st.sampled_from(sorted(ids)), max_size=len(ids) // 2))
    kept = data.draw(st.permutations(sorted(ids - gone)))
    changed = data.draw(st.sets(st.sampled_from(kept)))
    added = data.draw(st.sets(st.integers(100, 110), max_size=3))
    new = [{"id": n, "v": f"{'x' if n in changed else 'v'}{n}"} for n in (*kept, *sorted(added))]
    # Where hardly any name stands on both sides, they name nothing.
    assume(len(kept) > 2 * len(gone) + 2 * len(added) + 2 * len(changed) or kept == sorted(kept))
    assume(len(kept) > 2 * max(len(gone), len(added)))
    kinds = Counter(
        (difference.path, difference.kind) for difference in compare_values(legacy, new).differences
    )
    expected = {
        ("$[*].v", Kind.VALUE): min(len(changed), 10),
        ("$[*]", Kind.MISSING): min(len(gone), 10),
        ("$[*]", Kind.EXTRA): len(added),
        ("$", Kind.ORDER): int(kept != sorted(kept)),
    }
    assert kinds == Counter({place: count for place, count in expected.items() if count})


@given(VALUES, st.lists(VALUES, max_size=6), st.integers(0, 6))
def test_one_inserted_element_is_one_difference(
    value: Any, elements: list[Any], position: int
) -> None:
    position = min(position, len(elements))
    found = compare_values(elements, [*elements[:position], value, *elements[position:]])
    assert [difference.kind for difference in found.differences] == [Kind.EXTRA]
    back = compare_values([*elements[:position], value, *elements[position:]], elements)
    assert [difference.kind for difference in back.differences] == [Kind.MISSING]
