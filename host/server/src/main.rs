//! The binary `millstream`: arguments, wiring, signals, logging. It decides nothing else.

#![deny(unsafe_code)]

mod adopt_command;
mod bootstrap;
mod broker_command;
mod bundled;
mod catalogue;
mod check;
mod cli;
mod cluster;
mod connector;
mod connector_files;
mod distributed;
mod embedded;
mod exit;
mod group;
mod kafka_tools;
mod log_files;
mod logging;
mod moment;
mod offset_topics;
mod otlp;
mod output;
mod plugin;
mod repair_command;
mod signals;
mod standalone;
mod start_checks;
mod time_zone;
mod topic;
mod watching;
mod worker;
mod worker_api;
mod yaml;

use std::process::ExitCode;

/// The C library's allocator costs the data path two to nine times as much.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    // The heap comes in large pieces of which little is used: huge pages would make all of it resident, and
    // clearing them costs more than they save. An older kernel that refuses only takes more memory.
    #[cfg(target_os = "linux")]
    let _ = rustix::thread::disable_transparent_huge_pages(true);
    #[cfg(unix)]
    raise_open_files();
    cli::run()
}

/// Connectors hold files and connections open: as many as the system lets this user have. Most systems give a process a
/// thousand to begin with, for programs that could not handle more.
#[cfg(unix)]
fn raise_open_files() {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

    let limit = getrlimit(Resource::Nofile);
    // Where it is refused, whoever needs one more says so.
    let _ = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, ..limit });
}
