<?php
declare(strict_types=1);

const SORT_NAMES = [
    'name' => 'Name',
    'price_asc' => 'Cheapest first',
    'price_desc' => 'Dearest first',
    'newest' => 'Newest first',
];

function show_category(Database $db, string $slug): void
{
    $category = category_by_slug($db, $slug);
    if ($category === null) {
        not_found($db);
        return;
    }
    $sort = sort_from_query();
    [$products, $total, $page, $pages] = products_in_category($db, $category, $sort, page_number());
    $parent = $category['parent_id'] === null ? null : category_by_id($db, $category['parent_id']);
    $children = child_categories($db, $category['id']);
    page_top($db, $category['name'], '/category/' . $category['slug']);
    ?>
<nav class="crumbs" aria-label="Breadcrumb">
  <a href="/">Home</a>
<?php if ($parent !== null): ?>
  <a href="/category/<?= e($parent['slug']) ?>"><?= e($parent['name']) ?></a>
<?php endif ?>
  <span><?= e($category['name']) ?></span>
</nav>
<h1><?= e($category['name']) ?></h1>
<p class="intro"><?= e($category['intro']) ?></p>
<?php if ($children !== []): ?>
<ul class="children">
<?php foreach ($children as $child): ?>
  <li><a href="/category/<?= e($child['slug']) ?>"><?= e($child['name']) ?></a></li>
<?php endforeach ?>
</ul>
<?php endif ?>
<p class="sorts"><?= $total ?> products:
<?php foreach (SORT_NAMES as $key => $name): ?>
<?php if ($key === $sort): ?>
  <b><?= $name ?></b>
<?php else: ?>
  <a href="/category/<?= e($category['slug']) ?>?sort=<?= $key ?>"><?= $name ?></a>
<?php endif ?>
<?php endforeach ?>
</p>
<ul class="cards">
<?php foreach ($products as $product): ?>
<?php product_card($db, $product) ?>
<?php endforeach ?>
</ul>
<?php
    pager('/category/' . $category['slug'] . '?' . ($sort === 'name' ? '' : "sort=$sort&"), $page, $pages);
    page_bottom();
}
