//! Versions of plugins, in the order that Connect gives them: that of Maven's `ComparableVersion`.
//!
//! A text is read as a list of parts: numbers, qualifiers (`rc`, `SNAPSHOT`, any other word), and behind a hyphen, or where
//! digits and letters meet, a list within the list. Zeros and words for a release say nothing at the end of a list, or before
//! the list within it.
//! The order is no total one where unusual words meet; a table recorded from Java holds it as it is.

use std::cmp::Ordering;

/// The qualifiers with a place, the release itself among them as the empty one.
const QUALIFIERS: [&str; 7] = ["alpha", "beta", "milestone", "rc", "snapshot", "", "sp"];

/// A version, ready to be compared.
#[derive(Clone, Debug)]
pub struct Version(Vec<Part>);

#[derive(Clone, Debug)]
enum Part {
    /// Decimal digits without leading zeros, of any length; none for zero.
    Number(String),
    Qualifier(String),
    List(Vec<Part>),
}

impl Version {
    /// Reads any text; there is none that is no version.
    pub fn parse(text: &str) -> Self {
        let mut reader = Reader { lists: vec![Vec::new()] };
        reader.read(&text.to_lowercase());
        Self(reader.closed())
    }

    /// How the version compares with another.
    pub fn order(&self, other: &Self) -> Ordering {
        compare_lists(&self.0, &other.0)
    }
}

/// Orders the versions of two plugins as their texts.
pub fn version_order(a: &str, b: &str) -> Ordering {
    Version::parse(a).order(&Version::parse(b))
}

/// Reads a text from its beginning to its end. Each list is the last part of the one before it.
struct Reader {
    lists: Vec<Vec<Part>>,
}

impl Reader {
    fn read(&mut self, text: &str) {
        let (mut start, mut digits) = (0, false);
        for (at, char) in text.char_indices() {
            match char {
                '.' | '-' => {
                    let digits = digits || at == start;
                    self.add(part(digits, &text[start..at]));
                    start = at + 1;
                    if char == '-' {
                        self.open();
                    }
                }
                '0'..='9' => {
                    if !digits && start < at {
                        self.open_before_word();
                        self.add(Part::Qualifier(before_digit(&text[start..at]).to_owned()));
                        self.open();
                        start = at;
                    }
                    digits = true;
                }
                _ => {
                    if digits && start < at {
                        self.add(part(true, &text[start..at]));
                        self.open();
                        start = at;
                    }
                    digits = false;
                }
            }
        }
        if start < text.len() {
            if !digits {
                self.open_before_word();
            }
            self.add(part(digits, &text[start..]));
        }
    }

    /// A word behind a dot counts like one behind a hyphen.
    fn open_before_word(&mut self) {
        if !self.last().is_empty() {
            self.open();
        }
    }

    fn last(&mut self) -> &mut Vec<Part> {
        self.lists.last_mut().expect("the first list is never closed while reading")
    }

    fn add(&mut self, part: Part) {
        self.last().push(part);
    }

    fn open(&mut self) {
        self.lists.push(Vec::new());
    }

    /// The first list, with the others in their places and what says nothing left out.
    fn closed(mut self) -> Vec<Part> {
        let mut inner = None;
        while let Some(mut list) = self.lists.pop() {
            list.extend(inner.map(Part::List));
            trim(&mut list);
            inner = Some(list);
        }
        inner.unwrap_or_default()
    }
}

fn part(digits: bool, text: &str) -> Part {
    if digits {
        Part::Number(text.trim_start_matches('0').to_owned())
    } else {
        Part::Qualifier(qualifier(text).to_owned())
    }
}

/// A word whose first letter is enough where a number follows.
fn before_digit(word: &str) -> &str {
    match word {
        "a" => "alpha",
        "b" => "beta",
        "m" => "milestone",
        word => qualifier(word),
    }
}

fn qualifier(word: &str) -> &str {
    match word {
        "cr" => "rc",
        "ga" | "final" | "release" => "",
        word => word,
    }
}

/// Drops the parts that say nothing at the end of a list, and before the lists there.
fn trim(list: &mut Vec<Part>) {
    for at in (0..list.len()).rev() {
        let says_nothing = match &list[at] {
            Part::Number(text) | Part::Qualifier(text) => text.is_empty(),
            Part::List(inner) => inner.is_empty(),
        };
        if says_nothing {
            list.remove(at);
        } else if !matches!(list[at], Part::List(_)) {
            return;
        }
    }
}

fn compare_lists(a: &[Part], b: &[Part]) -> Ordering {
    (0..a.len().max(b.len()))
        .map(|at| match (a.get(at), b.get(at)) {
            (Some(a), Some(b)) => compare(a, b),
            (Some(a), None) => compare_with_none(a),
            (None, Some(b)) => compare_with_none(b).reverse(),
            (None, None) => Ordering::Equal,
        })
        .find(|order| order.is_ne())
        .unwrap_or(Ordering::Equal)
}

fn compare(a: &Part, b: &Part) -> Ordering {
    use Part::{List, Number, Qualifier};
    match (a, b) {
        (Number(a), Number(b)) => compare_numbers(a, b),
        (Number(_), _) => Ordering::Greater,
        (_, Number(_)) => Ordering::Less,
        (List(a), List(b)) => compare_lists(a, b),
        (List(_), _) => Ordering::Greater,
        (_, List(_)) => Ordering::Less,
        (Qualifier(a), Qualifier(b)) => place(a).cmp(&place(b)),
    }
}

/// A part against the end of the other list.
fn compare_with_none(part: &Part) -> Ordering {
    match part {
        Part::Number(digits) => digits.is_empty().cmp(&true).reverse(),
        Part::Qualifier(word) => place(word).cmp(&place("")),
        Part::List(list) => list.iter().map(compare_with_none).find(|order| order.is_ne()).unwrap_or(Ordering::Equal),
    }
}

/// Digits without leading zeros.
fn compare_numbers(a: &str, b: &str) -> Ordering {
    a.len().cmp(&b.len()).then_with(|| a.cmp(b))
}

/// The place of a qualifier; words without one come last, by their letters.
fn place(word: &str) -> (usize, &str) {
    match QUALIFIERS.iter().position(|qualifier| *qualifier == word) {
        Some(at) => (at, ""),
        None => (QUALIFIERS.len(), word),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_ordered_as_java_orders_them() {
        let recorded = include_str!("../testdata/maven-versions.tsv");
        let rows: Vec<(&str, &str)> =
            recorded.lines().filter_map(|line| line.strip_prefix("order\t")?.split_once('\t')).collect();
        assert!(80 < rows.len());
        let mut wrong = Vec::new();
        for (a, signs) in &rows {
            for ((b, _), expected) in rows.iter().zip(signs.chars()) {
                let found = match version_order(a, b) {
                    Ordering::Less => '<',
                    Ordering::Equal => '=',
                    Ordering::Greater => '>',
                };
                if found != expected {
                    wrong.push(format!("{a:?} {found} {b:?}, in Java {expected}"));
                }
            }
        }
        assert!(wrong.is_empty(), "{}: {wrong:#?}", wrong.len());
    }
}
