"""Tokens of the admin API: what is kept of each (never the token), and how one is known. Pure.

A token is `fgw_ID_SECRET`. The id finds its row; the secret is 192 random bits, so that a plain
SHA-256 of it is as good as a slow hash, which exists to protect what people can remember.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from dataclasses import dataclass, replace
from enum import StrEnum

from proxy.admin.roles import Role

PREFIX = "fgw"
ID_BYTES = 5
SECRET_BYTES = 24
# The longest that a token may be good, in seconds: what is longer is a slip of the hand.
LONGEST = 100 * 366 * 86_400

_TOKEN = re.compile(rf"{PREFIX}_([0-9a-f]{{{2 * ID_BYTES}}})_[0-9a-f]{{{2 * SECRET_BYTES}}}")
NAME_PATTERN = "^[A-Za-z0-9][A-Za-z0-9._@+-]{0,63}$"
_NAME = re.compile(NAME_PATTERN)


class TokenError(ValueError):
    """A token that cannot be made or revoked; the message names the mend."""


class Standing(StrEnum):
    """Whether a token is good."""

    GOOD = "good"
    UNKNOWN = "unknown"
    REVOKED = "revoked"
    EXPIRED = "expired"


@dataclass(frozen=True, slots=True, kw_only=True)
class Token:
    """One row. Times are seconds since the epoch; 0 is never."""

    id: str
    name: str
    role: Role
    # Of the whole token, in hexadecimal.
    sha256: str
    created: float
    created_by: str = ""
    expires: float = 0.0
    revoked: float = 0.0
    revoked_by: str = ""

    def standing(self, now: float) -> Standing:
        """Whether it is good now."""
        if self.revoked:
            return Standing.REVOKED
        return Standing.EXPIRED if self.expires and now >= self.expires else Standing.GOOD


def digest(token: str) -> str:
    """What is kept of a token."""
    return hashlib.sha256(token.encode("utf-8", "surrogateescape")).hexdigest()


def mint(
    *, name: str, role: Role, random: bytes, now: float, by: str, expires: float = 0.0
) -> tuple[Token, str]:
    """A new row and the token itself, which nobody can tell again. Raises TokenError.

    `random` is ID_BYTES + SECRET_BYTES bytes that nobody can guess.
    """
    if not _NAME.fullmatch(name):
        raise TokenError(
            f"name: {name[:70]!r} cannot be the name of a token: up to 64 letters, digits and"
            " . _ @ + -, the first of them a letter or digit"
        )
    if expires and expires <= now:
        raise TokenError("expires: must be in the future")
    if expires > now + LONGEST:
        raise TokenError("expires: must be within 100 years; without it a token is good for ever")
    number, secret = random[:ID_BYTES].hex(), random[ID_BYTES:].hex()
    text = f"{PREFIX}_{number}_{secret}"
    token = Token(
        id=number,
        name=name,
        role=role,
        sha256=digest(text),
        created=now,
        created_by=by,
        expires=expires,
    )
    return token, text


class TokenSet:
    """Every token there is, also those that are no longer good."""

    def __init__(self, tokens: tuple[Token, ...] = ()) -> None:
        """Raises TokenError for an id that is there twice."""
        self.tokens = tokens
        self._by_id = {token.id: token for token in tokens}
        if len(self._by_id) != len(tokens):
            raise TokenError("two tokens have the same id")

    def find(self, presented: str, now: float) -> tuple[Token | None, Standing]:
        """The row of a token that was shown, if there is one, and whether it is good.

        What it costs in time says nothing of the secret: a digest is always made and compared.
        """
        shaped = _TOKEN.fullmatch(presented)
        row = self._by_id.get(shaped[1]) if shaped else None
        kept = row.sha256 if row is not None else digest("")
        if not hmac.compare_digest(digest(presented), kept) or row is None:
            return None, Standing.UNKNOWN
        return row, row.standing(now)

    def with_token(self, token: Token, now: float) -> TokenSet:
        """The same and one more. Raises TokenError for a name that a good token has."""
        for other in self.tokens:
            if other.name == token.name and other.standing(now) is Standing.GOOD:
                raise TokenError(
                    f"name: {token.name} has a token already ({other.id}): revoke it, or name this"
                    f" one apart, such as {token.name}-2"
                )
        return TokenSet((*self.tokens, token))

    def without(self, which: str, *, now: float, by: str) -> tuple[TokenSet, Token]:
        """The same with one revoked, named by id or by name. Raises TokenError."""
        found = [
            token
            for token in self.tokens
            if which in (token.id, token.name) and token.standing(now) is not Standing.REVOKED
        ]
        if not found:
            gone = any(which in (token.id, token.name) for token in self.tokens)
            why = "is revoked already" if gone else "is no token's id or name"
            raise TokenError(f"{which[:70]!r} {why}: `figway token list` shows them")
        if len(found) > 1:
            ids = ", ".join(token.id for token in found)
            raise TokenError(f"several tokens are named {which} ({ids}): name one by its id")
        revoked = replace(found[0], revoked=now, revoked_by=by)
        return (
            TokenSet(tuple(revoked if token is found[0] else token for token in self.tokens)),
            revoked,
        )
