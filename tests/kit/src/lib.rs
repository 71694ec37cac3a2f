//! The conformance kit: one set of scenarios for the plugins of every language.
//!
//! `scenarios/` has what a component must do, as data. Each language has a guest of the same plugins (`GUEST.md` is their
//! specification): `guests/rust` here, `sdk/LANGUAGE/kit` for the others. The test builds them all, runs every scenario with
//! each, and prints the table. What a language cannot do stands in `cannot/LANGUAGE.txt` with the reason.

#![deny(unsafe_code)]

pub mod cannot;
pub mod guests;
pub mod table;

use std::path::{Path, PathBuf};

use millstream_plugin::Bundled;
use millstream_scenario::{Engine, EngineError, Setup};

/// Stands where the server puts code at the beginning of a page; there is none here.
macro_rules! page_aligned {
    ($path:expr) => {
        include_bytes!($path)
    };
}

/// The bundled components. What they were compiled to is kept in the build's own folder.
#[expect(unsafe_code, reason = "only this build knows that it has compiled the code itself")]
static BUNDLED: &[Bundled] = &include!(concat!(env!("OUT_DIR"), "/bundled.rs"));

/// The folder of this crate.
pub fn folder() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Files of scenarios, in the order of their names.
///
/// # Panics
///
/// The folder cannot be listed.
pub fn scenario_files() -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder().join("scenarios")).expect("the scenarios can be listed");
    let mut files: Vec<PathBuf> =
        entries.map(|entry| entry.expect("an entry of a folder can be read").path()).collect();
    files.retain(|file| file.extension().is_some_and(|extension| extension == "json"));
    files.sort();
    files
}

/// What runs scenarios with a component. `max_repeat` bounds steps that are repeated.
///
/// # Errors
///
/// The component is no usable plugin.
pub async fn engine(component: &Path, max_repeat: Option<u32>) -> Result<Engine, EngineError> {
    let setup = Setup {
        component: component.to_owned(),
        bundled: BUNDLED,
        cache_dir: Some(PathBuf::from(concat!(env!("OUT_DIR"), "/compiled"))),
        max_repeat,
        ..Setup::default()
    };
    Engine::open(setup).await
}
