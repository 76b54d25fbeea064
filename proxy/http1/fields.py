"""Which header field is which: one lookup per field decides how a message treats it."""

from __future__ import annotations

import re
from typing import Final

from proxy.headers import HOP_BY_HOP, INTERNAL_PREFIX, NEVER_FORWARDED

# Plain ints, not an Enum: the kind of every field of every message is compared on the hot path.
FORWARD: Final = 0
DROP: Final = 1
HOST: Final = 2
CONNECTION: Final = 3
CONTENT_LENGTH: Final = 4
TRANSFER_ENCODING: Final = 5
TE: Final = 6
UPGRADE: Final = 7
EXPECT: Final = 8
COOKIE: Final = 9
FORWARDED: Final = 10
REQUEST_ID: Final = 11
TRACEPARENT: Final = 12
VIA: Final = 13
AUTHORIZATION: Final = 14
MAX_FORWARDS: Final = 15
SET_COOKIE: Final = 16
SHADOW: Final = 17

_REQUEST_KINDS: Final = {
    b"host": HOST,
    b"connection": CONNECTION,
    b"content-length": CONTENT_LENGTH,
    b"transfer-encoding": TRANSFER_ENCODING,
    b"te": TE,
    b"upgrade": UPGRADE,
    b"expect": EXPECT,
    b"cookie": COOKIE,
    b"forwarded": FORWARDED,
    b"x-forwarded-for": FORWARDED,
    b"x-forwarded-proto": FORWARDED,
    b"x-forwarded-host": FORWARDED,
    b"x-forwarded-port": FORWARDED,
    b"x-forwarded-server": FORWARDED,
    b"x-forwarded-ssl": FORWARDED,
    b"x-forwarded-scheme": FORWARDED,
    b"x-forwarded-prefix": FORWARDED,
    b"x-real-ip": FORWARDED,
    b"x-request-id": REQUEST_ID,
    b"traceparent": TRACEPARENT,
    b"via": VIA,
    b"authorization": AUTHORIZATION,
    b"max-forwards": MAX_FORWARDS,
    b"x-figway-shadow": SHADOW,
    b"x-figway-dry-run": SHADOW,
}

_RESPONSE_KINDS: Final = {
    b"connection": CONNECTION,
    b"content-length": CONTENT_LENGTH,
    b"transfer-encoding": TRANSFER_ENCODING,
    b"upgrade": UPGRADE,
    b"set-cookie": SET_COOKIE,
}

# PHP and FastCGI map `-` and `_` (and more) in a name to one variable, so `X_Forwarded_For` would
# pass for `X-Forwarded-For`: a request field whose name has anything but letters, digits and `-` is
# dropped.
_PLAIN_NAME: Final = re.compile(rb"[A-Za-z0-9-]+")

# Names repeat, so their kinds are remembered. The bound keeps a client from filling the memory.
_REMEMBERED: Final = 4096
# Nor does it keep what nobody sends twice (bytes).
_LONGEST: Final = 64


# Field name as sent -> kind. Plain dictionaries, read directly: the interpreter is fastest at that.
known_request_kinds: Final[dict[bytes, int]] = {}
known_response_kinds: Final[dict[bytes, int]] = {}


def learn_request_kind(name: bytes) -> int:
    """The kind of a request field seen for the first time."""
    kind = DROP if _PLAIN_NAME.fullmatch(name) is None else _kind(name, _REQUEST_KINDS)
    remembered = len(known_request_kinds) < _REMEMBERED and len(name) <= _LONGEST
    if remembered:
        known_request_kinds[name] = kind
    spellings = _spellings.get(name.lower())
    if spellings is not None:
        if remembered and len(spellings) < _MOST_SPELLINGS:
            spellings.append(name)
        else:
            _spellings[name.lower()] = None
    return kind


def learn_response_kind(name: bytes) -> int:
    """The kind of a response field seen for the first time."""
    kind = _kind(name, _RESPONSE_KINDS)
    if len(known_response_kinds) < _REMEMBERED and len(name) <= _LONGEST:
        known_response_kinds[name] = kind
    return kind


def _kind(name: bytes, special: dict[bytes, int]) -> int:
    lower = name.lower()
    if lower in special:
        return special[lower]
    if lower in HOP_BY_HOP or lower in NEVER_FORWARDED or lower.startswith(INTERNAL_PREFIX):
        return DROP
    return FORWARD


# A list of header fields as it goes on the wire: name, b": ", value, b"\r\n", name, ... Flat,
# because b"".join() over it is the cheapest way from a parsed message to bytes.
Fields = list[bytes]
STRIDE: Final = 4


def tokens(value: bytes) -> list[bytes]:
    """Split a comma-separated field value into lower-case tokens (RFC 9110, 5.6.1)."""
    return [token for part in value.split(b",") if (token := part.strip(b" \t").lower())]


_known_options: Final[dict[bytes, tuple[bytes, ...]]] = {}


def connection_options(value: bytes) -> tuple[bytes, ...]:
    """The options of a Connection value; the same few values come all the time."""
    options = _known_options.get(value)
    if options is None:
        options = tuple(tokens(value))
        if len(_known_options) < _REMEMBERED and len(value) <= _LONGEST:
            _known_options[value] = options
    return options


def without(fields: Fields, names: frozenset[bytes] | set[bytes]) -> Fields:
    """Leave out every field whose lower-case name is in `names`."""
    kept: Fields = []
    for index in range(0, len(fields), STRIDE):
        if fields[index].lower() not in names:
            kept += fields[index : index + STRIDE]
    return kept


def values(fields: Fields, name: bytes) -> list[bytes]:
    """All values of the field with this lower-case name, in order."""
    return [
        fields[index + 2]
        for index in range(0, len(fields), STRIDE)
        if fields[index].lower() == name
    ]


# Lower-case name of a field that rules ask for -> every way in which requests have spelled it.
# None: not all of them are known, or they are too many.
_spellings: Final[dict[bytes, list[bytes] | None]] = {}
_MOST_SPELLINGS: Final = 4


def request_values(fields: Fields, name: bytes) -> list[bytes]:
    """The same as `values`, for parsed requests, where the same names are asked again and again.

    It compares spellings, which needs no pass over the fields in Python.
    """
    if name not in _spellings:
        known = [sent for sent in known_request_kinds if sent.lower() == name]
        whole = len(known_request_kinds) < _REMEMBERED and len(name) <= _LONGEST
        # Fields with a meaning of their own are also written by the proxy, in its own spelling.
        usual = name not in _REQUEST_KINDS and len(known) <= _MOST_SPELLINGS
        _spellings[name] = known if whole and usual else None
    spellings = _spellings[name]
    if spellings is None:
        return values(fields, name)
    names = fields[::STRIDE]
    found = [sent for sent in spellings if sent in names]
    if not found:
        return []
    if len(found) == 1 and names.count(found[0]) == 1:
        return [fields[names.index(found[0]) * STRIDE + 2]]
    return values(fields, name)


def size_of_largest(fields: Fields) -> int:
    """Bytes of the largest field, name and value."""
    return max(
        (len(fields[index]) + len(fields[index + 2]) for index in range(0, len(fields), STRIDE)),
        default=0,
    )
