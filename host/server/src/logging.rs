//! The log: lines on standard error, filtered by `RUST_LOG`.

use tracing_subscriber::{EnvFilter, fmt};

/// Sends the log to standard error; `info` and above unless `RUST_LOG` says otherwise.
pub fn start(default: &str) {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(default));
    // A second start, in tests, leaves the first one in place.
    let _ = fmt().with_env_filter(filter).with_writer(std::io::stderr).with_target(false).try_init();
}
