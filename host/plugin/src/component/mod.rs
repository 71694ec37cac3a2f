//! A component ready to be instantiated: compiled code with everything that it imports.

mod bundled;
mod file;

use std::path::Path;
use std::sync::Arc;

use rayon::ThreadPoolBuilder;
use wasmtime::component::{Component, InstancePre, Linker};

pub use bundled::Bundled;
pub(crate) use file::{ComponentFile, PluginFile, compile_logged, keep, load_cached};

use crate::cache::CompiledCache;
use crate::capability::{self, InstanceName, Worker};
use crate::contract::{self, Exports};
use crate::engine::{PluginEngine, take_in_place};
use crate::instance::{Guest, GuestFault, GuestState};
use crate::limits::PluginLimits;

/// What all components of a worker share.
pub(crate) struct Host {
    pub(crate) engine: PluginEngine,
    pub(crate) limits: PluginLimits,
    pub(crate) cache: Option<CompiledCache>,
}

/// Why a component cannot be used.
#[derive(Debug, thiserror::Error)]
#[expect(missing_docs, reason = "the messages say what the variants and fields are")]
pub enum ComponentError {
    #[error("it is not a WebAssembly component{0}")]
    NotAComponent(&'static str),
    #[error("decompress it")]
    Unpack { source: std::io::Error },
    #[error("compile it")]
    Compile { source: wasmtime::Error },
    #[error("load its compiled form")]
    Load { source: wasmtime::Error },
    #[error("it exports {}, but a plugin exports {}", listed(.exports), contract::newest_plugin_interface())]
    OtherWorld { exports: Vec<String> },
    #[error("it is built for another version of the plugin contract: it exports {}", .exports.join(", "))]
    OtherVersion { exports: Vec<String> },
    #[error("its exports do not fit the plugin contract")]
    Exports { source: wasmtime::Error },
    #[error("it imports what plugins are not given{}", named(.foreign))]
    Imports { foreign: Vec<String>, source: wasmtime::Error },
    #[error("{problem}")]
    Unfitting { problem: String },
    #[error("ask it to describe itself")]
    Describe { source: GuestFault },
}

fn named(imports: &[String]) -> String {
    if imports.is_empty() { String::new() } else { format!(": {}", imports.join(", ")) }
}

fn listed(exports: &[String]) -> String {
    if exports.is_empty() { "nothing".into() } else { exports.join(", ") }
}

/// Code that this process has compiled; nothing else makes one.
pub(crate) struct Code(Vec<u8>);

impl Code {
    pub(crate) fn bytes(&self) -> &[u8] {
        &self.0
    }
}

/// A component with its imports resolved.
pub(crate) struct Loaded {
    pub(crate) component: InstancePre<GuestState>,
    pub(crate) exports: Box<dyn Exports>,
}

impl Loaded {
    /// Compiles a component on so many threads, which end with it. Takes seconds for large ones.
    pub(crate) fn compile(engine: &PluginEngine, wasm: &[u8], threads: usize) -> Result<Code, ComponentError> {
        if !wasm.starts_with(b"\0asm") {
            return Err(ComponentError::NotAComponent(""));
        }
        // A core module has version 1 and layer 0 where a component has 13 and 1.
        if wasm.get(4..8) == Some(&[1, 0, 0, 0]) {
            return Err(ComponentError::NotAComponent(
                ", but a core module: build it for wasm32-wasip2, or turn it into a component",
            ));
        }
        let compiled = on_compiler_threads(threads, || engine.engine.precompile_component(wasm))?;
        compiled.map(Code).map_err(|source| ComponentError::Compile { source })
    }

    /// Loads compiled code that the build of this binary has put into it. The first time in a process it runs
    /// where it is, so that only what is used of it takes memory. A copy does where the system does not let it.
    pub(crate) fn from_binary(engine: &PluginEngine, bundled: &Bundled) -> Result<Self, ComponentError> {
        let code = bundled.code;
        if take_in_place(code) {
            // SAFETY: who made the `Bundled` has promised that wasmtime compiled the bytes; they are never written to.
            if let Ok(component) = unsafe { Component::deserialize_raw(&engine.engine, code.into()) } {
                return Self::link(engine, component);
            }
        }
        // SAFETY: as above.
        let component = unsafe { Component::deserialize(&engine.engine, code) };
        Self::link(engine, component.map_err(|source| ComponentError::Load { source })?)
    }

    /// Loads compiled code that this host has made itself.
    pub(crate) fn from_code(engine: &PluginEngine, code: &Code) -> Result<Self, ComponentError> {
        // SAFETY: only `compile` makes code.
        let component = unsafe { Component::deserialize(&engine.engine, code.bytes()) };
        Self::link(engine, component.map_err(|source| ComponentError::Load { source })?)
    }

