<?php
declare(strict_types=1);

function show_search(Database $db): void
{
    $query = text_from($_GET, 'q');
    [$products, $total, $page, $pages] = search_products($db, $query, page_number());
    page_top($db, $query === '' ? 'Search' : "Search: $query");
    ?>
<h1><?= $query === '' ? 'Search' : 'Search: ' . e($query) ?></h1>
<?php if ($query === ''): ?>
<p>What are you looking for? A name, a brand or a number from the box will do.</p>
<?php elseif ($total === 0): ?>
<p>Nothing found. Fewer words find more.</p>
<?php else: ?>
<p class="sorts"><?= $total ?> products</p>
<ul class="cards">
<?php foreach ($products as $product): ?>
<?php product_card($db, $product) ?>
<?php endforeach ?>
</ul>
<?php endif ?>
<?php
    pager('/search?q=' . rawurlencode($query) . '&', $page, $pages);
    page_bottom();
}
