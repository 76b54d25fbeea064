<?php
declare(strict_types=1);

const ADDRESS_FIELDS = ['name' => 'Name', 'email' => 'E-mail', 'street' => 'Street and number', 'postcode' => 'Postcode', 'city' => 'Town'];

function show_checkout(Database $db, array $address = [], array $problems = []): void
{
    [$lines, $total] = cart_lines($db);
    if ($lines === []) {
        redirect('/cart');
        return;
    }
    if ($address === [] && ($customer = customer($db)) !== null) {
        $address = ['name' => $customer['name'], 'email' => $customer['email']];
    }
    page_top($db, 'Checkout');
    ?>
<h1>Checkout</h1>
<?php foreach ($problems as $problem): ?>
<p class="problem" role="alert"><?= e($problem) ?></p>
<?php endforeach ?>
<ul class="summary">
<?php foreach ($lines as $line): ?>
  <li><?= $line['quantity'] ?> × <?= e($line['product']['name']) ?>: <?= euro($line['line_cents']) ?></li>
<?php endforeach ?>
  <li><b>Total: <?= euro($total) ?></b></li>
</ul>
<form class="address" method="post" action="/checkout">
  <input type="hidden" name="csrf" value="<?= e(csrf_token()) ?>">
<?php foreach (ADDRESS_FIELDS as $field => $label): ?>
  <label><?= $label ?> <input name="<?= $field ?>" value="<?= e($address[$field] ?? '') ?>" required maxlength="200"></label>
<?php endforeach ?>
  <button type="submit">Place order</button>
  <p>You pay on delivery.</p>
</form>
<?php
    page_bottom();
}

function submit_checkout(Database $db): void
{
    if (!csrf_is_valid()) {
        ask_to_confirm($db, '/checkout');
        return;
    }
    $address = [];
    $problems = [];
    foreach (ADDRESS_FIELDS as $field => $label) {
        $address[$field] = text_from($_POST, $field);
        if ($address[$field] === '') {
            $problems[] = "$label is missing.";
        }
    }
    if ($address['email'] !== '' && filter_var($address['email'], FILTER_VALIDATE_EMAIL) === false) {
        $problems[] = 'This e-mail address does not look right.';
    }
    if ($problems === [] && cart() !== []) {
        try {
            place_order($db, $address);
            redirect('/checkout/done');
            return;
        } catch (OutOfStock $error) {
            $problems[] = 'We no longer have enough of: ' . $error->getMessage();
        }
    }
    http_response_code(422);
    show_checkout($db, $address, $problems);
}

function show_order_placed(Database $db): void
{
    $number = $_SESSION['last_order'] ?? null;
    if ($number === null) {
        redirect('/cart');
        return;
    }
    page_top($db, 'Thank you');
    ?>
<section class="notice">
  <h1>Thank you</h1>
  <p>Your order has the number <b><?= e($number) ?></b>.</p>
</section>
<?php
    page_bottom();
}
