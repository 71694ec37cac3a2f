//! Builds the bundled plugins for WebAssembly, compiles them for a baseline CPU of the target, and writes the list that
//! `src/bundled.rs` includes. The two modules belong to `millstream-plugin`, which would otherwise be built twice.

#[path = "../plugin/src/guest_build.rs"]
#[expect(dead_code, reason = "the host's own uses need more of it")]
mod guest_build;
#[path = "../plugin/src/engine/settings.rs"]
mod settings;

use std::error::Error;
use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::{env, fs, process};

use guest_build::GuestBuild;
use wasmtime::Engine;

/// Bundled plugins: packages of the workspace.
const PACKAGES: [&str; 3] = ["millstream-transforms", "millstream-plugin-file", "millstream-plugin-datagen"];

/// What the packages are made of, below the workspace's folder.
const SOURCES: [&str; 8] =
    ["transforms", "plugins", "sdk/rust", "host/record", "host/values", "wit", "Cargo.toml", "rust-toolchain.toml"];

fn main() {
    if let Err(error) = run() {
        let mut text = error.to_string();
        let mut cause = error.source();
        while let Some(error) = cause {
            text = format!("{text}: {error}");
            cause = error.source();
        }
        eprintln!("{text}");
        process::exit(1);
    }
}

fn run() -> Result<(), Box<dyn Error>> {
    let folder = PathBuf::from(env::var("CARGO_MANIFEST_DIR")?).join("../..").canonicalize()?;
    let out = PathBuf::from(env::var("OUT_DIR")?);
    for source in SOURCES {
        println!("cargo::rerun-if-changed={}", folder.join(source).display());
    }
    for source in ["build.rs", "../plugin/src/guest_build.rs", "../plugin/src/engine/settings.rs"] {
        println!("cargo::rerun-if-changed={source}");
    }
    // `OUT_DIR` is `<target>/<profile>/build/<package>/out`; guests are the same in every profile.
    let target_dir = out.ancestors().nth(4).ok_or("OUT_DIR has too few parents")?.join("guests");
    let packages = PACKAGES.map(str::to_owned).to_vec();
    let built = GuestBuild { folder, packages, target_dir, locked: true }.run()?;
    let mut list = String::from("[\n");
    for package in PACKAGES {
        let name = package.replace('-', "_");
        let wasm = fs::read(built.join(format!("{name}.wasm")))?;
        fs::write(out.join(format!("{name}.wasm")), &wasm)?;
        fs::write(out.join(format!("{name}.code")), compiled(&wasm)?)?;
        writeln!(
            list,
            "    millstream_plugin::Bundled {{ name: {package:?}, wasm: {}, code: {} }},",
            included(&out, &name, "wasm"),
            included(&out, &name, "code")
        )?;
    }
    list.push_str("]\n");
    fs::write(out.join("bundled.rs"), list)?;
    Ok(())
}

/// Code for the target, or nothing if Cranelift was not built for it: then the host compiles at its first start.
fn compiled(wasm: &[u8]) -> Result<Vec<u8>, Box<dyn Error>> {
    let target = env::var("TARGET")?;
    let engine = settings::compile_settings(Some(&target)).and_then(|settings| Engine::new(&settings));
    match engine {
        Ok(engine) => Ok(engine.precompile_component(wasm)?),
        Err(error) => {
            println!("cargo::warning=bundled plugins are not precompiled for {target}: {error}");
            Ok(Vec::new())
        }
    }
}

fn included(out: &Path, name: &str, extension: &str) -> String {
    format!("include_bytes!({:?})", out.join(format!("{name}.{extension}")))
}
