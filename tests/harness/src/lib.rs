//! Runs the real binary for tests: a worker or a broker as a process of its own, in a folder of its
//! own, on ports of its own. Beside it the foreign programs that tests need, and a look at the memory they take.

pub mod databases;
pub mod files;
mod http;
pub mod memory;
pub mod peers;
mod process;
mod program;

use std::{
    io::Write,
    net::TcpListener,
    path::{Path, PathBuf},
    process::Command,
    sync::{Mutex, OnceLock, PoisonError},
    time::{Duration, Instant},
};

pub use http::{Answer, get, request, request_with, validated};
pub use process::{Broker, Worker};
pub use program::Program;

/// How long a test waits for something that should happen soon. Nobody waits so long unless it does not happen at all: a
/// machine that is slow and busy needs many times what an idle one does.
pub const SOON: Duration = Duration::from_secs(120);

/// Waits until `done` gives something.
///
/// # Panics
///
/// If it does not within [`SOON`]; the message says what was waited for.
#[track_caller]
pub fn eventually<T>(what: &str, done: impl FnMut() -> Option<T>) -> T {
    within(SOON, what, done)
}

/// Waits until `done` gives something, for at most `limit`.
///
/// # Panics
///
/// If it does not by then; the message says what was waited for.
#[track_caller]
pub fn within<T>(limit: Duration, what: &str, mut done: impl FnMut() -> Option<T>) -> T {
    let begin = Instant::now();
    loop {
        if let Some(value) = done() {
            return value;
        }
        assert!(begin.elapsed() < limit, "waited {limit:?} in vain: {what}");
        // Between two looks the processor belongs to what is waited for.
        std::thread::park_timeout(Duration::from_millis(5));
    }
}

/// The binary of this build, or the one that `MILLSTREAM_BINARY` names. It is built if `cargo test` of one package
/// alone has not done so.
pub fn millstream() -> &'static Path {
    static BINARY: OnceLock<PathBuf> = OnceLock::new();
    BINARY.get_or_init(|| {
        if let Some(named) = std::env::var_os("MILLSTREAM_BINARY") {
            return named.into();
        }
        let test = std::env::current_exe().expect("a test knows its own path");
        let profile = test.ancestors().find(|folder| folder.ends_with("deps")).and_then(Path::parent);
        let profile = profile.expect("tests lie in <target>/<profile>/deps");
        let binary = profile.join("millstream");
        if !binary.exists() {
            let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
            cargo.args(["build", "--package", "millstream"]).current_dir(env!("CARGO_MANIFEST_DIR"));
            if profile.ends_with("release") {
                cargo.arg("--release");
            }
            assert!(cargo.status().expect("cargo runs").success(), "the binary could not be built");
        }
        binary
    })
}

/// Says why a test does not run, past the capture of the test harness.
pub fn skip(reason: &str) {
    // Nobody is left to tell if standard error is closed.
    let _ = writeln!(std::io::stderr(), "SKIPPED: {reason}");
}

/// A port that nobody listens on, outside the range from which the system takes ports for connections: a server
/// that is started anew must find it free again.
///
/// # Panics
///
/// If there is none.
pub fn free_port() -> u16 {
    // Tests that run at once begin at different places.
    let begin = 20_000 + (std::process::id().wrapping_mul(97) % 10_000) as u16;
    // Held until it is written down: tests of one process ask at the same moment.
    let mut taken = TAKEN.lock().unwrap_or_else(PoisonError::into_inner);
    let free = (begin..32_000)
        .chain(12_000..begin)
        .find(|port| !taken.contains(port) && TcpListener::bind(("127.0.0.1", *port)).is_ok())
        .expect("a free port");
    taken.push(free);
    free
}

/// Ports that this process was given already.
static TAKEN: Mutex<Vec<u16>> = Mutex::new(Vec::new());

#[cfg(test)]
mod tests {
    use std::{collections::BTreeSet, thread};

    use super::free_port;

    #[test]
    fn ports_that_are_asked_for_at_the_same_moment_differ() {
        let asking: Vec<_> = (0..8).map(|_| thread::spawn(|| [free_port(), free_port(), free_port()])).collect();
        let ports: BTreeSet<u16> = asking.into_iter().flat_map(|asked| asked.join().unwrap()).collect();
        assert_eq!(ports.len(), 24);
    }
}
