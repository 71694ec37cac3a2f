//! Setting up the catalogue when a worker starts.

use std::collections::{BTreeSet, HashMap};
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use flate2::read::GzDecoder;
use millstream_metrics::Metrics;
use millstream_record::ErrorChain as Causes;
use sha2::{Digest, Sha256};
use tokio::sync::watch;
use tokio::task::spawn_blocking;

use super::discover::{self, PluginFileError, PluginProblem};
use super::mentions::mentioned_in;
use super::reload::Reload;
use super::snapshot::{Compiling, Snapshot, Superseded};
use super::{Registered, WasmPlugins};
use crate::cache::{CacheError, CompiledCache};
use crate::component::{Bundled, ComponentError, ComponentFile, Host, Loaded, compile_logged, keep, load_cached};
use crate::describe::{Description, DescriptionError};
use crate::engine::{EngineError, PluginEngine, hex};
use crate::limits::PluginLimits;

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

/// Engine and cache as the limits say.
pub(super) fn set_up(limits: PluginLimits) -> Result<Host, StartError> {
    let engine = PluginEngine::new(&limits)?;
    let cache = match &limits.cache_dir {
        None => None,
        Some(folder) => Some(CompiledCache::open(folder, engine.code_version(), limits.cache_max)?),
    };
    Ok(Host { engine, limits, cache })
}

impl WasmPlugins {
    /// Takes the bundled plugins and looks through the folders of `plugin.path`.
    ///
    /// Known files are hashed and not compiled. New ones are compiled into the cache after this has returned, one
    /// after the other on `plugin.compile.threads` threads; see [`WasmPlugins::all_compiled`].
    ///
    /// # Errors
    ///
    /// When the engine or the cache cannot be set up, or a bundled plugin is unusable. What is wrong with files is
    /// logged, and stands in [`WasmPlugins::problems`].
    pub async fn start(limits: PluginLimits, plugin_path: &[PathBuf], bundled: &[Bundled]) -> Result<Self, StartError> {
        let host = Arc::new(set_up(limits)?);
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
        let mut mentions = mentions(found.new.clone(), &all).await;
        let compiling = found
            .new
            .iter()
            .map(|path| Compiling { mentions: mentions.remove(path).unwrap_or_default(), path: path.clone() });
        let compiling = compiling.collect();
        let (sender, snapshot) = watch::channel(Arc::new(Snapshot::new(all, problems, compiling)));
        let sender = Arc::new(sender);
        let seen = found.seen;
        let reload =
            Reload { host: Arc::clone(&host), folders: plugin_path.to_owned(), seen, sender: Arc::clone(&sender) };
        let theirs = Arc::clone(&host);
        let take = move |path: PathBuf| {
            let host = Arc::clone(&theirs);
            async move { discover::take_file(&host, &path).await }
        };
        let compiling = tokio::spawn(compile_all(found.new, sender, take)).abort_handle();
        Ok(Self { host, snapshot, compiling, reload: Some(reload), reloading: None, metrics: Metrics::default() })
    }
}

/// Compiles new files one after the other, and makes known what is in each.
async fn compile_all<F>(files: Vec<PathBuf>, snapshot: Arc<watch::Sender<Arc<Snapshot>>>, take: impl Fn(PathBuf) -> F)
where
    F: Future<Output = Result<Vec<Arc<Registered>>, PluginFileError>>,
{
    for (at, path) in files.iter().enumerate() {
        let outcome = take(path.clone()).await;
        let outcome = outcome.map_err(|problem| PluginProblem { path: path.clone(), problem });
        let mut mentioned = HashMap::new();
        match &outcome {
            Ok(plugins) => {
                mentioned = mentions(files[at + 1..].to_owned(), plugins).await;
                let classes: Vec<&str> = plugins.iter().map(|plugin| plugin.info.class.as_str()).collect();
                tracing::info!(path = %path.display(), "new plugins are ready: {}", classes.join(", "));
                let superseded = snapshot.borrow().superseded_by(plugins);
                for Superseded { class, old_version, new_version } in superseded {
                    tracing::warn!(
                        class,
                        old_version,
                        new_version,
                        "a newer version of a plugin has come: what runs goes on with the old one until it is restarted"
                    );
                }
            }
            Err(problem) => report(problem),
        }
        snapshot.send_modify(|snapshot| *snapshot = Arc::new(snapshot.with(path, outcome, &mentioned)));
    }
}

