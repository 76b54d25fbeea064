"""The service's own description: OpenAPI 3.1. A test holds every answer against it."""

from __future__ import annotations

from new_services.catalog.php_text import Json
from new_services.catalog.product import PAGE_SIZE, Sort

# Of the service; sent with every response.
VERSION = "1.0.0"


def _object(properties: dict[str, Json]) -> Json:
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }


def _list_of(items: Json) -> Json:
    return {"type": "array", "items": items}


def _ref(name: str) -> Json:
    return {"$ref": f"#/components/schemas/{name}"}


_TEXT: Json = {"type": "string"}
_COUNT: Json = {"type": "integer", "minimum": 0}
_FROM_ONE: Json = {"type": "integer", "minimum": 1}
_SLUG: Json = {"type": "string", "pattern": "^[a-z0-9-]+$"}
_MONEY: Json = {"type": "string", "pattern": "^[0-9]+\\.[0-9]{2}$", "examples": ["129.90"]}

_SUMMARY: dict[str, Json] = {
    "id": _FROM_ONE,
    "sku": _TEXT,
    "slug": _SLUG,
    "name": _TEXT,
    "brand": _TEXT,
    "url": _TEXT,
    "price": _MONEY,
    "currency": {"const": "EUR"},
    "available": _COUNT,
    "rating": {"type": ["number", "null"], "minimum": 1, "maximum": 5},
    "review_count": _COUNT,
}
_LINK: dict[str, Json] = {"slug": _SLUG, "name": _TEXT, "url": _TEXT}

_LISTING: dict[str, Json] = {
    "total": _COUNT,
    "page": _FROM_ONE,
    "pages": _FROM_ONE,
    "products": {
        "type": "array",
        "items": _ref("ProductSummary"),
        "maxItems": PAGE_SIZE,
    },
}

_SCHEMAS: dict[str, Json] = {
    "CategoryLink": _object(_LINK),
    "ProductSummary": _object(_SUMMARY),
    "Product": _object(
        {
            **_SUMMARY,
            "category": _ref("CategoryLink"),
            "description": _TEXT,
            "weight_kg": {"type": "number", "exclusiveMinimum": 0},
            "updated_at": {"type": "string", "format": "date-time", "pattern": "Z$"},
            "price_tiers": _list_of(_object({"min_quantity": _FROM_ONE, "price": _MONEY})),
            "stock": _list_of(_object({"warehouse": _TEXT, "quantity": _COUNT})),
            "specs": _list_of(_object({"name": _TEXT, "value": _TEXT})),
            "related": _list_of(_SLUG),
        }
    ),
    "CategoryPage": _object(
        {
            **_LINK,
            "intro": _TEXT,
            "sort": {"enum": [str(sort) for sort in Sort]},
            **_LISTING,
        }
    ),
    "SearchPage": _object({"query": _TEXT, **_LISTING}),
    "Error": _object({"error": _TEXT}),
    "Health": _object({"status": {"enum": ["ok", "empty"]}, "products": _COUNT}),
}

_SLUG_PARAMETER: Json = {"name": "slug", "in": "path", "required": True, "schema": _SLUG}
_SORT_PARAMETER: Json = {
    "name": "sort",
    "in": "query",
    "description": "Anything else is read as name.",
    "schema": {"enum": [str(sort) for sort in Sort], "default": str(Sort.NAME)},
}
_PAGE_PARAMETER: Json = {
    "name": "page",
    "in": "query",
    "description": "From 1. A page beyond the last is the last; anything else is read as 1.",
    "schema": {"type": "integer", "minimum": 1, "default": 1},
}
_QUERY_PARAMETER: Json = {
    "name": "q",
    "in": "query",
    "description": "Words that must all occur; the first 200 characters and 8 words count.",
    "schema": {"type": "string", "default": ""},
}


def _json(description: str, schema: str) -> Json:
    return {"description": description, "content": {"application/json": {"schema": _ref(schema)}}}


def _html(description: str) -> Json:
    return {"description": description, "content": {"text/html": {"schema": _TEXT}}}


def _operation(
    name: str, summary: str, parameters: list[Json], ok: Json, other: dict[str, Json]
) -> Json:
    return {
        "get": {
            "operationId": name,
            "summary": summary,
            "parameters": parameters,
            "responses": {"200": ok, **other},
        }
    }


def openapi_document() -> Json:
    """The whole description, as it is served at /openapi.json."""
    no_page: dict[str, Json] = {"404": _html("There is no such page.")}
    no_document: dict[str, Json] = {"404": _json("There is no such thing.", "Error")}
    number: Json = {
        "name": "id",
        "in": "path",
        "required": True,
        "schema": {"type": "string", "pattern": "^[0-9]{1,6}$"},
    }
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "TechFlow catalog",
            "version": VERSION,
            "description": "Product, category and search pages of TechFlow and their JSON, as the "
            "PHP shop sends them to visitors at retail prices.",
        },
        "paths": {
            "/product/{slug}": _operation(
                "productPage", "A product's page.", [_SLUG_PARAMETER], _html("The page."), no_page
            ),
            "/products/{id}": _operation(
                "productPageByNumber",
                "A product's page, by the number that the shop's oldest addresses carry.",
                [number],
                _html("The page."),
                no_page,
            ),
            "/category/{slug}": _operation(
                "categoryPage",
                "One page of a category.",
                [_SLUG_PARAMETER, _SORT_PARAMETER, _PAGE_PARAMETER],
                _html("The page."),
                no_page,
            ),
            "/api/products/{slug}": _operation(
                "product",
                "A product.",
                [_SLUG_PARAMETER],
                _json("The product.", "Product"),
                no_document,
            ),
            "/api/categories/{slug}": _operation(
                "category",
                "One page of a category.",
                [_SLUG_PARAMETER, _SORT_PARAMETER, _PAGE_PARAMETER],
                _json("The category with one page of its products.", "CategoryPage"),
                no_document,
            ),
            "/search": _operation(
                "searchPage",
                "One page of what a search found.",
                [_QUERY_PARAMETER, _PAGE_PARAMETER],
                _html("The page; it says so when nothing was found."),
                {},
            ),
            "/api/search": _operation(
                "search",
                "One page of what a search found.",
                [_QUERY_PARAMETER, _PAGE_PARAMETER],
                _json("The products that were found.", "SearchPage"),
                {},
            ),
            "/healthz": _operation(
                "health",
                "Whether the service can answer.",
                [],
                _json("It can.", "Health"),
                {"503": _json("There are no products yet.", "Health")},
            ),
        },
        "components": {"schemas": _SCHEMAS},
    }
