//! The sink: records as rows of tables.
//!
//! [`task`] takes the batches of a `put`. [`plan`] says what is to become of each row, and [`waves`] divides
//! them into runs of one statement each; [`fields`] says which
//! columns a record's key and value are; [`tables`] looks at the table, makes it or adds to it ([`create`]), and has the
//! statements ([`statements`]). [`once`] keeps the offsets in the database, for those who want each record exactly once.

mod check;
pub mod connector;
mod create;
mod fields;
mod keys;
mod once;
mod plan;
mod settings;
mod statements;
mod tables;
mod task;
#[cfg(test)]
mod testing;
mod waves;
