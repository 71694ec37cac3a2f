//! Small files of lines that are replaced as a whole, with a checksum at their end: users, access rules, quotas. Only who
//! runs the broker may read them.
//!
//! The first line is the version, `1`; then come the lines; the last one is `crc32c` and the checksum of all before it.

use std::{
    io,
    path::{Path, PathBuf},
    sync::Arc,
};

use millstream_disk::Disk;
use millstream_wire::hash;

const VERSION: &str = "1\n";
const CHECKSUM: &str = "crc32c ";

/// One such file.
#[derive(Clone, Debug)]
pub struct LineFile {
    disk: Arc<dyn Disk>,
    path: PathBuf,
}

/// Why a file cannot be read or written.
#[derive(Debug, thiserror::Error)]
pub enum LineFileError {
    /// The file system said no.
    #[error("read {}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The file system said no.
    #[error("write {}", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The file is not what was written.
    #[error("{} is damaged: {what}; restore it, or move it away and set up anew what it held", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        what: &'static str,
    },
    /// The work ended early.
    #[error("write {}: the work ended early", path.display())]
    Interrupted {
        /// The file.
        path: PathBuf,
    },
}

impl LineFile {
    /// The file of this name below a data folder.
    pub fn new(disk: &Arc<dyn Disk>, dir: &Path, name: &str) -> Self {
        Self { disk: Arc::clone(disk), path: dir.join(name) }
    }

    /// All lines, each with its fields; none where there is no file. Blocks.
    ///
    /// # Errors
    ///
    /// Unreadable or damaged: nothing is guessed.
    pub fn read(&self) -> Result<Vec<Vec<String>>, LineFileError> {
        let failed = |source| LineFileError::Read { path: self.path.clone(), source };
        let Some(content) = self.disk.read_if_present(&self.path).map_err(failed)? else { return Ok(Vec::new()) };
        let text = String::from_utf8(content).map_err(|_| self.damaged("it is no text"))?;
        let end = text.trim_end_matches('\n').rfind('\n').map_or(0, |at| at + 1);
        let (lines, last) = text.split_at(end);
        let checksum = last.trim_end().strip_prefix(CHECKSUM).and_then(|digits| u32::from_str_radix(digits, 16).ok());
        if checksum.ok_or_else(|| self.damaged("its end is missing"))? != hash::crc32c(lines.as_bytes()) {
            return Err(self.damaged("its checksum is not that of its content"));
        }
        let lines = lines.strip_prefix(VERSION).ok_or_else(|| self.damaged("its version is not known"))?;
        Ok(lines.lines().map(|line| line.split('\t').map(unescaped).collect()).collect())
    }

    /// What a reader says of lines that make no sense.
    pub fn damaged(&self, what: &'static str) -> LineFileError {
        LineFileError::Damaged { path: self.path.clone(), what }
    }

    /// Replaces the file; durable on return. Blocks.
    ///
    /// # Errors
    ///
    /// The file has its old content, or the new one.
    pub fn write(&self, lines: &[Vec<String>]) -> Result<(), LineFileError> {
        let mut text = VERSION.to_owned();
        for line in lines {
            let fields: Vec<String> = line.iter().map(|field| escaped(field)).collect();
            text.push_str(&fields.join("\t"));
            text.push('\n');
        }
        text.push_str(&format!("{CHECKSUM}{:08x}\n", hash::crc32c(text.as_bytes())));
        let written = self.disk.replace_private(&self.path, text.as_bytes());
        written.map_err(|source| LineFileError::Write { path: self.path.clone(), source })
    }

    /// As [`LineFile::write`], on a thread that may wait. Dropping the future does not stop it.
    ///
    /// # Errors
    ///
    /// As there.
    pub async fn write_elsewhere(&self, lines: Vec<Vec<String>>) -> Result<(), LineFileError> {
        let file = self.clone();
        let written = tokio::task::spawn_blocking(move || file.write(&lines)).await;
        written.map_err(|_| LineFileError::Interrupted { path: self.path.clone() })?
    }
}

fn escaped(field: &str) -> String {
    field.replace('\\', "\\\\").replace('\t', "\\t").replace('\n', "\\n").replace('\r', "\\r")
}

fn unescaped(field: &str) -> String {
    let mut out = String::with_capacity(field.len());
    let mut characters = field.chars();
    while let Some(c) = characters.next() {
        match c {
            '\\' => match characters.next() {
                Some('t') => out.push('\t'),
                Some('n') => out.push('\n'),
                Some('r') => out.push('\r'),
                Some(other) => out.push(other),
                None => {}
            },
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_text_comes_back_as_it_was_and_damage_is_noticed_at_every_byte() {
        let folder = tempfile::tempdir().unwrap();
        let disk = millstream_disk::real();
        let file = LineFile::new(&disk, folder.path(), "lines");
        assert_eq!(file.read().unwrap(), Vec::<Vec<String>>::new());
        let lines = vec![vec!["a\tb".to_owned(), "c\\n\n".to_owned()], vec![String::new(), "é\r".to_owned()]];
        file.write(&lines).unwrap();
        assert_eq!(file.read().unwrap(), lines);
        let path = folder.path().join("lines");
        let whole = std::fs::read(&path).unwrap();
        for cut in 0..whole.len() - 1 {
            std::fs::write(&path, &whole[..cut]).unwrap();
            assert!(file.read().is_err(), "cut at {cut}");
        }
        for at in 0..whole.len() - 1 {
            let mut changed = whole.clone();
            changed[at] ^= 1;
            std::fs::write(&path, &changed).unwrap();
            assert!(file.read().is_err(), "changed at {at}");
        }
    }
}
