"""Validated shapes of routes.yaml to the frozen definitions that the rest of the house uses."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from proxy.compare_policy import ComparePolicy
from proxy.config.compare_model import to_compare
from proxy.config.gate_model import to_gate
from proxy.config.model import (
    CaseShape,
    ConditionShape,
    FallbackShape,
    MatchShape,
    RouteShape,
    SegmentShape,
    UpstreamShape,
)
from proxy.config.shadow_model import to_shadow
from proxy.config.shapes import (
    NamedValueShape,
    PathShape,
    StickinessShape,
    StickyShape,
    ValueMatchShape,
)
from proxy.gate import Gate
from proxy.routing.route import (
    Condition,
    Fallback,
    FallbackCause,
    Group,
    HealthCheck,
    Match,
    PathKind,
    PathMatch,
    Pool,
    Rewrite,
    Route,
    RouteTest,
    Segment,
    Stickiness,
    StickyKind,
    Timeouts,
    Upstream,
    ValueKind,
    ValueMatch,
)
from proxy.shadow_policy import ShadowPolicy

_DEVICE = Stickiness(kind=StickyKind.DEVICE)
_SHADOW = ShadowPolicy()
_COMPARE = ComparePolicy()
_GATE = Gate()


def upstream(name: str, shape: UpstreamShape) -> Upstream:
    """Define an upstream."""
    times, pool, health = shape.timeouts, shape.pool, shape.health
    return Upstream(
        name=name,
        side=shape.role,
        urls=tuple(shape.urls),
        timeouts=Timeouts(
            connect=times.connect,
            first_byte=times.first_byte,
            idle=times.idle,
            queue=times.queue,
            write=times.write,
        ),
        pool=Pool(connections=pool.connections, waiting=pool.waiting, idle_seconds=pool.idle),
        health=HealthCheck(path=health.path, interval=health.interval, timeout=health.timeout)
        if health is not None
        else None,
        capacity_rps=shape.capacity_rps,
        tls_ca=shape.tls.ca if shape.tls is not None else "",
        tls_server_name=shape.tls.server_name if shape.tls is not None else "",
        version=shape.version,
        version_header=shape.version_header,
    )


def group(name: str, sticky: StickyShape | None) -> Group:
    """Define a group."""
    return Group(name=name, stickiness=_stickiness(sticky) if sticky is not None else None)


def segment(name: str, shape: SegmentShape) -> Segment:
    """Define a segment."""
    return Segment(name=name, any=tuple(_condition(each) for each in shape.any))


def route(
    shape: RouteShape, line: int, groups: Mapping[str, Group], rule_lines: Sequence[int] = ()
) -> Route:
    """Define a route; its group's stickiness is its own where it has none."""
    sticky = _DEVICE
    if shape.stickiness is not None:
        sticky = _stickiness(shape.stickiness)
    elif shape.group and (shared := groups[shape.group].stickiness) is not None:
        sticky = shared
    rewrite, given = shape.rewrite, shape.model_fields_set
    return Route(
        id=shape.id,
        match=_match(shape.match),
        line=line,
        owner=shape.owner,
        new=shape.new,
        stage=shape.stage,
        max_percent=shape.max_percent,
        group=shape.group,
        stickiness=sticky,
        always=tuple(shape.cohorts.always),
        never=tuple(shape.cohorts.never),
        rewrite=Rewrite(
            path=rewrite.path or None, prefix=rewrite.prefix or None, keep_query=rewrite.keep_query
        )
        if rewrite is not None
        else None,
        fallback=_fallback(shape.fallback) if shape.fallback is not None else None,
        shadow=to_shadow(shape.shadow) if "shadow" in given else _SHADOW,
        compare=to_compare(shape.compare, rule_lines) if "compare" in given else _COMPARE,
        gate=to_gate(shape.gate) if "gate" in given else _GATE,
        recall_after=shape.on_rollback,
        idempotent=shape.idempotent,
        when_stale=shape.when_stale,
        finish_when_client_leaves=shape.finish_when_client_leaves,
    )


def test(shape: CaseShape, line: int) -> RouteTest:
    """Define a test."""
    request, state, expect = shape.request, shape.state, shape.expect
    return RouteTest(
        name=shape.name,
        line=line,
        method=request.method,
        url=request.url,
        headers=tuple(request.headers.items()),
        client_ip=request.client_ip,
        rollback_all=state.rollback_all,
        rollback_groups=tuple(state.rollback_groups),
        rollback_routes=tuple(state.rollback_routes),
        percent=tuple(state.percent.items()),
        expect_route=expect.route,
        expect_upstream=expect.upstream,
        expect_reason=expect.reason,
        expect_side=expect.side,
        expect_path=expect.path,
    )


def _match(shape: MatchShape) -> Match:
    return Match(
        path=_path(shape.path),
        hosts=tuple(shape.hosts),
        methods=tuple(shape.methods),
        headers=tuple(_value(name, value) for name, value in shape.headers.items()),
        query=tuple(_value(name, value) for name, value in shape.query.items()),
        cookies=tuple(_value(name, value) for name, value in shape.cookies.items()),
    )


def _path(shape: PathShape) -> PathMatch:
    kind = next(kind for kind in PathKind if kind.value in shape.model_fields_set)
    return PathMatch(kind=kind, value=getattr(shape, kind.value))


def _value(name: str, shape: ValueMatchShape) -> ValueMatch:
    if isinstance(shape, str):
        return ValueMatch(name=name, kind=ValueKind.EXACT, value=shape)
    if "regex" in shape.model_fields_set:
        return ValueMatch(name=name, kind=ValueKind.REGEX, value=shape.regex)
    return ValueMatch(name=name, kind=ValueKind.PRESENT)


def _condition(shape: ConditionShape) -> Condition:
    if shape.header is not None:
        return Condition(header=_named(shape.header, shape.header.name.lower()))
    if shape.cookie is not None:
        return Condition(cookie=_named(shape.cookie, shape.cookie.name))
    return Condition(cidr=shape.cidr)


def _named(shape: NamedValueShape, name: str) -> ValueMatch:
    if "value" in shape.model_fields_set:
        return ValueMatch(name=name, kind=ValueKind.EXACT, value=shape.value)
    if "regex" in shape.model_fields_set:
        return ValueMatch(name=name, kind=ValueKind.REGEX, value=shape.regex)
    return ValueMatch(name=name, kind=ValueKind.PRESENT)


def _stickiness(shape: StickyShape) -> Stickiness:
    if isinstance(shape, StickinessShape):
        (name,) = shape.model_fields_set
        return Stickiness(kind=StickyKind(name), name=getattr(shape, name))
    return Stickiness(kind=StickyKind(shape))


def _fallback(shape: FallbackShape) -> Fallback:
    return Fallback(
        when=tuple(FallbackCause(word) for word in shape.when),
        methods=tuple(shape.methods),
        budget=shape.budget,
    )
