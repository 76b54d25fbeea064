"""docs/observability.md tells of every metric and every event, and of none that there is not."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

from proxy.observer_tally import OBSERVER_CATALOGUE
from proxy.supervision.catalogue import SUPERVISOR_CATALOGUE
from proxy.tally import CATALOGUE, Metric

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "observability.md").read_text()
METRICS = (*CATALOGUE, *OBSERVER_CATALOGUE, *SUPERVISOR_CATALOGUE)
LEVELS = {"info", "warning", "error"}


@pytest.mark.parametrize("metric", METRICS, ids=lambda metric: metric.name)
def test_the_page_has_the_row_of_every_metric(metric: Metric) -> None:
    labels = ", ".join(f"`{label}`" for label in metric.labels) or "-"
    assert f"| `{metric.name}` | {metric.kind.value} | {labels} | {metric.help} |" in PAGE


def test_the_page_names_no_metric_that_there_is_not() -> None:
    assert set(re.findall(r"figway_[a-z_]+", PAGE)) - {"figway_"} <= {m.name for m in METRICS}


def logged_events() -> set[str]:
    """Every event that a process of figway can log, read from the code."""
    events: set[str] = set()
    files = [
        ROOT / "proxy" / "cli" / "serve.py",
        ROOT / "proxy" / "supervisor.py",
        ROOT / "proxy" / "accounts.py",
        *(ROOT / "proxy" / "supervision").glob("*.py"),
        *(ROOT / "proxy" / "fleet").glob("*.py"),
        *(ROOT / "proxy" / "admin").glob("*.py"),
        *(ROOT / "proxy" / "observer").glob("*.py"),
    ]
    for path in files:
        for node in ast.walk(ast.parse(path.read_text())):
            match node:
                case ast.Call(
                    func=ast.Attribute(attr=level, value=ast.Name() | ast.Attribute()),
                    args=[ast.Constant(value=str(event)), *_],
                ) if level in LEVELS:
                    events.add(event)
                # The journal's event comes as an argument, the access log's as a value.
                case ast.Call(
                    func=ast.Attribute(attr="_on_disk"), args=[ast.Constant(value=str(event)), *_]
                ):
                    events.add(event)
                # The observer's, with or without its level in front.
                case ast.Call(func=ast.Attribute(attr="_tell") | ast.Name(id="tell"), args=args):
                    words = [str(arg.value) for arg in args if isinstance(arg, ast.Constant)]
                    events.update(word for word in words if word not in LEVELS)
                case ast.Dict(keys=keys, values=values):
                    events |= {
                        str(value.value)
                        for key, value in zip(keys, values, strict=True)
                        if isinstance(key, ast.Constant)
                        and key.value == "event"
                        and isinstance(value, ast.Constant)
                    }
                case _:
                    pass
    return events


def test_the_page_tells_of_every_event_and_of_no_other() -> None:
    log = PAGE.partition("## Log")[2].partition("## The audit")[0]
    told = {
        name
        for row in re.findall(r"^\| (`[a-z_`, ]+`) \|", log, flags=re.MULTILINE)
        for name in re.findall(r"`([a-z_]+)`", row)
    }
    assert told == logged_events()
