from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.rigs.child import free_ports
from tests.rigs.shop import Visitor, seed_shop, start_catalog, start_shop


@dataclass(frozen=True, slots=True, kw_only=True)
class Sides:
    """Both sides of the migration, on the same data."""

    data: Path
    php: Visitor
    catalog: Visitor


@pytest.fixture(scope="package")
def sides(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sides]:
    data = tmp_path_factory.mktemp("sides")
    assert seed_shop(data).returncode == 0
    php_port, catalog_port = free_ports(2)
    with start_shop(data, php_port), start_catalog(data, catalog_port) as catalog:
        catalog.wait_for_output("took over 2000 products")
        yield Sides(data=data, php=Visitor(php_port), catalog=Visitor(catalog_port))
