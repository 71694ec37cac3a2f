//! JSON text, token by token, with the limits and the leniency of the parser Connect uses.

use std::borrow::Cow;

use crate::ReadLimits;

/// What is wrong with the text and where.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Malformed {
    /// What is wrong; `{}` stands for the limit.
    pub what: &'static str,
    /// The limit that is exceeded, if it is that.
    pub limit: Option<usize>,
    /// Byte of the text.
    pub at: usize,
}

/// A number as it stands.
#[derive(Clone, Copy, Debug)]
pub struct Number<'a> {
    /// As they stand in the message.
    pub text: &'a str,
    /// Without fraction and exponent.
    pub integral: bool,
    /// All digits as one integer, with the sign, and how many of them stand behind the point: for numbers without an
    /// exponent and of few digits.
    few: Option<(i64, usize)>,
}

/// Digits up to which an integer has a double of its own.
const EXACT_DIGITS: usize = 15;

/// Powers of ten up to [`EXACT_DIGITS`], which are doubles.
const POWERS: [f64; EXACT_DIGITS + 1] =
    [1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15];

impl<'a> Number<'a> {
    /// A number as it stands.
    pub fn of(text: &'a str, integral: bool) -> Self {
        Self { text, integral, few: None }
    }

    /// The low 64 bits of an integral number.
    #[inline]
    pub fn low_bits(&self) -> i64 {
        match self.few {
            Some((value, 0)) => value,
            _ => self.many_bits(),
        }
    }

    fn many_bits(&self) -> i64 {
        if let Ok(value) = self.text.parse::<i64>() {
            return value;
        }
        if self.integral {
            return millstream_values::decimal::parse_integer(self.text)
                .map_or(0, |bytes| millstream_values::decimal::integer_to_i64(&bytes));
        }
        millstream_values::decimal::parse_decimal(self.text)
            .map_or(0, |value| millstream_values::decimal::decimal_to_i64(&value))
    }

    /// The nearest double; numbers are decimals first, so there is no negative zero.
    #[inline]
    pub fn to_f64(self) -> f64 {
        match self.few {
            // Both are exact, so that one division rounds as the rule for the whole wants it.
            Some((digits, behind)) => digits as f64 / POWERS[behind],
            None => self.many_to_f64(),
        }
    }

    fn many_to_f64(self) -> f64 {
        self.text.parse::<f64>().unwrap_or(f64::NAN) + 0.0
    }

    /// The nearest float.
    pub fn to_f32(self) -> f32 {
        self.text.parse::<f32>().unwrap_or(f32::NAN) + 0.0
    }
}

/// Bytes before the first that ends a text, begins an escape or cannot stand in one.
#[inline]
fn plain_len(bytes: &[u8]) -> usize {
    const ONES: u64 = u64::from_ne_bytes([1; 8]);
    const HIGHS: u64 = ONES << 7;
    let (chunks, rest) = bytes.as_chunks::<8>();
    for (at, chunk) in chunks.iter().enumerate() {
        let word = u64::from_le_bytes(*chunk);
        // The high bit of each byte that is zero; of the bytes above one, perhaps too many.
        let zeros = |word: u64| word.wrapping_sub(ONES) & !word;
        let quotes = zeros(word ^ (ONES * u64::from(b'"'))) | zeros(word ^ (ONES * u64::from(b'\\')));
        let controls = word.wrapping_sub(ONES * 0x20) & !word;
        let found = (quotes | controls) & HIGHS;
        if found != 0 {
            return at * 8 + found.trailing_zeros() as usize / 8;
        }
    }
    let ends = |byte: &u8| matches!(byte, b'"' | b'\\' | 0..0x20);
    bytes.len() - rest.len() + rest.iter().position(ends).unwrap_or(rest.len())
}

/// Reads one text front to back.
#[derive(Clone, Debug)]
pub struct Scanner<'a> {
    text: &'a str,
    at: usize,
    limits: ReadLimits,
}

