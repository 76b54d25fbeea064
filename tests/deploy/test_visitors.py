"""The crowd of the demonstration: the same in every run, and asking for everything there is."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest

from deploy.visitors import Assortment, send_visitors, visits
from tests.rigs.shop import seed_shop

ASSORTMENT = Assortment(
    products=tuple(f"saw-{number}" for number in range(2000)),
    categories=("hammers", "saws"),
    words=("ü&", "16'", *(f"saw{number}" for number in range(200))),
)
KINDS = {
    *("product", "api/products", "category", "api/categories", "search", "api/search"),
    "index",  # the addresses of the shop's first life
}
KIND = re.compile(r"/((?:api/)?[a-z]+)")


def test_a_seed_gives_the_same_visits() -> None:
    assert visits(ASSORTMENT, 300) == visits(ASSORTMENT, 300)
    assert visits(ASSORTMENT, 300) != visits(ASSORTMENT, 300, seed=2)


@pytest.mark.parametrize("count", [0, 1, 2, 7, 2000])
def test_there_are_as_many_requests_as_wanted(count: int) -> None:
    assert sum(map(len, visits(ASSORTMENT, count))) == count


def test_two_thousand_requests_ask_for_every_kind_of_page_often() -> None:
    targets = [target for visit in visits(ASSORTMENT, 2000) for target in visit]
    kinds = Counter(kind for target in targets for kind in KIND.findall(target)[:1])
    assert set(kinds) == KINDS
    assert min(kinds.values()) > 50
    assert len(set(targets)) > 1000, "one product again and again would be thin evidence"
    assert any("sold-in-" in target for target in targets), "some are not there"
    assert all(re.fullmatch(r"/[!-~]+", target) for target in targets)


def test_the_assortment_is_read_from_the_shop(tmp_path: Path) -> None:
    assert seed_shop(tmp_path, "--products", "50").returncode == 0
    assortment = Assortment.read(tmp_path / "shop.sqlite")
    assert (len(assortment.products), len(assortment.categories)) == (50, 30)
    assert "Norrvik" in assortment.words


@contextmanager
def counting_server() -> Iterator[tuple[int, list[str]]]:
    """A server that gives every visitor a cookie; its port, and the cookies that came back."""
    cookies: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            cookies.append(self.headers.get("Cookie", ""))
            self.send_response(200)
            if not cookies[-1]:
                self.send_header("Set-Cookie", "who=guest; Path=/; HttpOnly")
                self.send_header("Set-Cookie", "bag=3")
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        try:
            yield server.server_address[1], cookies
        finally:
            server.shutdown()
            thread.join()


def test_a_visitor_keeps_what_the_server_gave_it() -> None:
    heard: list[int] = []
    with counting_server() as (port, cookies):
        crowd = [("/a", "/b"), ("/c",)]
        assert send_visitors(port, crowd, at_once=2, progress=heard.append) == {200: 3}
    assert sorted(cookies) == ["", "", "who=guest; bag=3"]
    assert heard == [1, 2, 3]


def test_visitors_stop_when_they_are_told() -> None:
    with counting_server() as (port, cookies):
        assert send_visitors(port, [("/a",)] * 50, cancelled=lambda: True) == {}
    assert cookies == []


def test_a_server_that_is_not_there_is_no_success() -> None:
    with pytest.raises(OSError, match="refused"):
        send_visitors(1, [("/a",)])
