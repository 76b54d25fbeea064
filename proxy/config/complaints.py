"""What pydantic found, said as one sentence each: where, what, and how to mend it."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from typing import Annotated, Any, Union, get_args, get_origin

from pydantic import BaseModel
from pydantic_core import ErrorDetails

from proxy.config.units import show
from proxy.config.yaml_scalar import quoted
from proxy.config.yaml_text import Document, Path
from proxy.errors import Problem

# Words of other proxies, and of our own drafts, for the same thing.
_OTHER_WORDS = {
    "backend": "new",
    "backends": "upstreams",
    "cidrs": "cidr",
    "cohort": "cohorts",
    "cookie": "cookies",
    "endpoints": "urls",
    "header": "headers",
    "host": "hosts",
    "method": "methods",
    "name": "id",
    "path_prefix": "path",
    "percent": "max_percent",
    "service": "new",
    "services": "upstreams",
    "sticky": "stickiness",
    "target": "upstream",
    "timeout": "timeouts",
    "upstream": "new",
    "url": "urls",
    "weight": "max_percent",
}


def complain(
    document: Document, base: Path, model: type[BaseModel], errors: Iterable[ErrorDetails]
) -> list[Problem]:
    """Turn the errors of a model that was validated at a key path into problems."""
    problems = []
    for error in errors:
        tail = _path(error["loc"])
        path = (*base, *tail)
        if document.is_spoilt(path):
            continue
        kind = error["type"]
        if kind == "extra_forbidden":
            known = tuple(known_keys(model, tail[:-1]))
            problems.append(document.problem(path, unknown_key(str(tail[-1]), known), "LOAD001"))
        elif kind == "missing":
            description = _description(model, tail)
            message = "is required" + (f": {description}" if description else "")
            problems.append(document.problem(path, message, "LOAD002"))
        else:
            problems.append(document.problem(path, sentence(error), "LOAD003"))
    return problems


def unknown_key(key: str, known: tuple[str, ...]) -> str:
    """Say that a key does not exist, with the nearest one that does."""
    return f"unknown key; {suggestion(key, known)}known keys: {', '.join(known)}"


def unknown_name(kind: str, name: str, known: Iterable[str]) -> str:
    """Say that a name is not defined, with the nearest one that is."""
    names = sorted(known)
    listed = ", ".join(names[:20]) + (", ..." if len(names) > 20 else "")
    there = (
        f"{suggestion(name, tuple(names))}there is {listed}" if names else f"no {kind} is defined"
    )
    return f"there is no {kind} {quoted(name)}; {there}"


def suggestion(word: str, known: tuple[str, ...]) -> str:
    """Return `did you mean "x"? ` for the nearest known word, or nothing."""
    near = difflib.get_close_matches(word.lower(), known, n=1, cutoff=0.7)
    if not near and _OTHER_WORDS.get(word) in known:
        near = [_OTHER_WORDS[word]]
    return f"did you mean {quoted(near[0])}? " if near else ""


def _path(location: tuple[int | str, ...]) -> Path:
    """Drop what is no key of the file: union tags, and pydantic's mark of a mapping's key."""
    return tuple(
        key
        for key in location
        if isinstance(key, int) or key not in ("(word)", "(mapping)", "[key]")
    )


def sentence(error: ErrorDetails) -> str:
    """Say what is wrong with a value."""
    value = error["input"]
    context: dict[str, Any] = error.get("ctx", {})
    got = f", got {show(value)}"
    match error["type"]:
        case "value_error":
            return str(context["error"])
        case "shape":
            return error["msg"] + got
        case "string_type":
            mend = ""
            if isinstance(value, bool | int | float):
                mend = f": write {quoted(str(value).lower())} in quotes"
            return f"must be text{got}{mend}"
        case "int_type":
            return f"must be a whole number{got}"
        case "float_type":
            return f"must be a number{got}"
        case "bool_type":
            return f"must be true or false{got}"
        case "list_type":
            mend = f": write [{value}]" if isinstance(value, str) and len(value) < 40 else ""
            return f"must be a list{got}{mend}"
        case "model_type" | "dict_type" | "model_attributes_type":
            return f"must be a mapping of keys to values{got}"
        case "enum" | "literal_error":
            choices = [word.strip("'") for word in _choices(context["expected"])]
            choices = ["true" if word == "True" else word for word in choices]
            near = suggestion(value, tuple(choices)) if isinstance(value, str) else ""
            listed = " or ".join(filter(None, (", ".join(choices[:-1]), choices[-1])))
            only = "must be one of" if len(choices) > 1 else "must be"
            return f"{only} {listed}{got}{'; ' + near.strip() if near else ''}"
        case "too_short" | "string_too_short":
            return "must not be empty"
        case "too_long" | "string_too_long":
            return f"must be at most {context['max_length']} long{got}"
        case "string_pattern_mismatch":
            return f"must match {context['pattern']}{got}"
        case "greater_than_equal":
            return f"must be at least {context['ge']}{got}"
        case "greater_than":
            return f"must be more than {context['gt']}{got}"
        case "less_than_equal":
            return f"must be at most {context['le']}{got}"
        case _:
            return error["msg"][:1].lower() + error["msg"][1:] + got


def _choices(expected: str) -> list[str]:
    return expected.replace(" or ", ", ").split(", ")


# Which keys a model knows at a place. In this format a value is at most one kind of mapping.


def known_keys(model: type[BaseModel], path: Path) -> list[str]:
    """Return the keys that are known at a key path below a model."""
    below = _descend(model, path)
    return list(below.model_fields) if below is not None else []


def _description(model: type[BaseModel], path: Path) -> str:
    below = _descend(model, path[:-1])
    if below is None or path[-1] not in below.model_fields:
        return ""
    return (below.model_fields[str(path[-1])].description or "").rstrip(".")


def _descend(annotation: Any, path: Path) -> type[BaseModel] | None:
    current = _mapping_of(annotation)
    for key in path:
        if current is None:
            return None
        if isinstance(current, type) and issubclass(current, BaseModel):
            info = current.model_fields.get(str(key))
            current = _mapping_of(info.annotation) if info is not None else None
        else:  # dict[str, X] or list[X]
            current = _mapping_of(get_args(current)[-1])
    return current if isinstance(current, type) and issubclass(current, BaseModel) else None


def _mapping_of(annotation: Any) -> Any:
    """Return the model, list or dict among the alternatives of an annotation."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    origin = get_origin(annotation)
    if origin in (list, dict):
        return annotation
    if origin is Annotated or origin is Union or type(annotation).__name__ == "UnionType":
        for inner in get_args(annotation):
            found = _mapping_of(inner)
            if found is not None:
                return found
    return None
