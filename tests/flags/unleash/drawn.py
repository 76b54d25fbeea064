"""Features and contexts of every kind, drawn by hypothesis, in the shape that Unleash sends."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import strategies as st

from flags.rule import Rule
from flags.unleash.features import read_features

Json = dict[str, Any]

FIELDS = ("userId", "sessionId", "remoteAddress", "country", "tier", "environment", "appName")
WORDS = ("DE", "AT", "de", "d", "", "beta", "Beta-User", "1", "2")
NUMBERS = ("0", "1", "1.0", "1e0", "-2", "12", "12.5", "+1")
VERSIONS = (
    "1.0.0",
    "1.2.2",
    "1.2.10",
    "2.0.0-alpha.1",
    "2.0.0-alpha",
    "2.0.0",
    "2.0.0+b",
    "v1.0.0",
)
DATES = ("2022-01-29T13:00:00.000Z", "2026-11-22T18:47:00+02:00", "2026-11-22T16:47:00Z")
ADDRESSES = ("10.1.2.3", "10.9.9.9", "192.0.2.1", "2001:db8::1", "203.0.113.9")
BLOCKS = ("10.0.0.0/8", "10.1.2.3", "10.1.2.3/16", "2001:db8::/32", "192.0.2.0/24")
PATTERNS = ("^d", "DE|AT", "(?i)beta", "[0-9]+", "^(a|b)?$")
# An empty value is none, wherever Figway reads one.
_VALUES = st.sampled_from((*filter(None, WORDS), *NUMBERS, *VERSIONS, *DATES, *ADDRESSES))


def _some(values: tuple[str, ...], least: int = 0) -> st.SearchStrategy[list[str]]:
    return st.lists(st.sampled_from(values), min_size=least, max_size=3)


@st.composite
def constraints(draw: st.DrawFn) -> Json:
    """One constraint whose operator and value go together."""
    kind = draw(st.sampled_from(["set", "piece", "number", "version", "date", "pattern", "block"]))
    constraint: Json = {
        "contextName": draw(st.sampled_from(FIELDS)),
        "inverted": draw(st.booleans()),
        "caseInsensitive": draw(st.booleans()),
    }
    match kind:
        case "set":
            return constraint | {
                "operator": draw(st.sampled_from(["IN", "NOT_IN"])),
                "values": draw(_some(WORDS)),
            }
        case "piece":
            return constraint | {
                "operator": "STR_"
                + draw(st.sampled_from(["CONTAINS", "STARTS_WITH", "ENDS_WITH"])),
                "values": draw(_some(WORDS, 1)),
            }
        case "number":
            return constraint | {
                "operator": "NUM_" + draw(st.sampled_from(["EQ", "GT", "GTE", "LT", "LTE"])),
                "value": draw(st.sampled_from(NUMBERS)),
            }
        case "version":
            return constraint | {
                "operator": "SEMVER_" + draw(st.sampled_from(["EQ", "GT", "GTE", "LT", "LTE"])),
                "value": draw(st.sampled_from(VERSIONS)),
            }
        case "date":
            return constraint | {
                "contextName": "currentTime",
                "operator": "DATE_" + draw(st.sampled_from(["AFTER", "BEFORE"])),
                "value": draw(st.sampled_from(DATES)),
            }
        case "pattern":
            return constraint | {"operator": "REGEX", "value": draw(st.sampled_from(PATTERNS))}
        case _:
            blocks = draw(_some(BLOCKS, 1)) + draw(st.sampled_from([[], ["nonsense"]]))
            return constraint | {"operator": "IN_CIDR", "values": blocks}


@st.composite
def strategies(draw: st.DrawFn) -> Json:
    """One activation strategy."""
    percent = str(draw(st.sampled_from([0, 1, 25, 50, 99, 100])))
    group = draw(st.sampled_from(["purchase", "figway-purchase", "r"]))
    name, parameters = draw(
        st.sampled_from(
            [
                ("default", {}),
                ("nobody-knows", {}),
                ("gradualRolloutUserId", {"percentage": percent, "groupId": group}),
                ("gradualRolloutSessionId", {"percentage": percent, "groupId": group}),
                ("userWithId", {"userIds": "1, DE,12"}),
                ("remoteAddress", {"IPs": "10.0.0.0/8, 192.0.2.1,zz"}),
                *(
                    (
                        "flexibleRollout",
                        {"rollout": percent, "stickiness": stickiness, "groupId": group},
                    )
                    for stickiness in ("default", "userId", "sessionId", "country")
                ),
            ]
        )
    )
    return {
        "name": name,
        "parameters": parameters,
        "constraints": draw(st.lists(constraints(), max_size=2)),
        "segments": draw(st.lists(st.sampled_from([1, 2]), max_size=1)),
        "variants": draw(st.sampled_from([[], [], VARIANTS])),
    }


VARIANTS = [
    {"name": "blue", "weight": 300, "stickiness": "default"},
    {"name": "red", "weight": 700, "stickiness": "default"},
]


@st.composite
def answers(draw: st.DrawFn) -> Json:
    """An answer of Unleash with the flag `f` and a parent of it."""
    parent = {
        "name": "parent",
        "enabled": draw(st.booleans()),
        "strategies": draw(st.lists(strategies(), max_size=2)),
        "variants": draw(st.sampled_from([[], VARIANTS])),
    }
    dependency = draw(
        st.sampled_from(
            [
                *(None, None, {"feature": "parent"}, {"feature": "nobody"}),
                {"feature": "parent", "enabled": False},
                {"feature": "parent", "variants": ["blue"]},
                {"feature": "parent", "variants": ["red", "disabled"]},
            ]
        )
    )
    flag = {
        "name": "f",
        "enabled": draw(st.sampled_from([True, True, True, False])),
        "strategies": draw(st.lists(strategies(), max_size=3)),
        "dependencies": [dependency] if dependency else [],
    }
    return {
        "version": 2,
        "features": [flag, parent],
        "segments": [
            {"id": number, "name": f"segment {number}", "constraints": draw(_constraint_lists)}
            for number in (1, 2)
        ],
    }


_constraint_lists = st.lists(constraints(), max_size=2)


@st.composite
def contexts(draw: st.DrawFn) -> Json:
    """A context of Unleash; it has an id, or an SDK would answer by chance."""
    properties = {field: draw(_VALUES) for field in ("country", "tier") if draw(st.booleans())}
    context: Json = {
        "userId": draw(st.sampled_from(["1", "2", "12", "DE", "7000", "someone"])),
        "environment": draw(st.sampled_from(["production", "DE"])),
        "appName": "figway",
        "currentTime": draw(st.sampled_from(["2026-11-22T17:00:00Z", "2020-01-01T00:00:00Z"])),
        "properties": properties,
    }
    if draw(st.booleans()):
        context["sessionId"] = draw(st.sampled_from(["1", "session", "DE"]))
    if draw(st.booleans()):
        context["remoteAddress"] = draw(st.sampled_from(ADDRESSES))
    return context


@st.composite
def rules(draw: st.DrawFn) -> Rule:
    """A rule that Figway would hold."""
    answer = json.dumps(draw(answers()))
    return read_features(answer, wanted=lambda _: True).rules["f"]
