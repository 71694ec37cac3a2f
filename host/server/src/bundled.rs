//! The plugins inside this binary: Connect's transforms and predicates, the file connectors, the data generator.

use millstream_plugin::Bundled;

/// Each with its component and the code that the build made of it for a baseline CPU.
pub const BUNDLED: &[Bundled] = &include!(concat!(env!("OUT_DIR"), "/bundled.rs"));
