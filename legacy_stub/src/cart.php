<?php
/** The cart in the session, and the order that is made of it. */
declare(strict_types=1);

const MAX_QUANTITY = 999;

/** Raised when an order asks for more than all warehouses hold. */
final class OutOfStock extends RuntimeException
{
}

/** Product id => quantity. */
function cart(): array
{
    return $_SESSION['cart'] ?? [];
}

function cart_count(): int
{
    return array_sum(cart());
}

function cart_set(int $productId, int $quantity): void
{
    if ($quantity <= 0) {
        unset($_SESSION['cart'][$productId]);
        return;
    }
    $_SESSION['cart'][$productId] = min($quantity, MAX_QUANTITY);
}

/** The cart's lines with today's prices: [lines, total in cents]. Products that are gone are left out. */
function cart_lines(Database $db): array
{
    $lines = [];
    $total = 0;
    foreach (cart() as $productId => $quantity) {
        $product = product_by_id($db, $productId);
        if ($product === null) {
            continue;
        }
        $price = unit_price($db, $productId, customer_group(), $quantity);
        $lines[] = [
            'product' => $product,
            'quantity' => $quantity,
            'unit_cents' => $price,
            'line_cents' => $price * $quantity,
            'available' => available($db, $productId),
        ];
        $total += $price * $quantity;
    }
    return [$lines, $total];
}

/** Takes the stock, writes the order and empties the cart. Returns the order number; throws OutOfStock. */
function place_order(Database $db, array $address): string
{
    $number = $db->transaction(function () use ($db, $address): string {
        [$lines, $total] = cart_lines($db);
        $now = time();
        foreach ($lines as $line) {
            take_stock($db, $line['product'], $line['quantity'], $now);
        }
        $db->write(
            'INSERT INTO orders (customer_id, placed_at, name, email, street, postcode, city, total_cents) VALUES (?, ?, ?, ?, ?, ?, ?, ?)',
            [$_SESSION['customer_id'] ?? null, $now, $address['name'], $address['email'], $address['street'],
                $address['postcode'], $address['city'], $total]
        );
        $orderId = $db->lastId();
        foreach ($lines as $line) {
            $db->write(
                'INSERT INTO order_items (order_id, product_id, name, quantity, unit_cents) VALUES (?, ?, ?, ?, ?)',
                [$orderId, $line['product']['id'], $line['product']['name'], $line['quantity'], $line['unit_cents']]
            );
        }
        return sprintf('TF-%06d', $orderId);
    });
    $_SESSION['cart'] = [];
    $_SESSION['last_order'] = $number;
    // A second click on "Place order" must not find a valid token.
    $_SESSION['csrf'] = bin2hex(random_bytes(16));
    return $number;
}

/** Empties the fullest warehouse first, so that few parcels leave. */
function take_stock(Database $db, array $product, int $quantity, int $now): void
{
    $rows = $db->all(
        'SELECT warehouse_id, quantity FROM stock WHERE product_id = ? AND quantity > 0 ORDER BY quantity DESC, warehouse_id',
        [$product['id']]
    );
    foreach ($rows as $row) {
        $taken = min($quantity, $row['quantity']);
        $db->write(
            'UPDATE stock SET quantity = quantity - ?, updated_at = ? WHERE product_id = ? AND warehouse_id = ?',
            [$taken, $now, $product['id'], $row['warehouse_id']]
        );
        $quantity -= $taken;
        if ($quantity === 0) {
            return;
        }
    }
    throw new OutOfStock($product['name']);
}
