//! Looking through `plugin.path`: folders of `.wasm` files, and folders of such folders.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use millstream_connector::PluginKind;
use sha2::{Digest, Sha256};

use super::file::{ComponentFile, PluginFile, keep};
use super::{Host, Registered, java};
use crate::component::{ComponentError, Loaded};
use crate::contract::BATCH_FORMATS;
use crate::contract::v0_1_0::Exports;
use crate::describe::{Description, DescriptionError};
use crate::engine::hex;

/// Largest plugin file, in bytes. The largest known ones, interpreters with their libraries, have 20 MB.
const MAX_FILE: u64 = 256 << 20;

/// Most entries of one folder that are looked at.
const MAX_ENTRIES: usize = 10_000;

/// A file or folder that was skipped.
#[derive(Debug)]
pub struct PluginProblem {
    /// Which one.
    pub path: PathBuf,
    /// Why.
    pub problem: PluginFileError,
}

/// Why a file is not used as a plugin.
#[derive(Debug, thiserror::Error)]
#[expect(missing_docs, reason = "the messages say what the variants and fields are")]
pub enum PluginFileError {
    #[error("the folder cannot be read")]
    Folder { source: io::Error },
    #[error("the file cannot be read")]
    Read { source: io::Error },
    #[error("the file has {len} bytes, more than {MAX_FILE}")]
    TooLarge { len: u64 },
    #[error("the file cannot be used as a plugin")]
    Component(#[source] ComponentError),
    #[error("the description that the component gives of itself is unusable")]
    Description(#[source] DescriptionError),
    #[error("the component handles batch formats {found:?}, and this host {BATCH_FORMATS:?}")]
    BatchFormats { found: Vec<u64> },
    #[error("the component describes {class}, but does not export {interface}")]
    NotExported { class: String, interface: &'static str },
    #[error("Java plugins need a Java machine and are not loaded here{}", java::suggestion(nearest))]
    Java { nearest: Option<String> },
}

/// What was found below `plugin.path`.
#[derive(Default)]
pub(super) struct Found {
    pub(super) plugins: Vec<Arc<Registered>>,
    pub(super) problems: Vec<PluginProblem>,
    /// Folders with Java archives, or archives by themselves.
    pub(super) java: BTreeMap<PathBuf, Vec<String>>,
}

/// Looks at every `.wasm` file in the folders and one level below, in the order of their names.
pub(super) async fn look_through(host: &Arc<Host>, folders: &[PathBuf]) -> Found {
    let mut found = Found::default();
    let mut files = Vec::new();
    for folder in folders {
        // As Connect does, a folder that is not there is skipped with a word.
        match listed(folder) {
            Ok(paths) => {
                for path in paths {
                    if path.is_dir() {
                        match listed(&path) {
                            Ok(inner) => {
                                inner.into_iter().for_each(|file| sort_in(file, Some(&path), &mut files, &mut found))
                            }
                            Err(problem) => found.problems.push(PluginProblem { path, problem }),
                        }
                    } else {
                        sort_in(path, None, &mut files, &mut found);
                    }
                }
            }
            Err(problem) => found.problems.push(PluginProblem { path: folder.clone(), problem }),
        }
    }
    for path in files {
        match take_file(host, &path).await {
            Ok(plugins) => found.plugins.extend(plugins),
            Err(problem) => found.problems.push(PluginProblem { path, problem }),
        }
    }
    found
}

fn sort_in(path: PathBuf, folder: Option<&Path>, files: &mut Vec<PathBuf>, found: &mut Found) {
    match path.extension().and_then(|extension| extension.to_str()) {
        Some("wasm") => files.push(path),
        Some("jar") => {
            let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
            found.java.entry(folder.map_or(path, Path::to_owned)).or_default().push(name);
        }
        _ => {}
    }
}

fn listed(folder: &Path) -> Result<Vec<PathBuf>, PluginFileError> {
    let failed = |source| PluginFileError::Folder { source };
    let entries = fs::read_dir(folder).map_err(failed)?.take(MAX_ENTRIES);
    let mut paths =
        entries.map(|entry| entry.map(|entry| entry.path())).collect::<Result<Vec<_>, _>>().map_err(failed)?;
    paths.sort();
    Ok(paths)
}

/// Takes one file, compiling it only if the cache does not know it.
pub(super) async fn take_file(host: &Arc<Host>, path: &Path) -> Result<Vec<Arc<Registered>>, PluginFileError> {
    let len = fs::metadata(path).map_err(|source| PluginFileError::Read { source })?.len();
    if MAX_FILE < len {
        return Err(PluginFileError::TooLarge { len });
    }
    let wasm = fs::read(path).map_err(|source| PluginFileError::Read { source })?;
    let content = hex(&Sha256::digest(&wasm));
    let known = host.cache.as_ref().and_then(|cache| cache.find(&content));
    let (description, json, loaded) = match known.map(|entry| (Description::parse(&entry.description), entry)) {
        Some((Ok(description), entry)) => (description, entry.description, None),
        // Unknown, or described in a way that an earlier version of this host accepted.
        _ => {
            let (loaded, json) = compile(host, path, wasm).await?;
            let description = Description::parse(&json).map_err(PluginFileError::Description)?;
            expect_fitting(&description, &loaded.0.exports)?;
            keep(host, &content, &json, &loaded.1);
            // Without a cache the compiled code has to stay, or each use would compile it again.
            (description, json, host.cache.is_none().then(|| Arc::new(loaded.0)))
        }
    };
    let file = PluginFile { path: path.to_owned(), content, description: json };
    let component = Arc::new(ComponentFile::in_file(file, loaded));
    Ok(description
        .plugins
        .into_iter()
        .map(|plugin| Arc::new(Registered::new(plugin, Arc::clone(&component))))
        .collect())
}

/// Compiles a file and asks it what it carries.
async fn compile(host: &Arc<Host>, path: &Path, wasm: Vec<u8>) -> Result<((Loaded, Vec<u8>), String), PluginFileError> {
    let theirs = Arc::clone(host);
    let compiled = tokio::task::spawn_blocking(move || {
        let code = Loaded::compile(&theirs.engine, &wasm)?;
        Ok((Loaded::from_code(&theirs.engine, &code)?, code))
    });
    let compiled = compiled.await.map_err(|error| PluginFileError::Read { source: io::Error::other(error) })?;
    let (loaded, code) = compiled.map_err(PluginFileError::Component)?;
    let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let json = loaded.describe(&host.engine, &host.limits, &name).await.map_err(PluginFileError::Component)?;
    Ok(((loaded, code), json))
}

/// Checks that the component has what it describes, in formats that this host has too.
pub(super) fn expect_fitting(description: &Description, exports: &Exports) -> Result<(), PluginFileError> {
    if !description.batch_formats.iter().any(|format| BATCH_FORMATS.contains(format)) {
        return Err(PluginFileError::BatchFormats { found: description.batch_formats.clone() });
    }
    for plugin in &description.plugins {
        let (there, interface) = match plugin.kind {
            PluginKind::Source => (exports.source.is_some(), "source-api"),
            PluginKind::Sink => (exports.sink.is_some(), "sink-api"),
            PluginKind::Transform => (exports.transform.is_some(), "transform-api"),
            PluginKind::Predicate => (exports.predicate.is_some(), "predicate-api"),
            PluginKind::Converter | PluginKind::HeaderConverter => (exports.converter.is_some(), "converter-api"),
        };
        if !there {
            return Err(PluginFileError::NotExported { class: plugin.class.clone(), interface });
        }
    }
    Ok(())
}

/// Names the Java plugins that lie in the way, each with the nearest plugin there is.
pub(super) fn java_problems(java: &BTreeMap<PathBuf, Vec<String>>, plugins: &[Arc<Registered>]) -> Vec<PluginProblem> {
    let classes: Vec<&str> = plugins.iter().map(|plugin| plugin.info.class.as_str()).collect();
    let problem = |(path, archives): (&PathBuf, &Vec<String>)| {
        let folder = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        let names = std::iter::once(folder.as_str()).chain(archives.iter().map(String::as_str));
        PluginProblem { path: path.clone(), problem: PluginFileError::Java { nearest: java::nearest(names, &classes) } }
    };
    java.iter().map(problem).collect()
}
