"""One part of a YAML document held against a shape, for files that are read as a whole."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TypeVar

from pydantic import ValidationError

from proxy.config.complaints import complain
from proxy.config.shapes import Shape
from proxy.config.yaml_text import Document, Node, Path
from proxy.errors import ConfigError, Problem

_AnyShape = TypeVar("_AnyShape", bound=Shape)


def validated(
    document: Document,
    path: Path,
    model: type[_AnyShape],
    nullable: Callable[[Path], bool] = lambda _: False,
) -> _AnyShape:
    """The shape of what stands at a key path; `nullable` tells where null is a value.

    Raises ConfigError with the problems of the text and of the shape together.
    """
    node = document.node(path)
    problems = list(document.problems)
    problems += _nothings(document, path, node, nullable)
    shape = None
    if node is not None and not node.spoilt:
        try:
            shape = model.model_validate(node.plain())
        except ValidationError as error:
            problems += complain(document, path, model, error.errors(include_url=False))
    if problems or shape is None:
        raise ConfigError(tuple(sorted(set(problems))))
    return shape


def _nothings(
    document: Document, path: Path, node: Node | None, nullable: Callable[[Path], bool]
) -> Iterator[Problem]:
    """A problem for every key that was given without a value."""
    if node is None or node.spoilt or nullable(path):
        return
    if isinstance(node.value, dict):
        for key, below in node.value.items():
            yield from _nothings(document, (*path, key), below, nullable)
    elif isinstance(node.value, list):
        for index, below in enumerate(node.value):
            yield from _nothings(document, (*path, index), below, nullable)
    elif node.value is None:
        yield document.problem(path, "has no value: give it one, or remove the key", "LOAD003")
