//! The memory that all plugin instances of the worker hold together, against what they may hold.

use std::fs;
use std::sync::atomic::{AtomicUsize, Ordering};

/// What is assumed where the system does not say how much memory it has.
const UNKNOWN_MACHINE: usize = 4 << 30;

/// Where containers say how much memory they may use.
const CONTAINER_LIMITS: [&str; 2] = ["/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"];

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

/// Bytes of memory that the machine has, or that the container may use if that is less.
pub(crate) fn machine_memory() -> usize {
    let container = CONTAINER_LIMITS.iter().filter_map(|path| fs::read_to_string(path).ok()?.trim().parse().ok());
    let machine = fs::read_to_string("/proc/meminfo").ok().and_then(|text| total_of(&text));
    container.chain(machine).min().unwrap_or(UNKNOWN_MACHINE)
}

/// The line `MemTotal: 24689664 kB`, in bytes.
fn total_of(meminfo: &str) -> Option<usize> {
    let line = meminfo.lines().find_map(|line| line.strip_prefix("MemTotal:"))?;
    line.trim().strip_suffix("kB")?.trim().parse::<usize>().ok()?.checked_mul(1024)
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

    #[test]
    fn the_machines_memory_is_read_in_bytes() {
        assert_eq!(total_of("MemFree: 1 kB\nMemTotal:       24689664 kB\n"), Some(24_689_664 << 10));
        assert_eq!(total_of("MemFree: 1 kB\n"), None);
        assert!(1 << 20 < machine_memory());
    }
}
