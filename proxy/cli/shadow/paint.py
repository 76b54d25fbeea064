"""Colour, where a person looks: decided once, given to whoever renders."""

from __future__ import annotations

from dataclasses import dataclass

from proxy.cli.output import coloured
from proxy.cli.shadow.words import printable
from proxy.evidence.report import VerdictState


@dataclass(frozen=True, slots=True)
class Paint:
    """Adds colour, or nothing."""

    on: bool

    @classmethod
    def of_stdout(cls) -> Paint:
        """Colour if stdout is a terminal and NO_COLOR is not set (https://no-color.org)."""
        return cls(coloured())

    def bold(self, text: str) -> str:
        """Emphasise."""
        return self._in("1", text)

    def dim(self, text: str) -> str:
        """What is there to be looked up, not to be read."""
        return self._in("2", text)

    def bad(self, text: str) -> str:
        """Red."""
        return self._in("31", text)

    def good(self, text: str) -> str:
        """Green."""
        return self._in("32", text)

    def open(self, text: str) -> str:
        """Yellow."""
        return self._in("33", text)

    def verdict(self, state: VerdictState) -> str:
        """A verdict in its colour."""
        match state:
            case VerdictState.GO:
                return self.good(state.value)
            case VerdictState.NO_GO:
                return self.bad(state.value)
            case VerdictState.NEED_MORE_DATA:
                return self.open(state.value)

    def severity(self, word: str) -> str:
        """A severity in its colour."""
        match word:
            case "critical":
                return self.bad(word)
            case "major":
                return self.open(word)
            case _:
                return printable(word)

    def _in(self, style: str, text: str) -> str:
        return f"\x1b[{style}m{text}\x1b[0m" if self.on and text else text
