<?php
declare(strict_types=1);

function show_home(Database $db): void
{
    page_top($db, 'Tools, paint and pipes', '/');
    ?>
<section class="hero">
  <h1>Everything for the house you keep fixing</h1>
  <p>Three warehouses, trade prices by the box, and somebody on the phone who has used it.</p>
</section>
<section class="departments">
<?php foreach (top_categories($db) as $category): ?>
  <article>
    <h2><a href="/category/<?= e($category['slug']) ?>"><?= e($category['name']) ?></a></h2>
    <p><?= e($category['intro']) ?></p>
    <ul>
<?php foreach (child_categories($db, $category['id']) as $child): ?>
      <li><a href="/category/<?= e($child['slug']) ?>"><?= e($child['name']) ?></a></li>
<?php endforeach ?>
    </ul>
  </article>
<?php endforeach ?>
</section>
<h2>New on the shelves</h2>
<ul class="cards">
<?php foreach ($db->all('SELECT id FROM products ORDER BY added_on DESC, id DESC LIMIT 8') as $row): ?>
<?php product_card($db, product_by_id($db, $row['id'])) ?>
<?php endforeach ?>
</ul>
<?php
    page_bottom();
}
