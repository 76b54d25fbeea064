"""A finished run, written out: text for a terminal, JSON for machines, Markdown for the README."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from bench.machine import Machine
from bench.processes import HarnessError
from bench.row import RowResult

BEGIN = "<!-- bench -->"
END = "<!-- /bench -->"


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """All rows of one run with what a reader needs to judge them."""

    date: str
    command: str
    quick: bool
    machine: Machine
    versions: Mapping[str, str]
    rows: tuple[RowResult, ...]


def as_text(report: Report) -> str:
    """Aligned tables for a terminal."""
    return "\n".join([_origin(report), "", *(row_as_text(row) for row in report.rows)])


def row_as_text(row: RowResult) -> str:
    """One row for a terminal: title, aligned table, targets, notes."""
    table = [row.header, *row.lines]
    widths = [max(len(line[column]) for line in table) for column in range(len(row.header))]
    out = [row.title]
    for line in table:
        first, *rest = (
            cell.ljust(width) if column == 0 else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(line, widths, strict=True))
        )
        out.append("  " + "   ".join((first, *rest)).rstrip())
    out += [f"  {target.sentence()}" for target in row.targets]
    out += [f"  {note}" for note in row.notes]
    return "\n".join(out) + "\n"


def as_markdown(report: Report) -> str:
    """The same as Markdown, without the markers around it."""
    out = [_origin(report), ""]
    for row in report.rows:
        out += [f"**{row.title}**", ""]
        out.append(_markdown_line(row.header))
        out.append(_markdown_line(["---", *["---:"] * (len(row.header) - 1)]))
        out += [_markdown_line(line) for line in row.lines]
        out.append("")
        out += [f"- {target.sentence()}" for target in row.targets]
        out += [f"- {note}" for note in row.notes]
        out.append("")
    return "\n".join(out).strip() + "\n"


def as_json(report: Report) -> str:
    """Every figure, with the targets and whether they were met."""
    document = asdict(report)
    for row, written in zip(report.rows, document["rows"], strict=True):
        for target, entry in zip(row.targets, written["targets"], strict=True):
            entry["met"] = target.met
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"


def write_results(report: Report, folder: Path) -> Path:
    """Write DATE.json and latest.json, and latest.md beside them; return the first."""
    folder.mkdir(parents=True, exist_ok=True)
    text = as_json(report)
    file = folder / f"{report.date.replace(':', '').replace(' ', 'T')}.json"
    file.write_text(text)
    (folder / "latest.json").write_text(text)
    (folder / "latest.md").write_text(as_markdown(report))
    return file


def replace_block(readme: str, markdown: str) -> str:
    """The text with what stands between the bench markers replaced, or HarnessError."""
    if (
        readme.count(BEGIN) != 1
        or readme.count(END) != 1
        or readme.index(BEGIN) > readme.index(END)
    ):
        raise HarnessError(
            f"README.md needs the line {BEGIN} and after it the line {END}, each once: "
            "the table goes between them"
        )
    before, rest = readme.split(BEGIN)
    _, after = rest.split(END)
    return f"{before}{BEGIN}\n\n{markdown}\n{END}{after}"


def missed(rows: Sequence[RowResult]) -> tuple[str, ...]:
    """A sentence for every target that was not met."""
    return tuple(
        f"{row.name}: {target.sentence()}"
        for row in rows
        for target in row.targets
        if not target.met
    )


def _markdown_line(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cells) + " |"


def _origin(report: Report) -> str:
    machine = report.machine
    versions = ", ".join(f"{name} {version}" for name, version in report.versions.items())
    quick = " A quick run: the figures are rough." if report.quick else ""
    return (
        f"Measured on {report.date} with `{report.command}` on {machine.cores} cores "
        f"({machine.processor}, {machine.memory_gib:g} GiB, Linux {machine.kernel}, "
        f"load average {machine.load_average:g} at the start): proxies on one core, "
        f"load and origin on the other. Versions: {versions}.{quick}"
    )
