//! What ends an instance: a trap, a limit, a broken promise. Never what a plugin reports in its own words.

use std::any::Any;
use std::fmt;
use std::io::ErrorKind;
use std::time::Duration;

use millstream_connector::PluginError;
use wasmtime::component::ResourceTableError;
use wasmtime::{Trap, WasmBacktrace};
use wasmtime_wasi::I32Exit;

use super::limiter::Refusal;

/// Frames of a guest's stack that a report shows.
const MAX_FRAMES: usize = 12;

/// How often a function stands among the innermost calls if it calls itself without end: an engine keeps twenty of
/// them, and a circle of four functions is the largest that is recognised.
const MANY_CALLS: usize = 4;

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

impl From<GuestFault> for PluginError {
    /// The fault as the rest of the host sees it.
    fn from(fault: GuestFault) -> Self {
        let reason = fault.reason();
        Self::Broken { plugin: fault.plugin, reason }
    }
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
    #[error(
        "found no memory left: all plugins of this worker together may hold {} (plugin.memory.total.max.bytes)",
        Bytes(*limit)
    )]
    TotalMemory { limit: usize },
    #[error("asked for memory that the system does not give, although plugin.memory.max.bytes allows it{}", MapsHint)]
    NoSystemMemory,
    #[error("used more memory than the component itself allows (its own maximum)")]
    OwnMaximum,
    #[error("asked for a table of more than {limit} elements, the most that this host gives")]
    Table { limit: usize },
    #[error("kept more than {limit} files and other objects of the host open, the most that it may have")]
    Handles { limit: usize },
    #[error("ran longer than {} ms (plugin.call.timeout.ms)", limit.as_millis())]
    CallTimeout { limit: Duration },
    #[error("waited for the host longer than {} ms (plugin.host.call.timeout.ms)", limit.as_millis())]
    HostWait { limit: Duration },
    #[error("handed over more than {} in one call (plugin.batch.max.bytes)", Bytes(*limit))]
    TooMuchAtOnce { limit: usize },
    #[error("called itself too deeply: its call stack of {} is used up", Bytes(*limit))]
    StackOverflow { limit: usize },
    #[error("called itself too deeply: the stack in its own memory is used up (its linker sets the size)")]
    OwnStackOverflow,
    #[error("{}", Exited(*status))]
    Exit { status: i32 },
    #[error("panicked or trapped: {0}")]
    Trap(String),
    #[error("broke the plugin contract: {0}")]
    Violation(String),
    #[error("ran into a fault of the host itself, which is to be reported: {0}")]
    HostPanic(String),
    #[error("was interrupted in a call that was given up, and cannot be used again")]
    Cancelled,
    #[error("was discarded after an earlier fault")]
    Discarded,
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

/// How a guest left its own process. Programs for WASI 0.2 say whether they succeeded; their status gets lost on
/// the way, and stands here as 1.
struct Exited(i32);

impl fmt::Display for Exited {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            0 => write!(formatter, "ended its own process, saying that it succeeded"),
            1 => write!(formatter, "ended its own process, saying that it failed (with which status is not passed on)"),
            status => write!(formatter, "ended its own process with status {status}"),
        }
    }
}

/// What to look at where the system gives no memory although there is some.
struct MapsHint;

