//! Work on whole columns that the host does for the plugin (`host-columns`).
//!
//! A plugin in Rust reads and writes batches itself, which is faster; this is here for tests of the host, and for what the
//! host knows and the plugin would have to bring along, such as Java's regular expressions. The contract's own comments say
//! what each operation does, and when it fails. Tables and columns mean something until the running call returns.
//!
//! Only a worker does this: in native tests every operation fails, and says so.

#[cfg(target_arch = "wasm32")]
use crate::bindings::host_columns;
use crate::{ErrorKind, Result};

/// A batch that the host has open for editing.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Table(u32);

/// A column that the host holds.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Column(u32);

/// A column, and why some of its rows could not be made.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Made {
    /// Null where it could not be done.
    pub column: Column,
    /// Texts, absent for all other rows; made to be given to [`fail`].
    pub failed: Option<Column>,
}

#[cfg(target_arch = "wasm32")]
impl Made {
    fn of(made: host_columns::Made) -> Self {
        Self { column: Column(made.column), failed: made.failed.map(Column) }
    }
}

#[cfg(target_arch = "wasm32")]
fn own<T>(value: T) -> T {
    value
}

#[cfg(target_arch = "wasm32")]
fn optional(column: Option<u32>) -> Option<Column> {
    column.map(Column)
}

#[cfg(target_arch = "wasm32")]
fn owned(texts: &[&str]) -> Vec<String> {
    texts.iter().map(|&text| text.to_owned()).collect()
}

#[cfg(target_arch = "wasm32")]
fn numbers_of(columns: &[Column]) -> Vec<u32> {
    columns.iter().map(|column| column.0).collect()
}

