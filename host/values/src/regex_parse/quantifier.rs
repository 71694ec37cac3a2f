//! How often: `?`, `*`, `+`, `{2,3}`, each greedy, lazy or possessive.

use super::{
    error::Parse,
    node::{Mode, Node, UNBOUNDED},
    parser::Parser,
};

impl Parser {
    /// A quantifier after `node`, if there is one.
    pub(super) fn closure(&mut self, node: Node) -> Parse<Node> {
        let (min, max) = match self.peek() {
            '?' => {
                self.next();
                (0, 1)
            }
            '*' => {
                self.next();
                (0, UNBOUNDED)
            }
            '+' => {
                self.next();
                (1, UNBOUNDED)
            }
            '{' => self.counted()?,
            _ => return Ok(node),
        };
        let mode = match self.peek() {
            '?' => Mode::Lazy,
            '+' => Mode::Possessive,
            _ => Mode::Greedy,
        };
        if mode != Mode::Greedy {
            self.next();
        }
        Ok(Node::Repeat { node: Box::new(node), min, max, mode })
    }

    fn counted(&mut self) -> Parse<(u32, u32)> {
        if !self.at(self.cursor + 1).is_ascii_digit() {
            self.cursor += 2;
            return Err(self.error("Illegal repetition"));
        }
        self.cursor += 1;
        self.skip_blanks();
        let min = self.count()?;
        let mut max = min;
        if self.peek() == ',' {
            max = UNBOUNDED;
            if self.next() != '}' {
                max = self.count()?;
            }
        }
        if self.peek() != '}' {
            self.cursor += 1;
            return Err(self.error("Unclosed counted closure"));
        }
        self.cursor += 1;
        if max < min {
            return Err(self.error("Illegal repetition range"));
        }
        Ok((min, max))
    }

    fn count(&mut self) -> Parse<u32> {
        let mut number: u32 = 0;
        while let Some(digit) = self.peek().to_digit(10) {
            self.cursor += 1;
            number = match number.checked_mul(10).and_then(|number| number.checked_add(digit)) {
                Some(number) if number <= UNBOUNDED => number,
                _ => return Err(self.error("Illegal repetition range")),
            };
        }
        Ok(number)
    }
}

#[cfg(test)]
mod tests {
    use crate::regex_parse::tests::check_refused;

    #[test]
    fn a_count_is_a_number_and_not_below_its_least() {
        check_refused("a{2,1}", "Illegal repetition range near index 5\na{2,1}\n     ^");
        check_refused("a{2", "Unclosed counted closure near index 3\na{2");
        check_refused("{", "Illegal repetition near index 1\n{");
    }
}
