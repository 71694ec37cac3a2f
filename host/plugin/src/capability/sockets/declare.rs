//! `"opens": {"socket": "address"}`: the value is `host:port`, or several.

use millstream_config::{ConfigDef, ConfigMap, Opens};

use super::check::check;
use crate::capability::{Allowed, CapabilityStates, Opening};

/// The member of `opens` that means a server's address.
pub(super) const WORD: &str = "socket";

struct NamesAddress;

pub(super) fn read(opens: &Opens, _keys: &ConfigDef) -> Option<Box<dyn Opening>> {
    (opens.members().get(WORD)?.as_str()? == "address").then(|| Box::new(NamesAddress) as Box<dyn Opening>)
}

impl Opening for NamesAddress {
    fn check(&self, value: &str, _config: &ConfigMap, allowed: &Allowed) -> Result<(), String> {
        check(value, &allowed.sockets).map(drop)
    }

    fn grant(&self, _key: &str, value: Option<&str>, _config: &ConfigMap, states: &mut CapabilityStates) {
        states.sockets.grant(value.unwrap_or_default());
    }
}
