//! Compiled plugins on disk, beside what they said of themselves, so that a worker starts without compiling.
//!
//! Compiled code is trusted input: whoever can write it runs code in the host. So the folder belongs to the
//! host alone, and an entry counts only when its checksum is right; anything else is compiled again.

use std::collections::HashMap;
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::engine::hex;

/// After this time a file that was not finished belongs to a worker that died.
const ABANDONED: Duration = Duration::from_secs(3600);

/// Largest description file that is read, in bytes.
const MAX_FACTS: u64 = 16 << 20;

/// A folder of compiled plugins for one version of the engine.
#[derive(Debug)]
pub(crate) struct CompiledCache {
    folder: PathBuf,
    code_version: String,
    max_bytes: u64,
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
    #[error("keep {bytes} bytes in the plugin cache, which may have {max_bytes} (plugin.cache.max.bytes)")]
    TooLarge { bytes: u64, max_bytes: u64 },
}

impl CompiledCache {
    /// Opens the folder, and makes it if it is missing. Only the owner may look into it.
    pub(crate) fn open(folder: &Path, code_version: String, max_bytes: u64) -> Result<Self, CacheError> {
        fs::create_dir_all(folder).map_err(|source| CacheError::Create { folder: folder.to_owned(), source })?;
        protect(folder)?;
        Ok(Self { folder: folder.to_owned(), code_version, max_bytes })
    }

    /// What is kept for a plugin file with this content; none if it is missing or damaged. Counts as a use of it.
    pub(crate) fn find(&self, content: &str) -> Option<Entry> {
        let path = self.path(content, "json");
        if MAX_FACTS < fs::metadata(&path).ok()?.len() {
            return None;
        }
        let facts: Value = serde_json::from_slice(&fs::read(&path).ok()?).ok()?;
        let code = self.path(content, "code");
        let expected = facts.get("code_sha256")?.as_str()?;
        let description = facts.get("description")?.as_str()?.to_owned();
        let found = checksum(&code).ok()?;
        if found != expected {
            return None;
        }
        // Where the time cannot be set, the entry only goes sooner than others.
        let _ = File::options().write(true).open(&path).and_then(|file| file.set_modified(SystemTime::now()));
        Some(Entry { description, code })
    }

