//! The source: what is new in tables, or in the rows of a query, as records.
//!
//! [`connector`] finds the tables and gives each task some of them. [`reader`] is the task's loop: of its tables
//! ([`places`]) it asks the one that is due ([`schedule`]) for what is new ([`criteria`]), up to where nothing can come any
//! more ([`horizon`]), and gives each row what belongs around it ([`envelope`]), the offset above all ([`offset`]).

mod check;
pub mod columns;
pub mod connector;
mod criteria;
mod envelope;
mod filter;
mod horizon;
pub mod keys;
mod offset;
mod places;
mod reader;
mod schedule;
pub mod settings;
