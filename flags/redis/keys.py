"""The names of everything Figway keeps in Redis. One hash tag: a cluster keeps them together."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}").fullmatch


@dataclass(frozen=True, slots=True)
class Keys:
    """The keys and channels of one environment."""

    environment: str

    def __post_init__(self) -> None:
        if not _NAME(self.environment):
            raise ValueError(
                "an environment is named with letters, digits, dot, dash and underscore, "
                f"64 at most; got {self.environment!r}"
            )

    @property
    def tag(self) -> str:
        """The hash tag, braces included."""
        return f"{{figway:{self.environment}}}"

    @property
    def state(self) -> str:
        """Hash: `rev`, and one field per scope and kind of word."""
        return f"{self.tag}:state"

    @property
    def leases(self) -> str:
        """Sorted set: boot -> when its lease ends, in milliseconds of the server's clock."""
        return f"{self.tag}:leases"

    @property
    def facts(self) -> str:
        """Hash: boot -> what that replica says of itself."""
        return f"{self.tag}:facts"

    @property
    def acks(self) -> str:
        """Hash: boot -> the newest revision that it confirmed."""
        return f"{self.tag}:acks"

    @property
    def audit(self) -> str:
        """Stream: one entry per change."""
        return f"{self.tag}:audit"

    @property
    def bell(self) -> str:
        """Channel: changes and nudges, for every replica."""
        return f"{self.tag}:bell"

    def ears_of(self, replica: str) -> str:
        """Channel: acks for the replica that was told first."""
        return f"{self.tag}:ears:{replica}"

    def done(self, change: str) -> str:
        """String: there while a change with this id need not be written again."""
        return f"{self.tag}:done:{change}"
