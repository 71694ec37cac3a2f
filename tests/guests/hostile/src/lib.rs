//! Plugins that break every promise of the contract, each when its configuration key `behaviour` asks for it. Behaviours
//! that are no misbehaviour (`lines`, `keep`, ...) play the neighbour that must not notice.

#[cfg(target_arch = "wasm32")]
mod batches;
#[cfg(target_arch = "wasm32")]
mod columns;
#[cfg(target_arch = "wasm32")]
mod guest;
#[cfg(target_arch = "wasm32")]
mod http;
#[cfg(target_arch = "wasm32")]
mod sql;
