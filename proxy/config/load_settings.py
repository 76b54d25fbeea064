"""The settings of a process: default < `settings:` of routes.yaml < environment < option."""

from __future__ import annotations

import difflib
import re
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import Any

from pydantic import ValidationError
from pydantic.fields import FieldInfo

from proxy.config.complaints import sentence, unknown_name
from proxy.config.environment import (
    PREFIX,
    from_text,
    put,
    read_variable,
    setting_fields,
    setting_problem,
    variable,
)
from proxy.config.load_control_plane import variables
from proxy.config.parse import parse_settings, read_file
from proxy.config.settings_model import SettingsShape, to_settings
from proxy.errors import ConfigError, Problem
from proxy.settings import Identity, Settings

# What the commands read themselves: where things are is no setting.
_PLACES = frozenset(
    PREFIX + name
    for name in ("CONFIG", "FLAGS", "STATE_DIR", "SENTINEL", "TOKEN", "TOKEN_FILE", "TOKENS_FILE")
)
# What Kubernetes sets in every container for a service whose name begins with figway.
_OF_A_SERVICE = re.compile(
    r"FIGWAY_(?:\w+_)?(?:SERVICE_HOST|SERVICE_PORT(?:_\w+)?|PORT(?:_[0-9]+_(?:TCP|UDP|SCTP)(?:_\w+)?)?)"
)
# Names of files. A relative one is beside routes.yaml if it stands there.
_FILES = ("tls_certificate", "tls_key")


def load_settings(
    path: Path | None, environ: Mapping[str, str], options: Mapping[str, str]
) -> Settings:
    """Return the settings of a process. Raises ConfigError with everything wrong in every source.

    `path` is a routes.yaml; None: there is none. `environ` is the whole environment:
    `FIGWAY_WORKERS` sets `workers`, `FIGWAY_LIMITS_BODY_BYTES` sets `limits.body_bytes`, and the
    name with `_FILE` at its end names a file that holds the value. `options` maps `workers` or
    `limits.body_bytes` to what was typed on the command line.
    """
    raw: dict[str, Any] = {}
    if path is not None:
        raw = parse_settings(read_file(path), str(path))
        for key in _FILES:
            if raw.get(key):
                raw[key] = str(path.parent / raw[key])
    known = dict(setting_fields(SettingsShape))
    problems = list(_misspelt(environ, known))
    for source, name, key, text in _overrides(environ, options, known, problems):
        value = from_text(known[key], text)
        problem = _check(key, value, source, name)
        if problem is None:
            put(raw, key, value)
        else:
            problems.append(problem)
    if not problems:
        settings = to_settings(SettingsShape.model_validate(raw))
        problems.extend(check_together(settings))
        problems.extend(_check_files(settings))
        if not problems:
            return settings
    raise ConfigError(tuple(sorted(problems)))


def _overrides(
    environ: Mapping[str, str],
    options: Mapping[str, str],
    known: Mapping[str, FieldInfo],
    problems: list[Problem],
) -> Iterator[tuple[str, str, str, str]]:
    """Yield (source, name, key, text) of everything that is set outside the file, weakest first."""
    for key in known:
        found = read_variable(environ, variable(key))
        if isinstance(found, Problem):
            problems.append(found)
        elif found is not None:
            yield found.source, variable(key), key, found.text
    for key, text in options.items():
        name = "--" + key.replace("_", "-").replace(".", "-")
        if key in known:
            yield "option", name, key, text
        else:
            problems.append(setting_problem("option", name, unknown_name("setting", key, known)))


def _check(key: str, value: Any, source: str, name: str) -> Problem | None:
    alone: dict[str, Any] = {}
    put(alone, key, value)
    try:
        SettingsShape.model_validate(alone)
    except ValidationError as error:
        return setting_problem(source, name, sentence(error.errors(include_url=False)[0]))
    return None


def _misspelt(environ: Mapping[str, str], known: Mapping[str, FieldInfo]) -> Iterator[Problem]:
    """Yield a problem for every variable that is nearly one that is read."""
    names = {variable(key) for key in known} | _PLACES | variables()
    for name in _unread(environ, names):
        near = difflib.get_close_matches(name.removesuffix("_FILE"), names, n=1, cutoff=0.92)
        if near:
            yield setting_problem("environment", name, f"is no setting; did you mean {near[0]}?")


def ignored_variables(environ: Mapping[str, str]) -> tuple[str, ...]:
    """Return every variable that looks like ours and that nothing reads."""
    names = {variable(key) for key, _ in setting_fields(SettingsShape)}
    names |= _PLACES | variables()
    return tuple(sorted(_unread(environ, names)))


def _unread(environ: Mapping[str, str], names: Collection[str]) -> Iterator[str]:
    for name in environ:
        if (
            name.startswith(PREFIX)
            and name not in names
            and name.removesuffix("_FILE") not in names
            and not _OF_A_SERVICE.fullmatch(name)
        ):
            yield name


def check_together(settings: Settings) -> Iterator[Problem]:
    """Yield a problem for values that do not go together."""
    if settings.listen == settings.admin and not settings.listen.endswith(":0"):
        yield setting_problem(
            "settings", "admin", f"must be another address than listen, both are {settings.listen}"
        )
    if bool(settings.tls_certificate) != bool(settings.tls_key):
        missing = "tls_key" if settings.tls_certificate else "tls_certificate"
        yield setting_problem("settings", missing, "is missing: TLS needs certificate and key")
    yield from _check_identity(settings.access.identity)
    limits = settings.limits
    for small, large in (
        ("header_bytes", "head_bytes"),
        ("response_header_bytes", "response_head_bytes"),
    ):
        if getattr(limits, small) > getattr(limits, large):
            yield setting_problem(
                "settings",
                f"limits.{small}",
                f"must not be larger than limits.{large} ({getattr(limits, large)}), "
                f"got {getattr(limits, small)}",
            )


def _check_identity(identity: Identity) -> Iterator[Problem]:
    key = "access.identity"
    said = {"groups_header": identity.groups_header, "proxies": identity.proxies}
    listed = {
        "viewers": identity.viewers,
        "operators": identity.operators,
        "admins": identity.admins,
    }
    if not identity.header:
        for name, value in (said | listed).items():
            if value:
                yield setting_problem(
                    "settings", f"{key}.{name}", f"has no effect without {key}.header: set both"
                )
        return
    if not identity.proxies:
        yield setting_problem(
            "settings", f"{key}.proxies", "is missing: name the addresses whose header is believed"
        )
    if not any(listed.values()):
        yield setting_problem(
            "settings",
            f"{key}.viewers",
            "is missing: without viewers, operators or admins nobody has a role",
        )
    if identity.header.lower() == identity.groups_header.lower():
        yield setting_problem(
            "settings", f"{key}.groups_header", "must be another header than header"
        )


def _check_files(settings: Settings) -> Iterator[Problem]:
    for key in _FILES:
        file_name = getattr(settings, key)
        if file_name and not Path(file_name).is_file():
            yield setting_problem("settings", key, f"there is no file {file_name}")
