//! The binary `millstream`: arguments, wiring, signals, logging. It decides nothing else.

mod bootstrap;
mod broker_command;
mod bundled;
mod catalogue;
mod cli;
mod embedded;
mod exit;
mod kafka_tools;
mod logging;
mod plugin_command;
mod signals;
mod standalone;
mod topic_command;

use std::process::ExitCode;

/// The C library's allocator costs the data path two to nine times as much.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    cli::run()
}
