//! One component of the catalogue, loaded when it is first used.

use std::error::Error;
use std::path::PathBuf;
use std::sync::Arc;

use sha2::{Digest, Sha256};
use tokio::sync::OnceCell;

use super::Host;
use crate::component::{ComponentError, Loaded};
use crate::engine::hex;

/// A component and where its code comes from.
pub(crate) struct ComponentFile {
    /// Where it came from, for people: a path, or `bundled`.
    pub(crate) location: String,
    source: CodeSource,
    loaded: OnceCell<Arc<Loaded>>,
}

/// Where compiled code comes from.
pub(crate) enum CodeSource {
    /// Compiled when the host was built. If that code does not fit this machine, `wasm` is compiled.
    Bundled { wasm: &'static [u8], code: &'static [u8], description: String },
    /// A file, compiled into the cache when it was found.
    File { path: PathBuf, content: String, description: String },
}

/// Why a component that was found before cannot be loaded now.
#[derive(Debug, thiserror::Error)]
enum LoadError {
    #[error("read {}", path.display())]
    Read { path: PathBuf, source: std::io::Error },
    #[error("{} has changed since the worker started: restart it to use the new plugin", path.display())]
    Changed { path: PathBuf },
}

type LoadResult = Result<Arc<Loaded>, Box<dyn Error + Send + Sync>>;

impl ComponentFile {
    pub(crate) fn new(location: String, source: CodeSource, loaded: Option<Arc<Loaded>>) -> Self {
        Self { location, source, loaded: OnceCell::new_with(loaded) }
    }

    /// The component with its imports resolved. The first call maps its code; compiling is needed only when
    /// the cache has lost it.
    pub(crate) async fn load(self: &Arc<Self>, host: &Arc<Host>) -> LoadResult {
        let loading = || async {
            let (this, host) = (Arc::clone(self), Arc::clone(host));
            tokio::task::spawn_blocking(move || this.load_blocking(&host)).await?
        };
        self.loaded.get_or_try_init(loading).await.cloned()
    }

    fn load_blocking(&self, host: &Host) -> LoadResult {
        match &self.source {
            CodeSource::Bundled { wasm, code, description } => {
                Ok(Arc::new(load_bundled(host, wasm, code, |_| Ok(description.clone()))?.0))
            }
            CodeSource::File { path, content, description } => {
                if let Some(loaded) = load_cached(host, content) {
                    return Ok(Arc::new(loaded));
                }
                let wasm = std::fs::read(path).map_err(|source| LoadError::Read { path: path.clone(), source })?;
                if hex(&Sha256::digest(&wasm)) != *content {
                    return Err(LoadError::Changed { path: path.clone() }.into());
                }
                let code = Loaded::compile(&host.engine, &wasm)?;
                keep(host, content, description, &code);
                Ok(Arc::new(Loaded::from_code(&host.engine, &code)?))
            }
        }
    }
}

/// Loads what the cache has; none if it has nothing that fits.
pub(super) fn load_cached(host: &Host, content: &str) -> Option<Loaded> {
    let entry = host.cache.as_ref()?.find(content)?;
    match Loaded::from_code_file(&host.engine, &entry.code) {
        Ok(loaded) => Some(loaded),
        Err(error) => {
            tracing::warn!(code = %entry.code.display(), error = %millstream_record::Chain(&error), "cached plugin code is compiled again");
            None
        }
    }
}

/// Loads a bundled plugin; compiles it, into the cache, only if its code does not fit this machine.
pub(super) fn load_bundled(
    host: &Host,
    wasm: &[u8],
    code: &[u8],
    describe: impl FnOnce(&Loaded) -> Result<String, ComponentError>,
) -> Result<(Loaded, String), ComponentError> {
    let misfit = match Loaded::from_code(&host.engine, code) {
        Ok(loaded) => {
            let description = describe(&loaded)?;
            return Ok((loaded, description));
        }
        Err(error) => error,
    };
    let content = hex(&Sha256::digest(wasm));
    if let Some(loaded) = load_cached(host, &content) {
        let description = describe(&loaded)?;
        return Ok((loaded, description));
    }
    tracing::info!(reason = %millstream_record::Chain(&misfit), "a bundled plugin is compiled for this machine");
    let code = Loaded::compile(&host.engine, wasm)?;
    let loaded = Loaded::from_code(&host.engine, &code)?;
    let description = describe(&loaded)?;
    keep(host, &content, &description, &code);
    Ok((loaded, description))
}

/// Puts compiled code into the cache. Without it the next start takes longer, and nothing else.
pub(super) fn keep(host: &Host, content: &str, description: &str, code: &[u8]) {
    if let Some(cache) = &host.cache
        && let Err(error) = cache.keep(content, description, code)
    {
        tracing::warn!(error = %millstream_record::Chain(&error), "a compiled plugin is not kept");
    }
}
