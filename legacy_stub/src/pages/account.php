<?php
declare(strict_types=1);

function show_login(Database $db, string $email = '', string $problem = ''): void
{
    page_top($db, 'Log in');
    ?>
<h1>Log in</h1>
<?php if ($problem !== ''): ?>
<p class="problem" role="alert"><?= e($problem) ?></p>
<?php endif ?>
<form class="address" method="post" action="/login">
  <input type="hidden" name="csrf" value="<?= e(csrf_token()) ?>">
  <label>E-mail <input name="email" type="email" value="<?= e($email) ?>" required autocomplete="username"></label>
  <label>Password <input name="password" type="password" required autocomplete="current-password"></label>
  <button type="submit">Log in</button>
</form>
<?php
    page_bottom();
}

function submit_login(Database $db): void
{
    $email = text_from($_POST, 'email');
    if (!csrf_is_valid()) {
        http_response_code(403);
        show_login($db, $email, 'Your visit took a break. Please log in again.');
        return;
    }
    $customer = $db->row('SELECT * FROM customers WHERE email = ?', [strtolower($email)]);
    $password = $_POST['password'] ?? '';
    // A hash is checked for unknown addresses too, so that the time of the answer does not tell which ones exist.
    $hash = $customer['password_hash'] ?? '$2y$10$abcdefghijklmnopqrstuuIYn/PsvDN.WsxTNy1.r8kzVCjeOGM1K';
    if (!is_string($password) || !password_verify($password, $hash) || $customer === null) {
        http_response_code(422);
        show_login($db, $email, 'This e-mail address and password do not go together.');
        return;
    }
    log_in($customer);
    redirect('/account');
}

function submit_logout(Database $db): void
{
    if (!csrf_is_valid()) {
        ask_to_confirm($db, '/logout');
        return;
    }
    log_out();
    redirect('/');
}

function show_account(Database $db): void
{
    $customer = customer($db);
    if ($customer === null) {
        redirect('/login', 302);
        return;
    }
    $orders = $db->all('SELECT * FROM orders WHERE customer_id = ? ORDER BY id DESC LIMIT 50', [$customer['id']]);
    page_top($db, 'Your account');
    ?>
<h1>Hello, <?= e($customer['name']) ?></h1>
<p><?= $customer['customer_group'] === 'trade' ? 'You buy at trade prices.' : 'You buy at retail prices.' ?></p>
<form method="post" action="/logout">
  <input type="hidden" name="csrf" value="<?= e(csrf_token()) ?>">
  <button type="submit">Log out</button>
</form>
<h2>Your orders</h2>
<?php if ($orders === []): ?>
<p>None yet.</p>
<?php endif ?>
<?php foreach ($orders as $order): ?>
<section class="order">
  <h3><?= sprintf('TF-%06d', $order['id']) ?>, <?= gmdate('Y-m-d', $order['placed_at']) ?>: <?= euro($order['total_cents']) ?></h3>
  <ul>
<?php foreach ($db->all('SELECT * FROM order_items WHERE order_id = ? ORDER BY id', [$order['id']]) as $item): ?>
    <li><?= $item['quantity'] ?> × <?= e($item['name']) ?> at <?= euro($item['unit_cents']) ?></li>
<?php endforeach ?>
  </ul>
</section>
<?php endforeach ?>
<?php
    page_bottom();
}
