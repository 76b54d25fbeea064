"""The text of an answer's body: codings undone, charset obeyed."""

from __future__ import annotations

from proxy.compare.charset import text_of
from proxy.compare.decode import decoded
from proxy.compare.media import parameters
from proxy.compare.reader import Incomparable
from proxy.compare_policy import CompareLimits
from proxy.exchange import Answer

_LIMITS = CompareLimits()


def decoded_text(answer: Answer) -> str | None:
    """The text; None when the content coding cannot be undone."""
    try:
        coding = answer.header(b"content-encoding")
        content = decoded(answer.body, coding, _LIMITS) if coding else answer.body
    except Incomparable:
        return None
    return text_of(content, parameters(answer.header(b"content-type") or b"")[1])
