//! What a language cannot do, and why: `NAME OF SCENARIO: reason`, a line each, `#` before remarks.

use std::{collections::BTreeMap, fs, path::Path};

/// Reasons by scenario.
///
/// # Errors
///
/// A line that is none.
pub fn read(folder: &Path, language: &str) -> Result<BTreeMap<String, String>, String> {
    let file = folder.join("cannot").join(format!("{language}.txt"));
    let text = match fs::read_to_string(&file) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(BTreeMap::new()),
        Err(error) => return Err(format!("read {}: {error}", file.display())),
    };
    parse(&text).map_err(|line| format!("{}: {line:?} is not NAME OF SCENARIO: reason", file.display()))
}

fn parse(text: &str) -> Result<BTreeMap<String, String>, String> {
    let lines = text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
    let entry = |line: &str| {
        let (name, reason) = line.split_once(": ").ok_or_else(|| line.to_owned())?;
        Ok((name.trim().to_owned(), reason.trim().to_owned()))
    };
    lines.map(entry).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_has_a_scenario_and_a_reason() {
        let read = parse("# remark\n\na panic is told: traps end instances: that is how\n").unwrap();
        assert_eq!(read["a panic is told"], "traps end instances: that is how");
        assert_eq!(parse("no reason"), Err("no reason".to_owned()));
    }
}
