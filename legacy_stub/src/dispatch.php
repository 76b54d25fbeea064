<?php
/** Which page answers a request: today's paths, and the index.php?route= addresses of the shop's first life. */
declare(strict_types=1);

const PAGES = [
    '#^/$#D' => ['GET' => 'show_home'],
    '#^/category/([a-z0-9-]+)$#D' => ['GET' => 'show_category'],
    '#^/product/([a-z0-9-]+)$#D' => ['GET' => 'show_product'],
    '#^/search$#D' => ['GET' => 'show_search'],
    '#^/cart$#D' => ['GET' => 'show_cart', 'POST' => 'change_cart'],
    '#^/checkout$#D' => ['GET' => 'show_checkout', 'POST' => 'submit_checkout'],
    '#^/checkout/done$#D' => ['GET' => 'show_order_placed'],
    '#^/login$#D' => ['GET' => 'show_login', 'POST' => 'submit_login'],
    '#^/logout$#D' => ['POST' => 'submit_logout'],
    '#^/account$#D' => ['GET' => 'show_account'],
    '#^/api/products$#D' => ['GET' => 'api_products'],
    '#^/api/products/([a-z0-9-]+)$#D' => ['GET' => 'api_product'],
    '#^/api/categories$#D' => ['GET' => 'api_categories'],
    '#^/api/categories/([a-z0-9-]+)$#D' => ['GET' => 'api_category'],
    '#^/api/search$#D' => ['GET' => 'api_search'],
    '#^/api/cart$#D' => ['GET' => 'api_cart'],
    '#^/api/visitor$#D' => ['GET' => 'api_visitor'],
];

function dispatch(Database $db, string $method, string $target): void
{
    $path = strtok($target, '?');
    if ($path === '/index.php') {
        dispatch_old_address($db, $method);
        return;
    }
    if (strlen($path) > 1 && str_ends_with($path, '/') && $path[1] !== '/') {
        $query = strpos($target, '?');
        redirect(rtrim($path, '/') . ($query === false ? '' : substr($target, $query)), 301);
        return;
    }
    foreach (PAGES as $pattern => $handlers) {
        if (preg_match($pattern, $path, $found)) {
            answer($db, $method, $handlers, array_slice($found, 1));
            return;
        }
    }
    if (str_starts_with($path, '/api/')) {
        send_json(['error' => 'not found'], 404);
        return;
    }
    not_found($db);
}

function answer(Database $db, string $method, array $handlers, array $arguments): void
{
    $handler = $handlers[$method === 'HEAD' ? 'GET' : $method] ?? null;
    if ($handler === null) {
        method_not_allowed($db, isset($handlers['GET']) ? ['HEAD', ...array_keys($handlers)] : array_keys($handlers));
        return;
    }
    $handler($db, ...$arguments);
}

/** index.php?route=product/product&product_id=40: bookmarks and search engines still use these. */
function dispatch_old_address(Database $db, string $method): void
{
    $route = $_GET['route'] ?? 'common/home';
    if ($route === 'product/product') {
        $product = product_by_id($db, number_from($_GET, 'product_id', 0));
        answer($db, $method, ['GET' => 'show_product'], [$product['slug'] ?? '']);
        return;
    }
    if ($route === 'product/category') {
        $category = category_by_id($db, number_from($_GET, 'path', 0));
        answer($db, $method, ['GET' => 'show_category'], [$category['slug'] ?? '']);
        return;
    }
    $moved = ['common/home' => '/', 'product/search' => '/search', 'checkout/cart' => '/cart',
        'checkout/checkout' => '/checkout', 'account/login' => '/login', 'account/account' => '/account'];
    if (is_string($route) && isset($moved[$route])) {
        $search = $route === 'product/search' ? text_from($_GET, 'search') : '';
        redirect($moved[$route] . ($search === '' ? '' : '?q=' . rawurlencode($search)), 301);
        return;
    }
    not_found($db);
}
