//! Where the parser stands: the cursor, the flags in force, the groups seen so far.
//!
//! The cursor moves as Java's does, so that messages name the same index.

use super::{
    error::{InvalidRegex, Parse},
    quotes::write_out_quotes,
};
use crate::regex_class::{CharSet, Fold};

/// Deepest nesting of groups and character classes: each level is a call of this parser, and of the matcher.
const MAX_DEPTH: usize = 250;

#[derive(Clone, Copy, Default)]
pub(super) struct Flags {
    pub(super) case_insensitive: bool,
    pub(super) unix_lines: bool,
    pub(super) multiline: bool,
    pub(super) dot_all: bool,
    pub(super) unicode_case: bool,
    pub(super) comments: bool,
    pub(super) unicode_class: bool,
}

pub(super) struct Parser {
    /// The pattern with `\Q…\E` written out as escapes.
    pub(super) pattern: Vec<char>,
    /// The pattern as it was given, for messages.
    given: Vec<char>,
    /// Index into `pattern`; behind its end when Java would have read one character too many.
    pub(super) cursor: usize,
    pub(super) flags: Flags,
    /// Groups that have begun, the whole match included.
    pub(super) groups: usize,
    /// Groups with a name, and their numbers.
    pub(super) names: Vec<(String, usize)>,
    depth: usize,
}

impl Parser {
    pub(super) fn new(given: Vec<char>) -> Self {
        let pattern = write_out_quotes(given.clone());
        Self { pattern, given, cursor: 0, flags: Flags::default(), groups: 1, names: Vec::new(), depth: 0 }
    }

    /// Java's error at the character before the cursor.
    pub(super) fn error(&self, message: &str) -> InvalidRegex {
        InvalidRegex::new(message, &self.given, self.cursor as isize - 1)
    }

    pub(super) fn at(&self, index: usize) -> char {
        self.pattern.get(index).copied().unwrap_or('\0')
    }

    pub(super) fn is_end(&self) -> bool {
        self.pattern.len() <= self.cursor
    }

    /// Skips blanks and comments in comments mode.
    pub(super) fn skip_blanks(&mut self) {
        if !self.flags.comments {
            return;
        }
        loop {
            while is_blank(self.at(self.cursor)) {
                self.cursor += 1;
            }
            if self.at(self.cursor) != '#' {
                return;
            }
            while self.cursor < self.pattern.len() && !self.ends_line(self.at(self.cursor)) {
                self.cursor += 1;
            }
        }
    }

    fn ends_line(&self, c: char) -> bool {
        c == '\n' || !self.flags.unix_lines && matches!(c, '\r' | '\u{85}' | '\u{2028}' | '\u{2029}')
    }

    pub(super) fn peek(&mut self) -> char {
        self.skip_blanks();
        self.at(self.cursor)
    }

    /// Takes the character under the cursor.
    pub(super) fn read(&mut self) -> char {
        let c = self.peek();
        self.cursor += 1;
        c
    }

    /// Moves on by one and shows the character there.
    pub(super) fn next(&mut self) -> char {
        self.cursor += 1;
        self.peek()
    }

    /// As [`Parser::next`], blanks counting as characters.
    pub(super) fn next_raw(&mut self) -> char {
        self.cursor += 1;
        self.at(self.cursor)
    }

    pub(super) fn read_raw(&mut self) -> char {
        self.cursor += 1;
        self.at(self.cursor - 1)
    }

    pub(super) fn accept(&mut self, c: char, message: &str) -> Parse<()> {
        self.skip_blanks();
        self.cursor += 1;
        if self.at(self.cursor - 1) != c || self.pattern.len() < self.cursor {
            return Err(self.error(message));
        }
        Ok(())
    }

    pub(super) fn nest(&mut self) -> Parse<()> {
        self.depth += 1;
        if MAX_DEPTH < self.depth {
            return Err(self.error(&format!("Nesting beyond {MAX_DEPTH} levels is not supported")));
        }
        Ok(())
    }

    pub(super) fn unnest(&mut self) {
        self.depth -= 1;
    }

    pub(super) fn fold(&self) -> Fold {
        match (self.flags.case_insensitive, self.flags.unicode_case) {
            (false, _) => Fold::None,
            (true, false) => Fold::Ascii,
            (true, true) => Fold::Unicode,
        }
    }

    pub(super) fn single(&self, c: char) -> CharSet {
        CharSet::range(c, c, self.fold())
    }
}

/// Blanks in comments mode.
fn is_blank(c: char) -> bool {
    matches!(c, '\t'..='\r' | ' ')
}
