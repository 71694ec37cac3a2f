//! Reads DER, as far as certificates and key stores use it: tags of one byte, definite lengths.

/// Tags, as they stand in the first byte of an element.
pub mod tag {
    pub const INTEGER: u8 = 0x02;
    pub const OCTET_STRING: u8 = 0x04;
    pub const OBJECT_IDENTIFIER: u8 = 0x06;
    pub const UTF8_STRING: u8 = 0x0c;
    pub const PRINTABLE_STRING: u8 = 0x13;
    pub const T61_STRING: u8 = 0x14;
    pub const IA5_STRING: u8 = 0x16;
    pub const UTC_TIME: u8 = 0x17;
    pub const GENERALIZED_TIME: u8 = 0x18;
    pub const GENERAL_STRING: u8 = 0x1b;
    pub const UNIVERSAL_STRING: u8 = 0x1c;
    pub const BMP_STRING: u8 = 0x1e;
    pub const SEQUENCE: u8 = 0x30;
    pub const SET: u8 = 0x31;

    /// `[n]`, holding other elements.
    pub const fn context(number: u8) -> u8 {
        0xa0 | number
    }

    /// `[n]` in place of the tag of a simple element.
    pub const fn context_simple(number: u8) -> u8 {
        0x80 | number
    }
}

/// The bytes are not what was expected of them.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum DerError {
    /// Something else stands there, or nothing.
    #[error("not the structure that was expected (DER)")]
    Unexpected,
    /// BER, which some old programs write.
    #[error("it is written with indefinite lengths (BER), which is not read; have it written anew by a current tool")]
    Indefinite,
}

/// One element: its tag, its content, and both with the length between.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Element<'a> {
    pub tag: u8,
    pub content: &'a [u8],
    pub whole: &'a [u8],
}

impl<'a> Element<'a> {
    /// What stands inside, to be read one by one.
    pub fn inside(&self) -> Reader<'a> {
        Reader::new(self.content)
    }
}

/// Takes elements off the front.
#[derive(Clone, Copy, Debug)]
pub struct Reader<'a> {
    left: &'a [u8],
}

impl<'a> Reader<'a> {
    pub fn new(bytes: &'a [u8]) -> Self {
        Self { left: bytes }
    }

    pub fn is_empty(&self) -> bool {
        self.left.is_empty()
    }

    /// The tag that stands next.
    pub fn peek(&self) -> Option<u8> {
        self.left.first().copied()
    }

    /// The next element, whatever it is.
    pub fn any(&mut self) -> Result<Element<'a>, DerError> {
        let (&tag, &first) = match self.left {
            [tag, first, ..] => (tag, first),
            _ => return Err(DerError::Unexpected),
        };
        if tag & 0x1f == 0x1f {
            return Err(DerError::Unexpected);
        }
        let (header, len) = match first {
            0..=0x7f => (2, usize::from(first)),
            0x80 => return Err(DerError::Indefinite),
            _ => {
                let digits = usize::from(first & 0x7f);
                let bytes = self.left.get(2..2 + digits).filter(|_| digits <= 4).ok_or(DerError::Unexpected)?;
                (2 + digits, bytes.iter().fold(0, |len, &byte| len << 8 | usize::from(byte)))
            }
        };
        let end = header.checked_add(len).ok_or(DerError::Unexpected)?;
        let whole = self.left.get(..end).ok_or(DerError::Unexpected)?;
        self.left = &self.left[end..];
        Ok(Element { tag, content: &whole[header..], whole })
    }

    /// The next element, which has this tag.
    pub fn element(&mut self, tag: u8) -> Result<Element<'a>, DerError> {
        match self.peek() {
            Some(next) if next == tag => self.any(),
            _ => Err(DerError::Unexpected),
        }
    }

    /// The next element if it has this tag.
    pub fn optional(&mut self, tag: u8) -> Result<Option<Element<'a>>, DerError> {
        if self.peek() == Some(tag) { self.any().map(Some) } else { Ok(None) }
    }

    pub fn sequence(&mut self) -> Result<Reader<'a>, DerError> {
        self.element(tag::SEQUENCE).map(|element| element.inside())
    }

    pub fn oid(&mut self) -> Result<&'a [u8], DerError> {
        self.element(tag::OBJECT_IDENTIFIER).map(|element| element.content)
    }

    pub fn octets(&mut self) -> Result<&'a [u8], DerError> {
        self.element(tag::OCTET_STRING).map(|element| element.content)
    }

    /// A whole number that is not negative and has 32 bits at most.
    pub fn number(&mut self) -> Result<u32, DerError> {
        let content = self.element(tag::INTEGER)?.content;
        match content {
            [] => Err(DerError::Unexpected),
            [first, ..] if 0x80 <= *first => Err(DerError::Unexpected),
            _ => {
                let value = content.iter().try_fold(0_u32, |value, &byte| {
                    value.checked_mul(256).and_then(|value| value.checked_add(u32::from(byte)))
                });
                value.ok_or(DerError::Unexpected)
            }
        }
    }
}

/// An object identifier with dots between its numbers.
pub fn oid_text(oid: &[u8]) -> String {
    let mut arcs: Vec<u64> = Vec::new();
    let mut value = 0_u64;
    for &byte in oid {
        value = value << 7 | u64::from(byte & 0x7f);
        if byte & 0x80 == 0 {
            if arcs.is_empty() {
                let first = (value / 40).min(2);
                arcs.extend([first, value - 40 * first]);
            } else {
                arcs.push(value);
            }
            value = 0;
        }
    }
    let arcs: Vec<String> = arcs.iter().map(u64::to_string).collect();
    arcs.join(".")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn elements_are_taken_off_one_by_one() {
        let mut reader = Reader::new(&[0x30, 0x06, 0x02, 0x01, 0x05, 0x04, 0x01, 0xff]);
        let mut inside = reader.sequence().unwrap();
        assert!(reader.is_empty());
        assert_eq!(inside.number(), Ok(5));
        assert_eq!(inside.optional(tag::SET), Ok(None));
        assert_eq!(inside.octets(), Ok(&[0xff][..]));
        assert_eq!(inside.any(), Err(DerError::Unexpected));
    }

    #[test]
    fn a_length_beyond_the_end_is_refused_and_so_is_one_that_is_not_given() {
        for bytes in [&[0x30][..], &[0x30, 5, 0], &[0x30, 0x84, 0xff, 0xff, 0xff, 0xff], &[0x30, 0x85, 0, 0, 0, 0, 0]] {
            assert_eq!(Reader::new(bytes).any(), Err(DerError::Unexpected), "{bytes:?}");
        }
        assert_eq!(Reader::new(&[0x30, 0x80, 0, 0]).any(), Err(DerError::Indefinite));
    }

    #[test]
    fn object_identifiers_are_written_with_dots() {
        assert_eq!(oid_text(&[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x09, 0x01]), "1.2.840.113549.1.9.1");
        assert_eq!(oid_text(&[0x55, 0x04, 0x03]), "2.5.4.3");
    }
}
