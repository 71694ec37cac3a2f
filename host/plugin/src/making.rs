//! Making a component of what a language's compiler leaves behind: a core module gets the contract's types and, where it
//! was built for WASI's first version, an adapter for it. No tool has to be installed for that.

use std::borrow::Cow;
use std::path::Path;

use wasi_preview1_component_adapter_provider::{
    WASI_SNAPSHOT_PREVIEW1_ADAPTER_NAME, WASI_SNAPSHOT_PREVIEW1_REACTOR_ADAPTER,
};
use wit_component::{ComponentEncoder, StringEncoding, embed_component_metadata};
use wit_parser::Resolve;

/// The contract that components are made for: the newest.
const CONTRACT: &str = include_str!("../../../wit/millstream-connect@0.1.0/connect.wit");

/// The world with every kind of plugin in it.
const WORLD: &str = "bundle";

/// What the section is called in which a module says what its types are as a component's, or begins with.
const TYPES: &str = "component-type";

/// What begins a core module; a component has other bytes behind the first four.
const CORE_MODULE: &[u8] = b"\0asm\x01\0\0\0";

/// Why bytes cannot be made into a component.
#[derive(Debug, thiserror::Error)]
#[error("{attempt}: {reason}")]
pub struct MakeError {
    attempt: &'static str,
    reason: String,
}

impl MakeError {
    fn new(attempt: &'static str, error: impl std::fmt::Debug) -> Self {
        // The library's errors have their causes in their debug form only.
        let reason = format!("{error:?}");
        let reason: Vec<&str> = reason.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
        Self { attempt, reason: reason.join(" ") }
    }
}

/// What the imports and exports of a core module mean that does not say so itself.
#[derive(Clone, Copy, Debug)]
pub enum Types<'a> {
    /// Those of the contract's world `bundle`.
    Contract,
    /// Those of a world in a folder with a WIT package, whose dependencies are below `deps` there.
    World {
        /// The folder.
        folder: &'a Path,
        /// Name of the world.
        world: &'a str,
    },
}

/// A component made of a core module that exports the contract's functions under their canonical names. What is a
/// component already comes back unchanged. A module that says itself what its types are is believed.
///
/// # Errors
///
/// The bytes are no module, or lack what the world exports.
pub fn make_component(wasm: Vec<u8>, types: Types<'_>) -> Result<Vec<u8>, MakeError> {
    if !wasm.starts_with(CORE_MODULE) {
        if wasm.starts_with(b"\0asm") {
            return Ok(wasm);
        }
        return Err(MakeError { attempt: "read the module", reason: "it is no WebAssembly".to_owned() });
    }
    let module = if says_its_types(&wasm) { Cow::Borrowed(&wasm) } else { Cow::Owned(with_types(&wasm, types)?) };
    let mut encoder = ComponentEncoder::default();
    encoder.module(&module).map_err(|error| MakeError::new("read the module", error))?;
    encoder
        .adapter(WASI_SNAPSHOT_PREVIEW1_ADAPTER_NAME, WASI_SNAPSHOT_PREVIEW1_REACTOR_ADAPTER)
        .map_err(|error| MakeError::new("read the adapter for WASI", error))?;
    encoder.validate(true);
    encoder.encode().map_err(|error| MakeError::new("make a component of the module", error))
}

fn with_types(wasm: &[u8], types: Types<'_>) -> Result<Vec<u8>, MakeError> {
    let failed = |error| MakeError::new("read the contract", error);
    let mut resolve = Resolve::default();
    let (package, world) = match types {
        Types::Contract => (resolve.push_source("connect.wit", CONTRACT), WORLD),
        Types::World { folder, world } => (resolve.push_path(folder).map(|(package, _)| package), world),
    };
    let world = resolve.select_world(&[package.map_err(failed)?], Some(world)).map_err(failed)?;
    let mut module = wasm.to_vec();
    embed_component_metadata(&mut module, &resolve, world, StringEncoding::UTF8)
        .map_err(|error| MakeError::new("say what the module's types are", error))?;
    Ok(module)
}

/// Whether a core module has a section of its own with its types. What cannot be read has none: the encoder says why.
fn says_its_types(wasm: &[u8]) -> bool {
    let mut rest = &wasm[CORE_MODULE.len()..];
    while let Some((id, mut section)) = next_section(&mut rest) {
        if id == 0
            && let Some(len) = leb128(&mut section)
            && section.get(..len).is_some_and(|name| name.starts_with(TYPES.as_bytes()))
        {
            return true;
        }
    }
    false
}

/// Number and content of the section at the front, which is taken off.
fn next_section<'a>(rest: &mut &'a [u8]) -> Option<(u8, &'a [u8])> {
    let (&id, mut behind) = rest.split_first()?;
    let len = leb128(&mut behind)?;
    let (section, behind) = behind.split_at_checked(len)?;
    *rest = behind;
    Some((id, section))
}

/// An unsigned number of at most 32 bits, which is taken off.
fn leb128(bytes: &mut &[u8]) -> Option<usize> {
    let mut value = 0_u64;
    for shift in [0, 7, 14, 21, 28] {
        let (&byte, behind) = bytes.split_first()?;
        *bytes = behind;
        value |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return usize::try_from(value).ok();
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_module_or_lacks_the_exports_is_refused_with_the_reason() {
        let refused = |wasm: &[u8]| make_component(wasm.to_vec(), Types::Contract).expect_err("no plugin").to_string();
        assert_eq!(refused(b"#!/bin/sh"), "read the module: it is no WebAssembly");
        let empty = refused(CORE_MODULE);
        assert!(
            empty.starts_with("make a component of the module: ") || empty.starts_with("read the module: "),
            "{empty}"
        );
        assert!(empty.contains("millstream:connect/"), "{empty}");
        let cut = refused(&[CORE_MODULE, &[0, 200]].concat());
        assert!(cut.starts_with("read the module: "), "{cut}");
    }

    #[test]
    fn a_component_comes_back_as_it_is() {
        let component = b"\0asm\x0d\0\x01\0".to_vec();
        assert_eq!(make_component(component.clone(), Types::Contract).expect("taken"), component);
    }

    #[test]
    fn a_section_with_types_is_found_behind_others_and_damage_is_no_panic() {
        let section = |name: &str, content: &[u8]| {
            let inner = [&[name.len() as u8], name.as_bytes(), content].concat();
            [&[0, inner.len() as u8][..], &inner].concat()
        };
        let with = [CORE_MODULE, &section("name", b"x"), &section("component-type:bundle", b"y")].concat();
        assert!(says_its_types(&with));
        let without = [CORE_MODULE, &section("producers", b"component-type")].concat();
        assert!(!says_its_types(&without));
        for cut in CORE_MODULE.len()..with.len() {
            let _ = says_its_types(&with[..cut]);
        }
    }
}
