//! Many texts looked for at once: what a look through a text costs does not depend on how many they are.
//!
//! Each place of a text is one look into a table of the first four bytes of what is looked for; only where these stand there
//! is anything compared.

use std::{borrow::Cow, collections::HashMap, sync::Arc};

use crate::HIDDEN;

/// Fewest bytes of what is looked for.
pub(super) const SHORTEST: usize = 4;

/// Counters per beginning: with eight, one place in eight of a text without any is looked up in vain.
const SPARSENESS: usize = 8;

/// What was done to look through a text.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(super) struct Steps {
    /// Places that were looked at.
    pub(super) places: usize,
    /// Of them, those whose bytes may begin something, and were looked up.
    pub(super) lookups: usize,
    /// Texts that were compared.
    pub(super) comparisons: usize,
}

/// Texts that are looked for. Each may have been added several times, and is looked for until it was removed as often.
#[derive(Debug, Default)]
pub(super) struct Search {
    by_beginning: HashMap<[u8; SHORTEST], Vec<(Arc<str>, usize)>>,
    /// How many beginnings there are of each hash; one that has reached its end stays there.
    counters: Vec<u8>,
}

impl Search {
    /// Looks for a text of at least [`SHORTEST`] bytes from now on.
    pub(super) fn add(&mut self, text: &Arc<str>) {
        let Some(beginning) = beginning(text.as_bytes(), 0) else { return };
        let texts = self.by_beginning.entry(beginning).or_default();
        match texts.iter_mut().find(|(known, _)| known == text) {
            Some((_, times)) => *times += 1,
            None => {
                // The longest are found first.
                let at = texts.partition_point(|(known, _)| text.len() <= known.len());
                texts.insert(at, (Arc::clone(text), 1));
            }
        }
        if self.counters.len() < self.by_beginning.len() * SPARSENESS {
            let mut counters = vec![0u8; (self.by_beginning.len() * SPARSENESS).next_power_of_two() * 2];
            for beginning in self.by_beginning.keys() {
                let at = place(*beginning, counters.len());
                counters[at] = counters[at].saturating_add(1);
            }
            self.counters = counters;
        } else if texts_of(&self.by_beginning, beginning) == 1 {
            let at = place(beginning, self.counters.len());
            self.counters[at] = self.counters[at].saturating_add(1);
        }
    }

    /// Takes back that a text was added.
    pub(super) fn remove(&mut self, text: &Arc<str>) {
        let Some(beginning) = beginning(text.as_bytes(), 0) else { return };
        let Some(texts) = self.by_beginning.get_mut(&beginning) else { return };
        if let Some(at) = texts.iter().position(|(known, _)| known == text) {
            texts[at].1 -= 1;
            if texts[at].1 == 0 {
                texts.remove(at);
            }
        }
        if texts.is_empty() {
            self.by_beginning.remove(&beginning);
            let at = place(beginning, self.counters.len());
            if self.counters[at] != u8::MAX {
                self.counters[at] -= 1;
            }
        }
    }

    /// The text with `[hidden]` in place of everything that is looked for.
    pub(super) fn hide<'a>(&self, text: &'a str, steps: &mut Steps) -> Cow<'a, str> {
        let mut shown = String::new();
        // What stands before is in `shown`, or hidden.
        let mut hidden_to = 0;
        let mut at = 0;
        while let Some(beginning) = beginning(text.as_bytes(), at) {
            let here = &text.as_bytes()[at..];
            let found = self.at(beginning, steps, |wanted| here.starts_with(wanted.as_bytes()));
            if let Some(found) = found {
                // Of two that overlap nothing is left either.
                if hidden_to <= at {
                    shown.push_str(&text[hidden_to..at]);
                    shown.push_str(HIDDEN);
                }
                hidden_to = hidden_to.max(at + found.len());
            }
            at += 1;
        }
        if hidden_to == 0 {
            return Cow::Borrowed(text);
        }
        shown.push_str(&text[hidden_to..]);
        Cow::Owned(shown)
    }

    /// Where at the end of a text something begins that is looked for and does not end there.
    pub(super) fn begun_at_end(&self, text: &str, steps: &mut Steps) -> Option<usize> {
        let longest = self.by_beginning.values().flatten().map(|(wanted, _)| wanted.len()).max()?;
        let first = (text.len() + 1).saturating_sub(longest);
        (first..text.len()).find(|&at| {
            let Some(beginning) = beginning(text.as_bytes(), at) else { return false };
            let here = &text.as_bytes()[at..];
            self.at(beginning, steps, |wanted| wanted.as_bytes().starts_with(here)).is_some()
        })
    }

    /// The longest text with this beginning that is the one.
    fn at(&self, beginning: [u8; SHORTEST], steps: &mut Steps, is_it: impl Fn(&str) -> bool) -> Option<&Arc<str>> {
        steps.places += 1;
        if self.counters.is_empty() || self.counters[place(beginning, self.counters.len())] == 0 {
            return None;
        }
        steps.lookups += 1;
        let texts = self.by_beginning.get(&beginning)?;
        texts.iter().map(|(wanted, _)| wanted).find(|wanted| {
            steps.comparisons += 1;
            is_it(wanted)
        })
    }
}

