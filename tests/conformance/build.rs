//! Builds the bundled plugins for WebAssembly, as the server's build script does: the same packages into the same
//! folder, so that whoever comes second finds them built. They are compiled for this machine when they are first used.

#[path = "../../host/plugin/src/guest_build.rs"]
#[expect(dead_code, reason = "the host's own uses need more of it")]
mod guest_build;

use std::error::Error;
use std::path::PathBuf;
use std::{env, fs, process};

use guest_build::GuestBuild;

/// The packages that the server bundles, all of them, so that both builds are one.
const PACKAGES: [&str; 3] = ["millstream-transforms", "millstream-plugin-file", "millstream-plugin-datagen"];

/// What the packages are made of, below the workspace's folder.
const SOURCES: [&str; 8] =
    ["transforms", "plugins", "sdk/rust", "host/record", "host/values", "wit", "Cargo.toml", "rust-toolchain.toml"];

fn main() {
    if let Err(error) = run() {
        eprintln!("{error}");
        process::exit(1);
    }
}

fn run() -> Result<(), Box<dyn Error>> {
    let folder = PathBuf::from(env::var("CARGO_MANIFEST_DIR")?).join("../..").canonicalize()?;
    let out = PathBuf::from(env::var("OUT_DIR")?);
    for source in SOURCES {
        println!("cargo::rerun-if-changed={}", folder.join(source).display());
    }
    for source in ["build.rs", "../../host/plugin/src/guest_build.rs"] {
        println!("cargo::rerun-if-changed={source}");
    }
    // `OUT_DIR` is `<target>/<profile>/build/<package>/out`; guests are the same in every profile.
    let target_dir = out.ancestors().nth(4).ok_or("OUT_DIR has too few parents")?.join("guests");
    let packages = PACKAGES.map(str::to_owned).to_vec();
    let built = GuestBuild { folder, packages, target_dir, locked: true }.run()?;
    for package in PACKAGES {
        let file = format!("{}.wasm", package.replace('-', "_"));
        fs::copy(built.join(&file), out.join(&file))?;
    }
    Ok(())
}
