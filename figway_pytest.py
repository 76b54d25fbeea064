"""The pytest plugin of Figway: route tests and conformance cases as test items.

Not in the package `proxy`: a project under test may have one of that name, and pytest loads this
file in every run. For the same reason it imports nothing of Figway before an option asks for it.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from proxy.config.route_tests import Outcome
    from proxy.conformance.case import Case, CaseFile
    from proxy.conformance.result import CaseResult
    from proxy.conformance.run import Runner
    from proxy.routing.route import RouteFile, RouteTest
    from proxy.routing.table import RouteTable

MARK = "figway"
# As `figway conform` calls them.
_OPTION = re.compile(r"(?<!\S)--(new|legacy|routes|allow-writes)\b")
# Files that were read, also those that could not be: that is told once.
_READ = pytest.StashKey[set[Path]]()
_ROUTES = "figway_routes"
_CASES = "figway_cases"


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the options."""
    group = parser.getgroup("figway", "Figway: route tests and conformance cases")
    group.addoption(
        "--figway-routes",
        metavar="FILE",
        dest=_ROUTES,
        help="a routes.yaml: each entry of its tests: block is a test; also the routes and rules of"
        " --figway-cases",
    )
    group.addoption(
        "--figway-cases",
        metavar="FILE",
        dest=_CASES,
        action="append",
        default=[],
        help="a cases.yaml: each case is a test, sent to both sides and compared",
    )
    group.addoption(
        "--figway-legacy", metavar="URL", help="the legacy side; default: that of --figway-routes"
    )
    group.addoption(
        "--figway-new",
        metavar="[NAME=]URL",
        action="append",
        default=[],
        help="the new side, or one of several; default: those of --figway-routes",
    )
    group.addoption(
        "--figway-allow-writes",
        action="store_true",
        help="send requests that may change something, twice: once to each side",
    )


def pytest_configure(config: pytest.Config) -> None:
    """Check the options."""
    config.addinivalue_line("markers", f"{MARK}: a route test or a conformance case of Figway")
    files = _files(config)
    if files:
        _require_figway()
    for path in files:
        if not path.is_file():
            raise pytest.UsageError(f"figway: there is no file {path}")


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(
    session: pytest.Session, config: pytest.Config, items: list[pytest.Item]
) -> None:
    """Add the items of the files that the options name, before any are deselected.

    Not through the arguments: a file below a folder that pytest does not enter (`.ci`, `build`)
    would be lost without a word.
    """
    read = config.stash.get(_READ, set())
    for path in _files(config):
        if path in read:
            continue
        collector = _collector(session, path)
        assert collector is not None, "an option names it"
        report = config.hook.pytest_make_collect_report(collector=collector)
        config.hook.pytest_collectreport(report=report)
        if report.passed:
            items.extend(report.result)


def pytest_collect_file(file_path: Path, parent: pytest.Collector) -> pytest.Collector | None:
    """Collect a file that an option names where pytest comes upon it by itself."""
    return _collector(parent, file_path) if file_path.suffix in (".yaml", ".yml") else None


def _collector(parent: pytest.Collector, path: Path) -> pytest.Collector | None:
    config = parent.config
    resolved = path.resolve()
    if resolved in _named(config, config.getoption(_CASES)):
        return CasesItems.from_parent(parent, path=path)
    if resolved in _named(config, [config.getoption(_ROUTES)]):
        return RoutesItems.from_parent(parent, path=path)
    return None


def _files(config: pytest.Config) -> list[Path]:
    return [
        *_named(config, [config.getoption(_ROUTES)]),
        *_named(config, config.getoption(_CASES)),
    ]


def _named(config: pytest.Config, names: Iterable[str | None]) -> list[Path]:
    return [_resolved(config, name) for name in names if name]


def _resolved(config: pytest.Config, name: str) -> Path:
    return (config.invocation_params.dir / name).resolve()


def _require_figway() -> None:
    try:
        import proxy.conformance.case_file  # noqa: F401 -- whether it is there is the question
    except ImportError as error:
        raise pytest.UsageError(
            f"figway: its package `proxy` cannot be imported ({error}); does a folder `proxy` of"
            " this project stand before it on sys.path? `pytest --import-mode=importlib` helps"
        ) from None


def _told(error: BaseException) -> str | None:
    """A message for an error that a file or an option can cause; None for any other."""
    from proxy.conformance.site import SiteError
    from proxy.errors import ConfigError

    if isinstance(error, SiteError):
        return _with_options_of_pytest(str(error))
    return str(error) if isinstance(error, ConfigError) else None


def _with_options_of_pytest(text: str) -> str:
    return _OPTION.sub(r"--figway-\1", text)


class _Items(pytest.File):
    """The tests of one YAML file."""

    def read(self) -> Iterator[pytest.Item]:
        """Read the file and give its items."""
        raise NotImplementedError

    def collect(self) -> list[pytest.Item]:
        """The items. What is wrong with the file is told as it is, without a traceback."""
        self.config.stash.setdefault(_READ, set()).add(self.path.resolve())
        try:
            return list(self.read())
        except Exception as error:
            message = _told(error)
            if message is None:
                raise
            raise self.CollectError(message) from None


