//! Sets of characters in patterns.

use std::{
    collections::HashMap,
    sync::{Arc, LazyLock, Mutex, PoisonError},
};

use regex_syntax::hir::{Class, ClassUnicode, HirKind};

use crate::regex_work::did;

/// Most tables that are kept. Unicode has a few hundred properties, whose names may be spelled in many ways.
const MAX_KNOWN: usize = 512;

/// Tables by the name of their property.
static KNOWN: LazyLock<Mutex<HashMap<String, CharSet>>> = LazyLock::new(Mutex::default);

/// How letters of different case are told apart.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Fold {
    None,
    /// `(?i)`: ASCII letters only.
    Ascii,
    /// `(?iu)`: by Unicode's simple mappings.
    Unicode,
}

/// A set of characters, asked one character at a time.
#[derive(Clone, Debug)]
pub(crate) enum CharSet {
    Range(char, char),
    RangeAscii(char, char),
    RangeUnicode(char, char),
    Table(Arc<ClassUnicode>),
    AnyOf(Vec<CharSet>),
    Both(Box<CharSet>, Box<CharSet>),
    Not(Box<CharSet>),
}

impl CharSet {
    pub(crate) fn range(first: char, last: char, fold: Fold) -> Self {
        match fold {
            Fold::None => Self::Range(first, last),
            Fold::Ascii => Self::RangeAscii(first, last),
            Fold::Unicode => Self::RangeUnicode(first, last),
        }
    }

    pub(crate) fn any() -> Self {
        Self::Range('\0', char::MAX)
    }

    pub(crate) fn line_terminators() -> Self {
        Self::of("\n\r\u{85}\u{2028}\u{2029}")
    }

    /// The characters of a text.
    pub(crate) fn of(text: &str) -> Self {
        Self::AnyOf(text.chars().map(|c| Self::Range(c, c)).collect())
    }

    pub(crate) fn digit(unicode: bool) -> Self {
        if unicode { Self::property("Nd") } else { Self::Range('0', '9') }
    }

    pub(crate) fn space(unicode: bool) -> Self {
        if unicode {
            return Self::property("White_Space");
        }
        Self::AnyOf(vec![Self::Range('\t', '\r'), Self::Range(' ', ' ')])
    }

    pub(crate) fn word(unicode: bool) -> Self {
        if unicode {
            return Self::AnyOf(
                ["Alphabetic", "Mn", "Me", "Mc", "Nd", "Pc", "Join_Control"].map(Self::property).to_vec(),
            );
        }
        Self::AnyOf(vec![Self::Range('a', 'z'), Self::Range('A', 'Z'), Self::Range('0', '9'), Self::Range('_', '_')])
    }

    pub(crate) fn horizontal_space() -> Self {
        let single = Self::of("\t \u{a0}\u{1680}\u{180e}\u{202f}\u{205f}\u{3000}");
        Self::AnyOf(vec![single, Self::Range('\u{2000}', '\u{200a}')])
    }

    pub(crate) fn vertical_space() -> Self {
        Self::AnyOf(vec![Self::Range('\n', '\r'), Self::of("\u{85}\u{2028}\u{2029}")])
    }

    /// A property that Unicode's tables are known to have.
    pub(crate) fn property(name: &str) -> Self {
        Self::lookup(name).expect("the name is one of ours and in the tables")
    }

