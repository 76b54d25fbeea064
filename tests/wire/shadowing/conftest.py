"""An observer that notes what it gets, and a proxy that copies to it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from flags.snapshot import FlagSnapshot
from proxy.settings import Settings
from proxy.shadow_policy import ShadowPolicy
from tests.rigs.scripted_observer import ScriptedObserver
from tests.rigs.scripted_origin import Script
from tests.wire.conftest import SETTINGS, MakeWire, Wire
from tests.wire.shadowing.rig import EVERYTHING, shadowed


@pytest.fixture
def observer(tmp_path: Path) -> Iterator[ScriptedObserver]:
    with ScriptedObserver(tmp_path / "observer") as observer:
        yield observer


@pytest.fixture
def make_shadow(make_wire: MakeWire, observer: ScriptedObserver) -> Callable[..., Wire]:
    """A proxy whose route `shown` is copied to `observer`, connected already."""

    def make(
        script: Script | None = None,
        policy: ShadowPolicy = EVERYTHING,
        *,
        settings: Settings = SETTINGS,
        flags: FlagSnapshot | None = None,
        **options: Any,
    ) -> Wire:
        wire = make_wire(
            script,
            settings=settings,
            routes=lambda origin: shadowed(origin.url, policy, **options),
            flags=flags or FlagSnapshot(revision=7),
            observer=str(observer.path),
        )
        observer.wait_for(lambda: len(observer.hellos) == 1)
        return wire

    return make
