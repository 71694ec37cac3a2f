//! A component that is loaded when it is first used.

use std::error::Error;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use sha2::{Digest, Sha256};
use tokio::sync::OnceCell;

use super::{Code, ComponentError, Host, Loaded};
use crate::engine::hex;

/// A component and where its code comes from.
pub(crate) struct ComponentFile {
    /// Where it came from, for people: a path, or `bundled`.
    pub(crate) location: String,
    /// None for what is inside the binary, which is always loaded.
    file: Option<PluginFile>,
    loaded: OnceCell<Arc<Loaded>>,
}

/// A file, compiled into the cache when it was found.
pub(crate) struct PluginFile {
    pub(crate) path: PathBuf,
    /// SHA-256 of what it held then.
    pub(crate) content: String,
    pub(crate) description: String,
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
    /// One inside the binary.
    pub(crate) fn bundled(loaded: Loaded) -> Self {
        Self { location: "bundled".into(), file: None, loaded: OnceCell::new_with(Some(Arc::new(loaded))) }
    }

    /// One in a file; not loaded yet if the cache knows it.
    pub(crate) fn in_file(file: PluginFile, loaded: Option<Arc<Loaded>>) -> Self {
        let location = file.path.display().to_string();
        Self { location, file: Some(file), loaded: OnceCell::new_with(loaded) }
    }

    /// What it is made of: SHA-256 of its file, in hexadecimal, or which version of Millstream brings it.
    pub(crate) fn digest(&self) -> String {
        let bundled = || format!("bundled {}", env!("CARGO_PKG_VERSION"));
        self.file.as_ref().map_or_else(bundled, |file| file.content.clone())
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
        let PluginFile { path, content, description } = self.file.as_ref().expect("a bundled plugin is loaded");
        if let Some(loaded) = load_cached(host, content) {
            return Ok(Arc::new(loaded));
        }
        let wasm = std::fs::read(path).map_err(|source| LoadError::Read { path: path.clone(), source })?;
        if hex(&Sha256::digest(&wasm)) != *content {
            return Err(LoadError::Changed { path: path.clone() }.into());
        }
        let code = compile_logged(host, path, &wasm)?;
        keep(host, content, description, code.bytes());
        Ok(Arc::new(Loaded::from_code(&host.engine, &code)?))
    }
}

/// Loads what the cache has; none if it has nothing that fits.
pub(crate) fn load_cached(host: &Host, content: &str) -> Option<Loaded> {
    let entry = host.cache.as_ref()?.find(content)?;
    match Loaded::from_code_file(&host.engine, &entry.code) {
        Ok(loaded) => Some(loaded),
        Err(error) => {
            tracing::warn!(code = %entry.code.display(), error = %millstream_record::ErrorChain(&error), "cached plugin code is compiled again");
            None
        }
    }
}

/// Puts compiled code into the cache; false if there is none or it failed. Then the next start takes longer.
pub(crate) fn keep(host: &Host, content: &str, description: &str, code: &[u8]) -> bool {
    let Some(cache) = &host.cache else { return false };
    match cache.keep(content, description, code) {
        Ok(()) => true,
        Err(error) => {
            tracing::warn!(error = %millstream_record::ErrorChain(&error), "a compiled plugin is not kept");
            false
        }
    }
}

/// Compiles, and says so: it takes from tenths of a second to minutes. Blocks.
pub(crate) fn compile_logged(host: &Host, path: &Path, wasm: &[u8]) -> Result<Code, ComponentError> {
    let (threads, begin) = (host.limits.compile_threads, Instant::now());
    let megabytes = wasm.len() as f64 / f64::from(1 << 20);
    tracing::info!(path = %path.display(), threads, "a plugin is compiled, {megabytes:.1} MiB");
    let code = Loaded::compile(&host.engine, wasm, threads)?;
    let seconds = begin.elapsed().as_secs_f64();
    tracing::info!(path = %path.display(), "the plugin was compiled in {seconds:.1} s");
    Ok(code)
}
