"""The HTML of a product, a category, a search and a missing page: the shop's, byte for byte.

Every text that comes from the database passes through `escape`. Who the visitor is (cart count,
name, form token) is filled in by the shop's own script from /api/visitor, so these pages are the
same for everyone who sees retail prices.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from new_services.catalog.php_text import escape, raw_url_encode, tenths, thousands
from new_services.catalog.product import Category, Listing, Product, Sort

MAX_QUANTITY = 999
_SORT_NAMES = {
    Sort.NAME: "Name",
    Sort.PRICE_ASC: "Cheapest first",
    Sort.PRICE_DESC: "Dearest first",
    Sort.NEWEST: "Newest first",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Card:
    """A product as listings show it, with the category it stands in."""

    product: Product
    category: Category


def product_page(
    product: Product,
    *,
    category: Category,
    parent: Category,
    related: Iterable[Card],
    departments: Iterable[Category],
) -> str:
    """The page of a product."""
    lines = [
        '<nav class="crumbs" aria-label="Breadcrumb">',
        '  <a href="/">Home</a>',
        f"  {_category_link(parent)}",
        f"  {_category_link(category)}",
        f"  <span>{escape(product.name)}</span>",
        "</nav>",
        '<article class="product">',
        f'  <img src="/assets/img/{escape(product.image)}.svg" width="480" height="360" alt="">',
        "  <div>",
        f"    <h1>{escape(product.name)}</h1>",
        f'    <p class="in">{escape(product.brand)} · SKU {escape(product.sku)}</p>',
        f'    <p class="rating">{_rating(product)}</p>',
        f'    <p class="price">{_euro(product.cents)} {_stock(product)}</p>',
    ]
    if len(product.tiers) > 1:
        lines += ['    <table class="tiers">', "      <caption>The more, the cheaper</caption>"]
        lines += [
            f'      <tr><th scope="row">from {tier.min_quantity}</th>'
            f"<td>{_euro(tier.cents)}</td></tr>"
            for tier in product.tiers
        ]
        lines += ["    </table>"]
    if product.available > 0:
        lines += [
            '    <form class="add" method="post" action="/cart">',
            '      <input type="hidden" name="csrf" value="">',
            '      <input type="hidden" name="action" value="add">',
            f'      <input type="hidden" name="product_id" value="{product.id}">',
            '      <label>Quantity <input name="quantity" type="number" min="1"'
            f' max="{MAX_QUANTITY}" value="1"></label>',
            '      <button type="submit">Add to cart</button>',
            "    </form>",
        ]
    lines += ['    <ul class="warehouses">']
    lines += [f"      <li>{escape(s.warehouse)}: {s.quantity}</li>" for s in product.stock]
    lines += [
        "    </ul>",
        "  </div>",
        "</article>",
        "<section>",
        "  <h2>About it</h2>",
        f"  <p>{escape(product.description)}</p>",
        '  <table class="specs">',
    ]
    lines += [
        f'    <tr><th scope="row">{escape(spec.name)}</th><td>{escape(spec.value)}</td></tr>'
        for spec in product.specs
    ]
    lines += ["  </table>", "</section>", "<section>", "  <h2>What customers say</h2>"]
    for review in product.reviews:
        day = escape(review.written_on)
        lines += [
            "  <blockquote>",
            f"    <p>{escape(review.text)}</p>",
            f"    <footer>{'★' * review.stars} {escape(review.author)},"
            f' <time datetime="{day}">{day}</time></footer>',
            "  </blockquote>",
        ]
    if not product.reviews:
        lines += ["  <p>Nobody has written about it yet.</p>"]
    lines += ["</section>", "<section>", "  <h2>Goes well with it</h2>", '  <ul class="cards">']
    for card in related:
        lines += _card(card)
    lines += ["  </ul>", "</section>"]
    return _page(product.name, lines, departments, canonical=f"/product/{product.slug}")


def category_page(
    category: Category,
    *,
    parent: Category | None,
    children: tuple[Category, ...],
    listing: Listing,
    cards: Iterable[Card],
    sort: Sort,
    departments: Iterable[Category],
) -> str:
    """One page of a category."""
    lines = ['<nav class="crumbs" aria-label="Breadcrumb">', '  <a href="/">Home</a>']
    if parent is not None:
        lines += [f"  {_category_link(parent)}"]
    lines += [
        f"  <span>{escape(category.name)}</span>",
        "</nav>",
        f"<h1>{escape(category.name)}</h1>",
        f'<p class="intro">{escape(category.intro)}</p>',
    ]
    if children:
        lines += ['<ul class="children">']
        lines += [f"  <li>{_category_link(child)}</li>" for child in children]
        lines += ["</ul>"]
    lines += [f'<p class="sorts">{listing.total} products:']
    for key, name in _SORT_NAMES.items():
        address = f"/category/{escape(category.slug)}?sort={key}"
        lines += [f"  <b>{name}</b>" if key is sort else f'  <a href="{address}">{name}</a>']
    lines += ["</p>", '<ul class="cards">']
    for card in cards:
        lines += _card(card)
    lines += ["</ul>"]
    order = "" if sort is Sort.NAME else f"sort={sort}&"
    lines += _pager(f"/category/{category.slug}?{order}", listing)
    return _page(category.name, lines, departments, canonical=f"/category/{category.slug}")


def search_page(
    query: str, *, listing: Listing, cards: Iterable[Card], departments: Iterable[Category]
) -> str:
    """One page of what a search found; without a query, what can be asked for."""
    title = f"Search: {query}" if query else "Search"
    lines = [f"<h1>{escape(title)}</h1>"]
    if not query:
        lines += [
            "<p>What are you looking for? A name, a brand or a number from the box will do.</p>"
        ]
    elif listing.total == 0:
        lines += ["<p>Nothing found. Fewer words find more.</p>"]
    else:
        lines += [f'<p class="sorts">{listing.total} products</p>', '<ul class="cards">']
        for card in cards:
            lines += _card(card)
        lines += ["</ul>"]
    lines += _pager(f"/search?q={raw_url_encode(query)}&", listing)
    return _page(title, lines, departments)


def not_found_page(departments: Iterable[Category]) -> str:
    """The page for an address that names nothing."""
    lines = [
        '<section class="notice">',
        "  <h1>Page not found</h1>",
        '  <p>This page is not on our shelves. Try the <a href="/search">search</a>'
        ' or start at the <a href="/">front door</a>.</p>',
        "</section>",
    ]
    return _page("Page not found", lines, departments)


def _page(
    title: str, lines: list[str], departments: Iterable[Category], canonical: str = ""
) -> str:
    head = [
        "<!doctype html>",
        '<html lang="en">',
        "<head>",
        '<meta charset="utf-8">',
        '<meta name="viewport" content="width=device-width, initial-scale=1">',
        f"<title>{escape(title)} · TechFlow</title>",
    ]
    if canonical:
        head += [f'<link rel="canonical" href="{escape(canonical)}">']
    head += [
        '<link rel="icon" href="/assets/logo.svg" type="image/svg+xml">',
        '<link rel="stylesheet" href="/assets/style.css">',
        '<script src="/assets/shop.js" defer></script>',
        "</head>",
        "<body>",
        '<header class="site">',
        '  <a class="brand" href="/"><img src="/assets/logo.svg" width="36" height="36" alt="">'
        " TechFlow</a>",
        '  <form class="search" action="/search" role="search">',
        '    <label class="hidden" for="q">Search</label>',
        '    <input id="q" name="q" type="search" placeholder="Drills, paint, taps …">',
        '    <button type="submit">Search</button>',
        "  </form>",
        '  <p class="visitor"><a href="/account" data-account>Account</a>'
        ' <a href="/cart">Cart <b data-cart></b></a></p>',
        "</header>",
        '<nav class="shelves" aria-label="Categories">',
    ]
    head += [f"  {_category_link(department)}" for department in departments]
    head += ["</nav>", "<main>"]
    foot = [
        "</main>",
        '<footer class="site">',
        "  <p>TechFlow · tools, paint and pipes since 1987 · prices include VAT</p>",
        "</footer>",
        "</body>",
        "</html>",
        "",
    ]
    return "\n".join([*head, *lines, *foot])


def _card(card: Card) -> list[str]:
    product = card.product
    return [
        '  <li class="card">',
        f'    <a href="/product/{escape(product.slug)}">',
        f'      <img src="/assets/img/{escape(product.image)}.svg" width="160" height="120" alt=""'
        ' loading="lazy">',
        f"      <h3>{escape(product.name)}</h3>",
        "    </a>",
        f'    <p class="in">{escape(card.category.name)} · {escape(product.brand)}</p>',
        f'    <p class="rating">{_rating(product)}</p>',
        f'    <p class="price">{_euro(product.cents)} {_stock(product)}</p>',
        "  </li>",
    ]


def _pager(address: str, listing: Listing) -> list[str]:
    if listing.pages == 1:
        return []
    base = escape(address)
    lines = ['<nav class="pager" aria-label="Pages">']
    if listing.page > 1:
        lines += [f'  <a rel="prev" href="{base}page={listing.page - 1}">Previous</a>']
    lines += [f"  <span>Page {listing.page} of {listing.pages}</span>"]
    if listing.page < listing.pages:
        lines += [f'  <a rel="next" href="{base}page={listing.page + 1}">Next</a>']
    return [*lines, "</nav>"]


def _category_link(category: Category) -> str:
    return f'<a href="/category/{escape(category.slug)}">{escape(category.name)}</a>'


def _euro(cents: int) -> str:
    return f"€{thousands(cents // 100)}.{cents % 100:02d}"


def _rating(product: Product) -> str:
    if product.rating_tenths is None:
        return "No reviews yet"
    count = len(product.reviews)
    return f"{tenths(product.rating_tenths)} of 5 ({count} {'review' if count == 1 else 'reviews'})"


def _stock(product: Product) -> str:
    if product.available == 0:
        text = "Sold out"
    elif product.available < 10:
        text = f"Only {product.available} left"
    else:
        text = "In stock"
    return f'<span class="stock">{text}</span>'
