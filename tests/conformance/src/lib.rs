//! Conformance cases, run through the components that records go through in a worker: transforms and predicates as
//! WebAssembly behind the plugin host, converters and the data model as the worker links them.
//!
//! The format of the cases is described in `vectors/README.md`. A file is a subject; [`Runner`] runs all of them and
//! [`report`] says what came out.

#![deny(unsafe_code)]

mod cases;
mod compare;
mod not_yet;
mod record;
mod reference;
pub mod report;
mod subjects;

use std::path::{Path, PathBuf};

use millstream_config::{PluginDef, PluginDirectory, PluginKind as DefKind};
use millstream_connector::{PluginKind, Plugins, TaskId};
use millstream_plugin::{Bundled, PluginLimits, StartError, WasmPlugins};
use millstream_values::JavaRegex;

pub use cases::CasesError;
pub use not_yet::{NotYet, NotYetError};
pub use reference::PagesError;

use cases::{Case, File};
// Cases and scenarios share one notation.
use millstream_scenario::notation;

/// Stands where the server puts code at the beginning of a page; there is none here.
macro_rules! page_aligned {
    ($path:expr) => {
        include_bytes!($path)
    };
}

/// The bundled components. What they were compiled to is kept in the build's own folder.
#[expect(unsafe_code, reason = "only this build knows that it has compiled the code itself")]
static BUNDLED: &[Bundled] = &include!(concat!(env!("OUT_DIR"), "/bundled.rs"));

/// Runs cases.
pub struct Runner {
    plugins: WasmPlugins,
    directory: PluginDirectory,
    task: TaskId,
}

/// What became of the cases of one file.
#[derive(Clone, Debug)]
pub struct FileResult {
    /// Path below the folder, without the extension: `transforms/Cast.Value`.
    pub file: String,
    /// Number of cases.
    pub total: usize,
    /// Those that do not hold.
    pub failed: Vec<Failed>,
}

/// A case that does not hold.
#[derive(Clone, Debug)]
pub struct Failed {
    /// Its name.
    pub name: String,
    /// What was expected and what was found.
    pub difference: String,
}

impl Runner {
    /// Loads the bundled components; compiles them the first time.
    ///
    /// # Errors
    ///
    /// They cannot be loaded.
    pub async fn start() -> Result<Self, StartError> {
        let cache = PathBuf::from(concat!(env!("OUT_DIR"), "/compiled"));
        let limits = PluginLimits { cache_dir: Some(cache), ..PluginLimits::default() };
        let plugins = WasmPlugins::start(limits, &[], BUNDLED).await?;
        let directory = PluginDirectory::new(plugins.list().iter().map(|plugin| definition(plugin)), full_match);
        Ok(Self { plugins, directory, task: TaskId { connector: "conformance".into(), number: 0 } })
    }

    /// Runs all cases of a folder, or those whose `file:name` contains `only`.
    ///
    /// # Errors
    ///
    /// The folder cannot be read, or a file in it is not in the format.
    pub async fn run(&self, folder: &Path, only: Option<&str>) -> Result<Vec<FileResult>, CasesError> {
        let mut results = Vec::new();
        for file in cases::read(folder)? {
            let chosen = |case: &&Case| only.is_none_or(|only| format!("{}:{}", file.name, case.name).contains(only));
            let chosen: Vec<&Case> = file.cases.iter().filter(chosen).collect();
            if chosen.is_empty() {
                continue;
            }
            let mut failed = Vec::new();
            for case in &chosen {
                if let Err(difference) = self.case(&file, case).await {
                    failed.push(Failed { name: case.name.clone(), difference });
                }
            }
            results.push(FileResult { file: file.name, total: chosen.len(), failed });
        }
        Ok(results)
    }

    /// Reference pages by their file below the workspace: transforms and predicates, and converters. Their examples are
    /// run for it.
    ///
    /// # Errors
    ///
    /// An example cannot be read, or does not end as it is meant to.
    pub async fn reference_pages(&self) -> Result<Vec<(&'static str, String)>, PagesError> {
        reference::pages(self).await
    }

    /// Sends all records of each file of transforms through each of its configurations, alone and all in one batch, and
    /// says where a record ends otherwise. What stands in one batch decides how a transform goes about it.
    ///
    /// # Errors
    ///
    /// The folder cannot be read, or a file in it is not in the format.
    pub async fn alone_and_together(&self, folder: &Path) -> Result<Vec<String>, CasesError> {
        let mut differences = Vec::new();
        for file in cases::read(folder)?.iter().filter(|file| file.kind == "transform") {
            let found = subjects::together::alone_and_together(self, file).await;
            differences.extend(found.unwrap_or_else(|problem| vec![format!("{}: {problem}", file.name)]));
        }
        Ok(differences)
    }

    /// Runs one case; the error says how it differs.
    async fn case(&self, file: &File, case: &Case) -> Result<(), String> {
        match file.kind.as_str() {
            "transform" => subjects::transform::transform(self, &file.subject, case).await,
            "predicate" => subjects::transform::predicate(self, &file.subject, case).await,
            "chain" => subjects::chain::chain(self, case).await,
            "converter" => subjects::converter::converter(file, case).await,
            "configdef" => subjects::configdef::configdef(self, case),
            "values" => subjects::values::values(case),
            "projector" => subjects::model::projector(case),
            "validate" => subjects::model::validate(case),
            "schema" => subjects::model::schema(case),
            "struct" => subjects::model::structure(case),
            "headers" => subjects::headers::headers(case),
            "logical" => subjects::model::logical(case),
            "fieldPath" => subjects::model::field_path(case),
            other => Err(format!("cases of kind {other} are unknown")),
        }
    }
}

fn definition(plugin: &millstream_connector::PluginInfo) -> PluginDef {
    let kind = match plugin.kind {
        PluginKind::Source => DefKind::Source,
        PluginKind::Sink => DefKind::Sink,
        PluginKind::Transform => DefKind::Transform,
        PluginKind::Predicate => DefKind::Predicate,
        PluginKind::Converter => DefKind::Converter,
        PluginKind::HeaderConverter => DefKind::HeaderConverter,
    };
    PluginDef {
        kind,
        class: plugin.class.clone(),
        aliases: plugin.aliases.clone(),
        version: Some(plugin.version.clone()),
        documentation: plugin.documentation.clone(),
        location: String::new(),
        config: plugin.config.clone(),
    }
}

fn full_match(pattern: &str, text: &str) -> Result<bool, String> {
    let regex = JavaRegex::compile(pattern).map_err(|error| error.to_string())?;
    regex.matches_whole(text).map_err(|error| error.to_string())
}
