//! What Linux says of a process.

use std::{fs, path::PathBuf, time::Duration};

/// What a process has used.
#[derive(Clone, Copy, Debug)]
pub struct Usage {
    /// User and system time of all its threads, those that have ended included. In steps of 10 ms.
    pub cpu: Duration,
    /// Memory now, in MB.
    pub rss_mb: f64,
    /// The most memory so far, in MB.
    pub peak_rss_mb: f64,
}

impl Usage {
    /// Of a child that lives.
    pub fn of(process: u32) -> Self {
        let process = PathBuf::from(format!("/proc/{process}"));
        let stat = fs::read_to_string(process.join("stat")).expect("a living child");
        // The name in brackets may hold anything; user and system time are the 12th and 13th field behind it.
        let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
        let ticks = |at: usize| fields[at].parse::<u64>().expect("a number");
        // A tick is a hundredth of a second on every Linux there is.
        let cpu = Duration::from_millis((ticks(11) + ticks(12)) * 10);
        let status = fs::read_to_string(process.join("status")).expect("a living child");
        let kilobytes = |name: &str| {
            let line = status.lines().find(|line| line.starts_with(name)).expect("Linux says it");
            line.split_whitespace().nth(1).and_then(|number| number.parse::<f64>().ok()).expect("a number")
        };
        Self { cpu, rss_mb: kilobytes("VmRSS:") * 1024.0 / 1e6, peak_rss_mb: kilobytes("VmHWM:") * 1024.0 / 1e6 }
    }
}

/// Memory of a child that lives, in MB, of which what it maps several times, or shares with others, counts once: a thousand
/// instances of a plugin have its data in common until they change it. Takes Linux some milliseconds.
pub fn proportional_mb(process: u32) -> f64 {
    let rollup = fs::read_to_string(format!("/proc/{process}/smaps_rollup")).expect("a living child");
    let line = rollup.lines().find(|line| line.starts_with("Pss:")).expect("Linux says it");
    let kilobytes: f64 = line.split_whitespace().nth(1).and_then(|number| number.parse().ok()).expect("a number");
    kilobytes * 1024.0 / 1e6
}
