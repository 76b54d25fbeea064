-- The shop's database. Money is in cents, weights are in grams, times are Unix seconds.
CREATE TABLE categories (
  id INTEGER PRIMARY KEY, parent_id INTEGER REFERENCES categories (id), slug TEXT NOT NULL UNIQUE,
  name TEXT NOT NULL, intro TEXT NOT NULL, position INTEGER NOT NULL
);
CREATE TABLE products (
  id INTEGER PRIMARY KEY, category_id INTEGER NOT NULL REFERENCES categories (id), slug TEXT NOT NULL UNIQUE,
  sku TEXT NOT NULL UNIQUE, name TEXT NOT NULL, brand TEXT NOT NULL, description TEXT NOT NULL, image TEXT NOT NULL,
  price_cents INTEGER NOT NULL, weight_grams INTEGER NOT NULL, added_on TEXT NOT NULL, updated_at INTEGER NOT NULL
);
CREATE INDEX products_category ON products (category_id);
CREATE TABLE price_tiers (
  product_id INTEGER NOT NULL REFERENCES products (id), customer_group TEXT NOT NULL, min_quantity INTEGER NOT NULL,
  price_cents INTEGER NOT NULL, PRIMARY KEY (product_id, customer_group, min_quantity)
) WITHOUT ROWID;
CREATE TABLE warehouses (id INTEGER PRIMARY KEY, name TEXT NOT NULL);
CREATE TABLE stock (
  product_id INTEGER NOT NULL REFERENCES products (id), warehouse_id INTEGER NOT NULL REFERENCES warehouses (id),
  quantity INTEGER NOT NULL CHECK (quantity >= 0), updated_at INTEGER NOT NULL, PRIMARY KEY (product_id, warehouse_id)
) WITHOUT ROWID;
CREATE INDEX stock_updated ON stock (updated_at);
CREATE INDEX products_updated ON products (updated_at);
CREATE TABLE specs (
  product_id INTEGER NOT NULL REFERENCES products (id), position INTEGER NOT NULL, name TEXT NOT NULL,
  value TEXT NOT NULL, PRIMARY KEY (product_id, position)
) WITHOUT ROWID;
CREATE TABLE reviews (
  id INTEGER PRIMARY KEY, product_id INTEGER NOT NULL REFERENCES products (id), author TEXT NOT NULL,
  stars INTEGER NOT NULL, text TEXT NOT NULL, written_on TEXT NOT NULL
);
CREATE INDEX reviews_product ON reviews (product_id);
CREATE TABLE related (
  product_id INTEGER NOT NULL REFERENCES products (id), position INTEGER NOT NULL,
  related_id INTEGER NOT NULL REFERENCES products (id), PRIMARY KEY (product_id, position)
) WITHOUT ROWID;
CREATE TABLE customers (
  id INTEGER PRIMARY KEY, email TEXT NOT NULL UNIQUE, name TEXT NOT NULL, password_hash TEXT NOT NULL,
  customer_group TEXT NOT NULL
);
CREATE TABLE orders (
  id INTEGER PRIMARY KEY, customer_id INTEGER REFERENCES customers (id), placed_at INTEGER NOT NULL, name TEXT NOT NULL,
  email TEXT NOT NULL, street TEXT NOT NULL, postcode TEXT NOT NULL, city TEXT NOT NULL, total_cents INTEGER NOT NULL
);
CREATE TABLE order_items (
  id INTEGER PRIMARY KEY, order_id INTEGER NOT NULL REFERENCES orders (id), product_id INTEGER NOT NULL,
  name TEXT NOT NULL, quantity INTEGER NOT NULL, unit_cents INTEGER NOT NULL
);
