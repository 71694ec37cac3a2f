//! Which files a worker lets its plugins open: those below the folders of `plugin.allow.files`.

use std::fs;
use std::path::{Path, PathBuf};

/// Whether the worker lets a plugin open this file. Blocks.
///
/// # Errors
///
/// Why not, and what to do.
pub(super) fn check(value: &str, allowed: Option<&[PathBuf]>) -> Result<(), String> {
    match allowed {
        Some(folders) if !is_below(Path::new(value), folders) => {
            let listed: Vec<String> = folders.iter().map(|folder| folder.display().to_string()).collect();
            let listed = if listed.is_empty() { "no folder".to_owned() } else { listed.join(", ") };
            Err(format!(
                "plugins of this worker open files below {listed} only (plugin.allow.files): \
                 name a file there, or add its folder to that key"
            ))
        }
        _ => Ok(()),
    }
}

/// Whether the file lies below one of the folders, links followed. A file that does not exist yet lies
/// where its folder does.
pub(in super::super) fn is_below(path: &Path, folders: &[PathBuf]) -> bool {
    let resolved = fs::canonicalize(path).or_else(|error| {
        let (Some(name), Some(parent)) = (path.file_name(), path.parent()) else { return Err(error) };
        let parent = if parent.as_os_str().is_empty() { Path::new(".") } else { parent };
        // A dangling link is not followed by `canonicalize`, but would be by `open`.
        match fs::symlink_metadata(path) {
            Ok(_) => Err(error),
            Err(_) => fs::canonicalize(parent).map(|parent| parent.join(name)),
        }
    });
    let Ok(resolved) = resolved else { return false };
    folders.iter().any(|folder| fs::canonicalize(folder).is_ok_and(|folder| resolved.starts_with(folder)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_names_the_folders_the_key_and_what_to_do() {
        let folder = tempfile::tempdir().unwrap();
        let inside = folder.path().join("new").display().to_string();
        let folders = [folder.path().to_owned()];
        assert_eq!(check("/etc/hostname", None), Ok(()), "everything is allowed where nothing is said");
        assert_eq!(check(&inside, Some(&folders)), Ok(()));
        let refused = check("/etc/hostname", Some(&folders)).unwrap_err();
        let expected = format!(
            "plugins of this worker open files below {} only (plugin.allow.files): name a file there, or add its folder \
             to that key",
            folder.path().display()
        );
        assert_eq!(refused, expected);
        assert!(check(&inside, Some(&[])).unwrap_err().contains("below no folder only"));
    }

    #[cfg(unix)]
    #[test]
    fn a_link_out_of_the_allowed_folder_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let allowed = folder.path().join("allowed");
        fs::create_dir(&allowed).unwrap();
        fs::write(folder.path().join("secret"), "x").unwrap();
        std::os::unix::fs::symlink(folder.path().join("secret"), allowed.join("link")).unwrap();
        std::os::unix::fs::symlink(folder.path().join("nowhere"), allowed.join("dangling")).unwrap();
        fs::write(allowed.join("good"), "x").unwrap();
        let folders = [allowed.clone()];
        assert!(is_below(&allowed.join("good"), &folders));
        assert!(is_below(&allowed.join("new"), &folders));
        for outside in ["link", "dangling", "../secret", "none/../../secret"] {
            assert!(!is_below(&allowed.join(outside), &folders), "{outside}");
        }
    }
}