class RoutesItems(_Items):
    """The `tests:` block of a routes.yaml."""

    def read(self) -> Iterator[pytest.Item]:
        """One item for each entry."""
        from proxy.config.load import load_settings, parse_routes
        from proxy.config.parse import read_file
        from proxy.routing.table import RouteTable

        table = RouteTable.compile(parse_routes(read_file(self.path), self.path.name))
        cookie_name = load_settings(self.path, {}, {}).cookie_name
        for test in table.file.tests:
            yield RouteItem.from_parent(
                self, name=test.name, table=table, test=test, cookie_name=cookie_name
            )


class RouteItem(pytest.Item):
    """One entry of `tests:`."""

    def __init__(
        self, *, table: RouteTable, test: RouteTest, cookie_name: str, **keywords: Any
    ) -> None:
        super().__init__(**keywords)
        self._table = table
        self._test = test
        self._cookie_name = cookie_name
        self.add_marker(MARK)

    def runtest(self) -> None:
        """Decide the request."""
        from proxy.config.route_tests import run_test

        outcome = run_test(self._table, self._test, self._cookie_name)
        if outcome.failures:
            raise RouteTestFailed(outcome)

    def repr_failure(self, excinfo: pytest.ExceptionInfo[BaseException], style: Any = None) -> Any:
        """What was expected and what came out."""
        failed = excinfo.value
        if not isinstance(failed, RouteTestFailed):
            return super().repr_failure(excinfo, style)
        outcome = failed.outcome
        test = outcome.test
        return "\n".join(
            (
                f"{self.path.name}:{test.line}: {test.method} {test.url}",
                *outcome.failures,
                f"got route {outcome.route}, upstream {outcome.upstream},"
                f" reason {outcome.reason}, path {outcome.path}",
            )
        )

    def reportinfo(self) -> tuple[Path, int, str]:
        """Where the entry stands."""
        return self.path, self._test.line - 1, self.name


class RouteTestFailed(Exception):
    """A decision that is not the expected one."""

    def __init__(self, outcome: Outcome) -> None:
        super().__init__("; ".join(outcome.failures))
        self.outcome = outcome


class CasesItems(_Items):
    """The cases of a cases.yaml."""

    def read(self) -> Iterator[pytest.Item]:
        """One item for each case."""
        import os
        from datetime import UTC, datetime

        from proxy.config.load import load_routes
        from proxy.conformance.case_file import load_cases
        from proxy.conformance.run import TIMEOUT, Runner, RunOptions
        from proxy.conformance.site import Site

        config = self.config
        file = load_cases(self.path)
        routes: RouteFile | None = None
        for path in _named(config, [config.getoption(_ROUTES)]):
            routes = load_routes(path)
        site = Site.of(
            routes, config.getoption("figway_legacy") or "", tuple(config.getoption("figway_new"))
        )
        options = RunOptions(
            allow_writes=config.getoption("figway_allow_writes"),
            timeout=file.timeout or TIMEOUT,
            environment=dict(os.environ),
            today=datetime.now(UTC).date().isoformat(),
        )
        runner = Runner(file, site, options)
        for case in file.cases:
            yield CaseItem.from_parent(self, name=case.name, file=file, case=case, runner=runner)


class CaseItem(pytest.Item):
    """One case."""

    def __init__(self, *, file: CaseFile, case: Case, runner: Runner, **keywords: Any) -> None:
        super().__init__(**keywords)
        self._file = file
        self._case = case
        self._runner = runner
        self.add_marker(MARK)
        if case.skip:
            self.add_marker(pytest.mark.skip(reason=case.skip))

    def runtest(self) -> None:
        """Ask both sides and compare."""
        import asyncio
        import os
        from dataclasses import replace

        from proxy.conformance.case_file import unset_values
        from proxy.conformance.result import CaseOutcome
        from proxy.conformance.sender import Unreachable

        missing = unset_values(replace(self._file, cases=(self._case,)), os.environ)
        if missing:
            raise CaseUnusable("\n".join(map(str, missing)))
        try:
            result = asyncio.run(self._runner.run_one(self._case))
        except Unreachable as error:
            raise CaseUnusable(_with_options_of_pytest(str(error))) from None
        if result.outcome is CaseOutcome.SKIPPED:
            pytest.skip(_with_options_of_pytest(result.reason))
        if result.outcome is not CaseOutcome.PASSED:
            raise CaseFailed(result)

    def repr_failure(self, excinfo: pytest.ExceptionInfo[BaseException], style: Any = None) -> Any:
        """The request, the causes side by side, and how to ask again by hand."""
        from proxy.conformance.result_text import failure_lines

        failed = excinfo.value
        if isinstance(failed, CaseUnusable):
            return str(failed)
        if not isinstance(failed, CaseFailed):
            return super().repr_failure(excinfo, style)
        return "\n".join(failure_lines(self.path.name, failed.result))

    def reportinfo(self) -> tuple[Path, int, str]:
        """Where the case stands."""
        return self.path, self._case.line - 1, self.name


class CaseUnusable(Exception):
    """A case that cannot be run: a side that nobody listens at, a value that is not set."""


class CaseFailed(Exception):
    """Two answers that are not alike, or none."""

    def __init__(self, result: CaseResult) -> None:
        from proxy.conformance.result_text import headline

        super().__init__(headline(result))
        self.result = result
