//! What follows a backslash.

use super::{
    error::Parse,
    node::{Node, Place},
    parser::Parser,
};
use crate::{java_class::family, regex_class::CharSet};

/// What an escape stands for.
pub(super) enum Escape {
    Char(char),
    Set(CharSet),
    Node(Node),
}

impl Parser {
    /// An escape outside a character class; the cursor is on the backslash.
    pub(super) fn escape_node(&mut self) -> Parse<Node> {
        let letter = self.next_raw();
        if matches!(letter, 'p' | 'P') {
            return Ok(Node::Set(self.property(letter == 'P')?));
        }
        Ok(match self.escape(false, false)? {
            Escape::Char(c) => Node::Set(self.single(c)),
            Escape::Set(set) => Node::Set(set),
            Escape::Node(node) => node,
        })
    }

    /// `\p` or `\P`; the cursor is on that letter.
    pub(super) fn property(&mut self, negated: bool) -> Parse<CharSet> {
        let one_letter = self.next() != '{';
        let name: String = if one_letter {
            self.read().to_string()
        } else {
            let start = self.cursor + 1;
            let Some(len) = self.pattern.get(start..).and_then(|rest| rest.iter().position(|&c| c == '}')) else {
                self.cursor = self.pattern.len() + 1;
                return Err(self.error("Unclosed character family"));
            };
            self.cursor = start + len + 1;
            if len == 0 {
                return Err(self.error("Empty character family"));
            }
            self.pattern[start..start + len].iter().collect()
        };
        let set = family(&name, self.flags.case_insensitive, self.flags.unicode_class)
            .map_err(|message| self.error(&message))?;
        Ok(if negated { set.negate() } else { set })
    }

    /// Reads an escape; the cursor is on the character after the backslash, and after the escape at the end.
    pub(super) fn escape(&mut self, in_class: bool, is_range: bool) -> Parse<Escape> {
        let c = self.read_raw();
        if self.pattern.len() < self.cursor {
            // A backslash at the very end: what surrounds it reports that it is not closed.
            return Ok(Escape::Char('\0'));
        }
        let unicode = self.flags.unicode_class;
        let place = |place| Ok(Escape::Node(Node::At(place)));
        match c {
            '0' => self.octal().map(Escape::Char),
            '1'..='9' if !in_class => Ok(Escape::Node(self.back_reference(c as usize - '0' as usize))),
            'A' | 'G' if !in_class => place(Place::Start),
            'B' if !in_class => place(Place::NotWordBoundary { unicode }),
            'b' if !in_class => {
                if self.at(self.cursor) == '{' && self.at(self.cursor + 1) == 'g' {
                    return Err(self.error("Boundaries in braces are not supported"));
                }
                place(Place::WordBoundary { unicode })
            }
            'Z' if !in_class => place(Place::LastLine { unix: self.flags.unix_lines }),
            'z' if !in_class => place(Place::End),
            'R' if !in_class => Ok(Escape::Node(Node::LineBreak)),
            'k' if !in_class => {
                if self.read() != '<' {
                    return Err(self.error("\\k is not followed by '<' for named capturing group"));
                }
                let first = self.read();
                let name = self.group_name(first)?;
                match self.names.iter().find(|(known, _)| *known == name) {
                    Some(&(_, group)) => Ok(Escape::Node(Node::Back { group, fold: self.fold() })),
                    None => Err(self.error(&format!("named capturing group <{name}> does not exist"))),
                }
            }
            'X' if !in_class => Err(self.error("Grapheme clusters (\\X) are not supported")),
            'N' => Err(self.error("Characters by name (\\N) are not supported")),
            'D' => Ok(Escape::Set(CharSet::digit(unicode).negate())),
            'd' => Ok(Escape::Set(CharSet::digit(unicode))),
            'S' => Ok(Escape::Set(CharSet::space(unicode).negate())),
            's' => Ok(Escape::Set(CharSet::space(unicode))),
            'W' => Ok(Escape::Set(CharSet::word(unicode).negate())),
            'w' => Ok(Escape::Set(CharSet::word(unicode))),
            'H' => Ok(Escape::Set(CharSet::horizontal_space().negate())),
            'h' => Ok(Escape::Set(CharSet::horizontal_space())),
            'V' => Ok(Escape::Set(CharSet::vertical_space().negate())),
            'v' if is_range => Ok(Escape::Char('\u{b}')),
            'v' => Ok(Escape::Set(CharSet::vertical_space())),
            'a' => Ok(Escape::Char('\u{7}')),
            'e' => Ok(Escape::Char('\u{1b}')),
            'f' => Ok(Escape::Char('\u{c}')),
            'n' => Ok(Escape::Char('\n')),
            'r' => Ok(Escape::Char('\r')),
            't' => Ok(Escape::Char('\t')),
            'c' => {
                if self.is_end() {
                    return Err(self.error("Illegal control escape sequence"));
                }
                let control = self.read_raw();
                match char::from_u32(control as u32 ^ 64) {
                    Some(c) => Ok(Escape::Char(c)),
                    None => Err(self.error("Illegal control escape sequence")),
                }
            }
            'u' => self.utf16().map(Escape::Char),
            'x' => self.hexadecimal().map(Escape::Char),
            c if c.is_ascii_alphabetic() || c.is_ascii_digit() => {
                Err(self.error("Illegal/unsupported escape sequence"))
            }
            c => Ok(Escape::Char(c)),
        }
    }

    /// Adds digits as long as they name a group that has begun.
    fn back_reference(&mut self, first: usize) -> Node {
        let mut group = first;
        while let Some(digit) = self.peek().to_digit(10) {
            let longer = group.saturating_mul(10).saturating_add(digit as usize);
            if self.groups - 1 < longer {
                break;
            }
            group = longer;
            self.read();
        }
        Node::Back { group, fold: self.fold() }
    }
}

#[cfg(test)]
mod tests {
    use crate::regex_parse::tests::check_refused;

    #[test]
    fn an_escape_that_java_does_not_know_is_refused() {
        check_refused(r"\y", "Illegal/unsupported escape sequence near index 1\n\\y\n ^");
        check_refused(r"\p{X}", "Unknown character property name {X} near index 4\n\\p{X}\n    ^");
        check_refused("\\", "Unexpected internal error near index 1\n\\");
    }
}
