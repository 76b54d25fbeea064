<?php
/**
 * Fills the shop's database: php legacy_stub/seed.php [--products 2000] [--database PATH].
 * The same number gives the same rows on every machine, and product 40 is the same in a small and a large shop.
 */
declare(strict_types=1);

require __DIR__ . '/src/database.php';
require __DIR__ . '/assortment.php';

const MAX_PRODUCTS = 50000;
// Every row of the seed carries this time; what the shop changes later is newer.
const SEEDED_AT = 1735689600;

const CUSTOMERS = [
    ['anna@example.com', 'Anna Becker', 'hammer-time', 'retail'],
    ['zoe@example.com', "Zoë O'Hara", 'paint-it-blue', 'retail'],
    ['site@example.com', 'Brandt Bau GmbH', 'by-the-box', 'trade'],
];

function stop(string $message): never
{
    fwrite(STDERR, "seed.php: $message\n");
    exit(2);
}

function pick(array $list): mixed
{
    return $list[mt_rand(0, count($list) - 1)];
}

function slug(string $text): string
{
    $plain = strtr(mb_strtolower($text), ['ü' => 'ue', 'ö' => 'oe', 'ä' => 'ae', '²' => '2', "'" => '']);
    return trim((string) preg_replace('/[^a-z0-9]+/', '-', $plain), '-');
}

function seed_shelves(PDO $pdo): array
{
    $insert = $pdo->prepare('INSERT INTO categories (id, parent_id, slug, name, intro, position) VALUES (?, ?, ?, ?, ?, ?)');
    $shelves = [];
    $id = 0;
    foreach (DEPARTMENTS as $department => [$slug, $picture, $intro, $children]) {
        $parentId = ++$id;
        $insert->execute([$parentId, null, $slug, $department, $intro, $parentId]);
        foreach ($children as $name => [$childSlug, $kinds, $sizes, $cheapest, $dearest, $grams]) {
            $insert->execute([++$id, $parentId, $childSlug, $name, "$name from " . count(BRANDS) . ' makers, in stock today.', $id]);
            $shelves[] = ['id' => $id, 'picture' => $picture, 'kinds' => $kinds, 'sizes' => $sizes,
                'cheapest' => $cheapest, 'dearest' => $dearest, 'grams' => $grams];
        }
    }
    return $shelves;
}

function seed_customers(PDO $pdo): void
{
    $insert = $pdo->prepare('INSERT INTO customers (email, name, password_hash, customer_group) VALUES (?, ?, ?, ?)');
    foreach (CUSTOMERS as [$email, $name, $password, $group]) {
        // What password_hash() makes, with a salt of our own: password_hash() takes a random one, and the seed
        // must give the same rows every time.
        $salt = substr(strtr(base64_encode(hash('sha256', $email, true)), '+=', './'), 0, 22);
        $insert->execute([$email, $name, crypt($password, '$2y$10$' . $salt), $group]);
    }
}

