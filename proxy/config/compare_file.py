"""The rules of one comparison: those of a route in a routes.yaml, or a file with them alone."""

from __future__ import annotations

from collections.abc import Container
from pathlib import Path

from proxy.compare_policy import ComparePolicy
from proxy.config.compare_model import CompareShape, to_compare
from proxy.config.complaints import unknown_name
from proxy.config.parse import parse_routes, read_file
from proxy.config.validate import validated
from proxy.config.yaml_text import Document, Node, read_yaml
from proxy.config.yaml_text import Path as KeyPath
from proxy.errors import ConfigError, Problem


def load_compare(path: Path, route: str = "") -> ComparePolicy:
    """Load the comparison rules of a file. Raises ConfigError.

    A routes.yaml needs the id of a `route`. Any other file holds `compare:`, its keys at once, or
    a list of rules.
    """
    text = read_file(path)
    document = read_yaml(text, str(path), "it needs a list of rules, compare: or routes:")
    if "routes" in _keys(document):
        return _of_route(text, str(path), route)
    if route:
        raise _problem(path, f"has no routes: leave --route {route} out, or name a routes.yaml")
    return compare_alone(document)


def compare_alone(document: Document) -> ComparePolicy:
    """The policy of a document that holds nothing else. Raises ConfigError."""
    root = document.root
    if isinstance(root.value, list):
        # As `figway shadow rules --accept` writes it, line by line.
        place = (root.line, root.column)
        document.root = Node({"rules": root}, *place, keys={"rules": place})
    return compare_at(document, ("compare",) if "compare" in _keys(document) else ())


def compare_at(document: Document, path: KeyPath) -> ComparePolicy:
    """The policy that stands at a key path of a document. Raises ConfigError."""
    shape = validated(document, path, CompareShape)
    lines = [document.place((*path, "rules", index))[0] for index in range(len(shape.rules))]
    return to_compare(shape, lines)


def _keys(document: Document) -> Container[str]:
    return document.root.value if isinstance(document.root.value, dict) else ()


def _of_route(text: bytes, name: str, route: str) -> ComparePolicy:
    routes = {each.id: each for each in parse_routes(text, name).routes}
    if not route:
        listed = ", ".join(routes)
        raise _problem(Path(name), f"has several routes: choose one with --route: {listed}")
    if route not in routes:
        raise _problem(Path(name), unknown_name("route", route, routes))
    return routes[route].compare


def _problem(path: Path, message: str) -> ConfigError:
    return ConfigError(
        (Problem(file=str(path), line=0, column=0, key="", message=message, rule="LOAD004"),)
    )
