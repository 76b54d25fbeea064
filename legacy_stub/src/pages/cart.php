<?php
declare(strict_types=1);

function show_cart(Database $db): void
{
    [$lines, $total] = cart_lines($db);
    page_top($db, 'Cart');
    ?>
<h1>Your cart</h1>
<?php if ($lines === []): ?>
<p>Nothing in it yet.</p>
<?php else: ?>
<table class="lines">
  <thead><tr><th>Product</th><th>Quantity</th><th>Each</th><th>Sum</th><th></th></tr></thead>
  <tbody>
<?php foreach ($lines as $line): ?>
  <tr>
    <td><a href="/product/<?= e($line['product']['slug']) ?>"><?= e($line['product']['name']) ?></a><?php if ($line['quantity'] > $line['available']): ?> <b class="short">Only <?= $line['available'] ?> left</b><?php endif ?></td>
    <td>
      <form method="post" action="/cart">
        <input type="hidden" name="csrf" value="<?= e(csrf_token()) ?>">
        <input type="hidden" name="action" value="update">
        <input type="hidden" name="product_id" value="<?= $line['product']['id'] ?>">
        <input name="quantity" type="number" min="0" max="<?= MAX_QUANTITY ?>" value="<?= $line['quantity'] ?>" aria-label="Quantity">
        <button type="submit">Change</button>
      </form>
    </td>
    <td><?= euro($line['unit_cents']) ?></td>
    <td><?= euro($line['line_cents']) ?></td>
    <td>
      <form method="post" action="/cart">
        <input type="hidden" name="csrf" value="<?= e(csrf_token()) ?>">
        <input type="hidden" name="action" value="remove">
        <input type="hidden" name="product_id" value="<?= $line['product']['id'] ?>">
        <button type="submit">Remove</button>
      </form>
    </td>
  </tr>
<?php endforeach ?>
  </tbody>
  <tfoot><tr><th colspan="3">Total</th><td><?= euro($total) ?></td><td></td></tr></tfoot>
</table>
<p><a class="button" href="/checkout">To the checkout</a></p>
<?php endif ?>
<?php
    page_bottom();
}

function change_cart(Database $db): void
{
    if (!csrf_is_valid()) {
        ask_to_confirm($db, '/cart');
        return;
    }
    $productId = number_from($_POST, 'product_id', 0);
    if (product_by_id($db, $productId) === null) {
        not_found($db);
        return;
    }
    match ($_POST['action'] ?? '') {
        'add' => cart_set($productId, (cart()[$productId] ?? 0) + max(1, number_from($_POST, 'quantity', 1))),
        'update' => cart_set($productId, number_from($_POST, 'quantity', cart()[$productId] ?? 0)),
        'remove' => cart_set($productId, 0),
        default => null,
    };
    redirect('/cart');
}