    /// Keeps compiled code and description. The entry counts once both files are complete. Other workers may use the
    /// folder at the same time: each file appears as a whole, and the description has the checksum of the code.
    pub(crate) fn keep(&self, content: &str, description: &str, code: &[u8]) -> Result<(), CacheError> {
        let facts = json!({ "description": description, "code_sha256": hex(&Sha256::digest(code)) });
        let facts = facts.to_string();
        let bytes = (facts.len() + code.len()) as u64;
        if self.max_bytes < bytes {
            return Err(CacheError::TooLarge { bytes, max_bytes: self.max_bytes });
        }
        self.write(&self.path(content, "code"), code)?;
        self.write(&self.path(content, "json"), facts.as_bytes())?;
        self.drop_unused(SystemTime::now());
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

    /// Keeps the folder within its bound: what has not been used for the longest time goes first, of whatever version
    /// of the engine. What cannot be removed now is tried again with the next entry.
    fn drop_unused(&self, now: SystemTime) {
        let Ok(files) = fs::read_dir(&self.folder) else { return };
        let mut entries: HashMap<PathBuf, (SystemTime, u64)> = HashMap::new();
        for file in files.filter_map(Result::ok) {
            let (path, Ok(metadata)) = (file.path(), file.metadata()) else { continue };
            let modified = metadata.modified().unwrap_or(SystemTime::UNIX_EPOCH);
            match path.extension().and_then(|extension| extension.to_str()) {
                Some("code" | "json") => {
                    let entry = entries.entry(path.with_extension("")).or_insert((modified, 0));
                    *entry = (entry.0.max(modified), entry.1 + metadata.len());
                }
                Some("part") if now.duration_since(modified).is_ok_and(|age| ABANDONED < age) => {
                    let _ = fs::remove_file(path);
                }
                _ => {}
            }
        }
        let mut total: u64 = entries.values().map(|(_, bytes)| bytes).sum();
        let mut oldest_first: Vec<_> = entries.into_iter().collect();
        oldest_first.sort_by_key(|(_, (used, _))| *used);
        for (entry, (_, bytes)) in oldest_first {
            if total <= self.max_bytes {
                return;
            }
            // The description first: without it the code does not count.
            let _ = fs::remove_file(entry.with_extension("json"));
            let _ = fs::remove_file(entry.with_extension("code"));
            total -= bytes;
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
        let cache = CompiledCache::open(&folder.path().join("cache"), "v1".into(), 1 << 20).unwrap();
        assert_eq!(cache.find("abc"), None);
        cache.keep("abc", "{}", b"code").unwrap();
        let entry = cache.find("abc").unwrap();
        assert_eq!((entry.description.as_str(), fs::read(&entry.code).unwrap()), ("{}", b"code".to_vec()));

        let newer = CompiledCache::open(&folder.path().join("cache"), "v2".into(), 1 << 20).unwrap();
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
        let cache = CompiledCache::open(&folder.path().join("a/b"), "v1".into(), 1 << 20).unwrap();
        cache.keep("abc", "{}", b"code").unwrap();
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode(&cache.folder), 0o700);
        assert_eq!(mode(&cache.path("abc", "code")), 0o600);
    }

    #[test]
    fn what_was_not_used_for_the_longest_time_goes_first() {
        let folder = tempfile::tempdir().unwrap();
        let cache = CompiledCache::open(folder.path(), "v1".into(), 10_000).unwrap();
        let kept = |cache: &CompiledCache, names: &[&str]| -> Vec<bool> {
            names.iter().map(|name| cache.path(name, "json").exists() && cache.path(name, "code").exists()).collect()
        };
        let used_long_ago = |name: &str, hours: u64| {
            for extension in ["json", "code"] {
                let file = File::options().write(true).open(cache.path(name, extension)).unwrap();
                file.set_modified(SystemTime::now() - Duration::from_secs(hours * 3600)).unwrap();
            }
        };
        for (name, hours) in [("a", 4), ("b", 3), ("c", 2)] {
            cache.keep(name, "{}", &[0; 3000]).unwrap();
            used_long_ago(name, hours);
        }
        assert!(cache.find("a").is_some(), "which is a use");
        cache.keep("d", "{}", &[0; 3000]).unwrap();
        assert_eq!(kept(&cache, &["a", "b", "c", "d"]), [true, false, true, true]);

        // A file system's clock may be behind the one that gave "a" its time.
        used_long_ago("a", 1);
        let newer = CompiledCache::open(folder.path(), "v2".into(), 10_000).unwrap();
        newer.keep("e", "{}", &[0; 6000]).unwrap();
        assert_eq!(kept(&cache, &["a", "c", "d"]), [false, false, true], "an older version's entries count too");
        let refused = newer.keep("f", "{}", &[0; 20_000]).unwrap_err().to_string();
        assert!(refused.contains("plugin.cache.max.bytes"), "{refused}");
        assert!(newer.find("e").is_some(), "what never fits costs nobody else a place");
    }

    #[test]
    fn files_that_a_worker_left_unfinished_are_removed_after_an_hour() {
        let folder = tempfile::tempdir().unwrap();
        let cache = CompiledCache::open(folder.path(), "v1".into(), 10_000).unwrap();
        let (old, new) = (folder.path().join("1-0.part"), folder.path().join("2-0.part"));
        fs::write(&old, "x").unwrap();
        fs::write(&new, "x").unwrap();
        let file = File::options().write(true).open(&old).unwrap();
        file.set_modified(SystemTime::now() - 2 * ABANDONED).unwrap();
        cache.keep("a", "{}", b"code").unwrap();
        assert_eq!((old.exists(), new.exists()), (false, true));
    }

    #[test]
    fn workers_that_share_a_folder_find_whole_entries_or_none() {
        let folder = tempfile::tempdir().unwrap();
        std::thread::scope(|scope| {
            for worker in 0..4_u8 {
                let folder = folder.path();
                scope.spawn(move || {
                    let cache = CompiledCache::open(folder, "v1".into(), 20_000).unwrap();
                    for round in 0..50_u8 {
                        // Some of the names are the same, some of the entries have to go.
                        let name = format!("{}", (worker + round) % 6);
                        cache.keep(&name, "{}", &vec![worker; 4000 + usize::from(round)]).unwrap();
                        if let Some(entry) = cache.find(&name)
                            && let Ok(code) = fs::read(&entry.code)
                        {
                            assert!(code.iter().all(|byte| *byte == code[0]), "code is of one worker");
                        }
                    }
                });
            }
        });
    }
}
