"""The service: which handler answers which address, and what every response carries."""

from __future__ import annotations

import asyncio
import hashlib
import logging
import re
import sqlite3
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import suppress
from pathlib import Path

from aiohttp import web

from new_services.catalog import documents, pages
from new_services.catalog.demo_bugs import Bug, FaultyStore, spoil_document
from new_services.catalog.follow import Follower
from new_services.catalog.openapi import VERSION, openapi_document
from new_services.catalog.pages import Card
from new_services.catalog.php_text import Json, json_encode, query_parameters, trim, words
from new_services.catalog.product import Category, Listing, Product, Sort
from new_services.catalog.store import Store

log = logging.getLogger("catalog")

# PHP writes the charset in capitals; a comparison of headers would notice.
_HTML = "text/html; charset=UTF-8"
_JSON = "application/json"
# What the shop accepts as a word of an address, and as a number in a query.
_SLUG = re.compile(r"[a-z0-9-]+")
_NUMBER = re.compile(r"[0-9]{1,6}")
# What the shop reads of a search.
_QUERY_LENGTH = 200
_QUERY_WORDS = 8


def make_app(
    database: Path,
    *,
    follow: Path | None = None,
    interval: float = 1.0,
    bugs: frozenset[Bug] = frozenset(),
) -> web.Application:
    """The application on this database.

    With `follow`, the shop's database, it stays in step with the shop: it looks every `interval`
    seconds. `bugs` are faults on purpose.
    """
    store = FaultyStore(database, bugs) if bugs else Store(database)
    catalog = _Catalog(store, bugs)
    app = web.Application()
    app.add_routes(
        [
            web.get("/product/{slug}", catalog.product_page),
            web.get("/products/{id}", catalog.product_page_by_number),
            web.get("/category/{slug}", catalog.category_page),
            web.get("/search", catalog.search_page),
            web.get("/api/products/{slug}", catalog.product_document),
            web.get("/api/categories/{slug}", catalog.category_document),
            web.get("/api/search", catalog.search_document),
            web.get("/healthz", catalog.health),
            web.get("/openapi.json", catalog.openapi),
        ]
    )
    app.on_response_prepare.append(catalog.sign)
    app.on_cleanup.append(catalog.close)
    if follow is not None:
        shop = follow

        async def following(_app: web.Application) -> AsyncIterator[None]:
            task = asyncio.create_task(_follow(Follower(shop, Store(database)), interval))
            yield
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task

        app.cleanup_ctx.append(following)
    return app


async def _follow(follower: Follower, interval: float) -> None:
    trouble = ""
    while True:
        try:
            taken = await asyncio.to_thread(follower.step)
        except (OSError, sqlite3.Error) as error:
            # The catalog goes on with what it has; said once, not every second.
            if str(error) != trouble:
                log.warning("cannot follow the shop: %s", error)
            trouble = str(error)
        else:
            if trouble:
                log.info("following the shop again")
            trouble = ""
            if taken:
                log.info("took over %d products from the shop", taken)
        await asyncio.sleep(interval)


