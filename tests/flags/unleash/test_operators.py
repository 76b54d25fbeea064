"""What constraints ask of a value, and which of them nothing can meet."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flags.rule import Constraint
from flags.unleash.operators import compile_test, fault_of, read_moment
from flags.unleash.semver import read_version


def constraint(operator: str, *values: str, **fields: Any) -> Constraint:
    if operator.startswith(("NUM", "DATE", "SEMVER", "REGEX")):
        return Constraint(field="x", operator=operator, value=values[0], **fields)
    return Constraint(field="x", operator=operator, values=values, **fields)


@pytest.mark.parametrize(
    ("one", "met", "not_met"),
    [
        pytest.param(constraint("IN", "a", "b"), ["a", "b"], ["A", "", None], id="IN"),
        pytest.param(constraint("NOT_IN", "a"), ["b", "", None], ["a"], id="NOT_IN"),
        pytest.param(constraint("STR_CONTAINS", "b"), ["abc"], ["ABC", None], id="STR_CONTAINS"),
        pytest.param(
            constraint("STR_STARTS_WITH", "A", case_insensitive=True),
            ["abc"],
            ["ba"],
            id="any case",
        ),
        pytest.param(
            constraint("STR_ENDS_WITH", "c", "d"), ["abc", "d"], ["ca"], id="STR_ENDS_WITH"
        ),
        pytest.param(constraint("REGEX", "^a+$"), ["aaa"], ["", "b", None], id="REGEX"),
        pytest.param(
            constraint("REGEX", "^ä$", case_insensitive=True), ["Ä"], ["a"], id="REGEX, any case"
        ),
        pytest.param(
            constraint("IN_CIDR", "10.0.0.1/8", "nonsense", "2001:db8::/32"),
            ["10.9.9.9", "::ffff:10.1.1.1", "2001:db8::7"],
            ["11.0.0.1", "nobody", "", None],
            id="IN_CIDR",
        ),
        pytest.param(
            constraint("IN_CIDR", "::ffff:10.0.0.0/104"), ["10.1.1.1"], ["11.1.1.1"], id="mapped"
        ),
        pytest.param(
            constraint("NUM_GTE", "1.5"),
            ["1.5", "2", "1e3"],
            ["1", "many", "", "nan", "1_000", "٥", None],
            id="NUM_GTE",
        ),
        pytest.param(
            constraint("DATE_BEFORE", "2026-11-22T18:00:00+01:00"),
            ["2026-11-22T16:59:59Z", "2026-11-22t17:59:59.999+01:00"],
            ["2026-11-22T17:00:00Z", "2026-11-22", "yesterday", "2026-13-01T00:00:00Z", None],
            id="DATE_BEFORE",
        ),
        pytest.param(
            constraint("SEMVER_LT", "2.0.0"),
            ["1.9.9", "2.0.0-rc.1", "1.0.0+build"],
            ["2.0.0", "2.0.0+build", "v1.0.0", "1.0", "01.0.0", None],
            id="SEMVER_LT",
        ),
    ],
)
def test_an_operator_is_met_by_these_values_and_inverted_by_the_others(
    one: Constraint, met: list[str | None], not_met: list[str | None]
) -> None:
    test = compile_test(one)
    inverted = compile_test(
        Constraint(
            field=one.field,
            operator=one.operator,
            values=one.values,
            value=one.value,
            case_insensitive=one.case_insensitive,
            inverted=True,
        )
    )
    assert [test(value) for value in met] == [True] * len(met)
    assert [test(value) for value in not_met] == [False] * len(not_met)
    assert [inverted(value) for value in (*met, *not_met)] == [False] * len(met) + [True] * len(
        not_met
    )


@pytest.mark.parametrize(
    ("one", "fault"),
    [
        pytest.param(constraint("LIKE", "a"), "there is no operator 'LIKE'", id="unknown"),
        pytest.param(constraint("NUM_AFTER", "1"), "there is no operator 'NUM_AFTER'", id="mixed"),
        pytest.param(constraint("NUM_EQ", "many"), "'many' is no number", id="number"),
        pytest.param(constraint("DATE_AFTER", "2026-11-22"), "is no date with time", id="date"),
        pytest.param(constraint("SEMVER_EQ", "v1"), "'v1' is no semantic version", id="version"),
        pytest.param(constraint("REGEX", "(?=a)"), "is no pattern that RE2 accepts", id="pattern"),
        pytest.param(constraint("IN_CIDR", "zz"), "not one value is an address", id="block"),
    ],
)
def test_what_nothing_can_meet_says_why(one: Constraint, fault: str) -> None:
    assert fault in fault_of(one)


def test_a_constraint_that_can_be_met_has_no_fault() -> None:
    assert fault_of(constraint("IN")) == ""
    assert fault_of(constraint("REGEX", "")) == ""


@given(
    st.one_of(
        st.text(st.characters(exclude_categories=["Cs"]), max_size=40),
        st.from_regex(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:.]{8,16}(Z|[+-][0-9]{2}:[0-9]{2})"),
        st.from_regex(r"[0-9.]{1,400}([-+][0-9a-z.-]*)?"),
        st.from_regex(r"[0-9a-f:.]{1,40}(%[a-z]*)?"),
    )
)
def test_no_value_of_a_request_raises(value: str) -> None:
    for one in (
        *(constraint(f"NUM_{order}", "1") for order in ("EQ", "LT")),
        *(constraint(f"SEMVER_{order}", "1.0.0") for order in ("EQ", "GT")),
        constraint("DATE_AFTER", "2026-11-22T18:00:00Z"),
        constraint("REGEX", "^a"),
        constraint("IN_CIDR", "10.0.0.0/8", "::/0"),
        constraint("STR_CONTAINS", "a", case_insensitive=True),
    ):
        assert compile_test(one)(value) in (True, False)


def test_a_pattern_takes_no_longer_for_a_value_made_to_be_slow() -> None:
    test = compile_test(constraint("REGEX", "^(a+)+$"))
    assert not test("a" * 100_000 + "b")


_PARTS = st.integers(0, 20)
_IDENTIFIERS = st.one_of(st.integers(0, 20).map(str), st.sampled_from(["a", "alpha", "rc", "x-1"]))


@given(st.lists(st.tuples(_PARTS, _PARTS, _PARTS, st.lists(_IDENTIFIERS, max_size=3)), min_size=3))
def test_versions_are_ordered_as_their_standard_says(
    some: list[tuple[int, int, int, list[str]]],
) -> None:
    def order(one: tuple[int, int, int, list[str]]) -> tuple[object, ...]:
        *core, before = one
        # Written anew from semver.org: numbers go before words, more identifiers after fewer.
        words = [(1, each) if not each.isdigit() else (0, int(each)) for each in before]
        return (*core, not before, words)

    texts = ["{}.{}.{}".format(*one) + ("-" + ".".join(one[3]) if one[3] else "") for one in some]
    versions = [read_version(text) for text in texts]
    assert None not in versions
    by_us = sorted(range(len(some)), key=lambda i: versions[i])  # type: ignore[arg-type,return-value]  # none is None
    assert by_us == sorted(range(len(some)), key=lambda i: order(some[i]))


@pytest.mark.parametrize("text", ["1.2", "v1.2.3", "1.2.3-", "1.2.3-01", "1.2.3+", "", "1.2.3 "])
def test_what_is_no_version_is_none(text: str) -> None:
    assert read_version(text) is None
    assert read_version("9" * 300 + ".0.0") is None


def test_a_moment_is_the_same_in_every_offset() -> None:
    assert read_moment("1970-01-01T01:00:00+01:00") == 0.0
    assert read_moment("1970-01-01T00:00:00.5Z") == 0.5
    assert read_moment("1970-01-01T00:00:00") is None
