"""What of a recorded request must not be written into a file that goes into Git."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from urllib.parse import unquote_plus

from proxy.conformance.placeholder import literal

# Names whose values open something, or name a person.
_NAME = re.compile(
    r"(?:^|[^a-z0-9])(?:"
    r"[a-z]*token|csrf|xsrf|nonce|[a-z]*secret|pass|password|passwd|pwd|pin|otp|code|jwt|auth"
    r"|authorization|bearer|credential|credentials|api-?key|apikey|access-?key|private-?key|key"
    r"|[a-z]*session|sessionid|sessid|phpsessid|jsessionid|sess|sid|signature|sig|hash|hmac"
    r"|e?mail|phone|tel|iban|card|ssn"
    r")(?:$|[^a-z0-9])",
)
_CAMEL = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
_EMAIL = re.compile(r"[^@/\s]+@[^@/\s]+\.[A-Za-z]{2,}")
_JWT = re.compile(r"eyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}")
# Long, and with digits among letters: an id or a token, not a word. With capitals too, fewer
# characters hold as much.
_TOKEN = re.compile(
    r"(?:(?=[A-Za-z_-]*[0-9])(?=[0-9_-]*[A-Za-z])[A-Za-z0-9_-]{24,}"
    r"|(?=[a-z0-9_-]*[A-Z])(?=[A-Z_-]*[a-z0-9])[A-Za-z0-9_-]{20,})={0,2}"
)
# The pieces of `lindqvist-lc-1001-cordless-drill-18v-2x4ah-40Nm`. Other capitals, and letters and
# digits that change places more often, are how base64url and keys look.
_WORD = re.compile(r"[a-z]{1,30}|[A-Z]{1,12}|(?=.{1,30}$)(?:[A-Z]?[a-z]{2,})+")
_NUMBER = re.compile(r"[0-9]{1,8}")
_MIX = re.compile(
    r"[a-z]{1,4}[0-9]{1,5}[a-z]{0,3}|[A-Z]{1,4}[0-9]{1,5}[A-Z]{0,3}"
    r"|[0-9]{1,4}(?:[a-z]{1,3}[0-9]{0,4}|x[0-9]{1,2}[a-z]{1,2}|[A-Z]{1,2}|[A-Z][a-z]{1,2})"
)
_VOWEL = re.compile(r"[aeiouy]", re.IGNORECASE)
# Abbreviations have no vowels, longer words do.
_LONGEST_WITHOUT_VOWEL = 4
# A name that people read has one word at least.
_SHORTEST_TELLING_WORD = 4
# The digits of a name are a model and a size; a card has 15 or 16.
_MOST_DIGITS = 12
# Such a value names a thing and opens nothing.
_UUID = re.compile(r"[0-9a-fA-F]{8}-(?:[0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}")
_NOT_A_NAME = re.compile(r"[^A-Z0-9]+")


@dataclass(slots=True)
class Placeholders:
    """Names for the secrets of one file: an equal value has the same name, another has another."""

    _given: dict[tuple[str, str], str] = field(default_factory=dict)
    _taken: set[str] = field(default_factory=set)

    def name(self, wanted: str, value: str | None) -> str:
        """The name for a value, as wanted or with a number. None is a value that nobody knows."""
        given = self._given.get((wanted, value)) if value is not None else None
        if given is not None:
            return given
        name = wanted
        number = 2
        while name in self._taken:
            name = f"{wanted}_{number}"
            number += 1
        self._taken.add(name)
        if value is not None:
            self._given[wanted, value] = name
        return name


@dataclass(frozen=True, slots=True)
class Stripped:
    """A text without its secrets: `needs` are the placeholders that stand for them."""

    text: str
    needs: tuple[str, ...] = ()


def is_secret_name(name: str) -> bool:
    """Whether values of this name are secrets or personal: `csrf_token`, `apiKey`, `email`."""
    return _NAME.search(_CAMEL.sub("_", name).lower()) is not None


def is_secret_value(value: str) -> bool:
    """Whether a value looks like a token or an address of a person, whatever its name."""
    if _UUID.fullmatch(value):
        return False
    if _EMAIL.fullmatch(value) or _JWT.fullmatch(value):
        return True
    return _TOKEN.fullmatch(value) is not None and not _is_name(value)


def _is_name(value: str) -> bool:
    """Whether a value is words and short numbers, joined by - or _: the name of a thing."""
    pieces = [piece for piece in re.split("[-_]", value) if piece]
    if not all(map(_is_piece_of_name, pieces)):
        return False
    if sum(character.isdigit() for character in value) > _MOST_DIGITS:
        return False
    # Keys are written in groups of one length.
    return len({*map(len, pieces)}) >= min(2, len(pieces)) and any(
        len(piece) >= _SHORTEST_TELLING_WORD and _VOWEL.search(piece) and piece.isalpha()
        for piece in pieces
    )


def _is_piece_of_name(piece: str) -> bool:
    if _WORD.fullmatch(piece):
        return len(piece) <= _LONGEST_WITHOUT_VOWEL or _VOWEL.search(piece) is not None
    return any(pattern.fullmatch(piece) for pattern in (_NUMBER, _MIX))


def placeholder_name(kind: str, name: str) -> str:
    """The name of the environment variable for a secret: `QUERY_CSRF_TOKEN`."""
    return _NOT_A_NAME.sub("_", f"{kind} {_CAMEL.sub('_', name)}".upper()).strip("_")


def stripped_target(
    target: str, placeholders: Placeholders, known: re.Pattern[str] | None = None
) -> Stripped:
    """A target with `${NAME}` in the place of every secret of its path and its query.

    `known` finds what stands for a secret that was taken out before.
    """

    def is_secret(value: str) -> bool:
        return is_secret_value(unquote_plus(value)) or bool(known and known.search(value))

    def placeholder(wanted: str, value: str) -> str:
        lost = known is not None and known.search(value) is not None
        name = placeholders.name(wanted, None if lost else unquote_plus(value))
        # A mapping keeps the order and has each once.
        needs[name] = None
        return f"${{{name}}}"

    path, mark, query = target.partition("?")
    needs: dict[str, None] = {}
    segments = []
    for segment in path.split("/"):
        if is_secret(segment):
            segments.append(placeholder("PATH_TOKEN", segment))
        else:
            segments.append(literal(segment))
    pairs = []
    for pair in query.split("&") if mark else ():
        key, equals, value = pair.partition("=")
        plain = unquote_plus(key)
        if value and (is_secret_name(plain) or is_secret(value)):
            pairs.append(f"{literal(key)}={placeholder(placeholder_name('query', plain), value)}")
        else:
            pairs.append(literal(f"{key}{equals}{value}"))
    return Stripped("/".join(segments) + mark + "&".join(pairs), tuple(needs))


def skip_reason(needs: tuple[str, ...]) -> str:
    """Why a case with placeholders is not run yet, and how to have it run."""
    if not needs:
        return ""
    return f"needs a value for {', '.join(needs)}: set it in the environment, remove this line"
