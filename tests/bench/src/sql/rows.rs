//! The table whose rows are read, and those that are written.

use harness::databases::Database;

/// The columns of all of them: an order of a shop.
const COLUMNS: &str = "id BIGINT PRIMARY KEY, customer BIGINT NOT NULL, name TEXT NOT NULL, email TEXT, price NUMERIC(10,2) NOT NULL, \
     weight DOUBLE PRECISION, quantity INT NOT NULL, paid BOOLEAN NOT NULL, placed TIMESTAMP NOT NULL";

/// Makes the table `orders` with so many rows.
pub fn fill(database: &Database, rows: u64) {
    database.sql(&format!(
        "CREATE TABLE orders ({COLUMNS});
         INSERT INTO orders SELECT n, n % 7919, 'customer number ' || n % 7919,
             CASE WHEN n % 10 = 0 THEN NULL ELSE 'customer' || n % 7919 || '@example.org' END,
             (n * 37 % 1000000) / 100.0, n * 0.37, n % 12 + 1, n % 3 = 0,
             TIMESTAMP '2024-01-01' + n * INTERVAL '1.001 second'
             FROM generate_series(1, {rows}) n;
         ANALYZE orders"
    ));
}

/// Makes a table of the same form without a row, in place of any that was there.
pub fn empty(database: &Database, table: &str) {
    database.sql(&format!("DROP TABLE IF EXISTS {table}; CREATE TABLE {table} ({COLUMNS})"));
}

/// Checks that a table has the rows of `orders`.
///
/// # Panics
///
/// It has not.
pub fn check(database: &Database, table: &str) {
    let differ = format!("SELECT count(*) FROM (TABLE orders EXCEPT TABLE {table}) AS missing");
    assert_eq!(database.sql(&differ), "0", "rows of orders that {table} has not");
    let counts = format!("SELECT (SELECT count(*) FROM orders) - (SELECT count(*) FROM {table})");
    assert_eq!(database.sql(&counts), "0", "rows of orders without those of {table}");
}
