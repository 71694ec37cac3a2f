//! What guests of this version import: between its generated types and the functions of the capabilities.

mod columns;
mod files;
mod lease;
mod log;
mod metrics;
mod report;
mod sql;
mod wait;
mod worker;

use super::imports::types;
use crate::instance::GuestState;

impl types::Host for GuestState {}
