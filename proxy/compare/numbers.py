"""Numbers as they are written: exact comparison, distance, places after the point."""

from __future__ import annotations

import re
from decimal import Context, Decimal, InvalidOperation, Overflow

# As JSON writes numbers, with a sign in front that texts may have.
_NUMBER = re.compile(r"[+-]?\d+(?:\.\d+)?(?:[eE][+-]?\d{1,4})?", re.ASCII).fullmatch
# Longer ones are compared as they are written.
_DIGITS = 400
# Enough digits for exact sums of all numbers above; whatever overflows is no number to us.
_EXACT = Context(prec=2000, Emax=20_000, Emin=-20_000, traps=[InvalidOperation, Overflow])
# Beyond so many significant digits a double does not hold a decimal number (IEEE 754, binary64).
_DOUBLE_DIGITS = 15


def number(value: object) -> Decimal | None:
    """The number a JSON lexeme (bytes) or a text spells; None if it spells none we reckon with."""
    if type(value) is bytes:
        text = value.decode("ascii", "replace")
    elif type(value) is str:
        text = value
    else:
        return None
    if len(text) > _DIGITS or _NUMBER(text) is None:
        return None
    return Decimal(text)


def difference(legacy: Decimal, new: Decimal) -> Decimal:
    """new - legacy, exact."""
    return _EXACT.subtract(new, legacy)


def near(one: Decimal, other: Decimal, absolute: Decimal | None, relative: Decimal | None) -> bool:
    """Whether two numbers are within a distance, or a part (0.001 = 0.1 %) of the larger one."""
    distance = abs(difference(one, other))
    if distance == 0:
        return True
    if absolute is not None and distance <= absolute:
        return True
    return relative is not None and distance <= _EXACT.multiply(max(abs(one), abs(other)), relative)


def same_number(legacy: Decimal, new: Decimal) -> bool:
    """Whether two spellings are one number: `10` and `10.0`.

    Digits that a double cannot hold do not count (0.1 and 0.10000000000000001 are one); all digits
    of an integer do.
    """
    if legacy == new:
        return True
    if not any(_is_long_fraction(n) for n in (legacy, new)):
        return False
    return float(legacy) == float(new)


def _is_long_fraction(value: Decimal) -> bool:
    _, digits, exponent = value.as_tuple()
    return isinstance(exponent, int) and exponent < 0 and len(digits) > _DOUBLE_DIGITS


def places(value: Decimal) -> int:
    """Digits after the point as written: 12.30 has two."""
    exponent = value.as_tuple().exponent
    return max(0, -exponent) if isinstance(exponent, int) else 0
