//! The list of files that need not hold yet. It only shrinks: a file on it that holds is an error.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::{fs, io};

/// Why the list cannot be read.
#[derive(Debug, thiserror::Error)]
#[error("read the list {}", path.display())]
pub struct NotYetError {
    path: PathBuf,
    source: io::Error,
}

/// Names of files, as in results.
#[derive(Clone, Debug, Default)]
pub struct NotYet(BTreeSet<String>);

impl NotYet {
    /// Reads a list: a name a line; what follows `#` is a comment.
    ///
    /// # Errors
    ///
    /// The file cannot be read.
    pub fn read(path: &Path) -> Result<Self, NotYetError> {
        let text = fs::read_to_string(path).map_err(|source| NotYetError { path: path.to_owned(), source })?;
        Ok(Self::parse(&text))
    }

    fn parse(text: &str) -> Self {
        let name = |line: &str| line.split('#').next().unwrap_or_default().trim().to_owned();
        Self(text.lines().map(name).filter(|name| !name.is_empty()).collect())
    }

    /// Whether a file is on it.
    pub fn contains(&self, file: &str) -> bool {
        self.0.contains(file)
    }

    /// All names.
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(String::as_str)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comments_and_blank_lines_name_no_file() {
        let list = NotYet::parse("# none\n\n data/Values \nchains/errors # soon\n");
        assert_eq!(list.iter().collect::<Vec<_>>(), ["chains/errors", "data/Values"]);
    }
}
