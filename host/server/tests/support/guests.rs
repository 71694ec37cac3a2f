//! What is in the memories of a worker's plugins.

use std::{fs, os::unix::fs::FileExt};

/// The memories of a process's plugins, as Linux lists it: each begins with the image of the component's data, and lies
/// between pages that nobody can read.
pub fn guest_memory(process: u32) -> Vec<(u64, u64)> {
    let maps = fs::read_to_string(format!("/proc/{process}/maps")).unwrap();
    let (mut found, mut run, mut has_image) = (Vec::new(), Vec::<(u64, u64)>::new(), false);
    for line in maps.lines() {
        let mut words = line.split_whitespace();
        let (begin, end) = words.next().unwrap().split_once('-').unwrap();
        let address = |text| u64::from_str_radix(text, 16).unwrap();
        let (begin, end) = (address(begin), address(end));
        let is_readable = words.next().unwrap().starts_with('r');
        if !is_readable || run.last().is_some_and(|last| last.1 != begin) {
            if has_image {
                found.append(&mut run);
            }
            run.clear();
            has_image = false;
        }
        if is_readable {
            run.push((begin, end));
            has_image |= line.contains("wasm-memory-image");
        }
    }
    found
}

/// Whether a text stands in a part of a process's memory.
pub fn stands_in(process: u32, parts: &[(u64, u64)], text: &str) -> bool {
    let memory = fs::File::open(format!("/proc/{process}/mem")).unwrap();
    parts.iter().any(|&(begin, end)| {
        let mut bytes = vec![0; (end - begin) as usize];
        // Pages that an instance gave back meanwhile cannot be read any more.
        memory.read_exact_at(&mut bytes, begin).is_ok()
            && bytes.windows(text.len()).any(|window| window == text.as_bytes())
    })
}
