//! Runs the real binary for tests: a worker or a broker as a process of its own, in a folder of its
//! own, on ports of its own.

mod http;
mod process;

use std::{
    path::{Path, PathBuf},
    process::Command,
    sync::OnceLock,
    time::{Duration, Instant},
};

pub use http::{Answer, get, request};
pub use process::{Broker, Worker};

/// How long a test waits for something that should happen soon.
pub const SOON: Duration = Duration::from_secs(60);

/// Waits until `done` gives something.
///
/// # Panics
///
/// If it does not within [`SOON`]; the message says what was waited for.
#[track_caller]
pub fn eventually<T>(what: &str, mut done: impl FnMut() -> Option<T>) -> T {
    let begin = Instant::now();
    loop {
        if let Some(value) = done() {
            return value;
        }
        assert!(begin.elapsed() < SOON, "waited {SOON:?} in vain: {what}");
        // Between two looks the processor belongs to what is waited for.
        std::thread::park_timeout(Duration::from_millis(5));
    }
}

/// The binary of this build. It is built if `cargo test` of one package alone has not done so.
pub fn millstream() -> &'static Path {
    static BINARY: OnceLock<PathBuf> = OnceLock::new();
    BINARY.get_or_init(|| {
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
