<?php
/** The front controller: every page and every API call of the shop starts here. */
declare(strict_types=1);

$startedAt = hrtime(true);

require __DIR__ . '/../src/database.php';
require __DIR__ . '/../src/session.php';
require __DIR__ . '/../src/catalog.php';
require __DIR__ . '/../src/cart.php';
require __DIR__ . '/../src/html.php';
require __DIR__ . '/../src/response.php';
foreach (['home', 'category', 'product', 'search', 'cart', 'checkout', 'account', 'api'] as $page) {
    require __DIR__ . '/../src/pages/' . $page . '.php';
}
require __DIR__ . '/../src/dispatch.php';

ob_start();
header('X-Powered-By: PHP/' . PHP_VERSION);
header('X-App-Version: ' . SHOP_VERSION);
set_exception_handler(function (Throwable $error): void {
    error_log((string) $error);
    if (ob_get_level() > 0) {
        ob_clean();
    }
    http_response_code(500);
    header('Content-Type: text/html; charset=UTF-8');
    echo '<!doctype html><title>TechFlow</title><h1>Something broke</h1><p>Please try again in a minute.</p>', "\n";
});

$db = new Database(data_directory() . '/shop.sqlite');
start_session();
dispatch($db, $_SERVER['REQUEST_METHOD'] ?? 'GET', $_SERVER['REQUEST_URI'] ?? '/');

header(sprintf(
    'Server-Timing: db;desc="%d queries";dur=%.1f, total;dur=%.1f',
    $db->queries,
    $db->seconds * 1000,
    (hrtime(true) - $startedAt) / 1e6
));
ob_end_flush();
