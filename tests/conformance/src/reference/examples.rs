//! The examples on the reference pages: read from files and run, never written down by hand.
//!
//! A file is about one class:
//!
//! ```json
//! {"class": "org.apache.kafka.connect.transforms.Cast", "notes": "…", "config": {…}, "examples": […], "errors": […]}
//! ```
//!
//! `config` has the lines of a connector's configuration that the page shows. An example has a `title`, may bring a
//! `config` of its own or `set` single lines of it, and has an `input` (a record) or `inputs`, for converters `data`,
//! `bytes`, or `rows` of these. An error has the same and a text `when`. Records, data and bytes are in the notation of
//! the cases.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::{fs, io};

use serde_json::{Map, Value as Json};

/// Why a page cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum PagesError {
    /// A file or folder of examples cannot be read.
    #[error("read {}", path.display())]
    Read {
        /// Which one.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A file is not JSON, or not that of examples.
    #[error("parse the examples in {}", path.display())]
    Parse {
        /// Which one.
        path: PathBuf,
        /// Where it is wrong.
        source: serde_json::Error,
    },
    /// A class without examples, or examples without a class.
    #[error("{class}: {problem}")]
    Class {
        /// Which class.
        class: String,
        /// What is wrong.
        problem: String,
    },
}

/// The examples of a class.
#[derive(Clone, Debug)]
pub struct Examples {
    /// What a page says below the keys, if anything.
    pub notes: Option<String>,
    /// The lines of a configuration, unless an example has its own.
    config: Map<String, Json>,
    /// What works.
    pub examples: Vec<Example>,
    /// What does not.
    pub errors: Vec<Example>,
}

/// One example.
#[derive(Clone, Debug)]
pub struct Example(Map<String, Json>);

impl Example {
    /// A member; null if there is none.
    pub fn get(&self, name: &str) -> &Json {
        self.0.get(name).unwrap_or(&Json::Null)
    }

    /// A member that is a text.
    pub fn text(&self, name: &str) -> Option<&str> {
        self.get(name).as_str()
    }

    /// The inputs: those of a list, or the single one.
    pub fn all<'e>(&'e self, one: &str, many: &str) -> Vec<&'e Json> {
        match (self.get(many), self.0.get(one)) {
            (Json::Array(inputs), _) => inputs.iter().collect(),
            (_, Some(input)) => vec![input],
            _ => Vec::new(),
        }
    }
}

impl Examples {
    /// The lines of the configuration that an example is for.
    pub fn config(&self, example: &Example) -> Map<String, Json> {
        let mut config = example.get("config").as_object().unwrap_or(&self.config).clone();
        for (key, value) in example.get("set").as_object().into_iter().flatten() {
            config.insert(key.clone(), value.clone());
        }
        config
    }
}

/// Reads all files of a folder, by class.
pub fn read(folder: &Path) -> Result<BTreeMap<String, Examples>, PagesError> {
    let mut all = BTreeMap::new();
    let failed = |source| PagesError::Read { path: folder.to_owned(), source };
    for entry in fs::read_dir(folder).map_err(failed)? {
        let path = entry.map_err(failed)?.path();
        let bytes = fs::read(&path).map_err(|source| PagesError::Read { path: path.clone(), source })?;
        let parsed = serde_json::from_slice(&bytes);
        let json: Map<String, Json> = parsed.map_err(|source| PagesError::Parse { path: path.clone(), source })?;
        let text = |name: &str| json.get(name).and_then(Json::as_str).map(str::to_owned);
        let examples = |name: &str| {
            let list = json.get(name).and_then(Json::as_array).map_or(&[][..], Vec::as_slice);
            list.iter().filter_map(Json::as_object).cloned().map(Example).collect::<Vec<_>>()
        };
        let class = text("class").unwrap_or_default();
        let examples = Examples {
            notes: text("notes"),
            config: json.get("config").and_then(Json::as_object).cloned().unwrap_or_default(),
            examples: examples("examples"),
            errors: examples("errors"),
        };
        if examples.examples.is_empty() || all.insert(class.clone(), examples).is_some() {
            let problem = format!("{} has no examples, or another file has too", path.display());
            return Err(PagesError::Class { class, problem });
        }
    }
    Ok(all)
}
