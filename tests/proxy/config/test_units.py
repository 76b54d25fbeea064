"""Durations, percentages and sizes: what is read is what was meant, and can be written back."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.config import units


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("500ms", 0.5),
        ("2s", 2),
        ("1.5s", 1.5),
        ("5m", 300),
        ("1h", 3600),
        ("400d", 34560000),
        (0, 0),
    ],
)
def test_a_duration_is_seconds(text: object, seconds: float) -> None:
    assert units.duration(text) == seconds


@pytest.mark.parametrize(
    "text", ["2", "", "s", "-1s", "1 s", "1S", "1h30m", "1e3s", 2, True, None, []]
)
def test_what_could_be_meant_otherwise_is_no_duration(text: object) -> None:
    with pytest.raises(ValueError, match=r"must be a duration"):
        units.duration(text)


@pytest.mark.parametrize(
    ("text", "percent"),
    [("10%", 10), ("0.5%", 0.5), ("12.5 %", 12.5), (25, 25), (0.01, 0.01), ("0%", 0), (100, 100)],
)
def test_a_percentage_is_a_number_up_to_a_hundred(text: object, percent: float) -> None:
    assert units.percent(text) == percent
    assert units.share(text) == pytest.approx(percent / 100)


@pytest.mark.parametrize("text", ["10", "%", "ten", "1e1%", True, None, [10]])
def test_what_has_no_sign_or_is_no_number_is_no_percentage(text: object) -> None:
    with pytest.raises(ValueError, match=r"must be a percentage such as 10% or 0\.5%"):
        units.percent(text)


@pytest.mark.parametrize(
    ("text", "size"),
    [(0, 0), (8190, 8190), ("100B", 100), ("256KiB", 262144), ("2GiB", 2 * 1024**3)],
)
def test_a_size_is_bytes(text: object, size: int) -> None:
    assert units.size(text) == size


@pytest.mark.parametrize("text", ["1KB", "1MB", "1K", "1.5MiB", "", "100", True, 1.5, None])
def test_what_could_be_a_thousand_or_1024_is_no_size(text: object) -> None:
    with pytest.raises(ValueError, match="must be a size such as 8190, 256KiB"):
        units.size(text)


@given(st.integers(0, 400 * 86400 * 1000))
def test_a_duration_is_written_back_as_it_is_read(milliseconds: int) -> None:
    seconds = milliseconds / 1000
    assert units.duration(units.show_duration(seconds)) == pytest.approx(seconds, rel=1e-5)


@given(st.integers(0, 10_000))
def test_every_basis_point_is_a_step(basis_points: int) -> None:
    assert round(units.step_percent(f"{basis_points / 100}%") * 100) == basis_points


@given(st.integers(0, 2**45))
def test_a_size_is_written_back_as_it_is_read(size: int) -> None:
    assert units.size(units.show_size(size)) == size
