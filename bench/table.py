"""The route tables of the benchmark: routes.yaml and flags.yaml with as many routes as wanted.

    python -m bench.table FOLDER --routes 20

All but the last route are canaries at 50 %, sticky by device; the last is the mandatory catch-all.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path

LEGACY_PORT = 9601
NEW_PORT = 9602


@dataclass(frozen=True, slots=True, kw_only=True)
class TableFiles:
    """A generated table on disk, and how many of its routes are canaries."""

    routes: Path
    flags: Path
    canaries: int


def write_table(
    folder: Path,
    *,
    routes: int,
    legacy_port: int = LEGACY_PORT,
    new_port: int = NEW_PORT,
    percent: float = 50,
    grouped: bool = False,
    shadowed: bool = False,
) -> TableFiles:
    """Write a table with `routes` routes; with `grouped` one group holds all canaries.

    With `shadowed` they are no canaries: legacy answers, the new side gets a copy of everything.

    The paths are those of visitors.py: canary N serves /sN/{item}.
    """
    folder.mkdir(parents=True, exist_ok=True)
    canaries = routes - 1
    # A route must fit in 100 bytes: 10,000 of them have to stay below the limit of 1 MiB.
    group = "group: g, " if grouped else ""
    stage = "stage: shadow, shadow: {sample: 100%}" if shadowed else "stage: canary"
    lines = [
        "version: 1",
        "upstreams:",
        f'  legacy: {{role: legacy, urls: ["http://127.0.0.1:{legacy_port}"]}}',
        f'  cat: {{urls: ["http://127.0.0.1:{new_port}"]}}',
        *(("groups:", "  g: {stickiness: device}") if grouped else ()),
        "routes:",
        *(
            f'- {{id: s{number}, {group}match: {{path: {{template: "/s{number}/{{i}}"}}}},'
            f" new: cat, {stage}}}"
            for number in range(canaries)
        ),
        "- {id: rest, match: {path: {prefix: /}}}",
    ]
    flags = ["rollback: false"]
    if grouped:
        flags += ["groups:", f"  g: {{percent: {percent}}}", "routes: {}"]
    else:
        flags += ["groups: {}", "routes:"]
        flags += [f"  s{number}: {{percent: {percent}}}" for number in range(canaries)]
    files = TableFiles(
        routes=folder / "routes.yaml", flags=folder / "flags.yaml", canaries=canaries
    )
    files.routes.write_text("\n".join(lines) + "\n")
    files.flags.write_text("\n".join(flags) + "\n")
    return files


def main() -> None:
    """Write the files and say where."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path)
    parser.add_argument("--routes", type=int, default=20)
    parser.add_argument("--percent", type=float, default=50)
    parser.add_argument("--grouped", action="store_true")
    options = parser.parse_args()
    files = write_table(
        options.folder, routes=options.routes, percent=options.percent, grouped=options.grouped
    )
    print(files.routes, files.flags)


if __name__ == "__main__":
    main()
