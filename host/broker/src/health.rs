//! What has died while the broker goes on: partitions offline, timers that ended, threads that panicked.
//!
//! Whoever notices reports it here, once, under a name; who asks gets the list. Nothing is decided here.

use std::{
    any::Any,
    collections::{BTreeMap, btree_map::Entry},
    sync::{Mutex, MutexGuard, PoisonError},
};

use tracing::error;

/// The faults of a running broker.
#[derive(Debug, Default)]
pub struct Health {
    faults: Mutex<BTreeMap<String, String>>,
}

impl Health {
    /// Notes that `what` does not work any more, and says so in the log. The first reason stays.
    pub fn report(&self, what: impl Into<String>, reason: impl Into<String>) {
        let (what, reason) = (what.into(), reason.into());
        if let Entry::Vacant(place) = self.lock().entry(what) {
            error!(what = place.key(), reason, "a part of the broker does not work");
            place.insert(reason);
        }
    }

    /// Notes that `what` works again, or is no longer wanted.
    pub fn clear(&self, what: &str) {
        self.lock().remove(what);
    }

    /// Whether there is no fault.
    pub fn is_good(&self) -> bool {
        self.lock().is_empty()
    }

    /// One line for each fault: what, and why.
    pub fn faults(&self) -> Vec<String> {
        self.lock().iter().map(|(what, reason)| format!("{what}: {reason}")).collect()
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, String>> {
        // Each change is one call on the map: there is nothing half-done to fear.
        self.faults.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The words of a panic.
pub fn panic_text(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    let text = text.or_else(|| panic.downcast_ref::<String>().cloned());
    format!("a fault in the program: {}", text.as_deref().unwrap_or("a panic without words"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fault_is_listed_with_its_first_reason_until_it_is_cleared() {
        let health = Health::default();
        health.report("partition t-0", "the disk failed");
        health.report("partition t-0", "it failed again");
        assert_eq!(health.faults(), ["partition t-0: the disk failed"]);
        health.clear("partition t-0");
        assert!(health.faults().is_empty());
    }
}
