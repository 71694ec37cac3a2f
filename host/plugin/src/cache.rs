//! Compiled plugins on disk, beside what they said of themselves, so that a worker starts without compiling.
//!
//! Compiled code is trusted input: whoever can write it runs code in the host. So the folder belongs to the
//! host alone, and an entry counts only when its checksum is right; anything else is compiled again.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::SystemTime;

use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::engine::hex;

/// Most entries kept; the oldest go first.
const MAX_ENTRIES: usize = 256;

/// Largest description file that is read, in bytes.
const MAX_FACTS: u64 = 16 << 20;

/// A folder of compiled plugins for one version of the engine.
#[derive(Debug)]
pub(crate) struct CompiledCache {
    folder: PathBuf,
    code_version: String,
}

/// What is known of a plugin file without running it.
#[derive(Debug, Eq, PartialEq)]
pub(crate) struct Entry {
    /// Its description, as it gave it.
    pub(crate) description: String,
    /// File of the compiled code, whose checksum was right.
    pub(crate) code: PathBuf,
}

/// Why the cache cannot be used.
#[derive(Debug, thiserror::Error)]
#[expect(missing_docs, reason = "the messages say what the variants and fields are")]
pub enum CacheError {
    #[error("make the plugin cache {}", folder.display())]
    Create { folder: PathBuf, source: io::Error },
    #[error("keep others out of the plugin cache {}", folder.display())]
    Protect { folder: PathBuf, source: io::Error },
    #[error("use the plugin cache {}: it belongs to another user", folder.display())]
    Foreign { folder: PathBuf },
    #[error("write {} to the plugin cache", path.display())]
    Write { path: PathBuf, source: io::Error },
}

impl CompiledCache {
    /// Opens the folder, and makes it if it is missing. Only the owner may look into it.
    pub(crate) fn open(folder: &Path, code_version: String) -> Result<Self, CacheError> {
        fs::create_dir_all(folder).map_err(|source| CacheError::Create { folder: folder.to_owned(), source })?;
        protect(folder)?;
        Ok(Self { folder: folder.to_owned(), code_version })
    }

    /// What is kept for a plugin file with this content; none if it is missing or damaged.
    pub(crate) fn find(&self, content: &str) -> Option<Entry> {
        let facts = self.path(content, "json");
        if MAX_FACTS < fs::metadata(&facts).ok()?.len() {
            return None;
        }
        let facts: Value = serde_json::from_slice(&fs::read(facts).ok()?).ok()?;
        let code = self.path(content, "code");
        let expected = facts.get("code_sha256")?.as_str()?;
        let description = facts.get("description")?.as_str()?.to_owned();
        let found = checksum(&code).ok()?;
        (found == expected).then_some(Entry { description, code })
    }

    /// Keeps compiled code and description. The entry counts once both files are complete.
    pub(crate) fn keep(&self, content: &str, description: &str, code: &[u8]) -> Result<(), CacheError> {
        let facts = json!({ "description": description, "code_sha256": hex(&Sha256::digest(code)) });
        self.write(&self.path(content, "code"), code)?;
        self.write(&self.path(content, "json"), facts.to_string().as_bytes())?;
        self.drop_oldest();
        Ok(())
    }

    fn path(&self, content: &str, extension: &str) -> PathBuf {
        self.folder.join(format!("{content}-{}.{extension}", self.code_version))
    }

    fn write(&self, path: &Path, bytes: &[u8]) -> Result<(), CacheError> {
        static NUMBER: AtomicU64 = AtomicU64::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let temporary = self.folder.join(format!("{}-{number}.part", std::process::id()));
        let written = create_private(&temporary)
            .and_then(|mut file| file.write_all(bytes))
            .and_then(|()| fs::rename(&temporary, path));
        written.map_err(|source| {
            // What is left of a failed attempt is of no use; a failure to remove it changes nothing.
            let _ = fs::remove_file(&temporary);
            CacheError::Write { path: path.to_owned(), source }
        })
    }

    /// Keeps the folder bounded. What cannot be removed now is tried again with the next entry.
    fn drop_oldest(&self) {
        let Ok(entries) = fs::read_dir(&self.folder) else { return };
        let aged = entries.filter_map(Result::ok).filter_map(|entry| {
            let modified = entry.metadata().ok()?.modified().unwrap_or(SystemTime::UNIX_EPOCH);
            Some((modified, entry.path()))
        });
        let mut aged: Vec<_> = aged.collect();
        aged.sort();
        let surplus = aged.len().saturating_sub(2 * MAX_ENTRIES);
        for (_, path) in &aged[..surplus] {
            let _ = fs::remove_file(path);
        }
    }
}

fn checksum(path: &Path) -> io::Result<String> {
    let mut digest = Sha256::new();
    io::copy(&mut File::open(path)?, &mut digest)?;
    Ok(hex(&digest.finalize()))
}

#[cfg(unix)]
fn protect(folder: &Path) -> Result<(), CacheError> {
    use std::os::unix::fs::{MetadataExt, PermissionsExt};

    let failed = |source| CacheError::Protect { folder: folder.to_owned(), source };
    fs::set_permissions(folder, fs::Permissions::from_mode(0o700)).map_err(failed)?;
    // The superuser may change what belongs to others, and must not trust it.
    let ours = fs::metadata("/proc/self").map(|process| process.uid());
    if let Ok(ours) = ours
        && fs::metadata(folder).map_err(failed)?.uid() != ours
    {
        return Err(CacheError::Foreign { folder: folder.to_owned() });
    }
    Ok(())
}

#[cfg(not(unix))]
fn protect(_folder: &Path) -> Result<(), CacheError> {
    Ok(())
}

fn create_private(path: &Path) -> io::Result<File> {
    let mut options = fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_is_found_again_and_a_damaged_one_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let cache = CompiledCache::open(&folder.path().join("cache"), "v1".into()).unwrap();
        assert_eq!(cache.find("abc"), None);
        cache.keep("abc", "{}", b"code").unwrap();
        let entry = cache.find("abc").unwrap();
        assert_eq!((entry.description.as_str(), fs::read(&entry.code).unwrap()), ("{}", b"code".to_vec()));

        let newer = CompiledCache::open(&folder.path().join("cache"), "v2".into()).unwrap();
        assert_eq!(newer.find("abc"), None, "another engine needs other code");

        fs::write(&entry.code, b"c0de").unwrap();
        assert_eq!(cache.find("abc"), None, "code with a wrong checksum is not loaded");
        cache.keep("abc", "{}", b"code").unwrap();
        assert!(cache.find("abc").is_some());
        fs::write(cache.path("abc", "json"), b"{\"description\":").unwrap();
        assert_eq!(cache.find("abc"), None);
    }

    #[cfg(unix)]
    #[test]
    fn only_the_owner_may_look_into_the_folder() {
        use std::os::unix::fs::PermissionsExt;

        let folder = tempfile::tempdir().unwrap();
        let cache = CompiledCache::open(&folder.path().join("a/b"), "v1".into()).unwrap();
        cache.keep("abc", "{}", b"code").unwrap();
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode(&cache.folder), 0o700);
        assert_eq!(mode(&cache.path("abc", "code")), 0o600);
    }
}
