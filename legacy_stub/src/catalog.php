<?php
/** Products and categories as the shop reads them: one query per fact, again for every product. */
declare(strict_types=1);

const PAGE_SIZE = 24;
const SORTS = [
    'name' => 'name, id',
    'price_asc' => 'price_cents, id',
    'price_desc' => 'price_cents DESC, id',
    'newest' => 'added_on DESC, id DESC',
];

function top_categories(Database $db): array
{
    return $db->all('SELECT * FROM categories WHERE parent_id IS NULL ORDER BY position');
}

/**
 * A fault on purpose, of the kind that lives in old shops: with TECHFLOW_DEFECT=1 a column that is long gone is
 * read, and PHP's warning stands in the answer.
 */
function note_on(array $product): string
{
    if (!getenv('TECHFLOW_DEFECT')) {
        return '';
    }
    ini_set('display_errors', '1');
    return (string) $product['note'];
}

function child_categories(Database $db, int $parentId): array
{
    return $db->all('SELECT * FROM categories WHERE parent_id = ? ORDER BY position', [$parentId]);
}

function category_by_id(Database $db, int $id): ?array
{
    return $db->row('SELECT * FROM categories WHERE id = ?', [$id]);
}

function category_by_slug(Database $db, string $slug): ?array
{
    return $db->row('SELECT * FROM categories WHERE slug = ?', [$slug]);
}

function product_by_slug(Database $db, string $slug): ?array
{
    return $db->row('SELECT * FROM products WHERE slug = ?', [$slug]);
}

function product_by_id(Database $db, int $id): ?array
{
    return $db->row('SELECT * FROM products WHERE id = ?', [$id]);
}

/** The price of one piece in cents when $quantity are bought by a customer of $group. */
function unit_price(Database $db, int $productId, string $group, int $quantity): int
{
    return (int) $db->value(
        'SELECT price_cents FROM price_tiers WHERE product_id = ? AND customer_group = ? AND min_quantity <= ?'
        . ' ORDER BY min_quantity DESC LIMIT 1',
        [$productId, $group, $quantity]
    );
}

function price_tiers(Database $db, int $productId, string $group): array
{
    return $db->all(
        'SELECT min_quantity, price_cents FROM price_tiers WHERE product_id = ? AND customer_group = ? ORDER BY min_quantity',
        [$productId, $group]
    );
}

function stock_by_warehouse(Database $db, int $productId): array
{
    return $db->all(
        'SELECT w.name AS warehouse, s.quantity FROM stock s JOIN warehouses w ON w.id = s.warehouse_id'
        . ' WHERE s.product_id = ? ORDER BY w.id',
        [$productId]
    );
}

function available(Database $db, int $productId): int
{
    return (int) $db->value('SELECT SUM(quantity) FROM stock WHERE product_id = ?', [$productId]);
}

function specs(Database $db, int $productId): array
{
    return $db->all('SELECT name, value FROM specs WHERE product_id = ? ORDER BY position', [$productId]);
}

function reviews(Database $db, int $productId): array
{
    return $db->all('SELECT author, stars, text, written_on FROM reviews WHERE product_id = ? ORDER BY id', [$productId]);
}

/** Average stars with one decimal, or null without reviews; and how many reviews there are. */
function rating(Database $db, int $productId): array
{
    $row = $db->row('SELECT COUNT(*) AS n, SUM(stars) AS stars FROM reviews WHERE product_id = ?', [$productId]);
    return [$row['n'] > 0 ? round($row['stars'] / $row['n'], 1) : null, $row['n']];
}

function related_products(Database $db, int $productId): array
{
    $related = [];
    foreach ($db->all('SELECT related_id FROM related WHERE product_id = ? ORDER BY position', [$productId]) as $row) {
        $related[] = product_by_id($db, $row['related_id']);
    }
    return $related;
}

/** Ids of the category itself and of its children. */
function category_family(Database $db, array $category): array
{
    return [$category['id'], ...array_column(child_categories($db, $category['id']), 'id')];
}

/** One page of a category: [products, how many there are in all, page number, page count]. */
function products_in_category(Database $db, array $category, string $sort, int $page): array
{
    $family = category_family($db, $category);
    $marks = implode(', ', array_fill(0, count($family), '?'));
    $total = (int) $db->value("SELECT COUNT(*) FROM products WHERE category_id IN ($marks)", $family);
    $pages = max(1, intdiv($total + PAGE_SIZE - 1, PAGE_SIZE));
    $page = min($page, $pages);
    $ids = $db->all(
        "SELECT id FROM products WHERE category_id IN ($marks) ORDER BY " . SORTS[$sort] . ' LIMIT ? OFFSET ?',
        [...$family, PAGE_SIZE, ($page - 1) * PAGE_SIZE]
    );
    return [array_map(fn (array $row) => product_by_id($db, $row['id']), $ids), $total, $page, $pages];
}

/** One page of all products in the order of their ids: same shape as products_in_category(). */
function all_products(Database $db, int $page): array
{
    $total = (int) $db->value('SELECT COUNT(*) FROM products');
    $pages = max(1, intdiv($total + PAGE_SIZE - 1, PAGE_SIZE));
    $page = min($page, $pages);
    $ids = $db->all('SELECT id FROM products ORDER BY id LIMIT ? OFFSET ?', [PAGE_SIZE, ($page - 1) * PAGE_SIZE]);
    return [array_map(fn (array $row) => product_by_id($db, $row['id']), $ids), $total, $page, $pages];
}

/** Products in whose name, brand or SKU every word occurs: same shape as products_in_category(). */
function search_products(Database $db, string $query, int $page): array
{
    $words = array_slice(preg_split('/\s+/u', trim($query), -1, PREG_SPLIT_NO_EMPTY) ?: [], 0, 8);
    if ($words === []) {
        return [[], 0, 1, 1];
    }
    $where = implode(' AND ', array_fill(0, count($words), "(name || ' ' || brand || ' ' || sku) LIKE ? ESCAPE '\\'"));
    $values = array_map(fn (string $word) => '%' . addcslashes($word, '\\%_') . '%', $words);
    $total = (int) $db->value("SELECT COUNT(*) FROM products WHERE $where", $values);
    $pages = max(1, intdiv($total + PAGE_SIZE - 1, PAGE_SIZE));
    $page = min($page, $pages);
    $ids = $db->all(
        "SELECT id FROM products WHERE $where ORDER BY name, id LIMIT ? OFFSET ?",
        [...$values, PAGE_SIZE, ($page - 1) * PAGE_SIZE]
    );
    return [array_map(fn (array $row) => product_by_id($db, $row['id']), $ids), $total, $page, $pages];
}
