"""Messages as frames: a 4-byte big-endian length and a JSON object with a `type`.

A message that may be large (a route table, the counters of ten thousand routes) travels as many
small frames, each quick to encode and decode.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Annotated, Final, Literal, get_args

from pydantic import Field, TypeAdapter, ValidationError

from flags.rule import Rule
from flags.snapshot import FlagSnapshot
from proxy.link.messages import Apply, Counters, LinkBroken, Message
from proxy.routing.route import Route, RouteFile
from proxy.tally import HistogramSeries, Series, TallySnapshot

# Routes and series per frame: below a millisecond to encode or decode.
PART_ITEMS: Final = 128
PART_RULES: Final = 16

LENGTH: Final = struct.Struct(">I")


# Parts: what comes before an Apply or Counters whose lists were too long for one frame.


@dataclass(frozen=True, slots=True, kw_only=True)
class _Routes:
    routes: tuple[Route, ...]
    type: Literal["part_routes"] = "part_routes"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Rules:
    """Rules of flags, by scope. They change far less often than flags, so they stay until then."""

    rules: dict[str, Rule]
    # They take the place of all that came before.
    anew: bool = False
    type: Literal["part_rules"] = "part_rules"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Tally:
    series: tuple[Series, ...] = ()
    histograms: tuple[HistogramSeries, ...] = ()
    type: Literal["part_tally"] = "part_tally"


Part = _Routes | _Rules | _Tally
Frame = Message | Part

_DOOR: TypeAdapter[Frame] = TypeAdapter(Annotated[Frame, Field(discriminator="type")])
_WRITERS: dict[type, TypeAdapter[Frame]] = {kind: TypeAdapter(kind) for kind in get_args(Frame)}


def encode(frame: Frame) -> bytes:
    """One frame with its length. What equals its default is left out, as most of a route does."""
    if isinstance(frame, Apply):
        frame = replace(frame, flags=_plain(frame.flags))
    body = _WRITERS[type(frame)].dump_json(frame, exclude_defaults=True)
    # `type` equals its default by nature, so it is put back by hand.
    text = b'{"type":"%b"%b' % (frame.type.encode(), b"}" if body == b"{}" else b"," + body[1:])
    return LENGTH.pack(len(text)) + text


def _plain(flags: FlagSnapshot) -> FlagSnapshot:
    # pydantic reads into any Mapping but writes dictionaries only.
    return replace(
        flags,
        group_basis_points=dict(flags.group_basis_points),
        route_basis_points=dict(flags.route_basis_points),
        # Apart, in parts: see `parts`.
        rules={},
    )


def decode(text: bytes) -> Frame:
    """The frame in `text` (length not included). Raises LinkBroken."""
    try:
        return _DOOR.validate_json(text)
    except ValidationError as error:
        raise LinkBroken(f"not a message of this link: {error.errors()[0]['msg']}") from error


def parts(message: Message, known: Mapping[str, Rule] | None = None) -> Iterator[Frame]:
    """The message as frames that are each quick to encode and decode; its own frame comes last.

    `known` are the rules that the other end has; None: that is not known.
    """
    if isinstance(message, Apply) and message.flags.rules != known:
        rules = list(message.flags.rules.items())
        for start in range(0, max(1, len(rules)), PART_RULES):
            yield _Rules(rules=dict(rules[start : start + PART_RULES]), anew=start == 0)
    match message:
        case Apply(routes=RouteFile() as file) if len(file.routes) > PART_ITEMS:
            for start in range(0, len(file.routes), PART_ITEMS):
                yield _Routes(routes=file.routes[start : start + PART_ITEMS])
            yield replace(message, routes=replace(file, routes=()))
        case Counters(tally=tally):
            series, histograms = tally.series, tally.histograms
            for start in range(0, len(series), PART_ITEMS):
                yield _Tally(series=series[start : start + PART_ITEMS])
            for start in range(0, len(histograms), PART_ITEMS):
                yield _Tally(histograms=histograms[start : start + PART_ITEMS])
            yield replace(message, tally=TallySnapshot())
        case _:
            yield message


class Assembler:
    """Joins the parts of a message again. One per direction of a link."""

    def __init__(self) -> None:
        self._routes: list[Route] = []
        self._rules: dict[str, Rule] = {}
        self._series: list[Series] = []
        self._histograms: list[HistogramSeries] = []

    def add(self, frame: Frame) -> Message | None:
        """Return the message that `frame` completes, if it does."""
        match frame:
            case _Routes(routes=routes):
                self._routes.extend(routes)
                return None
            case _Rules(rules=rules, anew=anew):
                self._rules = {**({} if anew else self._rules), **rules}
                return None
            case _Tally(series=series, histograms=histograms):
                self._series.extend(series)
                self._histograms.extend(histograms)
                return None
            case Apply():
                return self._whole(frame)
            case Counters():
                tally = TallySnapshot(
                    series=tuple(self._series), histograms=tuple(self._histograms)
                )
                self._series.clear()
                self._histograms.clear()
                return replace(frame, tally=tally)
            case _:
                return frame

    def _whole(self, frame: Apply) -> Apply:
        if self._rules:
            frame = replace(frame, flags=replace(frame.flags, rules=self._rules))
        if frame.routes is not None and self._routes:
            frame = replace(frame, routes=replace(frame.routes, routes=tuple(self._routes)))
            self._routes.clear()
        return frame