fn texts_of(by_beginning: &HashMap<[u8; SHORTEST], Vec<(Arc<str>, usize)>>, beginning: [u8; SHORTEST]) -> usize {
    by_beginning.get(&beginning).map_or(0, |texts| texts.iter().map(|(_, times)| times).sum())
}

fn beginning(text: &[u8], at: usize) -> Option<[u8; SHORTEST]> {
    text.get(at..at + SHORTEST)?.try_into().ok()
}

/// The counter of a beginning among a power of two.
fn place(beginning: [u8; SHORTEST], counters: usize) -> usize {
    let mixed = u32::from_le_bytes(beginning).wrapping_mul(0x9E37_79B1);
    (mixed >> 8) as usize & (counters - 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn search(texts: &[&str]) -> Search {
        let mut search = Search::default();
        texts.iter().for_each(|&text| search.add(&text.into()));
        search
    }

    #[test]
    fn of_texts_that_overlap_or_contain_each_other_nothing_is_left() {
        let search = search(&["abcd", "abcdef", "efghij", "ijkl", "äöü"]);
        for (text, expected) in [
            ("x abcdef abcd abc", "x [hidden] [hidden] abc"),
            ("abcdabcd", "[hidden][hidden]"),
            ("-abcdefghijkl-", "-[hidden]-"),
            ("ßäöüß äöu", "ß[hidden]ß äöu"),
            ("", ""),
            ("abc", "abc"),
        ] {
            assert_eq!(search.hide(text, &mut Steps::default()), expected);
        }
    }

    #[test]
    fn what_was_added_twice_is_looked_for_until_it_was_removed_twice() {
        let mut search = search(&["abcd", "abcd", "abcdef"]);
        let hidden = |search: &Search| search.hide("abcdef", &mut Steps::default()).into_owned();
        search.remove(&"abcdef".into());
        assert_eq!(hidden(&search), "[hidden]ef");
        search.remove(&"abcd".into());
        assert_eq!(hidden(&search), "[hidden]ef");
        search.remove(&"abcd".into());
        search.remove(&"abcd".into());
        assert_eq!(hidden(&search), "abcdef");
        let mut steps = Steps::default();
        search.hide("abcdabcd", &mut steps);
        assert_eq!((steps.lookups, search.by_beginning.len()), (0, 0));
    }

    #[test]
    fn a_text_without_any_of_them_is_looked_through_once_however_many_there_are() {
        let line =
            "2026-01-01T00:00:00.000Z INFO [orders|task-3] 512 records were written to the table, 7 of them anew; ";
        let text = line.repeat(100);
        for count in [1, 10, 1_000, 50_000] {
            let mut search = Search::default();
            (0..count).for_each(|n| search.add(&format!("{n:06}-secret-of-a-connector").into()));
            let mut steps = Steps::default();
            assert_eq!(search.hide(&text, &mut steps), text);
            assert_eq!((steps.places, steps.comparisons), (text.len() - 3, 0), "{count}");
            assert!(steps.lookups <= text.len() / 4, "{count}: {steps:?}");
            // As often as texts come and go.
            (0..count).for_each(|n| search.remove(&format!("{n:06}-secret-of-a-connector").into()));
            assert!(search.by_beginning.is_empty());
        }
    }

    #[test]
    fn where_many_begin_alike_a_place_costs_as_many_comparisons() {
        let texts: Vec<String> = (0..100).map(|n| format!("same-{n}")).collect();
        let search = search(&texts.iter().map(String::as_str).collect::<Vec<_>>());
        let mut steps = Steps::default();
        search.hide("same-x other", &mut steps);
        assert_eq!(steps.comparisons, 100);
    }
}
