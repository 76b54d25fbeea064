"""The house rules that no single file shows: who may import whom, and what files look like."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from proxy.headers import HOP_BY_HOP

ROOT = Path(__file__).resolve().parent.parent

# (floor, unit, modules). A unit imports from itself and from lower floors.
HOUSE: tuple[tuple[int, str, tuple[str, ...]], ...] = (
    (5, "roof", ("proxy.cli", "proxy.__main__", "proxy.supervisor")),
    (4, "control", ("proxy.admin", "proxy.supervision", "proxy.fleet")),
    (4, "observer", ("proxy.observer",)),
    (4, "conformance", ("proxy.conformance",)),
    (
        3,
        "data plane",
        (
            "proxy.worker",
            "proxy.journey",
            "proxy.recovery",
            "proxy.generation",
            "proxy.recall",
            "proxy.accounts",
            "proxy.access_log",
            "proxy.tee",
        ),
    ),
    (2, "wire", ("proxy.http1",)),
    (2, "config", ("proxy.config",)),
    (2, "link", ("proxy.link",)),
    (2, "handover", ("proxy.handover",)),
    (2, "replay", ("proxy.replay",)),
    (1, "routing", ("proxy.routing",)),
    (1, "compare", ("proxy.compare",)),
    (1, "evidence", ("proxy.evidence",)),
    (
        0,
        "words",
        (
            *("proxy.stages", "proxy.errors", "proxy.settings", "proxy.headers", "proxy.tally"),
            "proxy.observer_tally",
            "proxy.control_plane",
            *("proxy.exchange", "proxy.shadow_policy", "proxy.compare_policy", "proxy.gate"),
        ),
    ),
)
# Lines of code. Blank lines, comments and docstrings are free: nobody shall save on those.
MAX_LINES = 450
# Seven names are hop-by-hop. Code that treats a few of them specially is no list of them.
A_LIST = 5
VAGUE_NAMES = {"utils", "util", "helpers", "helper", "common", "misc", "base", "manager", "tools"}
# A clock, a door to the outside, or chance: rules (floor 1) get what they need as arguments.
IMPURE = {
    *("asyncio", "aiohttp", "datetime", "http", "logging", "os", "pathlib", "random", "secrets"),
    *("select", "selectors", "shutil", "signal", "sqlite3", "ssl", "subprocess", "tempfile"),
    *("threading", "time", "urllib.request", "uuid", "uvloop"),
}
# What rules may take of a module that is otherwise a door: reading an address is arithmetic.
PURE_PARTS = {"socket": {"inet_pton", "inet_ntop", "inet_aton", "AF_INET", "AF_INET6"}}


def sources(*folders: str) -> list[Path]:
    return sorted(
        path
        for folder in folders
        for path in (ROOT / folder).rglob("*.py")
        if "__pycache__" not in path.parts
    )


def module_name(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


@cache
def tree_of(path: Path) -> ast.Module:
    return ast.parse(path.read_text(), filename=str(path))


def imports(path: Path) -> Iterator[tuple[int, str]]:
    """Every import in a file, as (line, module). `from proxy import link` is proxy.link."""
    for node in ast.walk(tree_of(path)):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}:{node.lineno}: relative imports are banned"
            assert node.module is not None
            for alias in node.names:
                inner = f"{node.module}.{alias.name}"
                yield node.lineno, inner if is_module(inner) else node.module


def imports_at_run_time(path: Path) -> Iterator[tuple[int, str]]:
    """The same without what stands under `if TYPE_CHECKING:`."""
    only_for_types = {
        line
        for node in ast.walk(tree_of(path))
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"
        for line in range(node.lineno, (node.end_lineno or node.lineno) + 1)
    }
    return ((line, target) for line, target in imports(path) if line not in only_for_types)


def is_module(name: str) -> bool:
    path = ROOT.joinpath(*name.split("."))
    return path.with_suffix(".py").exists() or (path / "__init__.py").exists()


def within(module: str, package: str) -> bool:
    return module == package or module.startswith(package + ".")


def place(module: str) -> tuple[int, str] | None:
    """The floor and unit of a module of the proxy; None for the package itself."""
    if module == "proxy":
        return None
    for floor, unit, modules in HOUSE:
        if any(within(module, known) for known in modules):
            return floor, unit
    pytest.fail(f"{module} has no floor: add it to HOUSE in {Path(__file__).name}")


def named(paths: list[Path]) -> list[object]:
    return [pytest.param(path, id=str(path.relative_to(ROOT))) for path in paths]


@pytest.mark.parametrize("path", named(sources("proxy")))
def test_the_proxy_imports_only_downwards(path: Path) -> None:
    here = place(module_name(path))
    wrong = []
    for line, target in imports(path):
        there = place(target) if within(target, "proxy") else None
        if here is None or there is None or here[1] == there[1]:
            continue
        if there[0] >= here[0]:
            wrong.append(
                f"{path}:{line}: {here[1]} (floor {here[0]}) imports {there[1]} ({there[0]})"
            )
    assert not wrong


def test_nothing_imports_itself_in_a_circle() -> None:
    graph = {
        module_name(path): {target for _, target in imports_at_run_time(path)}
        for path in sources("proxy", "flags")
    }
    finished: set[str] = set()

    def visit(module: str, trail: tuple[str, ...]) -> None:
        assert module not in trail, " -> ".join((*trail[trail.index(module) :], module))
        if module in finished:
            return
        for target in sorted(graph[module] & graph.keys() - {module}):
            visit(target, (*trail, module))
        finished.add(module)

    for module in sorted(graph):
        visit(module, ())


@pytest.mark.parametrize("path", named(sources("proxy/routing", "proxy/compare", "proxy/evidence")))
def test_rules_are_pure(path: Path) -> None:
    assert not [
        f"{path}:{line}: {target}"
        for line, target in imports(path)
        if any(within(target, impure) for impure in IMPURE)
    ]
    assert not [
        f"{path}:{node.lineno}: {ast.unparse(node)}"
        for node in ast.walk(tree_of(path))
        if isinstance(node, ast.Attribute)
        and isinstance(node.value, ast.Name)
        and node.attr not in PURE_PARTS.get(node.value.id, {node.attr})
    ]


@pytest.mark.parametrize(
    ("folder", "forbidden"),
    [
        pytest.param("flags", ("proxy", "new_services", "deploy"), id="flags"),
        pytest.param("new_services", ("proxy", "flags", "deploy"), id="new_services"),
        pytest.param("legacy_stub", ("proxy", "flags", "new_services", "deploy"), id="legacy_stub"),
        pytest.param("deploy", ("proxy", "flags", "new_services"), id="deploy"),
        pytest.param("proxy", ("new_services", "deploy", "bench", "tests"), id="proxy"),
    ],
)
def test_houses_keep_to_themselves(folder: str, forbidden: tuple[str, ...]) -> None:
    assert not [
        f"{path}:{line}: {target}"
        for path in sources(folder)
        for line, target in imports(path)
        if any(within(target, package) for package in forbidden)
    ]


@pytest.mark.parametrize(
    "path", named(sources("proxy", "flags", "new_services", "deploy", "bench", "tests"))
)
def test_a_file_is_named_after_what_it_owns(path: Path) -> None:
    assert path.stem not in VAGUE_NAMES
    assert path.parent.name not in VAGUE_NAMES


def lines_of_code(path: Path) -> int:
    explained = {
        line
        for node in ast.walk(tree_of(path))
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
        for line in range(node.lineno, (node.end_lineno or node.lineno) + 1)
    }
    return sum(
        1
        for number, line in enumerate(path.read_text().splitlines(), start=1)
        if line.strip() and not line.lstrip().startswith("#") and number not in explained
    )


@pytest.mark.parametrize("path", named(sources("proxy", "flags", "new_services", "deploy")))
def test_a_file_says_first_what_it_owns_and_stays_short(path: Path) -> None:
    if path.read_text().strip():
        assert ast.get_docstring(tree_of(path)), "the first line says what the file owns"
    assert lines_of_code(path) <= MAX_LINES


def hop_by_hop_names(node: ast.AST) -> set[str]:
    """Which hop-by-hop header names stand in a display such as {"te", b"upgrade"}."""
    elements: list[ast.expr] = []
    if isinstance(node, ast.Set | ast.List | ast.Tuple):
        elements = node.elts
    elif isinstance(node, ast.Dict):
        elements = [key for key in node.keys if key is not None]
    words = set()
    for element in elements:
        if isinstance(element, ast.Constant) and isinstance(element.value, str | bytes):
            value = element.value
            words.add((value.decode("latin-1") if isinstance(value, bytes) else value).lower())
    known = {name.decode() if isinstance(name, bytes) else name for name in HOP_BY_HOP}
    return words & known


@pytest.mark.parametrize(
    "path", named([p for p in sources("proxy") if module_name(p) != "proxy.headers"])
)
def test_hop_by_hop_headers_are_listed_in_one_place(path: Path) -> None:
    lists = [node for node in ast.walk(tree_of(path)) if len(hop_by_hop_names(node)) >= A_LIST]
    assert not [f"{path}:{node.lineno}" for node in lists if isinstance(node, ast.expr)]


def test_the_one_place_is_found_by_the_same_search() -> None:
    """Or the test above could not fail."""
    tree = tree_of(ROOT / "proxy" / "headers.py")
    assert any(len(hop_by_hop_names(node)) >= A_LIST for node in ast.walk(tree))
