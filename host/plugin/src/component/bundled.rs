//! Plugins inside the host's own binary.

/// A plugin inside the host's own binary.
#[derive(Clone, Copy, Debug)]
pub struct Bundled {
    pub(crate) name: &'static str,
    pub(crate) wasm: &'static [u8],
    pub(super) code: &'static [u8],
}

impl Bundled {
    /// A plugin with its name for messages, the component in gzip format, which is needed only where the code does not
    /// fit, and the component compiled for a baseline CPU; that is empty if the build could not. Where the code begins
    /// at the beginning of a page it is run where it is, else it is copied.
    ///
    /// # Safety
    ///
    /// The code, or a beginning of it, is what wasmtime made of a component, and nobody has changed it since: it is run
    /// in the host.
    pub const unsafe fn new(name: &'static str, wasm: &'static [u8], code: &'static [u8]) -> Self {
        Self { name, wasm, code }
    }
}
