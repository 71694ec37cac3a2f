//! Looking at one plugin file closely, for the command line.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use millstream_connector::PluginInfo;

use super::StartError;
use super::discover::{PluginFileError, take_file};
use super::start::set_up;
use crate::limits::PluginLimits;

/// What a plugin file proved to be.
#[derive(Clone, Debug)]
pub struct CheckedPlugin {
    /// Its plugins.
    pub plugins: Vec<Arc<PluginInfo>>,
    /// Size of the file, in bytes.
    pub bytes: u64,
    /// How long it took to compile it, or to find it in the cache, and to have it describe itself.
    pub took: Duration,
}

/// Compiles a file as a worker would, and asks it what it carries.
///
/// # Errors
///
/// The engine cannot be set up, or, in the inner result, the file cannot be used as a plugin.
pub async fn check_file(
    limits: PluginLimits,
    path: &Path,
) -> Result<Result<CheckedPlugin, PluginFileError>, StartError> {
    let host = Arc::new(set_up(limits)?);
    let begin = Instant::now();
    let bytes = match std::fs::metadata(path) {
        Ok(metadata) => metadata.len(),
        Err(source) => return Ok(Err(PluginFileError::Read { source })),
    };
    if path.extension().is_some_and(|extension| extension == "jar") {
        return Ok(Err(PluginFileError::Java { nearest: None }));
    }
    Ok(take_file(&host, path).await.map(|plugins| CheckedPlugin {
        plugins: plugins.iter().map(|plugin| Arc::clone(&plugin.info)).collect(),
        bytes,
        took: begin.elapsed(),
    }))
}
