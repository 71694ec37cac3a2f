//! How guests are compiled. The build script that precompiles the bundled plugins includes this file
//! too, since code compiled under other settings is refused when it is loaded.

use wasmtime::{Config, OptLevel, Result};

/// Deepest call stack of a guest's own, in bytes.
pub(crate) const MAX_WASM_STACK: usize = 512 << 10;

/// Stack on which a guest and the host functions it calls run, in bytes.
const FIBER_STACK: usize = 2 << 20;

/// CPU features that precompiled code may use: x86-64-v2, which every server since 2009 has. Without an
/// explicit list Cranelift takes the build machine's own, and its AVX-512 code is refused elsewhere.
const X86_64_BASELINE: [&str; 6] = ["has_cmpxchg16b", "has_sse3", "has_ssse3", "has_sse41", "has_sse42", "has_popcnt"];

/// Settings that decide whether compiled code fits an engine.
///
/// With a target triple the code is for the baseline CPU of that target, else for this machine.
///
/// # Errors
///
/// For a target that Cranelift was not built for.
pub fn compile_settings(target: Option<&str>) -> Result<Config> {
    let mut config = Config::new();
    config
        .wasm_component_model(true)
        // Guests run on fibers; the component model's own concurrency would treble the cost of a call.
        .concurrency_support(false)
        .epoch_interruption(true)
        .memory_init_cow(true)
        // For debuggers only: traces of guests and panics of the host do not need it.
        .native_unwind_info(false)
        // Traces name functions, not bytes of the module.
        .generate_address_map(false)
        .cranelift_opt_level(OptLevel::Speed)
        .max_wasm_stack(MAX_WASM_STACK)
        .async_stack_size(FIBER_STACK);
    if let Some(target) = target {
        config.target(target)?;
        if target.starts_with("x86_64") {
            for feature in X86_64_BASELINE {
                // SAFETY: these flags only choose instructions, and code that uses them is refused on a
                // machine without them.
                unsafe { config.cranelift_flag_enable(feature) };
            }
        }
    }
    Ok(config)
}
