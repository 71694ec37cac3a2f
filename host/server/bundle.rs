//! Builds the bundled plugins for WebAssembly and writes the list of them. The build scripts of the server and of
//! the conformance runner include this file.

use std::error::Error;
use std::fmt::Write as _;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::{env, fs};

use flate2::{Compression, write::GzEncoder};

use crate::guest_build::GuestBuild;

/// Bundled plugins: packages of the workspace.
const PACKAGES: [&str; 5] = [
    "millstream-transforms",
    "millstream-plugin-file",
    "millstream-plugin-datagen",
    "millstream-plugin-http",
    "millstream-plugin-sql",
];

/// What the packages are made of, below the workspace's folder.
const SOURCES: [&str; 9] = [
    "transforms",
    "plugins",
    "sdk/rust",
    "host/record",
    "host/values",
    "host/server/bundle.rs",
    "wit",
    "Cargo.toml",
    "rust-toolchain.toml",
];

/// Writes `bundled.rs` into the build's own folder: an array of `Bundled`, with code that `compile` makes of each
/// component.
///
/// # Errors
///
/// The packages cannot be built or compiled, or a file cannot be written.
pub fn write_list(compile: impl Fn(&[u8]) -> Result<Vec<u8>, Box<dyn Error>>) -> Result<(), Box<dyn Error>> {
    let folder = PathBuf::from(env::var("CARGO_MANIFEST_DIR")?).join("../..").canonicalize()?;
    let out = PathBuf::from(env::var("OUT_DIR")?);
    for source in SOURCES {
        println!("cargo::rerun-if-changed={}", folder.join(source).display());
    }
    // `OUT_DIR` is `<target>/<profile>/build/<package>/out`; guests are the same in every profile.
    let target_dir = out.ancestors().nth(4).ok_or("OUT_DIR has too few parents")?.join("guests");
    let packages = PACKAGES.map(str::to_owned).to_vec();
    let built = GuestBuild { folder, packages, target_dir, locked: true }.run()?;
    let mut list = String::from("[\n");
    for package in PACKAGES {
        let name = package.replace('-', "_");
        let wasm = fs::read(built.join(format!("{name}.wasm")))?;
        let (packed, code) = (out.join(format!("{name}.wasm.gz")), out.join(format!("{name}.code")));
        pack(&wasm, &packed)?;
        fs::write(&code, compile(&wasm)?)?;
        writeln!(list, "// SAFETY: the build has compiled the code, into a folder of its own.")?;
        // SAFETY: said in the line above, which goes into the list, too.
        writeln!(list, "unsafe {{ Bundled::new({package:?}, include_bytes!({packed:?}), page_aligned!({code:?})) }},")?;
    }
    list.push_str("]\n");
    fs::write(out.join("bundled.rs"), list)?;
    Ok(())
}

fn pack(wasm: &[u8], path: &Path) -> Result<(), Box<dyn Error>> {
    let mut packed = GzEncoder::new(fs::File::create(path)?, Compression::best());
    packed.write_all(wasm)?;
    packed.finish()?;
    Ok(())
}

/// An error with its causes in a line.
pub fn shown(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}
