//! The one WebAssembly engine of the process, and the thread that moves its clock.

mod budget;
mod clock;
mod code_memory;
mod settings;
mod ticker;

use std::hash::{Hash, Hasher};
use std::sync::Arc;

use sha2::{Digest, Sha256};
use wasmtime::Engine;

pub(crate) use budget::MemoryBudget;
pub(crate) use clock::CallClock;
pub(crate) use code_memory::take_in_place;
pub(crate) use settings::MAX_WASM_STACK;
pub use settings::compile_settings;
pub(crate) use ticker::{ActiveCall, Ticker};

use crate::capability::Growth;
use crate::limits::PluginLimits;

/// The most that one component may be made of.
pub(crate) const MAX_CORE_INSTANCES: u32 = 64;
pub(crate) const MAX_TABLES: u32 = 64;
pub(crate) const MAX_MEMORIES: u32 = 8;

/// Elements of one table; Python's largest has about 6,000.
pub(crate) const MAX_TABLE_ELEMENTS: usize = 64 << 10;

/// Why the engine could not be set up.
#[derive(Debug, thiserror::Error)]
#[error("set up the WebAssembly engine")]
pub struct EngineError {
    source: wasmtime::Error,
}

/// Engine, clock and memory of all instances, and who watches their files; cheap to clone.
#[derive(Clone)]
pub(crate) struct PluginEngine {
    pub(crate) engine: Engine,
    pub(crate) ticker: Arc<Ticker>,
    pub(crate) memory: Arc<MemoryBudget>,
    pub(crate) growth: Arc<Growth>,
}

impl PluginEngine {
    /// An engine whose instances take what they need when they are made: how many there are is limited by the
    /// bytes that they hold, and by nothing else here.
    pub(crate) fn new(limits: &PluginLimits) -> Result<Self, EngineError> {
        let failed = |source| EngineError { source };
        let mut config = compile_settings(None).map_err(failed)?;
        config.with_custom_code_memory(Some(Arc::new(code_memory::CodePages)));
        let engine = Engine::new(&config).map_err(failed)?;
        let ticker = Ticker::start(&engine).map_err(|error| failed(error.into()))?;
        let memory = Arc::new(MemoryBudget::new(limits.memory_total_max));
        Ok(Self { engine, ticker: Arc::new(ticker), memory, growth: Arc::default() })
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
