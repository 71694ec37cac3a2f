//! Whether an instance may ask for the lease of its connector.

use std::sync::Arc;

use millstream_connector::{ErrorKind, Failure, Lease};

/// Of one instance.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct LeaseAccess {
    granted: bool,
}

impl LeaseAccess {
    pub(super) fn grant(&mut self) {
        self.granted = true;
    }

    pub(crate) fn revoke(&mut self) {
        self.granted = false;
    }

    /// The lease that the worker has for the instance, if it has one.
    ///
    /// # Errors
    ///
    /// There is none for it, as the guest hears.
    pub(crate) fn of(self, lease: Option<Arc<dyn Lease>>) -> Result<Arc<dyn Lease>, Failure> {
        let refused =
            |why: &str| Failure::new(ErrorKind::Fatal, "", format!("there is no lease for the plugin: {why}"));
        if !self.granted {
            return Err(refused("its description does not say that it wants one (\"wants\": [\"lease\"])"));
        }
        lease.ok_or_else(|| refused("only tasks of connectors have one"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plugin_that_has_no_lease_hears_why() {
        let mut access = LeaseAccess::default();
        let why = |access: LeaseAccess| access.of(None).err().map(|failure| failure.message).unwrap_or_default();
        assert!(why(access).ends_with("its description does not say that it wants one (\"wants\": [\"lease\"])"));
        access.grant();
        assert!(why(access).ends_with("only tasks of connectors have one"));
        access.revoke();
        assert!(why(access).contains("wants one"));
    }
}
