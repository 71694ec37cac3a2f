//! What ends an instance: a trap, a limit, a broken promise. Never what a plugin reports in its own words.

use std::fmt;
use std::time::Duration;

use wasmtime::{PoolConcurrencyLimitError, Trap, WasmBacktrace};
use wasmtime_wasi::I32Exit;

use super::limiter::Refusal;

/// Frames of a guest's stack that a report shows.
const MAX_FRAMES: usize = 12;

/// Why a plugin's instance was discarded, or could not be made.
#[derive(Debug, thiserror::Error)]
#[error("the plugin {plugin} {cause}{}", InCall(self.call))]
pub struct GuestFault {
    /// Class of the plugin.
    pub plugin: String,
    /// Call in which it happened; empty outside of one.
    pub call: &'static str,
    /// What happened.
    pub cause: FaultCause,
    /// What the guest said and where it was.
    #[source]
    pub trace: Option<GuestTrace>,
}

impl GuestFault {
    /// What happened, as the rest of a sentence that begins with the plugin's name.
    pub fn reason(&self) -> String {
        let trace = self.trace.as_ref().map(|trace| format!("; {trace}")).unwrap_or_default();
        format!("{}{}{trace}", self.cause, InCall(self.call))
    }
}

/// What happened to an instance.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[expect(missing_docs, reason = "the messages say what the variants and fields are")]
pub enum FaultCause {
    #[error("used more than {} of memory (plugin.memory.max.bytes)", Bytes(*limit))]
    Memory { limit: usize },
    #[error("asked for a table of more than {limit} elements")]
    Table { limit: usize },
    #[error("ran longer than {} ms (plugin.call.timeout.ms)", limit.as_millis())]
    CallTimeout { limit: Duration },
    #[error("waited for the host longer than {} ms (plugin.host.call.timeout.ms)", limit.as_millis())]
    HostWait { limit: Duration },
    #[error("handed over more than {} in one call (plugin.batch.max.bytes)", Bytes(*limit))]
    TooMuchAtOnce { limit: usize },
    #[error("called itself too deeply")]
    StackOverflow,
    #[error("ended its own process with status {status}")]
    Exit { status: i32 },
    #[error("panicked or trapped: {0}")]
    Trap(String),
    #[error("broke the plugin contract: {0}")]
    Violation(String),
    #[error("was interrupted in a call that was given up, and cannot be used again")]
    Cancelled,
    #[error("was discarded after an earlier fault")]
    Discarded,
    #[error("found no free instance among {limit} (plugin.instances.max)")]
    NoInstanceFree { limit: u32 },
    #[error("could not be instantiated: {0}")]
    Instantiate(String),
    #[error("does not offer {0}")]
    Missing(&'static str),
}

/// The guest's last words and stack.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub struct GuestTrace {
    /// What it wrote to its standard error, or logged as an error, in that call.
    pub last_words: Option<String>,
    /// Its functions, innermost first.
    pub frames: Vec<String>,
}

impl fmt::Display for GuestTrace {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Who has said where it happened needs no list of functions.
        match &self.last_words {
            Some(words) => write!(formatter, "the plugin's last words: {words}")?,
            None => write!(formatter, "at {}", self.frames.join(" < "))?,
        }
        Ok(())
    }
}

struct InCall(&'static str);

impl fmt::Display for InCall {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() { Ok(()) } else { write!(formatter, ", in {}", self.0) }
    }
}

struct Bytes(usize);

impl fmt::Display for Bytes {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            bytes if bytes != 0 && bytes % (1 << 20) == 0 => write!(formatter, "{} MiB", bytes >> 20),
            bytes if bytes != 0 && bytes % (1 << 10) == 0 => write!(formatter, "{} KiB", bytes >> 10),
            bytes => write!(formatter, "{bytes} bytes"),
        }
    }
}

/// The limits that a fault names.
#[derive(Clone, Copy, Debug)]
pub(crate) struct FaultLimits {
    pub(crate) memory: usize,
    pub(crate) table_elements: usize,
    pub(crate) call: Duration,
    pub(crate) batch_bytes: usize,
    pub(crate) instances: u32,
}

/// Raised by the epoch callback, to tell a deadline from other traps.
#[derive(Debug, thiserror::Error)]
#[error("the call's deadline has passed")]
pub(crate) struct DeadlinePassed;

impl FaultCause {
    /// Reads what wasmtime reports. A refusal in the same call explains a trap that follows it.
    pub(crate) fn of(error: &wasmtime::Error, refused: Option<Refusal>, limits: &FaultLimits) -> Self {
        if error.downcast_ref::<DeadlinePassed>().is_some() {
            return Self::CallTimeout { limit: limits.call };
        }
        if let Some(I32Exit(status)) = error.downcast_ref::<I32Exit>() {
            return Self::Exit { status: *status };
        }
        if error.downcast_ref::<PoolConcurrencyLimitError>().is_some() {
            return Self::NoInstanceFree { limit: limits.instances };
        }
        match refused {
            Some(Refusal::Memory) => return Self::Memory { limit: limits.memory },
            Some(Refusal::Table) => return Self::Table { limit: limits.table_elements },
            None => {}
        }
        match error.downcast_ref::<Trap>() {
            Some(Trap::StackOverflow) => Self::StackOverflow,
            Some(Trap::CannotEnterComponent) => Self::Discarded,
            Some(trap) => Self::Trap(trap.to_string().trim_start_matches("wasm trap: ").to_owned()),
            None => {
                let root = error.chain().last().map_or_else(|| error.to_string(), ToString::to_string);
                if root.contains("fuel allocated for hostcalls has been exhausted") {
                    Self::TooMuchAtOnce { limit: limits.batch_bytes }
                } else {
                    Self::Trap(root)
                }
            }
        }
    }
}

/// Where the guest was.
pub(crate) fn frames(error: &wasmtime::Error) -> Vec<String> {
    let Some(trace) = error.downcast_ref::<WasmBacktrace>() else { return Vec::new() };
    let named = |frame: &wasmtime::FrameInfo| {
        frame.func_name().map_or_else(
            || format!("function {}", frame.func_index()),
            |name| format!("{:#}", rustc_demangle::demangle(name)),
        )
    };
    trace.frames().iter().take(MAX_FRAMES).map(named).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fault_names_the_plugin_the_call_the_limit_and_its_key() {
        let fault = GuestFault {
            plugin: "org.example.Hungry".into(),
            call: "poll",
            cause: FaultCause::Memory { limit: 256 << 20 },
            trace: None,
        };
        assert_eq!(
            fault.to_string(),
            "the plugin org.example.Hungry used more than 256 MiB of memory (plugin.memory.max.bytes), in poll"
        );
    }
}
