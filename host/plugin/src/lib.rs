//! Plugins as WebAssembly components: finds, verifies, compiles, limits and calls them.
//!
//! Everything that knows WebAssembly lives here; the rest of the host sees the traits of
//! `millstream-connector`. Nothing here knows of tasks, offsets or topics.

mod cache;
mod capability;
mod catalogue;
mod component;
mod contract;
mod describe;
mod engine;
pub mod guest_build;
mod instance;
mod limits;
mod machine;
mod making;
mod roles;
#[cfg(test)]
mod test_log;

pub use cache::CacheError;
pub use capability::{
    Allowed, AllowedPlaces, AllowedSql, HttpAllowed, OriginPattern, SocketPattern, SocketsAllowed, UnknownOpening,
};
pub use catalogue::{CheckedPlugin, PluginFileError, PluginProblem, StartError, WasmPlugins, check_file};
pub use component::{Bundled, ComponentError};
pub use describe::{Description, DescriptionError, PluginDescription};
pub use engine::{EngineError, compile_settings};
pub use instance::{FaultCause, GuestFault, GuestTrace};
pub use limits::{InvalidAllowance, PluginLimits};
pub use making::{MakeError, Types, make_component};
