//! What the SDK for C has of tests of its own: they need a C compiler, and no WebAssembly.

use std::env;
use std::path::Path;
use std::process::{Command, Stdio};

use harness::skip;

#[test]
fn the_sdk_for_c_its_examples_and_its_templates_pass_their_native_tests() {
    let compiler = env::var("CC").unwrap_or_else(|_| "cc".to_owned());
    let there = Command::new(&compiler).arg("--version").stdin(Stdio::null()).output();
    if !there.is_ok_and(|output| output.status.success()) {
        let reason = format!("no C compiler: there is no {compiler}; install gcc or clang, or name one in CC");
        assert!(env::var("MILLSTREAM_REQUIRE_PEERS").as_deref() != Ok("1"), "{reason}");
        skip(&reason);
        return;
    }
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../sdk/c/test.sh");
    let output = Command::new("sh").arg(&script).stdin(Stdio::null()).output();
    let output = output.unwrap_or_else(|error| panic!("run {}: {error}", script.display()));
    let said = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    assert!(output.status.success(), "{}{}", said(&output.stdout), said(&output.stderr));
}