    /// A general category, script or binary property by name; `None` if there is no such.
    pub(crate) fn lookup(name: &str) -> Option<Self> {
        let safe = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '=' | ' ' | '-');
        if name.is_empty() || !name.chars().all(safe) {
            return None;
        }
        // Making a table takes far longer than using it, and a pattern may name the same one often.
        let mut known = KNOWN.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(set) = known.get(name) {
            return Some(set.clone());
        }
        let set = Self::made(name)?;
        if known.len() < MAX_KNOWN {
            known.insert(name.to_owned(), set.clone());
        }
        Some(set)
    }

    fn made(name: &str) -> Option<Self> {
        did(1);
        let hir = regex_syntax::parse(&format!(r"\p{{{name}}}")).ok()?;
        match hir.into_kind() {
            HirKind::Class(Class::Unicode(class)) => Some(Self::Table(Arc::new(class))),
            // A property of a single character is a literal to the parser.
            HirKind::Literal(literal) => Some(Self::of(std::str::from_utf8(&literal.0).ok()?)),
            _ => None,
        }
    }

    pub(crate) fn negate(self) -> Self {
        Self::Not(Box::new(self))
    }

    pub(crate) fn intersect(self, other: Self) -> Self {
        Self::Both(Box::new(self), Box::new(other))
    }

    pub(crate) fn union(first: Option<Self>, second: Self) -> Self {
        match first {
            None => second,
            Some(Self::AnyOf(mut sets)) => {
                sets.push(second);
                Self::AnyOf(sets)
            }
            Some(first) => Self::AnyOf(vec![first, second]),
        }
    }

    /// How many steps beyond the first it takes to ask the set: sixteen parts count as one.
    pub(crate) fn cost(&self) -> u32 {
        u32::try_from(self.parts() / 16).unwrap_or(u32::MAX)
    }

    fn parts(&self) -> usize {
        match self {
            Self::Range(..) | Self::RangeAscii(..) | Self::RangeUnicode(..) | Self::Table(_) => 1,
            Self::AnyOf(sets) => sets.iter().map(Self::parts).sum(),
            Self::Both(a, b) => a.parts() + b.parts(),
            Self::Not(set) => set.parts(),
        }
    }

    pub(crate) fn contains(&self, c: char) -> bool {
        did(1);
        match self {
            Self::Range(first, last) => (*first..=*last).contains(&c),
            Self::RangeAscii(first, last) => {
                let range = *first..=*last;
                range.contains(&c)
                    || c.is_ascii_alphabetic()
                        && (range.contains(&c.to_ascii_uppercase()) || range.contains(&c.to_ascii_lowercase()))
            }
            Self::RangeUnicode(first, last) => {
                let range = *first..=*last;
                let upper = simple_upper(c);
                range.contains(&c)
                    || range.contains(&upper)
                    || range.contains(&simple_lower(upper))
                    || first == last && simple_lower(simple_upper(*first)) == simple_lower(upper)
            }
            Self::Table(class) => {
                let ranges = class.ranges();
                let at = ranges.partition_point(|range| range.end() < c);
                ranges.get(at).is_some_and(|range| range.start() <= c)
            }
            Self::AnyOf(sets) => sets.iter().any(|set| set.contains(c)),
            Self::Both(a, b) => a.contains(c) && b.contains(c),
            Self::Not(set) => !set.contains(c),
        }
    }
}

/// `Character.toUpperCase` of one character: the mapping to one character, where there is one.
pub(crate) fn simple_upper(c: char) -> char {
    let mut mapped = c.to_uppercase();
    match (mapped.next(), mapped.next()) {
        (Some(upper), None) => upper,
        _ => match c {
            // Letters whose full mapping writes the iota out have a title case of one character.
            '\u{1F80}'..='\u{1FAF}' => char::from_u32(c as u32 | 8).unwrap_or(c),
            '\u{1FB3}' | '\u{1FC3}' | '\u{1FF3}' => char::from_u32(c as u32 + 9).unwrap_or(c),
            _ => c,
        },
    }
}

/// `Character.toLowerCase` of one character.
pub(crate) fn simple_lower(c: char) -> char {
    let mut mapped = c.to_lowercase();
    match (mapped.next(), mapped.next()) {
        (Some(lower), None) => lower,
        // Only the dotted capital I maps to more than one.
        (Some(lower), Some(_)) => lower,
        _ => c,
    }
}

/// Whether two characters are the same under a fold.
pub(crate) fn same_letter(a: char, b: char, fold: Fold) -> bool {
    a == b
        || match fold {
            Fold::None => false,
            Fold::Ascii => a.eq_ignore_ascii_case(&b),
            Fold::Unicode => simple_lower(simple_upper(a)) == simple_lower(simple_upper(b)),
        }
}
