"""What of a recorded request must not be written into a file that goes into Git."""

from __future__ import annotations

import re
from dataclasses import dataclass
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
# Long, of one piece, and with digits among letters: an id or a token, not a word.
_TOKEN = re.compile(r"(?=[A-Za-z_-]*[0-9])(?=[0-9_-]*[A-Za-z])[A-Za-z0-9_-]{24,}={0,2}")
# Such a value names a thing and opens nothing.
_UUID = re.compile(r"[0-9a-fA-F]{8}-(?:[0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}")
_NOT_A_NAME = re.compile(r"[^A-Z0-9]+")


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
    return any(pattern.fullmatch(value) for pattern in (_EMAIL, _JWT, _TOKEN))


def placeholder_name(kind: str, name: str) -> str:
    """The name of the environment variable for a secret: `QUERY_CSRF_TOKEN`."""
    return _NOT_A_NAME.sub("_", f"{kind} {_CAMEL.sub('_', name)}".upper()).strip("_")


def stripped_target(target: str, known: re.Pattern[str] | None = None) -> Stripped:
    """A target with `${NAME}` in the place of every secret of its path and its query.

    `known` finds what stands for a secret that was taken out before.
    """

    def is_secret(value: str) -> bool:
        return is_secret_value(unquote_plus(value)) or bool(known and known.search(value))

    path, mark, query = target.partition("?")
    needs: list[str] = []
    segments = []
    for segment in path.split("/"):
        if is_secret(segment):
            name = another_name(needs, "PATH_TOKEN")
            segments.append(f"${{{name}}}")
        else:
            segments.append(literal(segment))
    pairs = []
    for pair in query.split("&") if mark else ():
        key, equals, value = pair.partition("=")
        plain = unquote_plus(key)
        if value and (is_secret_name(plain) or is_secret(value)):
            name = another_name(needs, placeholder_name("query", plain))
            pairs.append(f"{literal(key)}=${{{name}}}")
        else:
            pairs.append(literal(f"{key}{equals}{value}"))
    return Stripped("/".join(segments) + mark + "&".join(pairs), tuple(needs))


def skip_reason(needs: tuple[str, ...]) -> str:
    """Why a case with placeholders is not run yet, and how to have it run."""
    if not needs:
        return ""
    return f"needs a value for {', '.join(needs)}: set it in the environment, remove this line"


def another_name(needs: list[str], name: str) -> str:
    unique = name
    number = 2
    while unique in needs:
        unique = f"{name}_{number}"
        number += 1
    needs.append(unique)
    return unique
