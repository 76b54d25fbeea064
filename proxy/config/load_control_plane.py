"""The control plane of a process: default < `flags:`, `control:` of routes.yaml < environment."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from pydantic import ValidationError
from pydantic.fields import FieldInfo

from flags.unleash.connection import UnleashConnection
from proxy.config.complaints import sentence
from proxy.config.control_model import ControlShape, to_membership
from proxy.config.environment import (
    PREFIX,
    from_text,
    put,
    read_variable,
    setting_fields,
    setting_problem,
    variable,
)
from proxy.config.flags_model import FlagsShape, to_flag_sources
from proxy.config.parse import parse_section, read_file
from proxy.config.shapes import Shape
from proxy.control_plane import ControlPlane, FlagSources, Membership, Provider, Unleash
from proxy.errors import ConfigError, Problem

_SECTIONS: Mapping[str, type[Shape]] = {"flags": FlagsShape, "control": ControlShape}
# What is set so often that it has a short name.
_SHORT = {
    "flags.unleash.url": "UNLEASH_URL",
    "control.redis_url": "REDIS_URL",
    "control.peers": "PEERS",
    "control.replica": "REPLICA",
}
# A mapping has no text.
_FILE_ONLY = frozenset({"flags.unleash.context"})
# Secrets: field of `Unleash` to its variable. The file is no place for them.
_SECRETS = {
    "token": PREFIX + "UNLEASH_TOKEN",
    "admin_token": PREFIX + "UNLEASH_ADMIN_TOKEN",
    "webhook_token": PREFIX + "UNLEASH_WEBHOOK_TOKEN",
}


def load_control_plane(path: Path | None, environ: Mapping[str, str]) -> ControlPlane:
    """Return the control plane of a process. Raises ConfigError with everything wrong.

    `path` is a routes.yaml; None: there is none. A variable with `_FILE` at its end names a file
    that holds the value.
    """
    raw: dict[str, Any] = {section: {} for section in _SECTIONS}
    if path is not None:
        content = read_file(path)
        for section, shape in _SECTIONS.items():
            raw[section] = parse_section(content, str(path), section, shape)
    file_provider = "provider" in raw["flags"]
    problems: list[Problem] = []
    given = set()
    for key, (name, info) in control_variables().items():
        found = read_variable(environ, name)
        if isinstance(found, Problem):
            problems.append(found)
        elif found is not None and found.text:
            given.add(key)
            value = from_text(info, found.text)
            wrong = _check(key, value)
            if wrong:
                problems.append(setting_problem(found.source, name, wrong))
            put(raw, key, value)
    secrets = dict.fromkeys(_SECRETS, "")
    for key, name in _SECRETS.items():
        found = read_variable(environ, name)
        if isinstance(found, Problem):
            problems.append(found)
        elif found is not None:
            if not found.text.isprintable() or not found.text.isascii():
                problems.append(
                    setting_problem(found.source, name, "holds characters that cannot be sent")
                )
            secrets[key] = found.text
    if problems:
        raise ConfigError(tuple(sorted(problems)))
    flags = to_flag_sources(FlagsShape.model_validate(raw["flags"]))
    control = to_membership(ControlShape.model_validate(_without_secret(raw["control"])))
    control = replace(control, redis_url=raw["control"].get("redis_url", ""))
    provider = _provider(flags, control, given, in_file=file_provider)
    unleash = replace(
        flags.unleash,
        token=secrets["token"],
        admin_token=secrets["admin_token"],
        webhook_token=secrets["webhook_token"],
    )
    plane = ControlPlane(flags=replace(flags, provider=provider, unleash=unleash), control=control)
    problems.extend(_check_together(plane))
    chosen = file_provider or "flags.provider" in given
    if unleash.token and not unleash.url and not chosen:
        # A forgotten address would leave every canary with what the flag file says, in silence.
        problems.append(
            setting_problem(
                "environment",
                _SECRETS["token"],
                "is set, and no address of Unleash is: set FIGWAY_UNLEASH_URL too, or unset it",
            )
        )
    if problems:
        raise ConfigError(tuple(sorted(problems)))
    return plane


def _provider(
    flags: FlagSources, control: Membership, given: Collection[str], *, in_file: bool
) -> Provider:
    """Who says the percentages: decisions/0011. `given` are the keys that the environment sets."""
    if "flags.provider" in given:
        return flags.provider
    if "flags.unleash.url" in given:
        return Provider.UNLEASH
    # Replicas share a Redis whoever the provider is: its address is no word against Unleash.
    redis_wins = flags.provider is Provider.FILE and "control.redis_url" in given
    if in_file and not redis_wins:
        return flags.provider
    if flags.unleash.url and not in_file:
        return Provider.UNLEASH
    return Provider.REDIS if control.redis_url else Provider.FILE


def control_variables() -> dict[str, tuple[str, FieldInfo]]:
    """Every key of `flags:` and `control:` with its variable."""
    return {
        key: (PREFIX + _SHORT[key] if key in _SHORT else variable(key), info)
        for section, shape in _SECTIONS.items()
        for key, info in setting_fields(shape, f"{section}.")
        if key not in _FILE_ONLY
    }


def variables() -> frozenset[str]:
    """The name of every variable that is read here."""
    return frozenset({name for name, _ in control_variables().values()} | set(_SECRETS.values()))


def _check(key: str, value: Any) -> str:
    """What is wrong with one value; "" if nothing is."""
    section, _, rest = key.partition(".")
    if key == "control.redis_url":
        # The environment may hold what the file may not; the door of Redis reads it, and tells
        # what is wrong with it without its password.
        return ""
    alone: dict[str, Any] = {}
    put(alone, rest, value)
    try:
        _SECTIONS[section].model_validate(alone)
    except ValidationError as error:
        return sentence(error.errors(include_url=False)[0])
    return ""


def _without_secret(raw: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in raw.items() if key != "redis_url"}


def _check_connection(unleash: Unleash) -> Iterator[Problem]:
    """What the door of Unleash says of address and tokens."""
    try:
        UnleashConnection(
            url=unleash.url,
            token=unleash.token,
            admin_token=unleash.admin_token,
            webhook_token=unleash.webhook_token,
        )
    except ValueError as error:
        yield setting_problem("environment", "FIGWAY_UNLEASH_*", str(error))


def _check_together(plane: ControlPlane) -> Iterator[Problem]:
    unleash, control = plane.flags.unleash, plane.control
    match plane.flags.provider:
        case Provider.UNLEASH if not unleash.url:
            yield setting_problem(
                "flags", "unleash.url", "is missing: set it, or FIGWAY_UNLEASH_URL"
            )
        case Provider.UNLEASH if not unleash.token:
            yield setting_problem(
                "environment",
                _SECRETS["token"],
                "is missing: Unleash asks for a client token (Unleash, Admin, API access)",
            )
        case Provider.REDIS if not control.redis_url:
            yield setting_problem("control", "redis_url", "is missing: set it, or FIGWAY_REDIS_URL")
        case Provider.UNLEASH | Provider.REDIS | Provider.FILE:
            pass
    if plane.flags.provider is Provider.UNLEASH and unleash.url and unleash.token:
        yield from _check_connection(unleash)
    if control.unready_after and control.unready_after < control.stale_after:
        yield setting_problem("control", "unready_after", "must not be shorter than stale_after")
    if plane.flags.stale_after < plane.flags.warn_after:
        yield setting_problem("flags", "stale_after", "must not be shorter than warn_after")
