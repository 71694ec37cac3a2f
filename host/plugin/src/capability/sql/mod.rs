//! Databases that configuration keys name: PostgreSQL, MySQL and MariaDB, SQLite.
//!
//! `url` reads a JDBC URL, `connect` opens what it names, `session` is one connection with its deadlines, `rows` makes a
//! query's rows columns, `statement` writes the rows of batches. What differs between the databases stands below
//! `postgres`, `mysql` and `sqlite`. The guest knows none of user, password and TLS: `declare` says what it sees instead.

mod bindings;
mod cancel;
mod check;
mod clock;
mod columns;
mod connect;
mod declare;
mod error;
mod link;
mod mysql;
mod numeric;
mod options;
mod placeholders;
mod postgres;
mod rows;
mod session;
mod sqlite;
mod state;
mod statement;
mod url;

#[cfg(test)]
mod tests;

pub use check::AllowedSql;
pub(crate) use error::SqlError;
pub(crate) use options::Parameter;
pub use rows::OpenRows;
pub use session::OpenDatabase;
pub(crate) use state::{SqlAccess, SqlLimits};
pub use statement::OpenStatement;

use super::{Capability, Declare};

pub(super) const CAPABILITY: Capability = Capability {
    declare: Some(Declare { word: declare::WORD, read: declare::read }),
    want: None,
    link: &link::INTERFACES,
};
