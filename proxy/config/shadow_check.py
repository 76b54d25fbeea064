"""What takes two places of a file to judge about shadow traffic and comparing."""

from __future__ import annotations

from collections.abc import Iterator

from proxy.compare.html_page import drop
from proxy.compare.policy import CompareRuleError, CompiledPolicy
from proxy.compare_policy import ComparePolicy
from proxy.config.compare_model import to_compare
from proxy.config.complaints import unknown_name
from proxy.config.resolve import Pieces, RoutePiece
from proxy.config.shadow_model import SampleShape
from proxy.config.yaml_scalar import quoted
from proxy.config.yaml_text import Document, Path
from proxy.errors import Problem
from proxy.shadow_policy import WriteMode
from proxy.stages import Side


def check_shadow(document: Document, pieces: Pieces) -> Iterator[Problem]:
    """Yield every problem of shadow and compare that a single value does not show."""
    for route in pieces.routes:
        if "shadow" in route.shape.model_fields_set:
            yield from _check_copies(document, route)
            yield from _check_sandbox(document, pieces, route)
        if "compare" in route.shape.model_fields_set:
            yield from _check_headers(document, route)
            yield from _check_places(document, route)
            yield from _check_selectors(document, route)


def rule_lines(document: Document, route: RoutePiece) -> tuple[int, ...]:
    """The line of each comparison rule of a route."""
    path: Path = (*route.path, "compare", "rules")
    return tuple(
        document.place((*path, index))[0] for index in range(len(route.shape.compare.rules))
    )


def _check_copies(document: Document, route: RoutePiece) -> Iterator[Problem]:
    sample = route.shape.shadow.sample
    rate = sample.rate if isinstance(sample, SampleShape) else sample
    if rate and not route.shape.new and route.sound("new"):
        yield document.problem(
            (*route.path, "shadow", "sample"), "has no effect without new: NAME", "LOAD007"
        )


def _check_sandbox(document: Document, pieces: Pieces, route: RoutePiece) -> Iterator[Problem]:
    shadow, path = route.shape.shadow, (*route.path, "shadow")
    name = shadow.sandbox
    if shadow.writes is WriteMode.SANDBOX and not name:
        yield document.problem(
            (*path, "writes"),
            "sandbox needs sandbox: NAME, the upstream that answers copied writes",
            "LOAD007",
        )
    if not name:
        return
    if shadow.writes is not WriteMode.SANDBOX:
        yield document.problem(
            (*path, "sandbox"),
            f"goes with writes: sandbox, not with {shadow.writes}: remove one",
            "LOAD007",
        )
    if name not in pieces.upstreams:
        new = {n for n, u in pieces.upstreams.items() if u is None or u.role is Side.NEW}
        yield document.problem(
            (*path, "sandbox"), unknown_name("upstream", name, new - {route.shape.new}), "LOAD004"
        )
        return
    upstream = pieces.upstreams[name]
    if upstream is not None and upstream.role is Side.LEGACY:
        yield document.problem(
            (*path, "sandbox"),
            f"{quoted(name)} has role: legacy: a copied write would be done twice",
            "LOAD007",
        )
    elif name == route.shape.new:
        yield document.problem(
            (*path, "sandbox"),
            f"{quoted(name)} is the upstream that clients get: a sandbox needs data of its own",
            "LOAD007",
        )


def _check_places(document: Document, route: RoutePiece) -> Iterator[Problem]:
    """Let the comparison read each rule and each redacted path by itself, to hear of all faults."""
    base: Path = (*route.path, "compare")
    policy = to_compare(route.shape.compare)
    alone = [(("rules", n), ComparePolicy(rules=(rule,))) for n, rule in enumerate(policy.rules)]
    alone += [(("redact", n), ComparePolicy(redact=(p,))) for n, p in enumerate(policy.redact)]
    for (section, index), one in alone:
        try:
            CompiledPolicy.compile(one)
        except CompareRuleError as error:
            # Its own place is `rules[0].path`: the index is that of the one-rule policy.
            below = tuple(error.place.split(".")[1:])
            yield document.problem(
                (*base, section, index, *below), f"{error.problem}: {error.mend}", "LOAD003"
            )


def _check_selectors(document: Document, route: RoutePiece) -> Iterator[Problem]:
    path: Path = (*route.path, "compare", "html", "drop")
    for index, text in enumerate(route.shape.compare.html.drop):
        try:
            drop(text)
        except ValueError as error:
            mend = "write one such as input[name=_token], or script@nonce for one attribute"
            yield document.problem((*path, index), f"{error}: {mend}", "LOAD003")


def _check_headers(document: Document, route: RoutePiece) -> Iterator[Problem]:
    headers = route.shape.compare.headers
    path: Path = (*route.path, "compare", "headers")
    given = headers.model_fields_set
    if not {"compare", "presence"} <= given:
        return  # one list is given: where the default of the other names a field too, it wins
    for index, name in enumerate(headers.presence):
        if name in headers.compare:
            yield document.problem(
                (*path, "presence", index),
                f"{quoted(name)} stands under compare too, which asks for more: remove one",
                "LOAD007",
            )
