"""Why two numbers differ: rounding, scale, sign, noise of binary fractions."""

from __future__ import annotations

from decimal import Decimal

from proxy.compare.inference import NOTHING, Inference
from proxy.compare.numbers import difference, places
from proxy.compare_policy import Severity

# Cents and euros, grams and kilograms, and their thousands: zeros of the factor.
_SCALES = frozenset({2, 3, 6})
# So close are two ways of reckoning with doubles (2^-53 is 1.1e-16).
_NOISE = Decimal("1e-12")
_NOISY_PLACES = 12


def infer_numbers(legacy: Decimal, new: Decimal) -> Inference:
    """The cause of two numbers that are not written alike."""
    distance = abs(difference(legacy, new))
    if distance == 0:
        return Inference("number_notation", "the same number, written in another way", _MINOR)
    before, after = places(legacy), places(new)
    if max(before, after) >= _NOISY_PLACES and distance <= _NOISE * max(abs(legacy), abs(new)):
        return Inference("float_noise", "the same but for the noise of binary fractions", _MINOR)
    if max(before, after) >= 1 and distance == _unit(max(before, after)):
        return Inference("rounding", f"off by one in the last of {_places(max(before, after))}")
    # Money is written with its zeros: 22.95 rounded to whole numbers is 23.00.
    for kept in dict.fromkeys((after, _places_used(new))):
        if _places_used(legacy) > kept and distance < _unit(kept):
            if distance <= _unit(kept) / 2:
                return Inference("rounding", f"rounded to {_places(kept)}")
            return Inference(
                "rounding", f"cut off after {_places(kept)}" if kept else "cut off after the point"
            )
    if after > before and distance < _unit(before):
        return Inference("unrounded", f"legacy rounds to {_places(before)}, new does not")
    if legacy == -new:
        return Inference("sign", "the sign is turned")
    return _infer_scale(legacy, new)


_MINOR = Severity.MINOR


def _infer_scale(legacy: Decimal, new: Decimal) -> Inference:
    if legacy == 0 or new == 0:
        return NOTHING
    zeros = new.adjusted() - legacy.adjusted()
    if abs(zeros) not in _SCALES or new.scaleb(-zeros) != legacy:
        return NOTHING
    scale = 10 ** abs(zeros)
    if zeros > 0:
        return Inference(f"scale:{scale}", f"the new number is {scale} times the legacy one")
    return Inference(f"scale:1/{scale}", f"the legacy number is {scale} times the new one")


def _places_used(value: Decimal) -> int:
    """Digits after the point without zeros at the end: 12.30 uses one."""
    return len(f"{value:f}".partition(".")[2].rstrip("0"))


def _unit(places: int) -> Decimal:
    return Decimal(1).scaleb(-places)


def _places(count: int) -> str:
    return f"{count} place{'' if count == 1 else 's'}" if count else "whole numbers"
