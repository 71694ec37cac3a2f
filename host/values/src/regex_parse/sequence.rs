//! Alternatives, and the parts of one that follow each other.

use super::{
    error::Parse,
    node::{Node, Place},
    parser::Parser,
};
use crate::regex_class::CharSet;

impl Parser {
    pub(super) fn alternatives(&mut self) -> Parse<Node> {
        let mut found = vec![self.sequence()?];
        while self.peek() == '|' {
            self.next();
            found.push(self.sequence()?);
        }
        Ok(if found.len() == 1 { found.remove(0) } else { Node::Alternatives(found) })
    }

    fn sequence(&mut self) -> Parse<Node> {
        let mut nodes = Vec::new();
        loop {
            let node = match self.peek() {
                '(' => match self.group()? {
                    Some(node) => node,
                    // Flags for the rest of the group: nothing to repeat.
                    None => continue,
                },
                '[' => {
                    let set = self.class(true)?;
                    self.closure(Node::Set(set))?
                }
                '\\' => {
                    let node = self.escape_node()?;
                    self.closure(node)?
                }
                '^' => {
                    self.next();
                    let unix = self.flags.unix_lines;
                    let place = if self.flags.multiline { Place::LineStart { unix } } else { Place::Start };
                    self.closure(Node::At(place))?
                }
                '$' => {
                    self.next();
                    let unix = self.flags.unix_lines;
                    let place = if self.flags.multiline { Place::LineEnd { unix } } else { Place::LastLine { unix } };
                    self.closure(Node::At(place))?
                }
                '.' => {
                    self.next();
                    let set = if self.flags.dot_all {
                        CharSet::any()
                    } else if self.flags.unix_lines {
                        CharSet::Range('\n', '\n').negate()
                    } else {
                        CharSet::line_terminators().negate()
                    };
                    self.closure(Node::Set(set))?
                }
                '|' | ')' => break,
                found @ ('?' | '*' | '+') => {
                    self.next();
                    return Err(self.error(&format!("Dangling meta character '{found}'")));
                }
                // A count with nothing before it repeats nothing.
                '{' => self.closure(Node::Empty)?,
                '\0' if self.is_end() => break,
                c => {
                    self.next();
                    let set = self.single(c);
                    self.closure(Node::Set(set))?
                }
            };
            nodes.push(node);
        }
        Ok(match nodes.len() {
            0 => Node::Empty,
            1 => nodes.remove(0),
            _ => Node::Concat(nodes),
        })
    }
}

#[cfg(test)]
mod tests {
    use crate::regex_parse::tests::check_refused;

    #[test]
    fn a_quantifier_needs_something_to_repeat() {
        check_refused("*", "Dangling meta character '*' near index 0\n*\n^");
        check_refused("a|+", "Dangling meta character '+' near index 2\na|+\n  ^");
    }
}