/// Functions of the host's, each as it is called, and how its answer is taken.
macro_rules! operations {
    ($(
        $(#[doc = $doc:literal])+
        $name:ident($($argument:ident: $type:ty = $lowered:expr),*) -> $made:ty = $lift:expr;
    )*) => {
        $(
            $(#[doc = $doc])+
            ///
            /// # Errors
            ///
            /// As the contract has it; always in native tests.
            #[cfg_attr(not(target_arch = "wasm32"), allow(unused_variables))]
            pub fn $name($($argument: $type),*) -> Result<$made> {
                #[cfg(target_arch = "wasm32")]
                return Ok(host_columns::$name($($lowered),*).map($lift)?);
                #[cfg(not(target_arch = "wasm32"))]
                Err(crate::Error::fatal(concat!(
                    stringify!($name),
                    ": columns are the host's work, which a native test does not have: run the plugin in a worker",
                )))
            }
        )*
    };
}

operations! {
    /// The batch of the running call. Its focus is what the chain's conditions leave.
    input() -> Table = Table;
    /// The batch that was read last from a database, within this call.
    queried() -> Table = Table;
    /// So many rows without anything.
    make(rows: u32 = rows) -> Table = Table;
    /// Rows, also those that are not under way.
    rows(table: Table = table.0) -> u32 = own;
    /// Where rows are under way, and in focus.
    selected(table: Table = table.0) -> Column = Column;
    /// Limits what follows to rows for which a condition holds; `None` ends that.
    focus(table: Table = table.0, condition: Option<Column> = condition.map(|column| column.0)) -> () = own;
    /// Filters rows for which a condition does not hold.
    keep(table: Table = table.0, condition: Column = condition.0) -> () = own;
    /// Fails the rows that have a message.
    fail(table: Table = table.0, messages: Column = messages.0, link: u32 = link, kind: ErrorKind = crate::convert::lower_kind(kind), class: &str = class) -> () = own;
    /// Makes of each row as many as said; the old row of each new one.
    repeat(table: Table = table.0, counts: &[u32] = counts) -> Vec<u32> = own;
    /// The table is what the call returns: the plugin's own answer is then without a batch.
    answer(table: Table = table.0) -> () = own;
    /// Where the predicate holds; the plugin's own verdict is then empty.
    answer_verdict(holds: Column = holds.0, failed: Option<Column> = failed.map(|column| column.0)) -> () = own;
    /// The table as a batch of bytes.
    write(table: Table = table.0) -> Vec<u8> = own;
    /// A table of a batch that the plugin has.
    read(records: &[u8] = records) -> Table = Table;
    /// What a path leads to, such as `["value", "price"]`; `None` if no row has it.
    get(table: Table = table.0, path: &[&str] = &owned(path)) -> Option<Column> = optional;
    /// Names of what there is below a path, in any row.
    names(table: Table = table.0, path: &[&str] = &owned(path)) -> Vec<String> = own;
    /// Puts a column where a path leads.
    set(table: Table = table.0, path: &[&str] = &owned(path), column: Column = column.0) -> () = own;
    /// Takes out what a path leads to.
    drop(table: Table = table.0, path: &[&str] = &owned(path)) -> () = own;
    /// Gives a field, or headers, another name.
    rename(table: Table = table.0, path: &[&str] = &owned(path), name: &str = name) -> () = own;
    /// Each value as text. Null and absent are `None`.
    texts(column: Column = column.0) -> Vec<Option<String>> = own;
    /// Numbers and instants. Null and absent are `None`.
    numbers(column: Column = column.0) -> Vec<Option<f64>> = own;
    /// Booleans. Null and absent are `None`.
    booleans(column: Column = column.0) -> Vec<Option<bool>> = own;
    /// All values as one JSON array.
    to_json(column: Column = column.0) -> String = own;
    /// A column of texts.
    from_texts(values: &[Option<String>] = values) -> Column = Column;
    /// A column of floating-point numbers.
    from_numbers(values: &[Option<f64>] = values) -> Column = Column;
    /// A column of booleans.
    from_booleans(values: &[Option<bool>] = values) -> Column = Column;
    /// The elements of a JSON array, under a schema in JsonConverter's form or without one.
    from_json(text: &str = text, schema: Option<&str> = schema) -> Made = Made::of;
    /// The elements of a JSON array, each under the schema of the same row of another column.
    from_json_like(text: &str = text, like: Column = like.0) -> Made = Made::of;
    /// A JSON value as a constant.
    constant(json: &str = json) -> Column = Column;
    /// A constant text.
    constant_text(text: &str = text) -> Column = Column;
    /// The constant that is absent.
    absent() -> Column = Column;
    /// The host's clock, as a constant.
    now() -> Column = Column;
    /// How many rows a column has, a constant 1.
    length(column: Column = column.0) -> u32 = own;
    /// What a column holds, as JSON.
    about(column: Column = column.0) -> String = own;
    /// The columns are not needed any more.
    release(columns: &[Column] = &numbers_of(columns)) -> () = own;
    /// Values as another type: `int64`, `string`, `timestamp`, ….
    cast(column: Column = column.0, to: &str = to) -> Made = Made::of;
    /// Bytes as text: `utf-8`, `base64` or `hex`.
    to_text(column: Column = column.0, encoding: &str = encoding) -> Made = Made::of;
    /// Text as bytes.
    to_bytes(column: Column = column.0, encoding: &str = encoding) -> Made = Made::of;
    /// Each text as the JSON that it holds.
    parse_json(column: Column = column.0, schema: Option<&str> = schema) -> Made = Made::of;
    /// Each value as a text of JSON.
    write_json(column: Column = column.0) -> Column = Column;
    /// The same values without their schemas.
    schemaless(column: Column = column.0) -> Column = Column;
    /// Structs of columns, or maps if one of them has data without a schema.
    pack(names: &[&str] = &owned(names), columns: &[Column] = &numbers_of(columns), name: Option<&str> = name) -> Column = Column;
    /// In upper case.
    upper(column: Column = column.0) -> Column = Column;
    /// In lower case.
    lower(column: Column = column.0) -> Column = Column;
    /// Without white space at both ends.
    trim(column: Column = column.0) -> Column = Column;
    /// Some of the characters.
    substring(column: Column = column.0, start: u32 = start, count: Option<u32> = count) -> Column = Column;
    /// How many characters.
    characters(column: Column = column.0) -> Column = Column;
    /// Texts one behind the other.
    concat(columns: &[Column] = &numbers_of(columns), separator: &str = separator) -> Column = Column;
    /// Replaces what a regular expression of Java's finds: all, or the first.
    replace(column: Column = column.0, pattern: &str = pattern, replacement: &str = replacement, all: bool = all) -> Column = Column;
    /// What a group of a regular expression found first.
    extract(column: Column = column.0, pattern: &str = pattern, group: u32 = group) -> Column = Column;
    /// Where a regular expression finds something.
    matches(column: Column = column.0, pattern: &str = pattern) -> Column = Column;
    /// Where a text has another in it.
    contains(column: Column = column.0, text: Column = text.0) -> Column = Column;
    /// A digest of texts or bytes: `sha-256` or `sha-512`.
    hash(column: Column = column.0, algorithm: &str = algorithm) -> Column = Column;
    /// The sum.
    add(left: Column = left.0, right: Column = right.0) -> Column = Column;
    /// The difference.
    subtract(left: Column = left.0, right: Column = right.0) -> Column = Column;
    /// The product.
    multiply(left: Column = left.0, right: Column = right.0) -> Column = Column;
    /// The quotient.
    divide(left: Column = left.0, right: Column = right.0) -> Column = Column;
    /// The remainder.
    remainder(left: Column = left.0, right: Column = right.0) -> Column = Column;
    /// Where values are equal.
    equal(left: Column = left.0, right: Column = right.0) -> Column = Column;
    /// Where the left value is less.
    less(left: Column = left.0, right: Column = right.0) -> Column = Column;
    /// Where the left value is less or equal.
    at_most(left: Column = left.0, right: Column = right.0) -> Column = Column;
    /// Where there is null or nothing.
    is_null(column: Column = column.0) -> Column = Column;
    /// Where there is something, be it null.
    is_present(column: Column = column.0) -> Column = Column;
    /// Where both conditions hold.
    both(left: Column = left.0, right: Column = right.0) -> Column = Column;
    /// Where one of the conditions holds, or both do.
    either(left: Column = left.0, right: Column = right.0) -> Column = Column;
    /// Where a condition does not hold.
    inverse(condition: Column = condition.0) -> Column = Column;
    /// Values of one column where a condition holds, else of another.
    choose(condition: Column = condition.0, holds: Column = holds.0, otherwise: Column = otherwise.0) -> Column = Column;
    /// The first of the columns that has a value in a row.
    coalesce(columns: &[Column] = &numbers_of(columns)) -> Column = Column;
}
