//! The published contracts: one module per version, each with its row in [`VERSIONS`]. Only such a module names what is
//! generated from a contract; it converts to the host's types, field by field, and the rest of the crate speaks to the
//! traits of [`guest`].

mod guest;
mod v0_1_0;

use wasmtime::component::{Component, InstancePre, Linker};

pub(crate) use guest::{
    Changes, Exports, GuestChain, GuestConnector, GuestConverter, GuestLink, GuestPredicate, GuestSinkTask,
    GuestSourceTask, Verdict,
};

use crate::instance::GuestState;

/// Name of the package, without its version.
pub(crate) const PACKAGE: &str = "millstream:connect";

/// Versions of the batch format that this host reads and writes.
pub(crate) const BATCH_FORMATS: [u64; 1] = [1];

/// Every version that this host speaks, the oldest first.
const VERSIONS: [&ContractVersion; 1] = [&v0_1_0::VERSION];

/// Adds an interface to a linker.
type Offer = fn(&mut Linker<GuestState>) -> wasmtime::Result<()>;

/// One version of the contract.
pub(crate) struct ContractVersion {
    /// As the package has it: `0.1.0`.
    number: &'static str,
    /// The interface that has types only.
    types: Offer,
    /// Interfaces that the host offers to guests, by name.
    imports: &'static [(&'static str, Offer)],
    /// Looks up what a component of this version exports.
    ///
    /// Fails when it does not export `plugin`, or an interface of ours lacks a function.
    pub(crate) exports: fn(&InstancePre<GuestState>) -> wasmtime::Result<Box<dyn Exports>>,
}

impl ContractVersion {
    /// As the package has it: `0.1.0`.
    pub(crate) fn number(&self) -> &'static str {
        self.number
    }
}

/// Whether a version of the contract offers an interface of this name to guests.
pub(crate) fn offers(interface: &str) -> bool {
    let Some(name) = interface.strip_prefix(PACKAGE).and_then(|name| name.strip_prefix('/')) else { return false };
    name == "types" || VERSIONS.iter().flat_map(|version| version.imports).any(|(offered, _)| *offered == name)
}

/// The newest version that a component speaks.
pub(crate) fn version_of(component: &Component) -> Option<&'static ContractVersion> {
    let speaks = |version: &&&ContractVersion| {
        component.get_export_index(None, format!("{PACKAGE}/plugin@{}", version.number)).is_some()
    };
    VERSIONS.iter().rev().find(speaks).copied()
}

/// What plugins export that are built for the newest version, for messages.
pub(crate) fn newest_plugin_interface() -> String {
    format!("{PACKAGE}/plugin@{}", VERSIONS[VERSIONS.len() - 1].number)
}

/// Offers an interface to guests, in every version of the contract that has it.
pub(crate) fn offer(linker: &mut Linker<GuestState>, interface: &str) -> wasmtime::Result<()> {
    let offers = VERSIONS.iter().flat_map(|version| version.imports).filter(|(name, _)| *name == interface);
    offers.into_iter().try_for_each(|(_, offer)| offer(linker))
}

/// Offers the types of every version.
pub(crate) fn offer_types(linker: &mut Linker<GuestState>) -> wasmtime::Result<()> {
    VERSIONS.iter().try_for_each(|version| (version.types)(linker))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::capability;

    #[test]
    fn each_interface_that_a_contract_offers_belongs_to_one_capability() {
        let mut linked: Vec<&str> = capability::ALL.iter().flat_map(|capability| capability.link).copied().collect();
        linked.sort_unstable();
        for version in VERSIONS {
            for (interface, _) in version.imports {
                let owners = linked.iter().filter(|linked| *linked == interface).count();
                assert_eq!(owners, 1, "{interface} of {}", version.number);
            }
        }
        linked.retain(|name| !VERSIONS.iter().any(|version| version.imports.iter().any(|(other, _)| other == name)));
        assert!(linked.is_empty(), "no contract has {linked:?}");
    }
}
