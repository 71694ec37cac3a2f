//! Files of cases.

use std::path::{Path, PathBuf};
use std::{fs, io};

use serde_json::{Map, Value as Json};

/// Why cases cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum CasesError {
    /// A file or folder cannot be read.
    #[error("read {}", path.display())]
    Read {
        /// Which one.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A file is not JSON.
    #[error("parse {} as JSON", path.display())]
    Json {
        /// Which one.
        path: PathBuf,
        /// Where it is wrong.
        source: serde_json::Error,
    },
    /// A file is JSON, but holds no cases.
    #[error("{} {problem}", path.display())]
    Format {
        /// Which one.
        path: PathBuf,
        /// What is wrong with it.
        problem: &'static str,
    },
}

/// A file.
pub struct File {
    /// Path below the folder, without the extension.
    pub name: String,
    /// Class that the cases are about.
    pub subject: String,
    /// How to read them.
    pub kind: String,
    /// Whether produced bytes are JSON documents.
    pub compare_json: bool,
    /// The cases.
    pub cases: Vec<Case>,
}

/// A case.
pub struct Case {
    /// Name, unique in its file.
    pub name: String,
    json: Map<String, Json>,
}

impl Case {
    /// A member; null if there is none.
    pub fn get(&self, name: &str) -> &Json {
        self.json.get(name).unwrap_or(&Json::Null)
    }

    /// Whether the member is there.
    pub fn has(&self, name: &str) -> bool {
        self.json.contains_key(name)
    }

    /// A member that is a text.
    pub fn text(&self, name: &str) -> Result<&str, String> {
        self.get(name).as_str().ok_or_else(|| format!("the case has no text {name:?}"))
    }

    /// What is expected.
    pub fn expect(&self) -> &Json {
        self.get("expect")
    }
}

/// Reads all files of a folder, sorted by name.
pub fn read(folder: &Path) -> Result<Vec<File>, CasesError> {
    let mut paths = Vec::new();
    collect(folder, &mut paths)?;
    paths.sort();
    paths.iter().map(|path| read_file(folder, path)).collect()
}

fn collect(folder: &Path, paths: &mut Vec<PathBuf>) -> Result<(), CasesError> {
    let failed = |source| CasesError::Read { path: folder.to_owned(), source };
    for entry in fs::read_dir(folder).map_err(failed)? {
        let path = entry.map_err(failed)?.path();
        if path.is_dir() {
            collect(&path, paths)?;
        } else if path.extension().is_some_and(|extension| extension == "json") {
            paths.push(path);
        }
    }
    Ok(())
}

fn read_file(folder: &Path, path: &Path) -> Result<File, CasesError> {
    let bytes = fs::read(path).map_err(|source| CasesError::Read { path: path.to_owned(), source })?;
    let json: Json =
        serde_json::from_slice(&bytes).map_err(|source| CasesError::Json { path: path.to_owned(), source })?;
    let wrong = |problem| CasesError::Format { path: path.to_owned(), problem };
    let text = |name: &str| json.get(name).and_then(Json::as_str).unwrap_or_default().to_owned();
    if json.get("format").and_then(Json::as_u64) != Some(1) {
        return Err(wrong("is not of format 1"));
    }
    let cases = json.get("cases").and_then(Json::as_array).ok_or_else(|| wrong("has no list of cases"))?;
    let case = |case: &Json| {
        let json = case.as_object().ok_or_else(|| wrong("has a case that is no object"))?.clone();
        let name = json.get("name").and_then(Json::as_str).ok_or_else(|| wrong("has a case without a name"))?;
        Ok(Case { name: name.to_owned(), json })
    };
    Ok(File {
        name: path.strip_prefix(folder).unwrap_or(path).with_extension("").to_string_lossy().replace('\\', "/"),
        subject: text("subject"),
        kind: text("kind"),
        compare_json: text("compare") == "json",
        cases: cases.iter().map(case).collect::<Result<_, _>>()?,
    })
}
