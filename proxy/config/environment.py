"""The environment as a place for values: names, files that hold a value, text as it is meant."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from proxy.config.yaml_text import MAX_BYTES
from proxy.errors import Problem

PREFIX = "FIGWAY_"
RULE = "SETTING"
_NUMBER = re.compile(r"-?[0-9]{1,18}")
_DECIMAL = re.compile(r"-?[0-9]{0,18}\.[0-9]{1,18}")


@dataclass(frozen=True, slots=True)
class Variable:
    """A variable that is set: where it stands, and its text."""

    source: str
    text: str


def variable(key: str) -> str:
    """Return the environment variable of a setting."""
    return PREFIX + key.replace(".", "_").upper()


def read_variable(environ: Mapping[str, str], name: str) -> Variable | Problem | None:
    """The value of a variable, from itself or from the file that NAME_FILE names; None: not set."""
    file_name = environ.get(f"{name}_FILE")
    if file_name is None:
        return Variable("environment", environ[name]) if name in environ else None
    if name in environ:
        return setting_problem("environment", name, f"is set together with {name}_FILE: unset one")
    try:
        with open(file_name, "rb") as file:
            text = file.read(MAX_BYTES).decode().strip()
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "not UTF-8 text"
        return setting_problem("environment", f"{name}_FILE", f"cannot be read: {reason}")
    return Variable(f"{name}_FILE {file_name}", text)


def from_text(info: FieldInfo, text: str) -> Any:
    """Read a text as the value that would stand in the file."""
    if get_origin(info.annotation) is list:
        return [part.strip() for part in text.split(",") if part.strip()]
    if info.annotation in (int, float):
        if _NUMBER.fullmatch(text):
            return int(text)
        if _DECIMAL.fullmatch(text):
            return float(text)
    return text


def put(raw: dict[str, Any], key: str, value: Any) -> None:
    """Set a dotted key in nested mappings."""
    *sections, name = key.split(".")
    for section in sections:
        raw = raw.setdefault(section, {})
    raw[name] = value


def setting_fields(model: type[BaseModel], before: str = "") -> list[tuple[str, FieldInfo]]:
    """Every setting with its dotted key, in the order of the model."""
    found: list[tuple[str, FieldInfo]] = []
    for name, info in model.model_fields.items():
        annotation = info.annotation
        if isinstance(annotation, type) and issubclass(annotation, BaseModel):
            found.extend(setting_fields(annotation, f"{before}{name}."))
        else:
            found.append((f"{before}{name}", info))
    return found


def setting_problem(source: str, key: str, message: str) -> Problem:
    """A problem of a setting."""
    return Problem(file=source, line=0, column=0, key=key, message=message, rule=RULE)
