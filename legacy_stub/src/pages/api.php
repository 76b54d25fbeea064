<?php
/** The JSON that the shop's own app and its partners read. */
declare(strict_types=1);

/** 129990 -> "1299.90" */
function amount(int $cents): string
{
    return intdiv($cents, 100) . '.' . sprintf('%02d', $cents % 100);
}

/** A product as listings show it. */
function product_summary(Database $db, array $product): array
{
    [$average, $count] = rating($db, $product['id']);
    return [
        'id' => $product['id'],
        'sku' => $product['sku'],
        'slug' => $product['slug'],
        'name' => $product['name'],
        'brand' => $product['brand'],
        'url' => '/product/' . $product['slug'],
        'price' => amount(unit_price($db, $product['id'], customer_group(), 1)),
        'currency' => 'EUR',
        'available' => available($db, $product['id']),
        'rating' => $average,
        'review_count' => $count,
    ];
}

function listing(Database $db, array $products, int $total, int $page, int $pages): array
{
    return [
        'total' => $total,
        'page' => $page,
        'pages' => $pages,
        'products' => array_map(fn (array $product) => product_summary($db, $product), $products),
    ];
}

function category_link(array $category): array
{
    return ['slug' => $category['slug'], 'name' => $category['name'], 'url' => '/category/' . $category['slug']];
}

function api_products(Database $db): void
{
    send_json(listing($db, ...all_products($db, page_number())));
}

function api_product(Database $db, string $slug): void
{
    $product = product_by_slug($db, $slug);
    if ($product === null) {
        send_json(['error' => 'not found'], 404);
        return;
    }
    note_on($product);
    $tiers = array_map(
        fn (array $tier) => ['min_quantity' => $tier['min_quantity'], 'price' => amount($tier['price_cents'])],
        price_tiers($db, $product['id'], customer_group())
    );
    send_json(product_summary($db, $product) + [
        'category' => category_link(category_by_id($db, $product['category_id'])),
        'description' => $product['description'],
        'weight_kg' => $product['weight_grams'] / 1000,
        'updated_at' => gmdate('Y-m-d\TH:i:s\Z', $product['updated_at']),
        'price_tiers' => $tiers,
        'stock' => stock_by_warehouse($db, $product['id']),
        'specs' => specs($db, $product['id']),
        'related' => array_map(fn (array $other) => $other['slug'], related_products($db, $product['id'])),
    ]);
}

function api_categories(Database $db): void
{
    $categories = [];
    foreach (top_categories($db) as $category) {
        $categories[] = category_link($category)
            + ['children' => array_map(category_link(...), child_categories($db, $category['id']))];
    }
    send_json(['categories' => $categories]);
}

function api_category(Database $db, string $slug): void
{
    $category = category_by_slug($db, $slug);
    if ($category === null) {
        send_json(['error' => 'not found'], 404);
        return;
    }
    $sort = sort_from_query();
    send_json(category_link($category)
        + ['intro' => $category['intro'], 'sort' => $sort]
        + listing($db, ...products_in_category($db, $category, $sort, page_number())));
}

function api_search(Database $db): void
{
    $query = text_from($_GET, 'q');
    send_json(['query' => $query] + listing($db, ...search_products($db, $query, page_number())));
}

function api_cart(Database $db): void
{
    [$lines, $total] = cart_lines($db);
    send_json([
        'items' => array_map(fn (array $line) => [
            'product_id' => $line['product']['id'],
            'name' => $line['product']['name'],
            'quantity' => $line['quantity'],
            'unit_price' => amount($line['unit_cents']),
            'sum' => amount($line['line_cents']),
        ], $lines),
        'count' => cart_count(),
        'total' => amount($total),
        'currency' => 'EUR',
    ]);
}

/** What shop.js needs to make a page this visitor's own. Other origins cannot read it, so the token is safe here. */
function api_visitor(Database $db): void
{
    send_json([
        'customer' => customer($db)['name'] ?? null,
        'cart_count' => cart_count(),
        'csrf' => csrf_token(),
    ]);
}
