//! What one plugin may use of the machine: the worker's `plugin.` keys.

use std::path::PathBuf;
use std::time::Duration;

/// Limits that hold for each plugin instance, and the places plugins may reach.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct PluginLimits {
    /// `plugin.memory.max`: bytes of all memories and tables of one instance together.
    pub memory_max: usize,
    /// `plugin.call.timeout.ms`: how long one call may compute. Waiting in the host does not count.
    pub call_timeout: Duration,
    /// `plugin.host.wait.timeout.ms`: how long one call may wait for the host in all.
    pub host_wait_timeout: Duration,
    /// `plugin.log.rate`: lines a second that one instance may log.
    pub log_rate: u32,
    /// `plugin.instances.max`: instances alive at a time in the whole worker.
    pub instances_max: u32,
    /// `plugin.batch.bytes.max`: the largest batch that a plugin may hand over, in bytes.
    pub batch_bytes_max: usize,
    /// `plugin.cache.dir`: where compiled plugins are kept; none compiles them anew at each start.
    pub cache_dir: Option<PathBuf>,
    /// `plugin.allow.files`: folders below which files may be opened that a configuration names; none
    /// allows every file that the worker itself may open.
    pub allow_files: Option<Vec<PathBuf>>,
}

impl Default for PluginLimits {
    fn default() -> Self {
        Self {
            memory_max: 256 << 20,
            call_timeout: Duration::from_secs(10),
            host_wait_timeout: Duration::from_secs(60),
            log_rate: 100,
            instances_max: 1000,
            batch_bytes_max: 64 << 20,
            cache_dir: None,
            allow_files: None,
        }
    }
}
