//! Looking through `plugin.path`: folders of `.wasm` files, and folders of such folders.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use sha2::{Digest, Sha256};

use super::{Registered, java};
use crate::component::{Code, ComponentError, ComponentFile, Host, Loaded, PluginFile, compile_logged, keep};
use crate::contract::{BATCH_FORMATS, Exports};
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
    #[error("the compiler broke down over the file, which is to be reported")]
    Compiler { source: io::Error },
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
    /// Files that have to be compiled.
    pub(super) new: Vec<PathBuf>,
    pub(super) problems: Vec<PluginProblem>,
    /// Folders with Java archives, or archives by themselves.
    pub(super) java: BTreeMap<PathBuf, Vec<String>>,
    /// The `.wasm` files as they were when they were looked at.
    pub(super) seen: Seen,
}

/// Files with the time of their last change and their size, which tell when they have changed.
pub(super) type Seen = BTreeMap<PathBuf, (SystemTime, u64)>;

/// The `.wasm` files in the folders and one level below, as they are now. What cannot be read is left out. Blocks.
pub(super) fn seen(folders: &[PathBuf]) -> Seen {
    let (files, _) = files(folders);
    files.into_iter().filter_map(|path| Some((stamp(&path)?, path))).map(|(stamp, path)| (path, stamp)).collect()
}

fn stamp(path: &Path) -> Option<(SystemTime, u64)> {
    let metadata = fs::metadata(path).ok()?;
    Some((metadata.modified().ok()?, metadata.len()))
}

/// Looks at every `.wasm` file in the folders and one level below, in the order of their names. Blocks.
pub(super) fn look_through(host: &Host, folders: &[PathBuf]) -> Found {
    let (files, mut found) = files(folders);
    for path in files {
        if let Some(stamp) = stamp(&path) {
            found.seen.insert(path.clone(), stamp);
        }
        match read(&path).map(|file| known(host, &file)) {
            Ok(Some(plugins)) => found.plugins.extend(plugins),
            Ok(None) => found.new.push(path),
            Err(problem) => found.problems.push(PluginProblem { path, problem }),
        }
    }
    found
}

/// The `.wasm` files, and what else there is to say of the folders.
fn files(folders: &[PathBuf]) -> (Vec<PathBuf>, Found) {
    let mut found = Found::default();
    let mut files = Vec::new();
    for folder in folders {
        // A plugin by itself, as Connect's own key may name an archive.
        if folder.is_file() {
            sort_in(folder.clone(), None, &mut files, &mut found);
            continue;
        }
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
    (files, found)
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

/// A file's bytes, which are those of one plugin component.
struct ReadFile {
    path: PathBuf,
    wasm: Vec<u8>,
    /// SHA-256 of the bytes.
    content: String,
}

fn read(path: &Path) -> Result<ReadFile, PluginFileError> {
    let failed = |source| PluginFileError::Read { source };
    let len = fs::metadata(path).map_err(failed)?.len();
    if MAX_FILE < len {
        return Err(PluginFileError::TooLarge { len });
    }
    let wasm = fs::read(path).map_err(failed)?;
    let content = hex(&Sha256::digest(&wasm));
    Ok(ReadFile { path: path.to_owned(), wasm, content })
}

/// The plugins of a file, if the cache knows it and what it says of itself still counts.
fn known(host: &Host, file: &ReadFile) -> Option<Vec<Arc<Registered>>> {
    let entry = host.cache.as_ref()?.find(&file.content)?;
    let description = Description::parse(&entry.description).ok()?;
    Some(registered(description, file, entry.description, None))
}

fn registered(
    description: Description,
    file: &ReadFile,
    json: String,
    loaded: Option<Arc<Loaded>>,
) -> Vec<Arc<Registered>> {
    let file = PluginFile { path: file.path.clone(), content: file.content.clone(), description: json };
    let component = Arc::new(ComponentFile::in_file(file, loaded));
    Registered::all(description, &component)
}

/// Takes one file, compiling it only if the cache does not know it. Dropping the future does not end a compilation
/// under way, whose result is lost then.
pub(super) async fn take_file(host: &Arc<Host>, path: &Path) -> Result<Vec<Arc<Registered>>, PluginFileError> {
    let (theirs, path) = (Arc::clone(host), path.to_owned());
    let (file, loaded, code) = match off_the_runtime(move || compile(&theirs, &path)).await? {
        Compiled::Known(plugins) => return Ok(plugins),
        Compiled::New(new) => *new,
    };
    let name = file.path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let json = loaded.describe(&host.engine, &host.limits, &name).await.map_err(PluginFileError::Component)?;
    let description = Description::parse(&json).map_err(PluginFileError::Description)?;
    expect_fitting(&description, &*loaded.exports)?;
    // What the cache does not keep has to stay, or each use would compile it again.
    let kept = keep(host, &file.content, &json, code.bytes());
    Ok(registered(description, &file, json, (!kept).then(|| Arc::new(loaded))))
}

/// Runs what takes long and may panic, as a compiler may: that is the file's problem then, and no one else's.
pub(super) async fn off_the_runtime<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, PluginFileError> + Send + 'static,
) -> Result<T, PluginFileError> {
    let done = tokio::task::spawn_blocking(work).await;
    done.unwrap_or_else(|error| Err(PluginFileError::Compiler { source: io::Error::other(error) }))
}

enum Compiled {
    /// Another worker, or an earlier attempt, has put it into the cache.
    Known(Vec<Arc<Registered>>),
    /// With its code.
    New(Box<(ReadFile, Loaded, Code)>),
}

fn compile(host: &Host, path: &Path) -> Result<Compiled, PluginFileError> {
    let file = read(path)?;
    if let Some(plugins) = known(host, &file) {
        return Ok(Compiled::Known(plugins));
    }
    let code = compile_logged(host, path, &file.wasm).map_err(PluginFileError::Component)?;
    let loaded = Loaded::from_code(&host.engine, &code).map_err(PluginFileError::Component)?;
    Ok(Compiled::New(Box::new((file, loaded, code))))
}

/// Checks that the component has what it describes, in formats that this host has too.
pub(super) fn expect_fitting(description: &Description, exports: &dyn Exports) -> Result<(), PluginFileError> {
    if !description.batch_formats.iter().any(|format| BATCH_FORMATS.contains(format)) {
        return Err(PluginFileError::BatchFormats { found: description.batch_formats.clone() });
    }
    for plugin in &description.plugins {
        if let Some(interface) = exports.missing(plugin.kind) {
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
