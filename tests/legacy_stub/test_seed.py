from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from tests.rigs.shop import seed_shop


def dump(data: Path) -> list[str]:
    with closing(sqlite3.connect(data / "shop.sqlite")) as database:
        return [line for line in database.iterdump() if "sqlite_stat" not in line]


def rows_of(data: Path, product: int) -> list[object]:
    with closing(sqlite3.connect(data / "shop.sqlite")) as database:
        return [
            database.execute(f"SELECT * FROM {table} WHERE {key} = ?", (product,)).fetchall()
            for table, key in [
                ("products", "id"),
                ("price_tiers", "product_id"),
                ("stock", "product_id"),
            ]
        ]


def test_the_same_number_gives_the_same_shop(tmp_path: Path) -> None:
    one, two = tmp_path / "one", tmp_path / "two"
    for data in (one, two):
        assert seed_shop(data, "--products", "60").returncode == 0
    assert dump(one) == dump(two)


def test_a_product_is_the_same_in_a_small_and_a_large_shop(tmp_path: Path) -> None:
    small, large = tmp_path / "small", tmp_path / "large"
    seed_shop(small, "--products", "50")
    seed_shop(large, "--products", "3000")
    assert rows_of(small, 40) == rows_of(large, 40) != []


def test_it_makes_two_thousand_products_unless_told_otherwise(tmp_path: Path) -> None:
    done = seed_shop(tmp_path)
    assert done.returncode == 0, done.stderr
    with closing(sqlite3.connect(tmp_path / "shop.sqlite")) as database:
        count, slugs = database.execute(
            "SELECT COUNT(*), COUNT(DISTINCT slug) FROM products"
        ).fetchone()
        assert (count, slugs) == (2000, 2000)
        assert database.execute("PRAGMA foreign_key_check").fetchall() == []
        [(largest,)] = database.execute(
            "SELECT MAX(n) FROM (SELECT COUNT(*) AS n FROM stock GROUP BY product_id)"
        )
        assert largest == 3, "one row of stock for every warehouse"


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        pytest.param(["--products", "0"], "--products must be", id="none"),
        pytest.param(["--products", "50001"], "--products must be", id="too many"),
        pytest.param(["--products", "many"], "got many", id="a word"),
        pytest.param(["fast"], "what is fast?", id="an unknown word"),
    ],
)
def test_a_wrong_call_is_refused_and_makes_nothing(
    tmp_path: Path, arguments: list[str], complaint: str
) -> None:
    done = seed_shop(tmp_path / "data", *arguments)
    assert done.returncode == 2
    assert complaint in done.stderr
    assert not (tmp_path / "data" / "shop.sqlite").exists()
