<?php
/** The frame around every page, and the pieces that several pages share. */
declare(strict_types=1);

function e(string $text): string
{
    return htmlspecialchars($text);
}

/** 129990 -> "€1,299.90" */
function euro(int $cents): string
{
    return '€' . number_format(intdiv($cents, 100)) . '.' . sprintf('%02d', $cents % 100);
}

/**
 * Everything up to <main>. Who the visitor is (cart count, name, form token) is filled in by shop.js from
 * /api/visitor, so that the same page can be sent to everyone who sees the same prices.
 */
function page_top(Database $db, string $title, string $canonical = ''): void
{
    header('Content-Type: text/html; charset=UTF-8');
    ?>
<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title><?= e($title) ?> · TechFlow</title>
<?php if ($canonical !== ''): ?>
<link rel="canonical" href="<?= e($canonical) ?>">
<?php endif ?>
<link rel="icon" href="/assets/logo.svg" type="image/svg+xml">
<link rel="stylesheet" href="/assets/style.css">
<script src="/assets/shop.js" defer></script>
</head>
<body>
<header class="site">
  <a class="brand" href="/"><img src="/assets/logo.svg" width="36" height="36" alt=""> TechFlow</a>
  <form class="search" action="/search" role="search">
    <label class="hidden" for="q">Search</label>
    <input id="q" name="q" type="search" placeholder="Drills, paint, taps …">
    <button type="submit">Search</button>
  </form>
  <p class="visitor"><a href="/account" data-account>Account</a> <a href="/cart">Cart <b data-cart></b></a></p>
</header>
<nav class="shelves" aria-label="Categories">
<?php foreach (top_categories($db) as $category): ?>
  <a href="/category/<?= e($category['slug']) ?>"><?= e($category['name']) ?></a>
<?php endforeach ?>
</nav>
<main>
<?php
}

function page_bottom(): void
{
    ?>
</main>
<footer class="site">
  <p>TechFlow · tools, paint and pipes since 1987 · prices include VAT</p>
</footer>
</body>
</html>
<?php
}

/** Stars as text: "4.5 of 5 (2 reviews)". */
function rating_text(?float $average, int $count): string
{
    if ($average === null) {
        return 'No reviews yet';
    }
    return number_format($average, 1) . ' of 5 (' . $count . ($count === 1 ? ' review)' : ' reviews)');
}

function stock_text(int $available): string
{
    if ($available === 0) {
        return 'Sold out';
    }
    return $available < 10 ? "Only $available left" : 'In stock';
}

/** One product as a card of a listing. Asks the database four more times. */
function product_card(Database $db, array $product): void
{
    $category = category_by_id($db, $product['category_id']);
    [$average, $count] = rating($db, $product['id']);
    ?>
  <li class="card">
    <a href="/product/<?= e($product['slug']) ?>">
      <img src="/assets/img/<?= e($product['image']) ?>.svg" width="160" height="120" alt="" loading="lazy">
      <h3><?= e($product['name']) ?></h3>
    </a>
    <p class="in"><?= e($category['name']) ?> · <?= e($product['brand']) ?></p>
    <p class="rating"><?= e(rating_text($average, $count)) ?></p>
    <p class="price"><?= euro(unit_price($db, $product['id'], customer_group(), 1)) ?> <span class="stock"><?= e(stock_text(available($db, $product['id']))) ?></span></p>
  </li>
<?php
}

/** Links to the other pages of a listing; $address holds everything but the page number. */
function pager(string $address, int $page, int $pages): void
{
    if ($pages === 1) {
        return;
    }
    ?>
<nav class="pager" aria-label="Pages">
<?php if ($page > 1): ?>
  <a rel="prev" href="<?= e($address) ?>page=<?= $page - 1 ?>">Previous</a>
<?php endif ?>
  <span>Page <?= $page ?> of <?= $pages ?></span>
<?php if ($page < $pages): ?>
  <a rel="next" href="<?= e($address) ?>page=<?= $page + 1 ?>">Next</a>
<?php endif ?>
</nav>
<?php
}
