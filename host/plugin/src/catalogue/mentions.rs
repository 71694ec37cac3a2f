//! Which classes a plugin file seems to carry before it is compiled and can say so itself: those whose names stand in
//! its bytes. A guess: a name that a file puts together when it runs is missed, and one that it only speaks of is found.

use std::collections::BTreeSet;
use std::path::Path;

/// The classes that a file seems to carry; none if it cannot be read, which is then said where it is compiled. Blocks.
pub(super) fn mentioned_in(path: &Path, classes: &[String]) -> BTreeSet<String> {
    std::fs::read(path).map(|wasm| mentioned(&wasm, classes)).unwrap_or_default()
}

/// Simple names are looked for: a package often stands by itself.
fn mentioned(bytes: &[u8], classes: &[String]) -> BTreeSet<String> {
    let mut missing: Vec<(&str, &String)> = classes.iter().map(|class| (simple_name(class), class)).collect();
    let mut found = BTreeSet::new();
    for text in bytes.split(|byte| !byte.is_ascii_graphic()).filter_map(|run| str::from_utf8(run).ok()) {
        missing.retain(|(name, class)| {
            let here = text.contains(name);
            if here {
                found.insert((*class).clone());
            }
            !here
        });
    }
    found
}

fn simple_name(class: &str) -> &str {
    class.rsplit('.').next().unwrap_or(class)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_classes_are_found_wherever_they_stand() {
        let classes = ["org.example.TickSource", "org.example.Shout$Value", "org.example.Absent"].map(str::to_owned);
        let bytes = b"\0\x01org.example.\0\xffTickSource\xff{\"class\":\"a.Shout$Value\"}\0Tick\0Source";
        let found: Vec<String> = mentioned(bytes, &classes).into_iter().collect();
        assert_eq!(found, ["org.example.Shout$Value", "org.example.TickSource"]);
        assert!(mentioned_in(Path::new("/nowhere.wasm"), &classes).is_empty());
    }
}
