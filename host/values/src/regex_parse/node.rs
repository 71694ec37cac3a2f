//! What a pattern is made of, and how much text a part of it can cover.

use crate::regex_class::{CharSet, Fold};

/// One construct of a pattern, with all that stands inside it.
#[derive(Clone, Debug)]
pub(crate) enum Node {
    /// Matches everywhere and covers no text.
    Empty,
    /// One character of a set.
    Set(CharSet),
    /// One after the other.
    Concat(Vec<Node>),
    /// The first that leads to a match.
    Alternatives(Vec<Node>),
    /// Parentheses; with a number if capturing.
    Group(Option<usize>, Box<Node>),
    /// A quantifier: `max` may be [`UNBOUNDED`], and is never below `min`.
    Repeat { node: Box<Node>, min: u32, max: u32, mode: Mode },
    /// Lookahead: what follows the place, covering none of it.
    Ahead { node: Box<Node>, negated: bool },
    /// Lookbehind, with the fewest and most characters it can cover.
    Behind { node: Box<Node>, negated: bool, shortest: u32, longest: u32 },
    /// `(?>…)`: the first way to match counts, and no other is tried later.
    Atomic(Box<Node>),
    /// What a group has matched.
    Back { group: usize, fold: Fold },
    /// A condition on the place.
    At(Place),
    /// `\R`: one line terminator, `\r\n` counting as one.
    LineBreak,
}

/// How eager a quantifier is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Mode {
    Greedy,
    Lazy,
    Possessive,
}

/// A condition on the place.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Place {
    /// `^`, `\A`, `\G`: at the start of the text.
    Start,
    /// `\z`: at the end, whatever stands before it.
    End,
    /// `$` and `\Z` outside multi-line mode: at the end, or before a last line terminator.
    LastLine { unix: bool },
    /// `^` in multi-line mode.
    LineStart { unix: bool },
    /// `$` in multi-line mode.
    LineEnd { unix: bool },
    /// `\b`: on one side stands a character of a word, on the other none. `unicode`: letters beyond ASCII count.
    WordBoundary { unicode: bool },
    /// `\B`: wherever `\b` does not match.
    NotWordBoundary { unicode: bool },
}

/// The unbounded upper end of a quantifier.
pub(crate) const UNBOUNDED: u32 = i32::MAX as u32;

impl Node {
    /// Fewest characters the node covers, and most unless Java sees no limit to them.
    pub(super) fn span(&self) -> (u32, Option<u32>) {
        match self {
            Self::Empty | Self::At(_) | Self::Ahead { .. } | Self::Behind { .. } => (0, Some(0)),
            Self::Set(_) => (1, Some(1)),
            Self::LineBreak => (1, Some(2)),
            Self::Concat(nodes) => nodes.iter().fold((0, Some(0)), |(min, max), node| {
                let (least, most) = node.span();
                (min.saturating_add(least), add_spans(max, most))
            }),
            Self::Alternatives(nodes) => {
                let spans = nodes.iter().map(Self::span);
                spans
                    .reduce(|(min, max), (least, most)| (min.min(least), max.zip(most).map(|(a, b)| a.max(b))))
                    .unwrap_or((0, Some(0)))
            }
            Self::Group(_, node) | Self::Atomic(node) => node.span(),
            Self::Repeat { node, min, max, .. } => {
                let (least, most) = node.span();
                let most = match most {
                    Some(0) => Some(0),
                    // A run of one set may be as long as it likes, a repeated group may not.
                    Some(_) if node.is_one_set() => Some(*max),
                    Some(most) if *max == 1 => Some(most),
                    Some(most) if *max != UNBOUNDED && !node.has_choice() => {
                        most.checked_mul(*max).filter(|&most| most <= UNBOUNDED)
                    }
                    _ => None,
                };
                (least.saturating_mul(*min), most)
            }
            Self::Back { .. } => (0, None),
        }
    }

    fn is_one_set(&self) -> bool {
        match self {
            Self::Set(_) => true,
            Self::Group(_, node) => node.is_one_set(),
            _ => false,
        }
    }

    /// Whether the node can match the same text in several ways.
    fn has_choice(&self) -> bool {
        match self {
            Self::Empty | Self::At(_) | Self::Set(_) | Self::Back { .. } | Self::LineBreak => false,
            Self::Ahead { .. } | Self::Behind { .. } => false,
            Self::Alternatives(_) => true,
            Self::Concat(nodes) => nodes.iter().any(Self::has_choice),
            Self::Group(_, node) | Self::Atomic(node) => node.has_choice(),
            Self::Repeat { node, min, max, .. } => min != max || node.has_choice(),
        }
    }
}

/// Most characters of two parts together; nothing beyond what Java counts.
fn add_spans(a: Option<u32>, b: Option<u32>) -> Option<u32> {
    a.zip(b).map(|(a, b)| a.saturating_add(b)).filter(|&sum| sum <= UNBOUNDED)
}

#[cfg(test)]
mod tests {
    use crate::regex_parse::parse;

    #[track_caller]
    fn check_span(pattern: &str, expected: (u32, Option<u32>)) {
        assert_eq!(parse(pattern).expect("a pattern").root.span(), expected, "{pattern}");
    }

    #[test]
    fn the_longest_text_of_a_pattern_is_known_where_java_knows_it() {
        check_span("", (0, Some(0)));
        check_span("ab|c", (1, Some(2)));
        check_span(r"^a\b(?=bc)$", (1, Some(1)));
        check_span(r"\R", (1, Some(2)));
        check_span("(?:ab){2,3}", (4, Some(6)));
        check_span("(?:ab)?", (0, Some(2)));
        // Java counts on with a run of one set, and gives up at a repeated group without an end or with a choice.
        check_span("a*", (0, Some(i32::MAX as u32)));
        check_span("(?:ab)*", (0, None));
        check_span("(?:a|bc){2}", (2, None));
        check_span(r"(a)\1", (1, None));
    }
}
