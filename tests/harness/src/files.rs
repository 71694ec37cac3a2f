//! Files as the file connectors read and write them.

use std::{
    fs::{self, OpenOptions},
    io::Write,
    ops::Range,
    path::Path,
};

use crate::eventually;

/// Appends to a file, which is made if there is none.
///
/// # Panics
///
/// If the file cannot be written.
pub fn append(file: &Path, text: &str) {
    let mut file = OpenOptions::new().create(true).append(true).open(file).expect("the file can be opened");
    file.write_all(text.as_bytes()).expect("the file can be written");
}

/// `line N` for each number, a line each.
pub fn lines(numbers: Range<u32>) -> String {
    numbers.map(|number| format!("line {number}\n")).collect()
}

/// Waits until a file that only grows is as long as what it is to hold, and compares the two.
///
/// # Panics
///
/// If it stays shorter, or holds something else.
#[track_caller]
pub fn await_content(file: &Path, expected: &str) {
    let read = || fs::read_to_string(file).unwrap_or_default();
    eventually(&format!("{} is complete", file.display()), || (expected.len() <= read().len()).then_some(()));
    assert_eq!(read(), expected);
}
