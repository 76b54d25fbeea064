"""Semantic versions and their order (semver.org 2.0.0, 11). Pure."""

from __future__ import annotations

import re
from typing import Final

# Major, minor, patch, whether it is a release, and the identifiers of a pre-release: numbers go
# before words, fewer before more, and every pre-release before its release.
Version = tuple[int, int, int, bool, tuple[tuple[bool, int, str], ...]]

# Longer numbers are no versions, and converting one would take long.
_DIGITS: Final = r"0|[1-9][0-9]{0,18}"
_IDENTIFIER: Final = rf"(?:{_DIGITS}|[0-9]*[A-Za-z-][0-9A-Za-z-]*)"
_VERSION: Final = re.compile(
    rf"({_DIGITS})\.({_DIGITS})\.({_DIGITS})"
    rf"(?:-({_IDENTIFIER}(?:\.{_IDENTIFIER})*))?(?:\+[0-9A-Za-z-]+(?:\.[0-9A-Za-z-]+)*)?"
).fullmatch
_LONGEST: Final = 256


def read_version(text: str) -> Version | None:
    """The version in a text, build metadata left out; None when there is none."""
    found = _VERSION(text) if len(text) <= _LONGEST else None
    if found is None:
        return None
    major, minor, patch, before = found.groups()
    identifiers = before.split(".") if before else ()
    return int(major), int(minor), int(patch), not before, tuple(map(_identifier, identifiers))


def _identifier(text: str) -> tuple[bool, int, str]:
    return (False, int(text), "") if text.isdecimal() else (True, 0, text)
