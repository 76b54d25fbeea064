"""Whatever is fed to the loader, it answers with definitions or with ConfigError."""

from __future__ import annotations

import copy

import yaml
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from proxy.config.lint import check_text
from proxy.config.parse import parse_routes
from proxy.errors import ConfigError, Problem
from tests.proxy.config.example import GOOD
from tests.proxy.config.shadow_example import GOOD as SHADOW

# A date without quotes could not be dumped as it stands.
_TREES = [
    yaml.safe_load(text.replace("expires: 2026-12-01", 'expires: "2026-12-01"'))
    for text in (GOOD, SHADOW)
]
_WORDS = sorted(
    {"on", "off", "010", "12:30", "1e3", ".inf", "-.", "+", ".", "~", "<<", "*a", "&a", "!!str x"}
    | {"{", "[", "}", "]", ":", "- ", "? ", "|", ">", "#", "%", "@", "`", "\t", "\r\n", "\x85"}
    | {word.strip("{}[],:\"'") for word in (GOOD + SHADOW).split()}
)
plain = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=12)
    | st.sampled_from(_WORDS),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.sampled_from(_WORDS) | st.text(max_size=6), inner, max_size=4)
    ),
    max_leaves=12,
)
quick = settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])


def load_or_refuse(text: bytes) -> None:
    problems: tuple[Problem, ...] = ()
    try:
        parse_routes(text, "fuzz.yaml")
    except ConfigError as error:
        problems = error.problems or (Problem("fuzz.yaml", -1, 0, "", "refused without a reason"),)
    for problem in problems:
        assert problem.file == "fuzz.yaml"
        assert problem.message
        assert 0 <= problem.line <= text.count(b"\n") + text.count(b"\r") + 2
        assert str(problem).isprintable()
    # The check never fails where the loader does not.
    assert isinstance(check_text(text, "fuzz.yaml"), tuple)


@quick
@given(st.binary(max_size=400))
def test_any_bytes_are_loaded_or_refused(text: bytes) -> None:
    load_or_refuse(text)


@quick
@given(st.lists(st.sampled_from(_WORDS) | st.text(max_size=5), max_size=40))
@example(["{", "? ", "[", "]", ":"])
@example(["!<", "a"])
@example(["- ", "- ", "&a", "*a"])
def test_any_words_are_loaded_or_refused(words: list[str]) -> None:
    load_or_refuse(" ".join(words).encode("utf-8", "surrogatepass"))


@quick
@given(
    st.sampled_from((GOOD, SHADOW)),
    st.integers(0, len(SHADOW)),
    st.integers(0, 12),
    st.sampled_from(_WORDS),
)
def test_any_damage_to_a_good_file_is_loaded_or_refused(
    good: str, start: int, gone: int, new: str
) -> None:
    load_or_refuse((good[:start] + new + good[start + gone :]).encode())


@quick
@given(plain)
def test_any_yaml_is_loaded_or_refused(value: object) -> None:
    load_or_refuse(yaml.safe_dump(value, allow_unicode=True).encode("utf-8", "surrogatepass"))


def _paths(value: object, path: tuple[str | int, ...] = ()) -> list[tuple[str | int, ...]]:
    found = [path] if path else []
    if isinstance(value, dict):
        for key, below in value.items():
            found += _paths(below, (*path, key))
    elif isinstance(value, list):
        for index, below in enumerate(value):
            found += _paths(below, (*path, index))
    return found


@quick
@given(
    st.sampled_from([(index, path) for index, tree in enumerate(_TREES) for path in _paths(tree)]),
    plain,
)
def test_any_value_at_any_place_is_loaded_or_refused(
    place: tuple[int, tuple[str | int, ...]], value: object
) -> None:
    index, path = place
    node = tree = copy.deepcopy(_TREES[index])
    for key in path[:-1]:
        node = node[key]
    node[path[-1]] = value
    load_or_refuse(yaml.safe_dump(tree, allow_unicode=True).encode("utf-8", "surrogatepass"))