impl fmt::Display for MapsHint {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match std::fs::read_to_string("/proc/sys/vm/max_map_count") {
            Ok(count) => write!(
                formatter,
                "; beside free memory, look at the system's vm.max_map_count={}, of which an instance takes about ten",
                count.trim()
            ),
            Err(_) => Ok(()),
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
    pub(crate) total_memory: usize,
    pub(crate) stack: usize,
    pub(crate) handles: usize,
}

/// Raised by the epoch callback, to tell a deadline from other traps.
#[derive(Debug, thiserror::Error)]
#[error("the call's deadline has passed")]
pub(crate) struct DeadlinePassed;

/// Stands for a panic of the host's own code, in a call of a guest.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(crate) struct HostPanicked(String);

impl HostPanicked {
    /// With the panic's message, if it has one.
    pub(crate) fn of(panic: &(dyn Any + Send)) -> Self {
        let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
        let text = text.or_else(|| panic.downcast_ref::<String>().cloned());
        Self(text.unwrap_or_else(|| "a panic without a message".to_owned()))
    }
}

impl FaultCause {
    /// Reads what wasmtime reports. A refusal in the same call explains a trap that follows it.
    pub(crate) fn of(error: &wasmtime::Error, refused: Option<Refusal>, limits: &FaultLimits) -> Self {
        if error.downcast_ref::<DeadlinePassed>().is_some() {
            return Self::CallTimeout { limit: limits.call };
        }
        if let Some(HostPanicked(text)) = error.downcast_ref::<HostPanicked>() {
            return Self::HostPanic(text.clone());
        }
        if let Some(I32Exit(status)) = error.downcast_ref::<I32Exit>() {
            return Self::Exit { status: *status };
        }
        match refused {
            Some(Refusal::Memory) => return Self::Memory { limit: limits.memory },
            Some(Refusal::TotalMemory) => return Self::TotalMemory { limit: limits.total_memory },
            Some(Refusal::Table) => return Self::Table { limit: limits.table_elements },
            Some(Refusal::System) => return Self::NoSystemMemory,
            Some(Refusal::OwnMaximum) => return Self::OwnMaximum,
            None => {}
        }
        if let Some(trap) = error.downcast_ref::<Trap>() {
            return Self::of_trap(*trap, error, limits);
        }
        if let Some(ResourceTableError::Full) = error.downcast_ref::<ResourceTableError>() {
            return Self::Handles { limit: limits.handles };
        }
        if error.downcast_ref::<std::io::Error>().is_some_and(|error| error.kind() == ErrorKind::OutOfMemory) {
            return Self::NoSystemMemory;
        }
        let root = error.chain().last().map_or_else(|| error.to_string(), ToString::to_string);
        if root.contains("fuel allocated for hostcalls has been exhausted") {
            Self::TooMuchAtOnce { limit: limits.batch_bytes }
        } else {
            Self::Trap(root)
        }
    }

    fn of_trap(trap: Trap, error: &wasmtime::Error, limits: &FaultLimits) -> Self {
        let text = match trap {
            Trap::StackOverflow => return Self::StackOverflow { limit: limits.stack },
            Trap::CannotEnterComponent => return Self::Discarded,
            Trap::MemoryOutOfBounds if overflowed_own_stack(error) => return Self::OwnStackOverflow,
            Trap::MemoryOutOfBounds => "it touched memory that it does not have",
            Trap::UnreachableCodeReached => "it gave up (a panic, an abort or a failed allocation)",
            Trap::IntegerDivisionByZero => "it divided an integer by zero",
            Trap::IntegerOverflow => "an integer became too large in a division",
            Trap::BadConversionToInteger => "it made an integer of a number that is none or is too large",
            Trap::TableOutOfBounds | Trap::IndirectCallToNull | Trap::BadSignature => {
                "it called through a function pointer that leads nowhere or to a function of another type"
            }
            Trap::StringOutOfBounds | Trap::ListOutOfBounds => {
                "it handed over a text or list that does not lie in its memory"
            }
            Trap::InvalidChar => "it handed over a character that does not exist",
            other => return Self::Trap(other.to_string().trim_start_matches("wasm trap: ").to_owned()),
        };
        Self::Trap(text.to_owned())
    }
}

/// Guests keep most of their variables on a second stack, in their own memory, which begins at address 0 and grows
/// down. One step beyond it is an address below zero, which is one at the very end of the 32 bits; and the way there
/// led through many calls.
fn overflowed_own_stack(error: &wasmtime::Error) -> bool {
    /// The largest frame that is looked for.
    const STEP: u64 = 64 << 20;
    let Some(trace) = error.downcast_ref::<WasmBacktrace>() else { return false };
    let frames = trace.frames();
    let calls =
        |frame: &wasmtime::FrameInfo| frames.iter().filter(|other| other.func_index() == frame.func_index()).count();
    let address = error.chain().find_map(|cause| {
        let text = cause.to_string();
        let digits = text.strip_prefix("memory fault at wasm address 0x")?.split(' ').next()?;
        u64::from_str_radix(digits, 16).ok()
    });
    match address {
        Some(address) => (1 << 32) - STEP <= address && frames.iter().any(|frame| MANY_CALLS <= calls(frame)),
        // The step was a copy of many bytes, of which no address is told: hardly anything else may be on the stack.
        None => frames.iter().any(|frame| 3 * MANY_CALLS <= calls(frame) && 3 * frames.len() <= 4 * calls(frame)),
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
