//! Setting up the catalogue when a worker starts.

use std::io::Read;
use std::path::PathBuf;
use std::sync::Arc;

use flate2::read::GzDecoder;
use millstream_record::Chain as Causes;
use sha2::{Digest, Sha256};

use super::discover::{self, PluginFileError, PluginProblem};
use super::file::{ComponentFile, keep, load_cached};
use super::{Host, Registered, WasmPlugins};
use crate::cache::{CacheError, CompiledCache};
use crate::component::{ComponentError, Loaded};
use crate::describe::{Description, DescriptionError};
use crate::engine::{EngineError, PluginEngine, hex};
use crate::limits::PluginLimits;

/// A plugin inside the host's own binary.
#[derive(Clone, Copy, Debug)]
pub struct Bundled {
    /// Name for messages.
    pub name: &'static str,
    /// The component, in gzip format: it is needed only where the code does not fit.
    pub wasm: &'static [u8],
    /// The component compiled for a baseline CPU; empty if the build could not. Where it begins at the
    /// beginning of a page it is run where it is, else it is copied.
    pub code: &'static [u8],
}

/// Why a worker's plugins could not be set up. Damaged plugin files are no reason: they are skipped.
#[derive(Debug, thiserror::Error)]
#[expect(missing_docs, reason = "the messages say what the variants and fields are")]
pub enum StartError {
    #[error("start the plugin engine")]
    Engine(#[from] EngineError),
    #[error("open the plugin cache (plugin.cache.dir)")]
    Cache(#[from] CacheError),
    #[error("use the bundled plugin {name}")]
    Bundled { name: &'static str, source: Box<ComponentError> },
    #[error("read what the bundled plugin {name} says of itself")]
    BundledDescription { name: &'static str, source: DescriptionError },
}

impl Host {
    /// Engine and cache as the limits say.
    pub(super) fn new(limits: PluginLimits) -> Result<Self, StartError> {
        let engine = PluginEngine::new(&limits)?;
        let cache = match &limits.cache_dir {
            None => None,
            Some(folder) => Some(CompiledCache::open(folder, engine.code_version())?),
        };
        let allow_files = limits.allow_files.clone().map(Arc::from);
        Ok(Self { engine, limits, cache, allow_files })
    }
}

impl WasmPlugins {
    /// Takes the bundled plugins and looks through the folders of `plugin.path`.
    ///
    /// Known files are hashed and not compiled. A new one is compiled into the cache, which takes from tenths
    /// of a second to ten seconds.
    ///
    /// # Errors
    ///
    /// When the engine or the cache cannot be set up, or a bundled plugin is unusable. What is wrong with files
    /// stands in [`WasmPlugins::problems`].
    pub async fn start(limits: PluginLimits, plugin_path: &[PathBuf], bundled: &[Bundled]) -> Result<Self, StartError> {
        let host = Arc::new(Host::new(limits)?);
        let mut all = Vec::new();
        for plugin in bundled {
            all.extend(take_bundled(&host, plugin).await?);
        }
        let found = discover::look_through(&host, plugin_path).await;
        all.extend(found.plugins);
        let mut plugins = Self::new(host, all, found.problems);
        let java = discover::java_problems(&found.java, &plugins.all);
        plugins.problems.extend(java);
        for PluginProblem { path, problem } in &plugins.problems {
            tracing::warn!(path = %path.display(), problem = %Causes(problem), "a plugin is skipped");
        }
        Ok(plugins)
    }
}

async fn take_bundled(host: &Arc<Host>, bundled: &Bundled) -> Result<Vec<Arc<Registered>>, StartError> {
    let name = bundled.name;
    let failed = |source| StartError::Bundled { name, source: Box::new(source) };
    let (loaded, json) = load_bundled(host, bundled).await.map_err(failed)?;
    let description = Description::parse(&json).map_err(|source| StartError::BundledDescription { name, source })?;
    discover::expect_fitting(&description, &loaded.exports).map_err(|error| match error {
        PluginFileError::Component(source) => failed(source),
        other => failed(ComponentError::Unfitting { problem: other.to_string() }),
    })?;
    let component = Arc::new(ComponentFile::bundled(loaded));
    Ok(description
        .plugins
        .into_iter()
        .map(|plugin| Arc::new(Registered::new(plugin, Arc::clone(&component))))
        .collect())
}

/// Loads a bundled plugin and asks it what it carries; compiles it, into the cache, only if its code does not
/// fit this machine.
async fn load_bundled(host: &Host, bundled: &Bundled) -> Result<(Loaded, String), ComponentError> {
    let Bundled { name, wasm, code } = *bundled;
    let describe = async |loaded: &Loaded| loaded.describe(&host.engine, &host.limits, name).await;
    let misfit = match Loaded::from_binary(&host.engine, code) {
        Ok(loaded) => {
            let description = describe(&loaded).await?;
            return Ok((loaded, description));
        }
        Err(error) => error,
    };
    let wasm = unpacked(wasm)?;
    let content = hex(&Sha256::digest(&wasm));
    if let Some(loaded) = load_cached(host, &content) {
        let description = describe(&loaded).await?;
        return Ok((loaded, description));
    }
    tracing::info!(reason = %Causes(&misfit), "a bundled plugin is compiled for this machine");
    let code = Loaded::compile(&host.engine, &wasm)?;
    let loaded = Loaded::from_code(&host.engine, &code)?;
    let description = describe(&loaded).await?;
    keep(host, &content, &description, &code);
    Ok((loaded, description))
}

fn unpacked(wasm: &[u8]) -> Result<Vec<u8>, ComponentError> {
    let mut bytes = Vec::new();
    GzDecoder::new(wasm).read_to_end(&mut bytes).map_err(|source| ComponentError::Unpack { source })?;
    Ok(bytes)
}