    /// Maps a file of compiled code that this host has made itself.
    pub(crate) fn from_code_file(engine: &PluginEngine, path: &Path) -> Result<Self, ComponentError> {
        // SAFETY: the file lies in the host's own folder, which others cannot write, and its checksum is right.
        let component = unsafe { Component::deserialize_file(&engine.engine, path) };
        Self::link(engine, component.map_err(|source| ComponentError::Load { source })?)
    }

    fn link(engine: &PluginEngine, component: Component) -> Result<Self, ComponentError> {
        let exports = exported_names(engine, &component);
        let Some(version) = contract::version_of(&component) else {
            let plugin = format!("{}/plugin@", contract::PACKAGE);
            return Err(if exports.iter().any(|name| name.starts_with(&plugin)) {
                ComponentError::OtherVersion { exports }
            } else {
                ComponentError::OtherWorld { exports }
            });
        };
        let mut linker = Linker::new(&engine.engine);
        add_imports(&mut linker).map_err(|source| ComponentError::Imports { foreign: Vec::new(), source })?;
        let component = linker.instantiate_pre(&component).map_err(|source| ComponentError::Imports {
            foreign: imported_names(engine, &component).into_iter().filter(|name| !is_offered(name)).collect(),
            source,
        })?;
        let exports = (version.exports)(&component).map_err(|source| ComponentError::Exports { source })?;
        Ok(Self { component, exports })
    }

    /// Asks the component what it carries.
    pub(crate) async fn describe(
        &self,
        engine: &PluginEngine,
        limits: &PluginLimits,
        name: &str,
    ) -> Result<String, ComponentError> {
        let mut guest = self.describing(engine, limits, name).await?;
        self.exports.describe(&mut guest).await.map_err(|source| ComponentError::Describe { source })
    }

    /// An instance that nobody's configuration opens anything to.
    pub(crate) async fn describing(
        &self,
        engine: &PluginEngine,
        limits: &PluginLimits,
        name: &str,
    ) -> Result<Guest, ComponentError> {
        let name = InstanceName { plugin: name.to_owned(), ..InstanceName::default() };
        let guest = Guest::new(engine, &self.component, limits, name, Worker::Nobody, &Arc::default()).await;
        guest.map_err(|source| ComponentError::Describe { source })
    }

    /// The version of the contract that it is for.
    pub(crate) fn contract(&self) -> &'static str {
        contract::version_of(self.component.component()).map_or("", contract::ContractVersion::number)
    }

    /// The interfaces that it imports, in alphabetical order.
    pub(crate) fn imports(&self, engine: &PluginEngine) -> Vec<String> {
        let mut names = imported_names(engine, self.component.component());
        names.sort();
        names
    }
}

/// Runs the compiler on so many threads, which end with it. A panic on one of them goes on in the caller.
pub(crate) fn on_compiler_threads<T: Send>(
    threads: usize,
    compile: impl FnOnce() -> T + Send,
) -> Result<T, ComponentError> {
    let pool = ThreadPoolBuilder::new().num_threads(threads).thread_name(|_| "plugin-compiler".into()).build();
    let pool = pool.map_err(|error| ComponentError::Compile { source: wasmtime::Error::new(error) })?;
    Ok(pool.install(compile))
}

fn exported_names(engine: &PluginEngine, component: &Component) -> Vec<String> {
    let names = component.component_type();
    names.exports(&engine.engine).map(|(name, _)| name.to_owned()).collect()
}

fn imported_names(engine: &PluginEngine, component: &Component) -> Vec<String> {
    let names = component.component_type();
    names.imports(&engine.engine).map(|(name, _)| name.to_owned()).collect()
}

/// Whether plugins are given an interface of this name, in one version or another.
fn is_offered(name: &str) -> bool {
    name.starts_with("wasi:") || name.split_once('@').is_some_and(|(name, _)| contract::offers(name))
}

/// Links WASI, which grants nothing by itself, and what the capabilities offer.
fn add_imports(linker: &mut Linker<GuestState>) -> wasmtime::Result<()> {
    wasmtime_wasi::p2::add_to_linker_async(linker)?;
    wasmtime_wasi_http::p2::add_only_http_to_linker_async(linker)?;
    contract::offer_types(linker)?;
    let interfaces = capability::ALL.iter().flat_map(|capability| capability.link);
    interfaces.into_iter().try_for_each(|interface| contract::offer(linker, interface))
}
