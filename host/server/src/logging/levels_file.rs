//! Levels from a file: properties `logger.NAME=LEVEL`, read again when the file has changed.

use std::{
    fs, io,
    path::{Path, PathBuf},
    time::SystemTime,
};

use millstream_config::{PropertiesError, lines_of_properties, parse_properties};

use super::loggers;

/// Each key begins so.
const PREFIX: &str = "logger.";

/// Longest file that is read, in bytes.
const MAX_BYTES: u64 = 1 << 20;

/// Levels by logger, in the order of the file.
pub(super) type FileLevels = Vec<(String, String)>;

/// Why a file gives no levels.
#[derive(Debug, thiserror::Error)]
pub enum LevelsFileError {
    /// It cannot be read.
    #[error("read the levels of loggers in {} (key log.levels.file)", path.display())]
    Read { path: PathBuf, source: io::Error },
    /// It is no such file.
    #[error("{} (key log.levels.file) has more than {MAX_BYTES} bytes", path.display())]
    TooLarge { path: PathBuf },
    /// Its text is broken.
    #[error("{} (key log.levels.file)", path.display())]
    Broken { path: PathBuf, source: PropertiesError },
    /// An entry is none.
    #[error("{} (key log.levels.file), line {line}: {key}={value} is not understood: write logger.NAME=LEVEL, with a level of {}", path.display(), loggers::names())]
    Entry { path: PathBuf, line: usize, key: String, value: String },
}

/// A file that is looked at from time to time.
pub(super) struct LevelsFile {
    path: PathBuf,
    /// When it was changed last, and its length; `None` if it could not be looked at.
    seen: Option<(SystemTime, u64)>,
}

impl LevelsFile {
    pub(super) fn new(path: PathBuf) -> Self {
        Self { path, seen: None }
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Reads the file.
    ///
    /// # Errors
    ///
    /// See [`LevelsFileError`].
    pub(super) fn read(&mut self) -> Result<FileLevels, LevelsFileError> {
        self.seen = stamp(&self.path).ok();
        read(&self.path)
    }

    /// Reads the file if it has changed since it was looked at last; `None` if not.
    pub(super) fn read_if_changed(&mut self) -> Option<Result<FileLevels, LevelsFileError>> {
        let now = stamp(&self.path).ok();
        (now != self.seen).then(|| self.read())
    }
}

fn stamp(path: &Path) -> io::Result<(SystemTime, u64)> {
    let metadata = fs::metadata(path)?;
    Ok((metadata.modified()?, metadata.len()))
}

fn read(path: &Path) -> Result<FileLevels, LevelsFileError> {
    let failed = |source| LevelsFileError::Read { path: path.to_owned(), source };
    if MAX_BYTES < fs::metadata(path).map_err(failed)?.len() {
        return Err(LevelsFileError::TooLarge { path: path.to_owned() });
    }
    let bytes = fs::read(path).map_err(failed)?;
    let entries =
        parse_properties(&bytes).map_err(|source| LevelsFileError::Broken { path: path.to_owned(), source })?;
    let lines = lines_of_properties(&bytes);
    let entry = |(key, value): (String, String)| {
        let logger = key.strip_prefix(PREFIX).map(str::trim).filter(|logger| !logger.is_empty());
        match logger {
            Some(logger) if loggers::check(&value).is_ok() => Ok((logger.to_owned(), value)),
            _ => {
                let line = lines.get(&key).copied().unwrap_or_default();
                Err(LevelsFileError::Entry { path: path.to_owned(), line, key, value })
            }
        }
    };
    entries.into_iter().map(entry).collect()
}

#[cfg(test)]
mod tests {
    use millstream_record::ErrorChain;

    use super::*;

    #[test]
    fn a_file_is_read_again_only_when_it_has_changed_and_says_where_it_is_wrong() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("levels.properties");
        fs::write(&path, "# levels\nlogger.root=WARN\nlogger.org.apache.kafka.clients = debug\n").unwrap();
        let mut file = LevelsFile::new(path.clone());
        let pair = |logger: &str, level: &str| (logger.to_owned(), level.to_owned());
        let expected = [pair("root", "WARN"), pair("org.apache.kafka.clients", "debug")];
        assert_eq!(file.read().unwrap(), expected);
        assert!(file.read_if_changed().is_none());
        for (text, expected) in [
            ("a=b\n", ", line 1: a=b is not understood"),
            ("logger.root=INFO\nlogger.x=LOUD", "line 2: logger.x=LOUD is not understood"),
            ("logger.root=INFO\n\nlogger.=WARN\n", "with a level of ALL, TRACE, DEBUG"),
        ] {
            fs::write(&path, text).unwrap();
            let error = file.read_if_changed().expect("its length has changed").unwrap_err();
            assert!(error.to_string().contains(expected), "{error}");
            assert!(file.read_if_changed().is_none(), "what is wrong is told once");
        }
        fs::remove_file(&path).unwrap();
        let error = file.read_if_changed().unwrap().unwrap_err();
        assert!(ErrorChain(&error).to_string().contains("log.levels.file): No such file"), "{}", ErrorChain(&error));
        fs::write(&path, "logger.root=INFO").unwrap();
        assert_eq!(file.read_if_changed().unwrap().unwrap(), [pair("root", "INFO")]);
    }
}
