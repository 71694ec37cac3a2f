//! The one WebAssembly engine of the process, and the thread that moves its clock.

mod code_memory;
mod settings;
mod ticker;

use std::hash::{Hash, Hasher};
use std::sync::Arc;

use sha2::{Digest, Sha256};
use wasmtime::{Engine, PoolingAllocationConfig};

pub(crate) use code_memory::take_in_place;
pub use settings::compile_settings;
pub(crate) use ticker::{ActiveCall, TICK, Ticker};

use crate::limits::PluginLimits;

/// Core instances, tables and memories set aside for each plugin instance. Interpreters bring many:
/// a Python component is a dozen core modules.
const CORE_INSTANCES_PER_INSTANCE: u32 = 16;
const TABLES_PER_INSTANCE: u32 = 16;
const MEMORIES_PER_INSTANCE: u32 = 2;

/// The most that one component may be made of.
pub(crate) const MAX_CORE_INSTANCES: u32 = 64;
pub(crate) const MAX_TABLES: u32 = 64;
pub(crate) const MAX_MEMORIES: u32 = 8;

/// Elements of one table; Python's largest has about 6,000.
pub(crate) const MAX_TABLE_ELEMENTS: usize = 64 << 10;

/// Why the engine could not be set up.
#[derive(Debug, thiserror::Error)]
#[error("set up the WebAssembly engine with room for {instances} plugin instances (plugin.instances.max)")]
pub struct EngineError {
    instances: u32,
    source: wasmtime::Error,
}

/// Engine and clock; cheap to clone.
#[derive(Clone)]
pub(crate) struct PluginEngine {
    pub(crate) engine: Engine,
    pub(crate) ticker: Arc<Ticker>,
}

impl PluginEngine {
    /// Reserves address space for all instances that the limits allow. None of it is memory until a
    /// guest uses it.
    pub(crate) fn new(limits: &PluginLimits) -> Result<Self, EngineError> {
        let instances = limits.instances_max;
        let failed = |source| EngineError { instances, source };
        let mut config = compile_settings(None).map_err(failed)?;
        let mut pool = PoolingAllocationConfig::new();
        pool.total_component_instances(instances)
            .total_core_instances(instances.saturating_mul(CORE_INSTANCES_PER_INSTANCE))
            .total_memories(instances.saturating_mul(MEMORIES_PER_INSTANCE))
            .total_tables(instances.saturating_mul(TABLES_PER_INSTANCE))
            .total_stacks(instances)
            .max_core_instances_per_component(MAX_CORE_INSTANCES)
            .max_memories_per_component(MAX_MEMORIES)
            .max_tables_per_component(MAX_TABLES)
            .max_tables_per_module(MAX_TABLES)
            .table_elements(MAX_TABLE_ELEMENTS)
            // Slots that a guest has left keep their copy-on-write image mapped, which saves the next
            // instance of the same plugin a few page faults, but each holds on to its page tables.
            .max_unused_warm_slots(16);
        config.allocation_strategy(pool);
        config.with_custom_code_memory(Some(Arc::new(code_memory::CodePages)));
        let engine = Engine::new(&config).map_err(failed)?;
        let ticker = Ticker::start(&engine).map_err(|error| failed(error.into()))?;
        Ok(Self { engine, ticker: Arc::new(ticker) })
    }

    /// Names everything besides the component itself that compiled code depends on.
    pub(crate) fn code_version(&self) -> String {
        let mut digest = DigestHasher(Sha256::new());
        self.engine.precompile_compatibility_hash().hash(&mut digest);
        hex(&digest.0.finalize()[..8])
    }
}

/// Lower-case hexadecimal digits.
pub(crate) fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write;
    bytes.iter().fold(String::with_capacity(2 * bytes.len()), |mut text, byte| {
        write!(text, "{byte:02x}").expect("writing to a string cannot fail");
        text
    })
}

/// Feeds a [`Hash`] into SHA-256, so that the result may name a file.
struct DigestHasher(Sha256);

impl Hasher for DigestHasher {
    fn write(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    fn finish(&self) -> u64 {
        let digest = self.0.clone().finalize();
        u64::from_le_bytes(digest[..8].try_into().expect("a digest has 32 bytes"))
    }
}
