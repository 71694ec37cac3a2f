//! What the machine has: memory, and processors to compile on.

use std::fs;
use std::thread;

/// What is assumed where the system does not say how much memory it has.
const UNKNOWN_MACHINE: usize = 4 << 30;

/// Where containers say how much memory they may use.
const CONTAINER_LIMITS: [&str; 2] = ["/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"];

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

/// How many threads compile plugins unless told otherwise: the other half of the processors goes on with what the worker
/// does.
pub(crate) fn half_the_processors() -> usize {
    thread::available_parallelism().map_or(1, |count| count.get().div_ceil(2))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_machines_memory_is_read_in_bytes() {
        assert_eq!(total_of("MemFree: 1 kB\nMemTotal:       24689664 kB\n"), Some(24_689_664 << 10));
        assert_eq!(total_of("MemFree: 1 kB\n"), None);
        assert!(1 << 20 < machine_memory());
    }
}
