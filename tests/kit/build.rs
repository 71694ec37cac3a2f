//! Builds the bundled plugins for WebAssembly, as the server's build script does: the same packages into the same
//! folder, so that whoever comes second finds them built. They are compiled for this machine when they are first used.

#[path = "../../host/server/bundle.rs"]
mod bundle;
#[path = "../../host/plugin/src/guest_build.rs"]
#[expect(dead_code, reason = "the host's own uses need more of it")]
mod guest_build;

use std::process;

fn main() {
    for source in ["build.rs", "../../host/plugin/src/guest_build.rs"] {
        println!("cargo::rerun-if-changed={source}");
    }
    if let Err(error) = bundle::write_list(|_| Ok(Vec::new())) {
        eprintln!("{}", bundle::shown(&*error));
        process::exit(1);
    }
}
