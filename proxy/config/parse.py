"""Bytes of a routes.yaml to frozen definitions, or to every problem in it."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path as FilePath
from typing import Any, TypeVar

from pydantic import ValidationError

from proxy.config import definitions, shapes
from proxy.config.complaints import complain, unknown_key
from proxy.config.control_model import ControlShape
from proxy.config.flags_model import FlagsShape, to_context
from proxy.config.model import (
    CaseShape,
    FileShape,
    GroupShape,
    RouteShape,
    SegmentShape,
    UpstreamShape,
)
from proxy.config.resolve import Pieces, RoutePiece, check_whole
from proxy.config.settings_model import SettingsShape
from proxy.config.shadow_check import check_shadow, rule_lines
from proxy.config.shadow_model import ObserverShape, to_observer
from proxy.config.shapes import Shape
from proxy.config.units import show
from proxy.config.yaml_text import MAX_BYTES, Document, Node, Path, read_yaml
from proxy.errors import ConfigError, Problem
from proxy.routing.route import RouteFile
from proxy.shadow_policy import ObserverPolicy

# Keys that may stand without a value, as in `tests:` with everything below it commented out.
_NULLABLE = frozenset({"groups", "segments", "tests", "settings", "shadow", "flags", "control"})
_UNREADABLE_ID = "unreadable"
_AnyShape = TypeVar("_AnyShape", bound=Shape)


def parse_routes(text: bytes, name: str) -> RouteFile:
    """Parse the bytes of a routes.yaml called `name`. Raises ConfigError with all its problems."""
    return _Loader(read_yaml(text, name)).load(hashlib.sha256(text).hexdigest()[:12])


def parse_settings(text: bytes, name: str) -> dict[str, Any]:
    """Check `settings:` of a routes.yaml and return it as it stands there. Raises ConfigError."""
    loader = _Loader(read_yaml(text, name))
    loader.check_settings()
    loader.raise_problems()
    plain = loader.document.root.child("settings")
    return plain.plain() or {} if plain is not None else {}


def parse_section(text: bytes, name: str, section: str, model: type[Shape]) -> dict[str, Any]:
    """Check one section of a routes.yaml and return it as it stands there. Raises ConfigError."""
    loader = _Loader(read_yaml(text, name))
    loader.check_section(section, model)
    loader.raise_problems()
    plain = loader.document.root.child(section)
    return plain.plain() or {} if plain is not None else {}


def read_file(path: FilePath) -> bytes:
    """Read a file that may not be large. Raises ConfigError (rule READ)."""
    try:
        with path.open("rb") as file:
            # One byte more than allowed: enough to be refused for its size, not for its memory.
            return file.read(MAX_BYTES + 1)
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise ConfigError((_cannot_read(path, reason),)) from error


def _cannot_read(path: FilePath, reason: str) -> Problem:
    return Problem(
        file=str(path), line=0, column=0, key="", message=f"cannot be read: {reason}", rule="READ"
    )


class _Loader:
    """Goes through one document, collecting problems instead of stopping at the first."""

    def __init__(self, document: Document) -> None:
        self.document = document
        self._problems = list(document.problems)
        root = document.root
        self._top: dict[str, Node] = {}
        if isinstance(root.value, dict):
            self._top = root.value
        elif not root.spoilt:
            self._add(
                (), "must be a mapping with at least version, upstreams and routes", "LOAD003"
            )
        self._check_nothings((), root)

    def load(self, revision: str) -> RouteFile:
        """Return the definitions; raises ConfigError."""
        self._check_top()
        pieces = self._pieces()
        self.check_settings()
        observer = self.check_section("shadow", ObserverShape)
        flags = self.check_section("flags", FlagsShape)
        self.check_section("control", ControlShape)
        self._problems.extend(check_whole(self.document, pieces))
        self._problems.extend(check_shadow(self.document, pieces))
        self.raise_problems()
        groups = {
            name: definitions.group(name, shape.stickiness if shape is not None else None)
            for name, shape in pieces.groups.items()
        }
        return RouteFile(
            upstreams=tuple(
                definitions.upstream(name, shape)
                for name, shape in pieces.upstreams.items()
                if shape is not None
            ),
            routes=tuple(
                definitions.route(
                    piece.shape,
                    self.document.place(piece.path)[0],
                    groups,
                    rule_lines(self.document, piece),
                )
                for piece in pieces.routes
            ),
            groups=tuple(groups.values()),
            segments=tuple(
                definitions.segment(name, shape)
                for name, shape in pieces.segments.items()
                if shape is not None
            ),
            tests=tuple(
                definitions.test(shape, self.document.place(("tests", index))[0])
                for index, shape in pieces.tests
            ),
            context=to_context(flags) if flags is not None else (),
            shadow=to_observer(observer) if observer is not None else ObserverPolicy(),
            revision=revision,
        )

    def raise_problems(self) -> None:
        """Raise ConfigError if there is any problem."""
        if self._problems:
            raise ConfigError(tuple(sorted(set(self._problems))))

    def check_settings(self) -> None:
        """Check the settings of the file."""
        self.check_section("settings", SettingsShape)

    def check_section(self, key: str, model: type[_AnyShape]) -> _AnyShape | None:
        """Check what belongs to no route; None: it is not there, or broken."""
        node = self._top.get(key)
        return None if node is None else self._validate(model, (key,), node)

    # The parts.

    def _check_top(self) -> None:
        known = tuple(FileShape.model_fields)
        for key in self._top:
            if key not in known:
                self._add((key,), unknown_key(key, known), "LOAD001")
        for key in ("version", "upstreams", "routes"):
            if key not in self._top and isinstance(self.document.root.value, dict):
                description = (FileShape.model_fields[key].description or "").rstrip(".")
                self._add((key,), f"is required: {description}", "LOAD002")
        version = self._top.get("version")
        if version is not None and not version.spoilt and version.value is not None:
            value = version.value
            if type(value) is not int or value != 1:
                shown = show(value)
                self._add(
                    ("version",), f"must be 1, the only version there is, got {shown}", "LOAD003"
                )

    def _pieces(self) -> Pieces:
        pieces = Pieces()
        for name, node in self._mapping("upstreams"):
            pieces.upstreams[name] = self._validate(UpstreamShape, ("upstreams", name), node)
        for name, node in self._mapping("groups"):
            bare = Node({}, node.line, node.column, {}) if node.value is None else node
            pieces.groups[name] = self._validate(GroupShape, ("groups", name), bare)
        for name, node in self._mapping("segments"):
            pieces.segments[name] = self._validate(SegmentShape, ("segments", name), node)
        for index, node in self._list("routes"):
            piece = self._route(index, node)
            if piece is not None:
                pieces.routes.append(piece)
        for index, node in self._list("tests"):
            test = self._validate(CaseShape, ("tests", index), node)
            if test is not None:
                pieces.tests.append((index, test))
        return pieces

    def _mapping(self, key: str) -> Iterator[tuple[str, Node]]:
        node = self._top.get(key)
        if node is None or node.spoilt or node.value is None:
            return
        if not isinstance(node.value, dict):
            self._add((key,), f"must be a mapping of names, got {show(node.plain())}", "LOAD003")
            return
        if not node.value and key == "upstreams":
            self._add((key,), "must not be empty", "LOAD003")
        for name, below in node.value.items():
            try:
                shapes.identifier(name)
            except ValueError as error:
                self._add((key, name), f"the name {error}", "LOAD003")
            yield name, below

    def _list(self, key: str) -> Iterator[tuple[int, Node]]:
        node = self._top.get(key)
        if node is None or node.spoilt or node.value is None:
            return
        if not isinstance(node.value, list):
            self._add((key,), f"must be a list, got {show(node.plain())}", "LOAD003")
            return
        if not node.value and key == "routes":
            self._add((key,), "must not be empty", "LOAD003")
        yield from enumerate(node.value)

    def _validate(self, model: type[_AnyShape], path: Path, node: Node) -> _AnyShape | None:
        if node.spoilt or node.value is None:
            return None
        try:
            return model.model_validate(_without_nothings(node.plain()))
        except ValidationError as error:
            self._problems.extend(
                complain(self.document, path, model, error.errors(include_url=False))
            )
            return None

    def _route(self, index: int, node: Node) -> RoutePiece | None:
        """Read a route; what cannot be read is left out, so that the rest is still looked at."""
        path: Path = ("routes", index)
        if node.spoilt or node.value is None:
            return None
        written = node.plain()
        raw = _without_nothings(written)
        nothings = frozenset(written) - frozenset(raw) if isinstance(raw, dict) else frozenset()
        try:
            shape = RouteShape.model_validate(raw)
        except ValidationError as error:
            errors = error.errors(include_url=False)
        else:
            return RoutePiece(index=index, shape=shape, broken=nothings)
        self._problems.extend(complain(self.document, path, RouteShape, errors))
        if not isinstance(raw, dict):
            return None
        broken = {str(each["loc"][0]) for each in errors if each["loc"]}
        rest = {key: value for key, value in raw.items() if key not in broken}
        rest.setdefault("id", _UNREADABLE_ID)
        rest.setdefault("match", {"path": {"exact": "/"}})
        return RoutePiece(
            index=index, shape=RouteShape.model_validate(rest), broken=nothings | broken
        )

    def _check_nothings(self, path: Path, node: Node) -> None:
        """Report every key that was given without a value where it needs one."""
        if isinstance(node.value, dict):
            for key, below in node.value.items():
                self._check_nothings((*path, key), below)
        elif isinstance(node.value, list):
            for index, below in enumerate(node.value):
                self._check_nothings((*path, index), below)
        elif node.value is None and not node.spoilt and path and not _may_be_nothing(path):
            self._add(path, "has no value: give it one, or remove the key", "LOAD003")

    def _add(self, path: Path, message: str, rule: str) -> None:
        if not self.document.is_spoilt(path):
            self._problems.append(self.document.problem(path, message, rule))


def _may_be_nothing(path: Path) -> bool:
    match path:
        case (str(key),):
            return key in _NULLABLE
        case ("groups", _) | ("routes", _, "fallback"):
            return True
        case _:
            return False


def _without_nothings(value: Any) -> Any:
    """Drop keys without a value: a problem was reported for each that needs one."""
    if isinstance(value, dict):
        return {k: _without_nothings(v) for k, v in value.items() if v is not None}
    if isinstance(value, list):
        return [_without_nothings(v) for v in value if v is not None]
    return value
