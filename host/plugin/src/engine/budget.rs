//! The memory that all plugin instances of the worker hold together, against what they may hold.

use std::sync::atomic::{AtomicUsize, Ordering};

/// Bytes held by all instances; one for the whole worker.
#[derive(Debug)]
pub(crate) struct MemoryBudget {
    limit: usize,
    held: AtomicUsize,
}

impl MemoryBudget {
    pub(crate) fn new(limit: usize) -> Self {
        Self { limit, held: AtomicUsize::new(0) }
    }

    /// The most that may be held.
    pub(crate) fn limit(&self) -> usize {
        self.limit
    }

    /// Bytes held at present.
    #[cfg(test)]
    pub(crate) fn held(&self) -> usize {
        self.held.load(Ordering::Relaxed)
    }

    /// Takes bytes, or none if they are not left.
    pub(crate) fn take(&self, bytes: usize) -> bool {
        let fits = |held: usize| held.checked_add(bytes).filter(|&wanted| wanted <= self.limit);
        self.held.fetch_update(Ordering::Relaxed, Ordering::Relaxed, fits).is_ok()
    }

    /// Gives back bytes that were taken.
    pub(crate) fn give_back(&self, bytes: usize) {
        self.held.fetch_sub(bytes, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_taken_up_to_the_limit_and_can_be_taken_again() {
        let budget = MemoryBudget::new(100);
        assert!(budget.take(60));
        assert!(!budget.take(41), "a wish that is not granted takes nothing");
        assert!(budget.take(40));
        assert!(!budget.take(usize::MAX), "not even one that overflows");
        budget.give_back(60);
        assert_eq!(budget.held(), 40);
        assert!(budget.take(60));
    }
}
