"""One part of a YAML document held against a shape, for files that are read as a whole."""

from __future__ import annotations

from typing import TypeVar

from pydantic import ValidationError

from proxy.config.complaints import complain
from proxy.config.shapes import Shape
from proxy.config.yaml_text import Document, Path
from proxy.errors import ConfigError

_AnyShape = TypeVar("_AnyShape", bound=Shape)


def validated(document: Document, path: Path, model: type[_AnyShape]) -> _AnyShape:
    """The shape of what stands at a key path.

    Raises ConfigError with the problems of the text and of the shape together.
    """
    node = document.node(path)
    problems = list(document.problems)
    shape = None
    if node is not None and not node.spoilt:
        try:
            shape = model.model_validate(node.plain())
        except ValidationError as error:
            problems += complain(document, path, model, error.errors(include_url=False))
    if problems or shape is None:
        raise ConfigError(tuple(sorted(set(problems))))
    return shape
