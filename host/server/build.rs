//! Builds the bundled plugins for WebAssembly, compiles them for a baseline CPU of the target, and writes the list that
//! `src/bundled.rs` includes; packs the SDKs for `src/plugin/embedded.rs`. Two of
//! the modules belong to `millstream-plugin`, which would otherwise be built twice.

mod bundle;
#[path = "../plugin/src/guest_build.rs"]
#[expect(dead_code, reason = "the host's own uses need more of it")]
mod guest_build;
mod sdks;
#[path = "../plugin/src/engine/settings.rs"]
mod settings;

use std::error::Error;
use std::{env, path::PathBuf, process};

use wasmtime::Engine;

fn main() {
    for source in ["build.rs", "sdks.rs", "../plugin/src/guest_build.rs", "../plugin/src/engine/settings.rs"] {
        println!("cargo::rerun-if-changed={source}");
    }
    if let Err(error) = bundle::write_list(compiled).and_then(|()| embed_sdks()) {
        eprintln!("{}", bundle::shown(&*error));
        process::exit(1);
    }
}

/// The SDKs, for `millstream plugin new`.
fn embed_sdks() -> Result<(), Box<dyn Error>> {
    let root = PathBuf::from(env::var("CARGO_MANIFEST_DIR")?).join("../..").canonicalize()?;
    sdks::write_list(&root, &PathBuf::from(env::var("OUT_DIR")?))
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
