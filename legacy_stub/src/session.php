<?php
/** The visitor: PHP session, CSRF token, customer and customer group. */
declare(strict_types=1);

/** Tells proxies and caches that this browser sees trade prices; the session alone decides what it sees. */
const GROUP_COOKIE = 'techflow_group';

function start_session(): void
{
    $path = data_directory() . '/sessions';
    if (!is_dir($path)) {
        @mkdir($path, 0700, true);
    }
    session_save_path($path);
    ini_set('session.use_strict_mode', '1');
    // Debian leaves the clean-up to cron and sets this to 0; our own directory has no cron job.
    ini_set('session.gc_probability', '1');
    ini_set('session.gc_divisor', '1000');
    session_set_cookie_params(['path' => '/', 'httponly' => true, 'samesite' => 'Lax']);
    session_start();
}

function csrf_token(): string
{
    return $_SESSION['csrf'] ??= bin2hex(random_bytes(16));
}

function csrf_is_valid(): bool
{
    $sent = $_POST['csrf'] ?? '';
    return is_string($sent) && isset($_SESSION['csrf']) && hash_equals($_SESSION['csrf'], $sent);
}

/** The logged-in customer's row, or null. Read from the database on every request. */
function customer(Database $db): ?array
{
    if (!isset($_SESSION['customer_id'])) {
        return null;
    }
    return $db->row('SELECT * FROM customers WHERE id = ?', [$_SESSION['customer_id']]);
}

/** "retail" for every visitor, "trade" for a logged-in trade customer. */
function customer_group(): string
{
    return $_SESSION['customer_group'] ?? 'retail';
}

function log_in(array $customer): void
{
    session_regenerate_id(true);
    $_SESSION['customer_id'] = $customer['id'];
    $_SESSION['customer_group'] = $customer['customer_group'];
    $_SESSION['csrf'] = bin2hex(random_bytes(16));
    if ($customer['customer_group'] === 'trade') {
        setcookie(GROUP_COOKIE, 'trade', ['path' => '/', 'httponly' => true, 'samesite' => 'Lax']);
    }
}

function log_out(): void
{
    unset($_SESSION['customer_id'], $_SESSION['customer_group']);
    session_regenerate_id(true);
    $_SESSION['csrf'] = bin2hex(random_bytes(16));
    setcookie(GROUP_COOKIE, '', ['expires' => 1, 'path' => '/', 'httponly' => true, 'samesite' => 'Lax']);
}
