<?php
declare(strict_types=1);

function show_product(Database $db, string $slug): void
{
    $product = product_by_slug($db, $slug);
    if ($product === null) {
        not_found($db);
        return;
    }
    $category = category_by_id($db, $product['category_id']);
    $parent = category_by_id($db, $category['parent_id']);
    $group = customer_group();
    $tiers = price_tiers($db, $product['id'], $group);
    $available = available($db, $product['id']);
    [$average, $count] = rating($db, $product['id']);
    page_top($db, $product['name'], '/product/' . $product['slug']);
    ?>
<nav class="crumbs" aria-label="Breadcrumb">
  <a href="/">Home</a>
  <a href="/category/<?= e($parent['slug']) ?>"><?= e($parent['name']) ?></a>
  <a href="/category/<?= e($category['slug']) ?>"><?= e($category['name']) ?></a>
  <span><?= e($product['name']) ?></span>
</nav>
<article class="product"><?= note_on($product) ?>

  <img src="/assets/img/<?= e($product['image']) ?>.svg" width="480" height="360" alt="">
  <div>
    <h1><?= e($product['name']) ?></h1>
    <p class="in"><?= e($product['brand']) ?> · SKU <?= e($product['sku']) ?></p>
    <p class="rating"><?= e(rating_text($average, $count)) ?></p>
<?php if ($group === 'trade'): ?>
    <p class="trade">Your trade price</p>
<?php endif ?>
    <p class="price"><?= euro($tiers[0]['price_cents']) ?> <span class="stock"><?= e(stock_text($available)) ?></span></p>
<?php if (count($tiers) > 1): ?>
    <table class="tiers">
      <caption>The more, the cheaper</caption>
<?php foreach ($tiers as $tier): ?>
      <tr><th scope="row">from <?= $tier['min_quantity'] ?></th><td><?= euro($tier['price_cents']) ?></td></tr>
<?php endforeach ?>
    </table>
<?php endif ?>
<?php if ($available > 0): ?>
    <form class="add" method="post" action="/cart">
      <input type="hidden" name="csrf" value="">
      <input type="hidden" name="action" value="add">
      <input type="hidden" name="product_id" value="<?= $product['id'] ?>">
      <label>Quantity <input name="quantity" type="number" min="1" max="<?= MAX_QUANTITY ?>" value="1"></label>
      <button type="submit">Add to cart</button>
    </form>
<?php endif ?>
    <ul class="warehouses">
<?php foreach (stock_by_warehouse($db, $product['id']) as $stock): ?>
      <li><?= e($stock['warehouse']) ?>: <?= $stock['quantity'] ?></li>
<?php endforeach ?>
    </ul>
  </div>
</article>
<section>
  <h2>About it</h2>
  <p><?= e($product['description']) ?></p>
  <table class="specs">
<?php foreach (specs($db, $product['id']) as $spec): ?>
    <tr><th scope="row"><?= e($spec['name']) ?></th><td><?= e($spec['value']) ?></td></tr>
<?php endforeach ?>
  </table>
</section>
<section>
  <h2>What customers say</h2>
<?php foreach (reviews($db, $product['id']) as $review): ?>
  <blockquote>
    <p><?= e($review['text']) ?></p>
    <footer><?= str_repeat('★', $review['stars']) ?> <?= e($review['author']) ?>, <time datetime="<?= e($review['written_on']) ?>"><?= e($review['written_on']) ?></time></footer>
  </blockquote>
<?php endforeach ?>
<?php if ($count === 0): ?>
  <p>Nobody has written about it yet.</p>
<?php endif ?>
</section>
<section>
  <h2>Goes well with it</h2>
  <ul class="cards">
<?php foreach (related_products($db, $product['id']) as $related): ?>
<?php product_card($db, $related) ?>
<?php endforeach ?>
  </ul>
</section>
<?php
    page_bottom();
}
