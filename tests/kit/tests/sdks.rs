//! What the SDKs have of tests of their own, in their languages' own tools: they need no WebAssembly. `cargo test` of the
//! workspace runs those of Rust.

use std::env;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use harness::peers;

fn sdk(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../sdk").join(name)
}

/// Whether a program is there; if not, it is said how to get it, and required where peers are.
fn have(program: &str, version: &str, get: &str) -> bool {
    let there = Command::new(program).arg(version).stdin(Stdio::null()).output();
    let is_there = there.is_ok_and(|output| output.status.success());
    if !is_there {
        peers::miss(&format!("there is no {program}: {get}"));
    }
    is_there
}

/// Runs a command, and shows what it said if it fails.
#[track_caller]
fn succeeds(folder: &Path, command: &[&str]) {
    let output = Command::new(command[0]).args(&command[1..]).current_dir(folder).stdin(Stdio::null()).output();
    let output = output.unwrap_or_else(|error| panic!("run {command:?}: {error}"));
    let said = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    assert!(output.status.success(), "{command:?}:\n{}{}", said(&output.stdout), said(&output.stderr));
}

#[test]
fn the_sdk_for_c_its_examples_and_its_templates_pass_their_native_tests() {
    let compiler = env::var("CC").unwrap_or_else(|_| "cc".to_owned());
    if have(&compiler, "--version", "install gcc or clang, or name one in CC") {
        succeeds(&sdk("c"), &["sh", "test.sh"]);
    }
}

#[test]
fn the_sdk_for_go_and_its_examples_pass_their_tests() {
    if have("go", "version", "install Go 1.24 or newer") {
        succeeds(&sdk("go"), &["go", "vet", "./..."]);
        succeeds(&sdk("go"), &["go", "test", "./..."]);
    }
}

#[test]
fn the_sdk_for_python_passes_its_tests() {
    if have("python3", "--version", "install Python 3.11 or newer") {
        succeeds(&sdk("python"), &["python3", "test.py"]);
    }
}

#[test]
fn the_sdk_for_typescript_passes_its_tests() {
    if have("npm", "--version", "install Node 20 or newer") {
        let folder = sdk("typescript");
        // Into its own folder, once.
        if !folder.join("node_modules/esbuild").is_dir() {
            succeeds(&folder, &["npm", "install", "--no-audit", "--no-fund", "--no-package-lock"]);
        }
        succeeds(&folder, &["npm", "test"]);
    }
}
