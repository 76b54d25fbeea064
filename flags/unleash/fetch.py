"""What a fetch brings: an answer, or why there is none."""

from __future__ import annotations

from dataclasses import dataclass


class FetchError(Exception):
    """Unleash did not answer a fetch as it should; the message says why and what to look at."""

    def __init__(self, message: str, *, credentials: bool = False) -> None:
        super().__init__(message)
        # Whether the token is what was refused.
        self.credentials = credentials


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """One answer, not read yet. No text: nothing has changed since the ETag that was sent."""

    text: str | None
    etag: str
