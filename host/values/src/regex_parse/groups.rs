//! Parentheses: groups, names, lookaround, and flags.

use super::{error::Parse, node::Node, parser::Parser};

impl Parser {
    /// A parenthesis; the cursor is on it. `None` for flags that apply to the rest of the group.
    pub(super) fn group(&mut self) -> Parse<Option<Node>> {
        self.nest()?;
        let saved = self.flags;
        let node = if self.next() == '?' {
            self.cursor += 1;
            match self.read_raw() {
                ':' => {
                    let inner = self.alternatives()?;
                    Node::Group(None, Box::new(inner))
                }
                c @ ('=' | '!') => {
                    let node = Box::new(self.alternatives()?);
                    Node::Ahead { node, negated: c == '!' }
                }
                '>' => Node::Atomic(Box::new(self.alternatives()?)),
                '<' => {
                    let c = self.read();
                    match c {
                        '=' | '!' => self.look_behind(c == '!')?,
                        _ => self.named_group(c)?,
                    }
                }
                '$' | '@' => return Err(self.error("Unknown group type")),
                _ => {
                    self.cursor -= 1;
                    self.read_flags()?;
                    match self.read() {
                        // The flags outlive this parenthesis.
                        ')' if self.cursor <= self.pattern.len() => {
                            self.unnest();
                            return Ok(None);
                        }
                        ':' => {
                            let inner = self.alternatives()?;
                            Node::Group(None, Box::new(inner))
                        }
                        _ => return Err(self.error("Unknown inline modifier")),
                    }
                }
            }
        } else {
            let number = self.groups;
            self.groups += 1;
            let inner = self.alternatives()?;
            Node::Group(Some(number), Box::new(inner))
        };
        self.accept(')', "Unclosed group")?;
        self.flags = saved;
        self.unnest();
        self.closure(node).map(Some)
    }

    fn look_behind(&mut self, negated: bool) -> Parse<Node> {
        let node = self.alternatives()?;
        match node.span() {
            (shortest, Some(longest)) => Ok(Node::Behind { node: Box::new(node), negated, shortest, longest }),
            (_, None) => Err(self.error("Look-behind group does not have an obvious maximum length")),
        }
    }

    fn named_group(&mut self, first: char) -> Parse<Node> {
        let name = self.group_name(first)?;
        if self.names.iter().any(|(known, _)| *known == name) {
            return Err(self.error(&format!("Named capturing group <{name}> is already defined")));
        }
        let number = self.groups;
        self.groups += 1;
        self.names.push((name, number));
        let inner = self.alternatives()?;
        Ok(Node::Group(Some(number), Box::new(inner)))
    }

    pub(super) fn group_name(&mut self, first: char) -> Parse<String> {
        if !first.is_ascii_alphabetic() {
            return Err(self.error("capturing group name does not start with a Latin letter"));
        }
        let mut name = String::from(first);
        loop {
            match self.read() {
                c if c.is_ascii_alphanumeric() => name.push(c),
                '>' => return Ok(name),
                _ => return Err(self.error("named capturing group is missing trailing '>'")),
            }
        }
    }

    fn read_flags(&mut self) -> Parse<()> {
        let mut on = true;
        loop {
            let flags = &mut self.flags;
            match self.pattern.get(self.cursor) {
                Some('i') => flags.case_insensitive = on,
                Some('m') => flags.multiline = on,
                Some('s') => flags.dot_all = on,
                Some('d') => flags.unix_lines = on,
                Some('u') => flags.unicode_case = on,
                Some('c') => return Err(self.error("Canonical equivalence is not supported")),
                Some('x') => flags.comments = on,
                Some('U') => {
                    flags.unicode_class = on;
                    flags.unicode_case = on;
                }
                Some('-') if on => on = false,
                _ => return Ok(()),
            }
            self.next();
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::regex_parse::tests::check_refused;

    #[test]
    fn a_group_is_closed_and_its_name_is_its_own() {
        check_refused("(", "Unclosed group near index 1\n(");
        check_refused(
            "(?<a>x)(?<a>y)",
            "Named capturing group <a> is already defined near index 11\n(?<a>x)(?<a>y)\n           ^",
        );
        check_refused("(?<1>x)", "capturing group name does not start with a Latin letter near index 3\n(?<1>x)\n   ^");
        check_refused("(?y)", "Unknown inline modifier near index 2\n(?y)\n  ^");
    }

    #[test]
    fn a_lookbehind_without_a_longest_text_is_refused() {
        let message = "Look-behind group does not have an obvious maximum length near index 8\n(?<=(ab)*)c\n        ^";
        check_refused("(?<=(ab)*)c", message);
    }
}
