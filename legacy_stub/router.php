<?php
/** Entry point for PHP's built-in server: files under /assets/ as they are, everything else to the front controller. */
declare(strict_types=1);

$path = strtok($_SERVER['REQUEST_URI'] ?? '/', '?');
if (preg_match('#^/(assets/[a-z0-9/-]+\.(css|js|svg)|robots\.txt)$#D', (string) $path) && is_file(__DIR__ . '/public' . $path)) {
    return false;
}
require __DIR__ . '/public/index.php';
