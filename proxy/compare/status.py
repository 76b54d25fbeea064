"""Status codes compared: the class decides how bad a difference is."""

from __future__ import annotations

from proxy.compare.comparison import Kind
from proxy.compare.findings import Findings
from proxy.compare_policy import Severity

_PATH = "status"
# RFC 9110, 15.4: a client follows these, and their content is "a short hypertext note" nobody sees.
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_LASTING = frozenset({301, 308})


def compare_status(legacy: int, new: int, found: Findings) -> bool:
    """Report a difference of status. False where the bodies are then not worth comparing.

    Another class (200 and 500) is critical, another code of one class (200 and 201) major. Bodies
    of redirects are not compared: what a redirect says is its Location.
    """
    if legacy == new:
        return legacy not in _REDIRECTS
    same_class = legacy // 100 == new // 100
    found.record(
        *(_PATH, _PATH, Kind.STATUS, Severity.MAJOR if same_class else Severity.CRITICAL),
        *(str(legacy), str(new), f"status:{legacy}->{new}", _note(legacy, new)),
    )
    return same_class and not {legacy, new} & _REDIRECTS


def _note(legacy: int, new: int) -> str:
    both = {legacy, new}
    if both <= _REDIRECTS:
        if bool(legacy in _LASTING) != bool(new in _LASTING):
            return "a lasting redirect for a temporary one, or the reverse"
        return "another kind of redirect"
    if both & _REDIRECTS:
        return "one side redirects and the other does not"
    if legacy < 400 <= new:
        return "the new side fails where legacy succeeds"
    if new < 400 <= legacy:
        return "the new side succeeds where legacy fails"
    return "another status"