/// Which classes of the plugins each of the files seems to carry.
async fn mentions(files: Vec<PathBuf>, plugins: &[Arc<Registered>]) -> HashMap<PathBuf, BTreeSet<String>> {
    if files.is_empty() || plugins.is_empty() {
        return HashMap::new();
    }
    let classes: Vec<String> = plugins.iter().map(|plugin| plugin.info.class.clone()).collect();
    let look = move || {
        let mentions = files.into_iter().map(|path| (path.clone(), mentioned_in(&path, &classes)));
        mentions.collect()
    };
    spawn_blocking(look).await.unwrap_or_else(|error| {
        // Without the guess a lower version may be used first, which is said when the higher one comes.
        tracing::warn!(%error, "look for classes in new plugin files");
        HashMap::new()
    })
}

/// The one place where a file that is no plugin is spoken of.
pub(super) fn report(PluginProblem { path, problem }: &PluginProblem) {
    tracing::warn!(path = %path.display(), problem = %Causes(problem), "a plugin is skipped");
}

async fn take_bundled(host: &Arc<Host>, bundled: &Bundled) -> Result<Vec<Arc<Registered>>, StartError> {
    let name = bundled.name;
    let failed = |source| StartError::Bundled { name, source: Box::new(source) };
    let (loaded, json) = load_bundled(host, bundled).await?;
    let description = Description::parse(&json).map_err(|source| StartError::BundledDescription { name, source })?;
    discover::expect_fitting(&description, &*loaded.exports).map_err(|error| match error {
        PluginFileError::Component(source) => failed(source),
        other => failed(ComponentError::Unfitting { problem: other.to_string() }),
    })?;
    let component = Arc::new(ComponentFile::bundled(loaded));
    Ok(Registered::all(description, &component))
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
        let code = compile_logged(&theirs, Path::new(name), &wasm)?;
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::component::{PluginFile, on_compiler_threads};
    use crate::test_log::Log;

    fn plugins_in(path: &Path) -> Vec<Arc<Registered>> {
        let json = r#"{"batch_formats":[1],"plugins":[{"kind":"sink","class":"org.example.GoodSink"}]}"#;
        let file = PluginFile { path: path.to_owned(), content: String::new(), description: json.to_owned() };
        Registered::all(Description::parse(json).unwrap(), &Arc::new(ComponentFile::in_file(file, None)))
    }

    #[tokio::test]
    async fn a_compiler_that_panics_costs_its_own_file_and_no_other() {
        let files = ["a.wasm", "bad.wasm", "c.wasm"].map(PathBuf::from).to_vec();
        let waiting = files.iter().map(|path| Compiling { path: path.clone(), mentions: BTreeSet::new() }).collect();
        let (sender, snapshot) = watch::channel(Arc::new(Snapshot::new(Vec::new(), Vec::new(), waiting)));
        let take = |path: PathBuf| {
            discover::off_the_runtime(move || {
                let bad = path.ends_with("bad.wasm");
                on_compiler_threads(1, || assert!(!bad, "odd code")).map_err(PluginFileError::Component)?;
                Ok(plugins_in(&path))
            })
        };
        compile_all(files, Arc::new(sender), take).await;
        let snapshot = snapshot.borrow();
        assert!(snapshot.compiling.is_empty(), "nobody waits for it for ever");
        let locations: Vec<&str> = snapshot.all.iter().map(|plugin| plugin.info.location.as_str()).collect();
        assert_eq!(locations, ["a.wasm", "c.wasm"]);
        let [problem] = &snapshot.problems[..] else { panic!("{:?}", snapshot.problems) };
        assert_eq!(problem.path, Path::new("bad.wasm"));
        let said = Causes(&problem.problem).to_string();
        assert!(said.contains("the compiler broke down") && said.contains("odd code"), "{said}");
    }

    #[tokio::test]
    async fn each_file_that_is_skipped_is_named_once() {
        let (log, _guard) = Log::of_this_thread();
        let folder = tempfile::tempdir().unwrap();
        for name in ["text.wasm", "core.wasm", "some.jar"] {
            std::fs::write(folder.path().join(name), "hello").unwrap();
        }
        let nowhere = folder.path().join("nowhere");
        let path = [folder.path().to_owned(), nowhere.clone()];
        let plugins = WasmPlugins::start(PluginLimits::default(), &path, &[]).await.unwrap();
        plugins.all_compiled().await;
        let skipped: Vec<String> =
            log.lines().into_iter().filter(|line| line.contains("a plugin is skipped")).collect();
        assert_eq!(skipped.len(), 4, "{skipped:#?}");
        for name in ["text.wasm", "core.wasm", "some.jar", "nowhere"] {
            let path = format!("path={}", folder.path().join(name).display());
            assert!(skipped.iter().any(|line| line.contains(&path)), "{path}: {skipped:#?}");
        }
    }
}
