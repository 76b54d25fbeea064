"""What Unleash answers to a client: the features of one environment, as rules. Pure."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Annotated, Any, Final

from pydantic import BaseModel, BeforeValidator, ConfigDict, ValidationError
from pydantic_core import ErrorDetails

from flags.rule import NO_RULES, Constraint, Override, Parent, Rule, Strategy, Variant

APP_NAME: Final = "figway"
PREFIX: Final = "figway-"
# Problems that an error lists; a payload of something else would have thousands.
_TOLD: Final = 5
_WHOLE_PERCENT: Final = re.compile(r"\d{1,3}").fullmatch


class FeaturesError(ValueError):
    """An answer that is no list of features; what was held before still holds."""


def _no_rules() -> Mapping[str, Rule]:
    return NO_RULES


def _nothing() -> Mapping[str, str]:
    return MappingProxyType({})


@dataclass(frozen=True, slots=True, kw_only=True)
class Features:
    """One answer, read."""

    # Of Unleash's own count; 0 when it does not say.
    revision: int = 0
    # The environment of the token, as Unleash names it; empty when it does not say.
    environment: str = ""
    # All that the answer has.
    names: frozenset[str] = frozenset()
    # Those that were wanted, by name.
    rules: Mapping[str, Rule] = field(default_factory=_no_rules)
    # Those that were wanted, or parents of such, and cannot be read: why, by name.
    unreadable: Mapping[str, str] = field(default_factory=_nothing)


def _text(value: object) -> object:
    # Unleash sends text throughout; numbers are what people write into an import file.
    return str(value) if isinstance(value, int | float) and not isinstance(value, bool) else value


def _list(value: object) -> object:
    return [] if value is None else value


def _mapping(value: object) -> object:
    return {} if value is None else value


_Text = Annotated[str, BeforeValidator(_text)]
_Texts = Annotated[list[_Text], BeforeValidator(_list)]


class _Part(BaseModel):
    model_config = ConfigDict(extra="ignore", strict=True)


class _Constraint(_Part):
    contextName: str = ""  # noqa: N815 -- Unleash's name
    operator: str
    values: _Texts = []
    value: _Text | None = None
    inverted: bool | None = None
    caseInsensitive: bool | None = None  # noqa: N815 -- Unleash's name


_Constraints = Annotated[list[_Constraint], BeforeValidator(_list)]


class _Override(_Part):
    contextName: str  # noqa: N815 -- Unleash's name
    values: _Texts = []


class _Variant(_Part):
    name: str
    weight: int = 0
    stickiness: str | None = None
    overrides: Annotated[list[_Override], BeforeValidator(_list)] = []


_Variants = Annotated[list[_Variant], BeforeValidator(_list)]


class _Strategy(_Part):
    name: str
    title: str | None = None
    parameters: Annotated[dict[str, Any], BeforeValidator(_mapping)] = {}
    constraints: _Constraints = []
    segments: Annotated[list[int], BeforeValidator(_list)] = []
    variants: _Variants = []


class _Dependency(_Part):
    feature: str
    enabled: bool | None = None
    variants: _Texts = []


class _Feature(_Part):
    name: str
    enabled: bool = False
    strategies: Annotated[list[_Strategy], BeforeValidator(_list)] = []
    variants: _Variants = []
    dependencies: Annotated[list[_Dependency], BeforeValidator(_list)] = []


class _Segment(_Part):
    id: int
    name: str = ""
    constraints: _Constraints = []


class _Query(_Part):
    environment: str | None = None


class _Meta(_Part):
    revisionId: int | None = None  # noqa: N815 -- Unleash's name


class _Answer(_Part):
    # Read one by one: a defect in one of them is that one's own.
    features: list[dict[str, Any]]
    segments: Annotated[list[dict[str, Any]], BeforeValidator(_list)] = []
    query: _Query | None = None
    meta: _Meta | None = None


def is_ours(name: str) -> bool:
    """Whether this is how names of our flags begin."""
    return name.startswith(PREFIX)


def read_features(
    payload: bytes | str,
    *,
    app_name: str = APP_NAME,
    host_name: str = "",
    wanted: Callable[[str], bool] = is_ours,
) -> Features:
    """Read what `/api/client/features` answered. Raises `FeaturesError` that says what is wrong.

    Only flags that are `wanted` are read, and the parents they name. Keys that nobody knows are
    left out. What a feature says that cannot be followed (a strategy that is not known, a segment
    that does not exist) is a fault in its rule; a feature that cannot be read is told by itself.
    Names of the application and of this host are what strategies and constraints compare with.
    """
    try:
        answer = _Answer.model_validate_json(payload)
    except ValidationError as error:
        raise FeaturesError(f"not an answer with features: {_describe(error)}") from None
    raw = _by_name(answer.features)
    reader = _Reader(raw, _segments(answer.segments))
    environment = (answer.query and answer.query.environment) or ""
    rules = {}
    for name in filter(wanted, raw):
        feature = reader.feature(name)
        if feature is not None:
            rules[name] = Rule(
                flag=name,
                enabled=feature.enabled,
                strategies=reader.strategies(feature),
                # Unleash names a parent once per strategy.
                parents=tuple(dict.fromkeys(map(reader.parent, feature.dependencies))),
                variants=tuple(map(_variant, feature.variants)),
                environment=environment,
                app_name=app_name,
                host_name=host_name,
            )
    return Features(
        revision=(answer.meta and answer.meta.revisionId) or 0,
        environment=environment,
        names=frozenset(raw),
        rules=MappingProxyType(rules),
        unreadable=MappingProxyType(reader.unreadable),
    )


def _by_name(features: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    by_name = {}
    nameless = []
    for position, each in enumerate(features):
        name = each.get("name")
        if isinstance(name, str):
            by_name[name] = each
        else:
            nameless.append(f"features[{position}]")
    if nameless:
        more = ", ..." if len(nameless) > _TOLD else ""
        places = ", ".join(nameless[:_TOLD]) + more
        raise FeaturesError(f"not an answer with features: without a name: {places}")
    return by_name


def _segments(raw: list[dict[str, Any]]) -> dict[int, _Segment]:
    segments = {}
    for each in raw:
        # One that cannot be read does not exist: the strategies that name it say so.
        with suppress(ValidationError):
            segment = _Segment.model_validate(each)
            segments[segment.id] = segment
    return segments


class _Reader:
    def __init__(self, raw: Mapping[str, dict[str, Any]], segments: Mapping[int, _Segment]) -> None:
        self._raw = raw
        self._segments = segments
        self._read: dict[str, _Feature | None] = {}
        # Why, by name.
        self.unreadable: dict[str, str] = {}

    def feature(self, name: str) -> _Feature | None:
        """The feature with this name; None when there is none, or it cannot be read."""
        if name not in self._read:
            self._read[name] = None
            if name in self._raw:
                try:
                    self._read[name] = _Feature.model_validate(self._raw[name])
                except ValidationError as error:
                    self.unreadable[name] = _describe(error)
        return self._read[name]

    def parent(self, dependency: _Dependency) -> Parent:
        name = dependency.feature
        feature = self.feature(name)
        fault = ""
        if feature is None:
            cannot = f"{name} cannot be read" if name in self._raw else f"there is no flag {name}"
            fault = cannot
        elif feature.dependencies:
            fault = f"{name} depends on another flag itself"
        return Parent(
            flag=name,
            on=dependency.enabled is not False,
            wanted=tuple(dependency.variants),
            enabled=feature is not None and feature.enabled,
            strategies=() if feature is None else self.strategies(feature),
            variants=() if feature is None else tuple(map(_variant, feature.variants)),
            fault=fault,
        )

    def strategies(self, feature: _Feature) -> tuple[Strategy, ...]:
        return tuple(_strategy(each, feature.name, self._segments) for each in feature.strategies)


def _describe(error: ValidationError) -> str:
    problems = error.errors(include_url=False, include_context=False)
    told = [f"{_place(each['loc'])}: {_message(each)}" for each in problems[:_TOLD]]
    more = f" (and {len(problems) - _TOLD} more)" if len(problems) > _TOLD else ""
    return "; ".join(told) + more


def _message(problem: ErrorDetails) -> str:
    # The names of these classes are nobody's business.
    return "Input should be an object" if problem["type"] == "model_type" else problem["msg"]


def _place(location: tuple[int | str, ...]) -> str:
    place = ""
    for step in location:
        place += f"[{step}]" if isinstance(step, int) else f"{'.' if place else ''}{step}"
    return place or "the whole"


def _strategy(raw: _Strategy, flag: str, segments: Mapping[int, _Segment]) -> Strategy:
    faults = [f"there is no segment {each}" for each in raw.segments if each not in segments]
    constraints = [*map(_constraint, raw.constraints)]
    for number in raw.segments:
        segment = segments.get(number)
        if segment is not None:
            name = segment.name or str(number)
            constraints += [_constraint(each, segment=name) for each in segment.constraints]
    said = {key: str(value) for key, value in raw.parameters.items() if value is not None}
    basis_points = None
    percentage = _PERCENTAGE.get(raw.name)
    if percentage is not None:
        text = said.get(percentage, "")
        basis_points = int(text) * 100 if _WHOLE_PERCENT(text) and int(text) <= 100 else 0
        if not _WHOLE_PERCENT(text) or int(text) > 100:
            faults.append(f"{percentage} is {text!r}, not a whole percentage from 0 to 100")
    listed = _LISTED.get(raw.name)
    if percentage is None and listed is None and raw.name != "default":
        faults.append(f"there is no strategy {raw.name!r} that Figway knows")
    return Strategy(
        name=raw.name,
        constraints=tuple(constraints),
        basis_points=basis_points,
        hash_group="" if percentage is None else said.get("groupId", flag),
        stickiness=_STICKINESS.get(raw.name) or said.get("stickiness") or "default",
        values=() if listed is None else _split(said.get(listed, "")),
        variants=tuple(map(_variant, raw.variants)),
        title=raw.title or "",
        fault="; ".join(faults),
    )


# Strategies with a percentage, and what their parameter is called.
_PERCENTAGE: Final = {
    "flexibleRollout": "rollout",
    "gradualRolloutUserId": "percentage",
    "gradualRolloutSessionId": "percentage",
    "gradualRolloutRandom": "percentage",
}
# Those that say by their name what the percentage is of.
_STICKINESS: Final = {
    "gradualRolloutUserId": "userId",
    "gradualRolloutSessionId": "sessionId",
    "gradualRolloutRandom": "random",
}
# Strategies with a list of values.
_LISTED: Final = {
    "userWithId": "userIds",
    "remoteAddress": "IPs",
    "applicationHostname": "hostNames",
}


def _split(text: str) -> tuple[str, ...]:
    return tuple(value for part in text.split(",") if (value := part.strip()))


def _constraint(raw: _Constraint, *, segment: str = "") -> Constraint:
    return Constraint(
        field=raw.contextName,
        operator=raw.operator,
        values=tuple(raw.values),
        value=raw.value or "",
        inverted=raw.inverted is True,
        case_insensitive=raw.caseInsensitive is True,
        segment=segment,
    )


def _variant(raw: _Variant) -> Variant:
    return Variant(
        name=raw.name,
        weight=raw.weight,
        stickiness=raw.stickiness or "default",
        overrides=tuple(
            Override(field=each.contextName, values=tuple(each.values)) for each in raw.overrides
        ),
    )
