//! Characters by number: `\0…`, `\x…`, `\u…`. The cursor is behind that letter, and behind the number at the end.

use super::{error::Parse, parser::Parser};

impl Parser {
    pub(super) fn octal(&mut self) -> Parse<char> {
        let digit = |c: char| c.to_digit(8);
        let Some(first) = digit(self.read_raw()) else {
            return Err(self.error("Illegal octal escape sequence"));
        };
        let mut number = first;
        if let Some(second) = digit(self.at(self.cursor)) {
            self.cursor += 1;
            number = number * 8 + second;
            if let Some(third) = digit(self.at(self.cursor)).filter(|_| first <= 3) {
                self.cursor += 1;
                number = number * 8 + third;
            }
        }
        Ok(char::from_u32(number).expect("at most 0o377"))
    }

    pub(super) fn hexadecimal(&mut self) -> Parse<char> {
        let c = self.read_raw();
        if let Some(first) = c.to_digit(16) {
            return match self.read_raw().to_digit(16) {
                Some(second) => Ok(char::from_u32(first * 16 + second).expect("at most 0xFF")),
                None => Err(self.error("Illegal hexadecimal escape sequence")),
            };
        }
        if c != '{' || self.at(self.cursor).to_digit(16).is_none() {
            return Err(self.error("Illegal hexadecimal escape sequence"));
        }
        let mut number = 0;
        while let Some(digit) = self.at(self.cursor).to_digit(16) {
            self.cursor += 1;
            number = number * 16 + digit;
            if 0x10_FFFF < number {
                return Err(self.error("Hexadecimal codepoint is too big"));
            }
        }
        if self.at(self.cursor) != '}' {
            self.cursor += 1;
            return Err(self.error("Unclosed hexadecimal escape sequence"));
        }
        self.cursor += 1;
        self.scalar(number)
    }

    pub(super) fn utf16(&mut self) -> Parse<char> {
        let unit = self.utf16_unit()?;
        let high = (0xD800..0xDC00).contains(&unit);
        if high && self.at(self.cursor) == '\\' && self.at(self.cursor + 1) == 'u' {
            self.cursor += 2;
            let low = self.utf16_unit()?;
            if (0xDC00..0xE000).contains(&low) {
                return self.scalar(0x10000 + ((unit - 0xD800) << 10) + (low - 0xDC00));
            }
        }
        self.scalar(unit)
    }

    fn utf16_unit(&mut self) -> Parse<u32> {
        let mut unit = 0;
        for _ in 0..4 {
            match self.read_raw().to_digit(16) {
                Some(digit) => unit = unit * 16 + digit,
                None => return Err(self.error("Illegal Unicode escape sequence")),
            }
        }
        Ok(unit)
    }

    fn scalar(&self, number: u32) -> Parse<char> {
        char::from_u32(number).ok_or_else(|| self.error("Half of a surrogate pair is not supported"))
    }
}

#[cfg(test)]
mod tests {
    use crate::regex_parse::{node::Node, parse, tests::error_of};

    #[test]
    fn a_number_stands_for_its_character() {
        for (pattern, expected) in [
            (r"\0101", 'A'),
            (r"\x41", 'A'),
            (r"\x{1F600}", '\u{1F600}'),
            (r"\u0041", 'A'),
            // Java's patterns are UTF-16: a character beyond its first plane is written as two.
            (r"\uD83D\uDE00", '\u{1F600}'),
        ] {
            let Node::Set(set) = parse(pattern).expect("a pattern").root else { panic!("{pattern} is one character") };
            assert!(set.contains(expected), "{pattern}");
        }
    }

    #[test]
    fn a_number_of_no_character_is_refused() {
        for (pattern, message) in [
            (r"\09", "Illegal octal escape sequence"),
            (r"\xg", "Illegal hexadecimal escape sequence"),
            (r"\x{110000}", "Hexadecimal codepoint is too big"),
            (r"\x{41", "Unclosed hexadecimal escape sequence"),
            (r"\u00", "Illegal Unicode escape sequence"),
            (r"\uD83D", "Half of a surrogate pair is not supported"),
        ] {
            assert!(error_of(pattern).starts_with(message), "{pattern}");
        }
    }
}
