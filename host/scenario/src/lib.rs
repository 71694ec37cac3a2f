//! Scenarios: what a plugin is to do, as data, run by the plugin host that workers have.
//!
//! `README.md` beside this crate says what a scenario file holds. [`Engine`] runs files; [`notation`] is how values and
//! schemas stand in them. A scenario plays the worker's part towards a plugin's roles, call by call, with the contexts of
//! [`millstream_connector`] answered from memory: no topic, no broker and no worker are needed, and what a plugin asks for is
//! seen at the call in which it asks. How tasks and offsets go on from there is the runtime's business, which has tests of
//! its own.

#![forbid(unsafe_code)]

mod engine;
mod expect;
mod lines;
mod members;
pub mod notation;
pub mod page;
mod record;
mod run;
mod scenario;
mod server;
mod world;
mod written;

pub use engine::{Difference, Engine, EngineError, FileError, FileReport, Mode, ScenarioReport, Setup};
pub use record::{Record, batch};
pub use written::{Named, payload as write_payload, schema as write_schema};

/// Names of the scenarios in the text of a file, in their order.
///
/// # Errors
///
/// `LINE: what is wrong with it`.
pub fn names(text: &str) -> Result<Vec<String>, String> {
    let json = serde_json::from_str(text).map_err(|error| format!("{}: {error}", error.line()))?;
    let all = scenario::read(&json).map_err(|fault| format!("{}: {}", fault.at.line_in(text), fault.message))?;
    Ok(all.into_iter().map(|scenario| scenario.name).collect())
}
