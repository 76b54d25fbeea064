"""The door of routes.yaml: a path in, frozen definitions or every problem at once out."""

from __future__ import annotations

import ssl
from dataclasses import replace
from pathlib import Path

from proxy.config.load_settings import load_settings
from proxy.config.parse import parse_routes, read_file
from proxy.errors import ConfigError, Problem
from proxy.routing.route import RouteFile

__all__ = ["load_routes", "load_settings", "parse_routes"]


def load_routes(path: Path) -> RouteFile:
    """Load a routes.yaml. Raises ConfigError with all of its problems.

    Relative file names in it are taken from its own folder, and must exist.
    """
    file = parse_routes(read_file(path), str(path))
    return _resolve_files(file, path)


def _resolve_files(file: RouteFile, path: Path) -> RouteFile:
    problems = []
    upstreams = []
    for upstream in file.upstreams:
        if upstream.tls_ca:
            bundle = (path.parent / upstream.tls_ca).resolve()
            wrong = _why_no_bundle(bundle)
            if wrong:
                problems.append(
                    Problem(
                        file=str(path),
                        line=0,
                        column=0,
                        key=f"upstreams.{upstream.name}.tls.ca",
                        message=wrong,
                        rule="LOAD008",
                    )
                )
            upstream = replace(upstream, tls_ca=str(bundle))
        upstreams.append(upstream)
    if problems:
        raise ConfigError(tuple(problems))
    return replace(file, upstreams=tuple(upstreams))


def _why_no_bundle(bundle: Path) -> str:
    # A worker that could not read it could not take on the table, or any later one.
    if not bundle.is_file():
        return f"there is no file {bundle}"
    try:
        ssl.create_default_context(cafile=str(bundle))
    except OSError as error:
        return f"{bundle} holds no certificates in PEM form: {error}"
    return ""
