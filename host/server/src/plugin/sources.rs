//! The files that a project's component is made of, and when they were last changed.

use std::{
    collections::BTreeMap,
    fs, io,
    path::{Path, PathBuf},
    time::SystemTime,
};

use super::project::Project;
use crate::exit::{Failure, USAGE};

/// Folders of a project that no component is made of.
const LEFT_OUT: [&str; 8] = ["build", "target", "node_modules", "__pycache__", "scenarios", "tests", "test", "venv"];

/// Most files of a project that are looked at.
const MAX_FILES: usize = 20_000;

/// When each file was last changed, and its size.
pub type Sources = BTreeMap<PathBuf, (SystemTime, u64)>;

/// The files of a project that its component may be made of. Hidden ones are none.
///
/// # Errors
///
/// A folder cannot be read, or there are too many files.
pub fn of(project: &Project) -> Result<Sources, Failure> {
    let mut sources = Sources::new();
    collect(&project.folder, &mut sources)
        .map_err(|error| Failure::new(USAGE, format!("look through {}: {error}", project.folder.display())))?;
    Ok(sources)
}

fn collect(folder: &Path, sources: &mut Sources) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let name = entry.file_name();
        let name = name.to_string_lossy();
        if name.starts_with('.') || name.ends_with('~') || LEFT_OUT.contains(&name.as_ref()) {
            continue;
        }
        // What an editor has just put away is no source any more.
        let Ok(metadata) = entry.metadata() else { continue };
        if metadata.is_dir() {
            collect(&entry.path(), sources)?;
        } else if metadata.is_file() {
            sources.insert(entry.path(), (metadata.modified()?, metadata.len()));
        }
        if MAX_FILES < sources.len() {
            return Err(io::Error::other(format!("it has more than {MAX_FILES} files")));
        }
    }
    Ok(())
}

/// Whether a component is older than a source of its project, or not there.
///
/// # Errors
///
/// As [`of`].
pub fn is_older(component: &Path, project: &Project) -> Result<bool, Failure> {
    let Ok(made) = fs::metadata(component).and_then(|metadata| metadata.modified()) else { return Ok(true) };
    // Configuration and words are no part of it; neither is what a build writes itself.
    let ignored = |path: &Path| {
        let extension = path.extension().and_then(|extension| extension.to_str()).unwrap_or_default();
        ["md", "properties"].contains(&extension) || path.file_name().is_some_and(|name| name == "Cargo.lock")
    };
    Ok(of(project)?.iter().any(|(path, (changed, _))| made < *changed && !ignored(path)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plugin::language::Language;

    #[test]
    fn a_component_is_older_than_a_source_that_was_changed_after_it() {
        let folder = tempfile::tempdir().unwrap();
        let project =
            Project { folder: folder.path().to_owned(), name: "p".into(), language: Language::C, version: "1".into() };
        let write = |name: &str, seconds: u64| {
            let path = folder.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(&path, name).unwrap();
            let at = SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(1_000_000 + seconds);
            fs::File::options().write(true).open(&path).unwrap().set_modified(at).unwrap();
        };
        write("plugin.c", 1);
        assert!(is_older(&project.component(), &project).unwrap(), "there is none yet");
        write("build/p.wasm", 2);
        assert!(!is_older(&project.component(), &project).unwrap());
        for unimportant in ["build/other.o", ".git/index", "README.md", "connector.properties", "target/x"] {
            write(unimportant, 3);
        }
        assert!(!is_older(&project.component(), &project).unwrap());
        write("src/deep/plugin.h", 3);
        assert!(is_older(&project.component(), &project).unwrap());
    }
}
