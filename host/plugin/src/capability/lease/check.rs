//! Whether this worker gives leases to plugins.

use crate::capability::Allowed;

pub(super) fn check(allowed: &Allowed) -> Result<(), String> {
    if allowed.lease {
        return Ok(());
    }
    Err("the plugin wants a lease, which this worker grants to none (plugin.allow.lease=false)".to_owned())
}
