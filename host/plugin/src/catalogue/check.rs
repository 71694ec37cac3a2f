//! Looking at one plugin file closely, for the command line.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use millstream_connector::PluginInfo;
use sha2::{Digest, Sha256};

use super::StartError;
use super::discover::{PluginFileError, off_the_runtime, take_file};
use super::start::set_up;
use crate::component::{ComponentError, Host, Loaded, compile_logged, load_cached};
use crate::engine::hex;
use crate::limits::PluginLimits;

/// What a plugin file proved to be.
#[derive(Clone, Debug)]
pub struct CheckedPlugin {
    /// Its plugins.
    pub plugins: Vec<Arc<PluginInfo>>,
    /// Size of the file, in bytes.
    pub bytes: u64,
    /// How long it took to compile it, or to find it in the cache, and to have it describe itself.
    pub took: Duration,
    /// Version of the contract that it is for: `0.1.0`.
    pub contract: &'static str,
    /// The interfaces that it imports, in alphabetical order: `millstream:connect/host-log@0.1.0`.
    pub imports: Vec<String>,
    /// How long it takes to make an instance of it.
    pub instantiated_in: Duration,
    /// What an instance holds that has only described itself, in bytes.
    pub memory: u64,
    /// The most that an instance may hold under a worker's usual configuration, in bytes.
    pub memory_max: u64,
}

/// Compiles a file as a worker would, and asks it what it carries.
///
/// # Errors
///
/// The engine cannot be set up, or, in the inner result, the file cannot be used as a plugin.
pub async fn check_file(
    limits: PluginLimits,
    path: &Path,
) -> Result<Result<CheckedPlugin, PluginFileError>, StartError> {
    let host = Arc::new(set_up(limits)?);
    let begin = Instant::now();
    let bytes = match std::fs::metadata(path) {
        Ok(metadata) => metadata.len(),
        Err(source) => return Ok(Err(PluginFileError::Read { source })),
    };
    if path.extension().is_some_and(|extension| extension == "jar") {
        return Ok(Err(PluginFileError::Java { nearest: None }));
    }
    let plugins = match take_file(&host, path).await {
        Ok(plugins) => plugins,
        Err(problem) => return Ok(Err(problem)),
    };
    let took = begin.elapsed();
    Ok(looked_at(&host, path).await.map(|Looked { contract, imports, instantiated_in, memory }| CheckedPlugin {
        plugins: plugins.iter().map(|plugin| Arc::clone(&plugin.info)).collect(),
        bytes,
        took,
        contract,
        imports,
        instantiated_in,
        memory,
        memory_max: host.limits.memory_max as u64,
    }))
}

/// What a component shows that it does not describe.
struct Looked {
    contract: &'static str,
    imports: Vec<String>,
    instantiated_in: Duration,
    memory: u64,
}

async fn looked_at(host: &Arc<Host>, path: &Path) -> Result<Looked, PluginFileError> {
    let (theirs, path) = (Arc::clone(host), path.to_owned());
    let loaded = off_the_runtime(move || {
        let wasm = std::fs::read(&path).map_err(|source| PluginFileError::Read { source })?;
        // It has just been put there; without a cache it is compiled once more.
        if let Some(loaded) = load_cached(&theirs, &hex(&Sha256::digest(&wasm))) {
            return Ok(loaded);
        }
        let code = compile_logged(&theirs, &path, &wasm).map_err(PluginFileError::Component)?;
        Loaded::from_code(&theirs.engine, &code).map_err(PluginFileError::Component)
    });
    let loaded = loaded.await?;
    let begin = Instant::now();
    let describing = loaded.describing(&host.engine, &host.limits, "check").await;
    let (instantiated_in, mut guest) =
        describing.map(|guest| (begin.elapsed(), guest)).map_err(PluginFileError::Component)?;
    let described = loaded.exports.describe(&mut guest).await;
    described.map_err(|source| PluginFileError::Component(ComponentError::Describe { source }))?;
    Ok(Looked {
        contract: loaded.contract(),
        imports: loaded.imports(&host.engine),
        instantiated_in,
        memory: guest.held_bytes() as u64,
    })
}
