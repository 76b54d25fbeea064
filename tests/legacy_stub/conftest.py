from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.rigs.child import free_ports
from tests.rigs.shop import Visitor, seed_shop, start_shop


@pytest.fixture(scope="package")
def shop_data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    data = tmp_path_factory.mktemp("shop")
    assert seed_shop(data, "--products", "300").returncode == 0
    return data


@pytest.fixture(scope="package")
def shop(shop_data: Path) -> Iterator[int]:
    """The port of a running shop."""
    [port] = free_ports(1)
    with start_shop(shop_data, port):
        yield port


@pytest.fixture
def visitor(shop: int) -> Visitor:
    return Visitor(shop)
