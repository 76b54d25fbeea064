<?php
/** Answers that are not a page of their own: JSON, redirects, errors, and the values read from a query string. */
declare(strict_types=1);

/** Sent with every answer, so that whoever compares knows which release it was. */
const SHOP_VERSION = '4.2';

function send_json(array $document, int $status = 200): void
{
    http_response_code($status);
    header('Content-Type: application/json');
    echo json_encode($document, JSON_THROW_ON_ERROR);
}

function redirect(string $location, int $status = 303): void
{
    http_response_code($status);
    header('Location: ' . $location);
}

function not_found(Database $db): void
{
    http_response_code(404);
    page_top($db, 'Page not found');
    ?>
<section class="notice">
  <h1>Page not found</h1>
  <p>This page is not on our shelves. Try the <a href="/search">search</a> or start at the <a href="/">front door</a>.</p>
</section>
<?php
    page_bottom();
}

function method_not_allowed(Database $db, array $allowed): void
{
    http_response_code(405);
    header('Allow: ' . implode(', ', $allowed));
    page_top($db, 'That does not work here');
    ?>
<section class="notice">
  <h1>That does not work here</h1>
  <p>Go back to the <a href="/">front door</a>.</p>
</section>
<?php
    page_bottom();
}

/** A form came without this visitor's token: show what it asked for, and ask for one more click. */
function ask_to_confirm(Database $db, string $action): void
{
    http_response_code(403);
    page_top($db, 'Please confirm');
    ?>
<section class="notice">
  <h1>Please confirm</h1>
  <p>We could not tell whether you sent this form yourself. One more click and it is done.</p>
  <form method="post" action="<?= e($action) ?>">
    <input type="hidden" name="csrf" value="<?= e(csrf_token()) ?>">
<?php foreach ($_POST as $name => $value): ?>
<?php if ($name !== 'csrf' && is_string($value)): ?>
    <input type="hidden" name="<?= e((string) $name) ?>" value="<?= e($value) ?>">
<?php endif ?>
<?php endforeach ?>
    <button type="submit">Confirm</button>
  </form>
</section>
<?php
    page_bottom();
}

/** A whole number from the query string or a form: digits only, at most six of them. */
function number_from(array $source, string $name, int $default): int
{
    $text = $source[$name] ?? '';
    return is_string($text) && preg_match('/^[0-9]{1,6}$/D', $text) ? (int) $text : $default;
}

function page_number(): int
{
    return max(1, number_from($_GET, 'page', 1));
}

function text_from(array $source, string $name, int $length = 200): string
{
    $text = $source[$name] ?? '';
    return is_string($text) && mb_check_encoding($text, 'UTF-8') ? mb_substr(trim($text), 0, $length) : '';
}

function sort_from_query(): string
{
    $sort = $_GET['sort'] ?? '';
    return is_string($sort) && isset(SORTS[$sort]) ? $sort : 'name';
}