impl<'a> Scanner<'a> {
    /// At the beginning of the text.
    pub fn new(text: &'a str, limits: ReadLimits) -> Self {
        Self { text, at: 0, limits }
    }

    /// Refuses an object or array that is nested too deeply: it stands in `depth` others.
    #[inline]
    pub fn check_depth(&self, depth: usize) -> Result<(), Malformed> {
        if self.limits.nesting_max <= depth {
            return self.exceeds(
                "nested deeper than the {} levels that converter.nesting.max allows",
                self.limits.nesting_max,
            );
        }
        Ok(())
    }

    #[cold]
    fn exceeds<T>(&self, what: &'static str, limit: usize) -> Result<T, Malformed> {
        Err(Malformed { what, limit: Some(limit), at: self.at })
    }

    #[cold]
    fn text_too_long<T>(&self) -> Result<T, Malformed> {
        let what = "a text has more than the {} bytes that converter.text.max.bytes allows";
        self.exceeds(what, self.limits.text_max_bytes)
    }

    /// All of the text.
    pub fn whole(&self) -> &'a str {
        self.text
    }

    /// What it holds texts against.
    pub fn limits(&self) -> ReadLimits {
        self.limits
    }

    /// Where the scanner is.
    pub fn position(&self) -> usize {
        self.at
    }

    /// Goes back (or forward) to a position.
    pub fn set_position(&mut self, at: usize) {
        self.at = at;
    }

    /// The text between two positions.
    pub fn slice(&self, from: usize, to: usize) -> &'a str {
        &self.text[from..to]
    }

    /// The text from the position on.
    pub fn rest(&self) -> &'a str {
        &self.text[self.at..]
    }

    /// Says what is wrong here.
    pub fn fail<T>(&self, what: &'static str) -> Result<T, Malformed> {
        Err(Malformed { what, limit: None, at: self.at })
    }

    /// The next byte that is not white space, without taking it; 0 at the end.
    #[inline]
    pub fn peek(&mut self) -> u8 {
        let bytes = self.text.as_bytes();
        while let Some(&byte) = bytes.get(self.at) {
            if !matches!(byte, b' ' | b'\t' | b'\n' | b'\r') {
                return byte;
            }
            self.at += 1;
        }
        0
    }

    /// Takes the byte if it comes next.
    #[inline]
    pub fn accept(&mut self, byte: u8) -> bool {
        let found = self.peek() == byte && byte != 0;
        self.at += usize::from(found);
        found
    }

    /// Takes the byte, which must come next.
    pub fn expect(&mut self, byte: u8, what: &'static str) -> Result<(), Malformed> {
        if self.accept(byte) { Ok(()) } else { self.fail(what) }
    }

    /// Takes `true`, `false` or `null`.
    pub fn word(&mut self, word: &'static str) -> Result<(), Malformed> {
        if !self.rest().starts_with(word) {
            return self.fail("unrecognized token");
        }
        self.at += word.len();
        match self.text.as_bytes().get(self.at) {
            Some(byte) if byte.is_ascii_alphanumeric() || *byte == b'_' || *byte == b'$' || 0x80 <= *byte => {
                self.fail("unrecognized token")
            }
            _ => Ok(()),
        }
    }

    /// Takes a text, whose opening quote comes next.
    #[inline]
    pub fn string(&mut self) -> Result<Cow<'a, str>, Malformed> {
        self.expect(b'"', "a text was expected")?;
        let bytes = self.text.as_bytes();
        let begin = self.at;
        let at = begin + plain_len(&bytes[begin..]);
        self.at = at;
        match bytes.get(at) {
            Some(b'"') => {
                self.at = at + 1;
                if self.limits.text_max_bytes < at - begin {
                    return self.text_too_long();
                }
                Ok(Cow::Borrowed(&self.text[begin..at]))
            }
            Some(b'\\') => self.escaped(begin).map(Cow::Owned),
            Some(_) => self.fail("a control character stands in a text"),
            None => self.fail("a text does not end"),
        }
    }

    fn escaped(&mut self, begin: usize) -> Result<String, Malformed> {
        let mut out = self.text[begin..self.at].to_owned();
        loop {
            let rest = self.rest();
            let plain = plain_len(rest.as_bytes());
            if plain == rest.len() {
                self.at = self.text.len();
                return self.fail("a text does not end");
            }
            out.push_str(&rest[..plain]);
            self.at += plain;
            if self.limits.text_max_bytes < out.len() {
                return self.text_too_long();
            }
            match rest.as_bytes()[plain] {
                b'"' => {
                    self.at += 1;
                    return Ok(out);
                }
                b'\\' => {
                    self.at += 1;
                    self.escape(&mut out)?;
                }
                _ => return self.fail("a control character stands in a text"),
            }
        }
    }

    fn escape(&mut self, out: &mut String) -> Result<(), Malformed> {
        let Some(&byte) = self.text.as_bytes().get(self.at) else { return self.fail("a text does not end") };
        self.at += 1;
        out.push(match byte {
            b'"' | b'\\' | b'/' => char::from(byte),
            b'b' => '\u{8}',
            b'f' => '\u{c}',
            b'n' => '\n',
            b'r' => '\r',
            b't' => '\t',
            b'u' => {
                let unit = self.hex()?;
                let pair = self.text.as_bytes().get(self.at..self.at + 2) == Some(b"\\u");
                if (0xd800..0xdc00).contains(&unit) && pair {
                    let back = self.at;
                    self.at += 2;
                    let low = self.hex()?;
                    if let Some(Ok(c)) = char::decode_utf16([unit, low]).next() {
                        out.push(c);
                        return Ok(());
                    }
                    self.at = back;
                }
                // Half of a pair is no character; Java would keep it, no other system could read it.
                char::from_u32(unit.into()).unwrap_or(char::REPLACEMENT_CHARACTER)
            }
            _ => return self.fail("unknown escape in a text"),
        });
        Ok(())
    }

    fn hex(&mut self) -> Result<u16, Malformed> {
        let digits = self.text.as_bytes().get(self.at..self.at + 4);
        let digits = digits.filter(|digits| digits.iter().all(u8::is_ascii_hexdigit));
        let unit = digits
            .and_then(|digits| std::str::from_utf8(digits).ok())
            .and_then(|text| u16::from_str_radix(text, 16).ok());
        match unit {
            Some(unit) => {
                self.at += 4;
                Ok(unit)
            }
            None => self.fail("\\u must be followed by four hexadecimal digits"),
        }
    }

    /// Takes a number, whose first character comes next.
    #[inline]
    pub fn number(&mut self) -> Result<Number<'a>, Malformed> {
        let bytes = self.text.as_bytes();
        let begin = self.at;
        let mut at = begin + usize::from(bytes.get(begin) == Some(&b'-'));
        let negative = begin < at;
        // Overflows only where there are too many digits for it to matter.
        let mut value = 0_i64;
        let mut digits = |mut at: usize| {
            while let Some(digit) = bytes.get(at).map(|byte| byte.wrapping_sub(b'0')).filter(|digit| *digit < 10) {
                value = value.wrapping_mul(10).wrapping_add(digit.into());
                at += 1;
            }
            at
        };
        let whole = digits(at);
        let mut sound = at < whole;
        at = whole;
        let (mut integral, mut behind, mut count) = (true, 0, whole - begin);
        if bytes.get(at) == Some(&b'.') {
            integral = false;
            let end = digits(at + 1);
            behind = end - at - 1;
            sound &= behind != 0;
            count += behind;
            at = end;
        }
        let few = count <= EXACT_DIGITS;
        let mut few = few.then_some((if negative { value.wrapping_neg() } else { value }, behind));
        if matches!(bytes.get(at), Some(b'e' | b'E')) {
            integral = false;
            few = None;
            at += 1 + usize::from(matches!(bytes.get(at + 1), Some(b'+' | b'-')));
            let exponent = bytes[at..].iter().take_while(|byte| byte.is_ascii_digit()).count();
            sound &= exponent != 0;
            at += exponent;
        }
        let ended = matches!(bytes.get(at), None | Some(b' ' | b'\t' | b'\n' | b'\r' | b',' | b']' | b'}' | b':'));
        if !sound || !ended {
            self.at = at;
            return self.fail("a number is malformed");
        }
        if self.limits.number_max_length < at - begin {
            let what = "a number has more than the {} characters that converter.number.max.length allows";
            return self.exceeds(what, self.limits.number_max_length);
        }
        self.at = at;
        Ok(Number { text: &self.text[begin..at], integral, few })
    }

    /// Takes a comma or the closing bracket; true if a further element follows.
    #[inline]
    pub fn more(&mut self, close: u8) -> Result<bool, Malformed> {
        match self.peek() {
            b',' => {
                self.at += 1;
                Ok(true)
            }
            byte if byte == close => {
                self.at += 1;
                Ok(false)
            }
            _ => self.fail("a comma or a closing bracket was expected"),
        }
    }

    /// Takes a member's name and the colon.
    #[inline]
    pub fn name(&mut self) -> Result<Cow<'a, str>, Malformed> {
        if self.peek() != b'"' {
            return self.fail("a member name was expected");
        }
        let name = self.string()?;
        self.expect(b':', "a colon was expected")?;
        Ok(name)
    }

    /// Steps over a value.
    pub fn skip(&mut self, depth: usize) -> Result<(), Malformed> {
        match self.peek() {
            b'{' => {
                self.check_depth(depth)?;
                self.at += 1;
                if self.accept(b'}') {
                    return Ok(());
                }
                loop {
                    self.name()?;
                    self.skip(depth + 1)?;
                    if !self.more(b'}')? {
                        return Ok(());
                    }
                }
            }
            b'[' => {
                self.check_depth(depth)?;
                self.at += 1;
                if self.accept(b']') {
                    return Ok(());
                }
                loop {
                    self.skip(depth + 1)?;
                    if !self.more(b']')? {
                        return Ok(());
                    }
                }
            }
            b'"' => self.string().map(|_| ()),
            b't' => self.word("true"),
            b'f' => self.word("false"),
            b'n' => self.word("null"),
            b'-' | b'0'..=b'9' => self.number().map(|_| ()),
            0 => self.fail("the text ends where a value was expected"),
            _ => self.fail("a value was expected"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_of_few_digits_are_read_as_those_of_many() {
        let texts = [
            "0",
            "-0",
            "7",
            "-7",
            "123456789012345",
            "-12345678901234",
            "1234567890123456",
            "0.1",
            "-0.0",
            "0.30000",
            "19.99",
            "-273.15",
            "1234567.12345678",
            "99999999999999.9",
            "0.00000000000001",
            "123456789012.345",
            "1e3",
            "-1.5E-3",
            "1.25e+2",
            "9007199254740993",
            "0.1000000000000000055511151231257827",
        ];
        for text in texts {
            let mut scanner = Scanner::new(text, ReadLimits::default());
            let number = scanner.number().unwrap();
            assert_eq!(number.text, text);
            let slow = Number::of(text, number.integral);
            assert_eq!(number.to_f64().to_bits(), slow.to_f64().to_bits(), "{text}");
            assert_eq!(number.low_bits(), slow.low_bits(), "{text}");
        }
        for text in ["-", ".5", "1.", "1e", "1e+", "-.1", "1.e3", "--1", "1x"] {
            assert!(Scanner::new(text, ReadLimits::default()).number().is_err(), "{text}");
        }
    }
}
