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
mod repair_command;
mod signals;
mod standalone;
mod start_checks;
mod topic_command;

use std::process::ExitCode;

/// The C library's allocator costs the data path two to nine times as much.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    // The heap comes in large pieces of which little is used: huge pages would make all of it resident, and
    // clearing them costs more than they save. An older kernel that refuses only takes more memory.
    #[cfg(target_os = "linux")]
    let _ = rustix::thread::disable_transparent_huge_pages(true);
    cli::run()
}
