//! Setting up the catalogue when a worker starts.

use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use flate2::read::GzDecoder;
use millstream_record::Chain as Causes;
use sha2::{Digest, Sha256};
use tokio::sync::watch;
use tokio::task::spawn_blocking;

use super::discover::{self, PluginFileError, PluginProblem};
use super::file::{ComponentFile, keep, load_cached};
use super::known::Known;
use super::{Host, Registered, WasmPlugins};
use crate::cache::{CacheError, CompiledCache};
use crate::component::{ComponentError, Loaded};
use crate::describe::{Description, DescriptionError};
use crate::engine::{EngineError, PluginEngine, hex};
use crate::limits::PluginLimits;

/// A plugin inside the host's own binary.
#[derive(Clone, Copy, Debug)]
pub struct Bundled {
    name: &'static str,
    wasm: &'static [u8],
    code: &'static [u8],
}

impl Bundled {
    /// A plugin with its name for messages, the component in gzip format, which is needed only where the code does not
    /// fit, and the component compiled for a baseline CPU; that is empty if the build could not. Where the code begins
    /// at the beginning of a page it is run where it is, else it is copied.
    ///
    /// # Safety
    ///
    /// The code, or a beginning of it, is what wasmtime made of a component, and nobody has changed it since: it is run
    /// in the host.
    pub const unsafe fn new(name: &'static str, wasm: &'static [u8], code: &'static [u8]) -> Self {
        Self { name, wasm, code }
    }

    pub(crate) fn code(&self) -> &'static [u8] {
        self.code
    }
}

/// Why a worker's plugins could not be set up. Damaged plugin files are no reason: they are skipped.
#[derive(Debug, thiserror::Error)]
#[expect(missing_docs, reason = "the messages say what the variants and fields are")]
pub enum StartError {
    #[error("start the plugin engine")]
    Engine(#[from] EngineError),
    #[error("open the plugin cache (plugin.cache.dir)")]
    Cache(#[from] CacheError),
    #[error("look at the plugins")]
    Look { source: io::Error },
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
            Some(folder) => Some(CompiledCache::open(folder, engine.code_version(), limits.cache_max)?),
        };
        let allow_files = limits.allow_files.clone().map(Arc::from);
        Ok(Self { engine, limits, cache, allow_files })
    }
}

impl WasmPlugins {
    /// Takes the bundled plugins and looks through the folders of `plugin.path`.
    ///
    /// Known files are hashed and not compiled. New ones are compiled into the cache after this has returned, one
    /// after the other on `plugin.compile.threads` threads; see [`WasmPlugins::settled`].
    ///
    /// # Errors
    ///
    /// When the engine or the cache cannot be set up, or a bundled plugin is unusable. What is wrong with files is
    /// logged, and stands in [`WasmPlugins::problems`].
    pub async fn start(limits: PluginLimits, plugin_path: &[PathBuf], bundled: &[Bundled]) -> Result<Self, StartError> {
        let host = Arc::new(Host::new(limits)?);
        let mut all = Vec::new();
        for plugin in bundled {
            all.extend(take_bundled(&host, plugin).await?);
        }
        let (theirs, folders) = (Arc::clone(&host), plugin_path.to_owned());
        let found = spawn_blocking(move || discover::look_through(&theirs, &folders)).await;
        let found = found.map_err(|source| StartError::Look { source: io::Error::other(source) })?;
        all.extend(found.plugins);
        let mut problems = found.problems;
        problems.extend(discover::java_problems(&found.java, &all));
        problems.iter().for_each(report);
        let problems = problems.into_iter().map(Arc::new).collect();
        let (sender, known) = watch::channel(Arc::new(Known::new(all, problems, found.new.clone())));
        let compiling = tokio::spawn(compile_all(Arc::clone(&host), found.new, sender)).abort_handle();
        Ok(Self { host, known, compiling })
    }
}

/// Compiles new files one after the other, and makes known what is in each.
async fn compile_all(host: Arc<Host>, files: Vec<PathBuf>, known: watch::Sender<Arc<Known>>) {
    for path in files {
        let outcome = discover::take_file(&host, &path).await;
        let outcome = outcome.map_err(|problem| PluginProblem { path: path.clone(), problem });
        match &outcome {
            Ok(plugins) => {
                let classes: Vec<&str> = plugins.iter().map(|plugin| plugin.info.class.as_str()).collect();
                tracing::info!(path = %path.display(), "new plugins are ready: {}", classes.join(", "));
            }
            Err(problem) => report(problem),
        }
        known.send_modify(|known| *known = Arc::new(known.with(&path, outcome)));
    }
}

/// The one place where a file that is no plugin is spoken of.
fn report(PluginProblem { path, problem }: &PluginProblem) {
    tracing::warn!(path = %path.display(), problem = %Causes(problem), "a plugin is skipped");
}

async fn take_bundled(host: &Arc<Host>, bundled: &Bundled) -> Result<Vec<Arc<Registered>>, StartError> {
    let name = bundled.name;
    let failed = |source| StartError::Bundled { name, source: Box::new(source) };
    let (loaded, json) = load_bundled(host, bundled).await?;
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
async fn load_bundled(host: &Arc<Host>, bundled: &Bundled) -> Result<(Loaded, String), StartError> {
    let Bundled { name, wasm, .. } = *bundled;
    let failed = |source| StartError::Bundled { name, source: Box::new(source) };
    let describe = async |loaded: &Loaded| loaded.describe(&host.engine, &host.limits, name).await.map_err(failed);
    let misfit = match Loaded::from_binary(&host.engine, bundled) {
        Ok(loaded) => {
            let description = describe(&loaded).await?;
            return Ok((loaded, description));
        }
        Err(error) => error,
    };
    tracing::info!(name, reason = %Causes(&misfit), "the code of a bundled plugin does not fit this machine");
    let theirs = Arc::clone(host);
    let compiled = spawn_blocking(move || -> Result<_, ComponentError> {
        let wasm = unpacked(wasm)?;
        let content = hex(&Sha256::digest(&wasm));
        if let Some(loaded) = load_cached(&theirs, &content) {
            return Ok((loaded, None));
        }
        let code = discover::compile_logged(&theirs, Path::new(name), &wasm)?;
        Ok((Loaded::from_code(&theirs.engine, &code)?, Some((content, code))))
    });
    let compiled = compiled.await.map_err(|source| StartError::Look { source: io::Error::other(source) })?;
    let (loaded, new) = compiled.map_err(failed)?;
    let description = describe(&loaded).await?;
    if let Some((content, code)) = new {
        keep(host, &content, &description, code.bytes());
    }
    Ok((loaded, description))
}

fn unpacked(wasm: &[u8]) -> Result<Vec<u8>, ComponentError> {
    let mut bytes = Vec::new();
    GzDecoder::new(wasm).read_to_end(&mut bytes).map_err(|source| ComponentError::Unpack { source })?;
    Ok(bytes)
}