function seed_products(PDO $pdo, array $shelves, int $count): void
{
    $product = $pdo->prepare('INSERT INTO products VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)');
    $tier = $pdo->prepare('INSERT INTO price_tiers VALUES (?, ?, ?, ?)');
    $stock = $pdo->prepare('INSERT INTO stock VALUES (?, ?, ?, ?)');
    $spec = $pdo->prepare('INSERT INTO specs VALUES (?, ?, ?, ?)');
    $review = $pdo->prepare('INSERT INTO reviews (product_id, author, stars, text, written_on) VALUES (?, ?, ?, ?, ?)');
    $related = $pdo->prepare('INSERT INTO related VALUES (?, ?, ?)');
    $shelfCount = count($shelves);

    for ($id = 1; $id <= $count; $id++) {
        mt_srand(7919 * $id + 17);
        $shelf = $shelves[($id - 1) % $shelfCount];
        $brand = pick(BRANDS);
        $kind = pick($shelf['kinds']);
        $size = pick($shelf['sizes']);
        $sku = strtoupper(substr(slug($brand), 0, 1) . substr(slug($kind), 0, 1)) . '-' . (1000 + $id);
        $name = "$brand $sku $kind $size";
        $price = mt_rand($shelf['cheapest'], $shelf['dearest']) * 100 - pick([1, 5, 10, 100]);
        $grams = intdiv($shelf['grams'] * mt_rand(50, 200), 100);
        $product->execute([
            $id, $shelf['id'], slug($name), $sku, $name, $brand,
            pick(OPENERS) . ' ' . pick(MIDDLES) . ' ' . pick(CLOSERS),
            $shelf['picture'], $price, $grams, gmdate('Y-m-d', SEEDED_AT - 86400 * mt_rand(1, 1500)), SEEDED_AT,
        ]);

        $tiers = pick([[1], [1, 10], [1, 10, 50]]);
        foreach ($tiers as $step => $minimum) {
            $retail = intdiv($price * (100 - 6 * $step), 100);
            $tier->execute([$id, 'retail', $minimum, $retail]);
            $tier->execute([$id, 'trade', $minimum, intdiv($retail * 85, 100)]);
        }
        $soldOut = mt_rand(1, 40) === 1;
        foreach (WAREHOUSES as $index => $warehouse) {
            $stock->execute([$id, $index + 1, $soldOut ? 0 : pick([0, mt_rand(1, 5), mt_rand(10, 200)]), SEEDED_AT]);
        }
        foreach ([['Maker', $brand], ['Size', $size], ['Weight', number_format($grams / 1000, 2) . ' kg'], ['Colour', pick(['green', 'red', 'grey', 'black & yellow'])]] as $position => [$label, $value]) {
            $spec->execute([$id, $position + 1, $label, $value]);
        }
        for ($n = mt_rand(0, 4); $n > 0; $n--) {
            $stars = mt_rand(2, 5);
            $review->execute([$id, pick(REVIEWERS), $stars, pick(REVIEW_TEXTS[$stars]), gmdate('Y-m-d', SEEDED_AT - 86400 * mt_rand(1, 700))]);
        }
    }

    // After all products, because a relation may point forward.
    for ($id = 1; $id <= $count; $id++) {
        $position = 0;
        foreach ([$shelfCount, 2 * $shelfCount, 1, 5] as $step) {
            $other = ($id - 1 + $step) % $count + 1;
            if ($other !== $id) {
                $related->execute([$id, ++$position, $other]);
            }
        }
    }
}

$options = getopt('', ['products:', 'database:'], $rest);
if ($rest !== $argc) {
    stop("what is {$argv[$rest]}? Use  --products N  and  --database PATH");
}
$count = filter_var($options['products'] ?? '2000', FILTER_VALIDATE_INT, ['options' => ['min_range' => 1, 'max_range' => MAX_PRODUCTS]]);
if ($count === false) {
    stop("--products must be a whole number from 1 to " . MAX_PRODUCTS . ", got {$options['products']}");
}
$path = $options['database'] ?? data_directory() . '/shop.sqlite';
if (!is_dir(dirname($path)) && !mkdir(dirname($path), 0755, true)) {
    stop('cannot make the directory ' . dirname($path));
}
// Written beside and moved into place, so that a shop never opens half a database.
$unfinished = $path . '.' . getmypid();
register_shutdown_function(fn () => @unlink($unfinished));
$pdo = new PDO('sqlite:' . $unfinished, null, null, [PDO::ATTR_ERRMODE => PDO::ERRMODE_EXCEPTION]);
$pdo->exec('PRAGMA synchronous = OFF');
$pdo->exec((string) file_get_contents(__DIR__ . '/schema.sql'));
$pdo->beginTransaction();
$shelves = seed_shelves($pdo);
foreach (WAREHOUSES as $index => $warehouse) {
    $pdo->prepare('INSERT INTO warehouses VALUES (?, ?)')->execute([$index + 1, $warehouse]);
}
seed_customers($pdo);
seed_products($pdo, $shelves, $count);
$pdo->commit();
$pdo->exec('ANALYZE');
// Readers and the one writer do not wait for each other; the mode stays in the file.
$pdo->exec('PRAGMA journal_mode = WAL');
unset($pdo);
foreach (['-wal', '-shm'] as $suffix) {
    @unlink($path . $suffix);
}
rename($unfinished, $path);
fwrite(STDERR, "seeded $count products into $path\n");
