//! Java's pattern syntax as a tree.
//!
//! All modules add to one [`Parser`]. `sequence` drives: the character under its cursor says which of `class`, `escapes` and
//! `groups` goes on, and `quantifier` has a look behind each part; what stands inside a parenthesis is a sequence again.

mod class;
mod code_points;
mod error;
mod escapes;
mod groups;
mod node;
mod parser;
mod quantifier;
mod quotes;
mod sequence;

pub use error::InvalidRegex;
use error::Parse;
pub(crate) use node::{Mode, Node, Place, UNBOUNDED};
use parser::Parser;

/// Longest pattern, in characters.
const MAX_PATTERN: usize = 65_536;

/// What the matcher needs to know of a pattern.
pub(crate) struct Parsed {
    pub(crate) root: Node,
    /// Number of groups, the whole match included.
    pub(crate) groups: usize,
    /// Names of groups, with their numbers.
    pub(crate) names: Vec<(String, usize)>,
}

/// Reads the whole of `pattern`, or names the first place where Java would refuse it.
pub(crate) fn parse(pattern: &str) -> Parse<Parsed> {
    let pattern: Vec<char> = pattern.chars().collect();
    if MAX_PATTERN < pattern.len() {
        let message = format!("Pattern of more than {MAX_PATTERN} characters is not supported");
        return Err(InvalidRegex::new(&message, &pattern[..80], -1));
    }
    let mut parser = Parser::new(pattern);
    let root = parser.alternatives()?;
    if parser.cursor != parser.pattern.len() {
        let message = match parser.peek() {
            ')' => "Unmatched closing ')'",
            _ => "Unexpected internal error",
        };
        return Err(parser.error(message));
    }
    Ok(Parsed { root, groups: parser.groups, names: parser.names })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The message for a text that is not a pattern.
    #[track_caller]
    pub(super) fn error_of(pattern: &str) -> String {
        match parse(pattern) {
            Err(refused) => refused.to_string(),
            Ok(_) => panic!("{pattern} is a pattern"),
        }
    }

    /// Words and place are Java's.
    #[track_caller]
    pub(super) fn check_refused(pattern: &str, message: &str) {
        assert_eq!(error_of(pattern), message);
    }

    #[test]
    fn a_pattern_ends_where_its_text_ends() {
        check_refused(")", "Unmatched closing ')'\n)");
    }

    #[test]
    fn what_we_cannot_do_is_refused() {
        for pattern in [r"\X", r"\b{g}", r"\N{DIGIT ONE}", r"\p{InGreek}", r"\p{javaMirrored}", "(?c)é", r"\uD800"] {
            let message = error_of(pattern);
            assert!(message.contains("not supported"), "{pattern}: {message}");
        }
        assert!(error_of(&"(".repeat(300)).contains("Nesting beyond"));
        assert!(error_of(&"a".repeat(MAX_PATTERN + 1)).contains("Pattern of more than"));
    }
}