class _Catalog:
    """The handlers. Reads of the store take microseconds and are made on the event loop."""

    def __init__(self, store: Store, bugs: frozenset[Bug]) -> None:
        self._store = store
        self._bugs = bugs
        # A release with a fault is another release: evidence about one says nothing of the other.
        self._version = "+".join([VERSION, *([".".join(sorted(bugs))] if bugs else [])])

    async def close(self, _app: web.Application) -> None:
        self._store.close()

    async def sign(self, _request: web.Request, response: web.StreamResponse) -> None:
        """Say who answered, and which release."""
        response.headers["X-Served-By"] = "catalog"
        response.headers["X-App-Version"] = self._version

    async def product_page(self, request: web.Request) -> web.Response:
        """GET /product/{slug}."""
        slug = _last_segment(request)
        return self._product_page(request, self._store.product_by_slug(slug) if slug else None)

    async def product_page_by_number(self, request: web.Request) -> web.Response:
        """GET /products/{id}: what index.php?route=product/product&product_id= is rewritten to."""
        number = request.match_info["id"]
        known = self._store.product(int(number)) if _NUMBER.fullmatch(number) else None
        return self._product_page(request, known)

    async def category_page(self, request: web.Request) -> web.Response:
        """GET /category/{slug}?sort=&page=."""
        category = self._store.category_by_slug(_last_segment(request))
        if category is None:
            return self._no_page(request)
        sort, page = _listing_parameters(request)
        listing = self._store.listing(category, sort, page)
        parent = None if category.parent_id is None else self._category(category.parent_id)
        html = pages.category_page(
            category,
            parent=parent,
            children=self._store.children(category.id),
            listing=listing,
            cards=self._cards(listing.products),
            sort=sort,
            departments=self._store.departments(),
        )
        return _response(request, html, _HTML)

    async def search_page(self, request: web.Request) -> web.Response:
        """GET /search?q=&page=."""
        query, listing = self._search(request)
        html = pages.search_page(
            query,
            listing=listing,
            cards=self._cards(listing.products),
            departments=self._store.departments(),
        )
        return _response(request, html, _HTML)

    async def product_document(self, request: web.Request) -> web.Response:
        """GET /api/products/{slug}."""
        product = self._store.product_by_slug(_last_segment(request))
        if product is None:
            return _no_document(request)
        document = documents.product_document(
            product, self._category(product.category_id), self._store.products(product.related)
        )
        return self._document(request, document)

    async def category_document(self, request: web.Request) -> web.Response:
        """GET /api/categories/{slug}?sort=&page=."""
        category = self._store.category_by_slug(_last_segment(request))
        if category is None:
            return _no_document(request)
        sort, page = _listing_parameters(request)
        listing = self._store.listing(category, sort, page)
        return self._document(request, documents.category_document(category, sort, listing))

    async def search_document(self, request: web.Request) -> web.Response:
        """GET /api/search?q=&page=."""
        query, listing = self._search(request)
        return self._document(request, documents.search_document(query, listing))

    async def health(self, request: web.Request) -> web.Response:
        """GET /healthz: 200 when there are products to show, else 503."""
        count = self._store.product_count()
        document: Json = {"status": "ok" if count else "empty", "products": count}
        return _json(request, document, 200 if count else 503)

    async def openapi(self, request: web.Request) -> web.Response:
        """GET /openapi.json."""
        return _json(request, openapi_document())

    def _product_page(self, request: web.Request, product: Product | None) -> web.Response:
        if product is None:
            return self._no_page(request)
        category = self._category(product.category_id)
        # The shop's data has exactly two levels; a product never stands in a department itself.
        parent = category if category.parent_id is None else self._category(category.parent_id)
        html = pages.product_page(
            product,
            category=category,
            parent=parent,
            related=self._cards(self._store.products(product.related)),
            departments=self._store.departments(),
        )
        return _response(request, html, _HTML)

    def _search(self, request: web.Request) -> tuple[str, Listing]:
        parameters = query_parameters(request.raw_path.partition("?")[2])
        query = trim(parameters.get("q") or "")[:_QUERY_LENGTH]
        return query, self._store.search(words(query)[:_QUERY_WORDS], _page_number(parameters))

    def _document(self, request: web.Request, document: Json) -> web.Response:
        return _json(request, spoil_document(document, self._bugs) if self._bugs else document)

    def _no_page(self, request: web.Request) -> web.Response:
        return _response(request, pages.not_found_page(self._store.departments()), _HTML, 404)

    def _cards(self, products: Iterable[Product]) -> tuple[Card, ...]:
        return tuple(Card(product=p, category=self._category(p.category_id)) for p in products)

    def _category(self, category_id: int) -> Category:
        category = self._store.category(category_id)
        if category is None:
            raise LookupError(f"category {category_id} is missing: import the shop again")
        return category


def _last_segment(request: web.Request) -> str:
    # From the raw target: the shop does not decode paths, /product/red%2Ddrill is no product there.
    segment = request.raw_path.partition("?")[0].rpartition("/")[2]
    return segment if _SLUG.fullmatch(segment) else ""


def _listing_parameters(request: web.Request) -> tuple[Sort, int]:
    parameters = query_parameters(request.raw_path.partition("?")[2])
    sort = parameters.get("sort") or ""
    return Sort(sort) if sort in set(Sort) else Sort.NAME, _page_number(parameters)


def _page_number(parameters: Mapping[str, str | None]) -> int:
    page = parameters.get("page") or ""
    return max(1, int(page)) if _NUMBER.fullmatch(page) else 1


def _json(request: web.Request, document: Json, status: int = 200) -> web.Response:
    return _response(request, json_encode(document), _JSON, status)


def _no_document(request: web.Request) -> web.Response:
    return _json(request, documents.NOT_FOUND, 404)


def _response(
    request: web.Request, text: str, content_type: str, status: int = 200
) -> web.Response:
    body = text.encode()
    # no-cache, not max-age: a copy that a browser may use unasked would outlive a rollback. And
    # private, because the same address shows other prices to a trade customer.
    headers = {"Cache-Control": "private, no-cache"}
    if status == 200:
        tag = hashlib.blake2b(body, digest_size=12).hexdigest()
        headers["ETag"] = f'"{tag}"'
        asked = request.if_none_match
        if asked is not None and any(e.value in (tag, "*") for e in asked):
            return web.Response(status=304, headers=headers)
    headers["Content-Type"] = content_type
    return web.Response(status=status, body=body, headers=headers)
