//! Memory that costs both sides the same.
//!
//! A virtual machine gives memory that has been free for some seconds back to its host, and whoever is the first to use it
//! again pays for every page: a write to a file may cost ten times as much in it as in memory that was in use. Which of two
//! brokers meets such pages is chance. So the memory that is free is used up before each run, for pages of a file that is
//! nothing but a hole: what the brokers write takes the place of those.

use std::{fs, fs::File, io::Read};

/// Holds the pages until it is dropped.
pub struct Filled(#[expect(dead_code, reason = "its pages go with it")] Option<File>);

/// Reads as many bytes of a hole as memory is free. Does nothing where the system does not say how much that is.
pub fn fill() -> Filled {
    let free = fs::read_to_string("/proc/meminfo").ok().and_then(|text| {
        let line = text.lines().find(|line| line.starts_with("MemFree:"))?.to_owned();
        line.split_whitespace().nth(1)?.parse::<u64>().ok()
    });
    Filled(free.map(|kilobytes| {
        let mut file = tempfile::tempfile().expect("a temporary file");
        file.set_len(kilobytes * 1024).expect("a hole takes no room");
        let mut buffer = vec![0; 1 << 20];
        while file.read(&mut buffer).expect("a hole can be read") != 0 {}
        file
    }))
}
