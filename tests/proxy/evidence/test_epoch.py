"""Epochs: what evidence is bound to."""

from __future__ import annotations

import pytest

from proxy.evidence.epoch import epoch_of

PLAIN = {"legacy_version": "8.1", "new_version": "4.2", "rules_hash": "abc"}


@pytest.mark.parametrize("part", list(PLAIN))
def test_a_change_of_any_part_is_another_epoch(part: str) -> None:
    assert epoch_of(**(PLAIN | {part: "other"})).id != epoch_of(**PLAIN).id


def test_the_same_parts_are_the_same_epoch_again() -> None:
    assert epoch_of(**PLAIN) == epoch_of(**PLAIN)


def test_parts_do_not_run_into_each_other() -> None:
    one = epoch_of(legacy_version="1", new_version="12", rules_hash="")
    other = epoch_of(legacy_version="11", new_version="2", rules_hash="")
    assert one.id != other.id
