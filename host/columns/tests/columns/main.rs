//! Work on columns as plugins ask for it, against batches of every shape.

mod conversions;
mod edits;
mod misuse;
mod operations;
mod rows;
mod support;
