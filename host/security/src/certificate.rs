//! What is read of an X.509 certificate besides its being verified: whose it is, and how long it lasts.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::der::{DerError, Element, Reader, oid_text, tag};

/// A certificate's subject, in Java's words, and its time.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Certificate {
    /// As `X500Principal.getName()` writes it (RFC 2253): `CN=a,OU=b,O=c`.
    pub subject: String,
    /// From when on it is valid.
    pub not_before: SystemTime,
    /// After this it is not valid any more.
    pub not_after: SystemTime,
    /// The subject and the issuer as they stand there, to find a chain's order.
    pub(crate) subject_der: Vec<u8>,
    pub(crate) issuer_der: Vec<u8>,
}

/// The bytes are no certificate.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("read an X.509 certificate")]
pub struct InvalidCertificate {
    #[from]
    source: DerError,
}

impl Certificate {
    /// Reads a certificate without verifying anything.
    ///
    /// # Errors
    ///
    /// It is none.
    pub fn read(der: &[u8]) -> Result<Self, InvalidCertificate> {
        let mut body = Reader::new(der).sequence()?.sequence()?;
        body.optional(tag::context(0))?;
        body.element(tag::INTEGER)?;
        body.element(tag::SEQUENCE)?;
        let issuer = body.element(tag::SEQUENCE)?;
        let mut validity = body.sequence()?;
        let (not_before, not_after) = (time(validity.any()?)?, time(validity.any()?)?);
        let subject = body.element(tag::SEQUENCE)?;
        Ok(Self {
            subject: name_text(&subject)?,
            not_before,
            not_after,
            subject_der: subject.whole.to_vec(),
            issuer_der: issuer.whole.to_vec(),
        })
    }
}

/// RFC 2253: the last part first.
fn name_text(name: &Element<'_>) -> Result<String, DerError> {
    let mut parts = Vec::new();
    let mut reader = name.inside();
    while !reader.is_empty() {
        let mut set = reader.element(tag::SET)?.inside();
        let mut attributes = Vec::new();
        while !set.is_empty() {
            let mut attribute = set.sequence()?;
            attributes.push(attribute_text(attribute.oid()?, attribute.any()?)?);
        }
        parts.push(attributes.join("+"));
    }
    parts.reverse();
    Ok(parts.join(","))
}

fn attribute_text(oid: &[u8], value: Element<'_>) -> Result<String, DerError> {
    let keyword = match oid {
        [0x55, 0x04, 3] => "CN",
        [0x55, 0x04, 6] => "C",
        [0x55, 0x04, 7] => "L",
        [0x55, 0x04, 8] => "ST",
        [0x55, 0x04, 9] => "STREET",
        [0x55, 0x04, 10] => "O",
        [0x55, 0x04, 11] => "OU",
        [0x09, 0x92, 0x26, 0x89, 0x93, 0xf2, 0x2c, 0x64, 0x01, 0x19] => "DC",
        [0x09, 0x92, 0x26, 0x89, 0x93, 0xf2, 0x2c, 0x64, 0x01, 0x01] => "UID",
        _ => "",
    };
    match text_of(&value)? {
        Some(text) if !keyword.is_empty() => Ok(format!("{keyword}={}", escaped(&text))),
        _ => {
            let name = if keyword.is_empty() { oid_text(oid) } else { keyword.to_owned() };
            let hex: String = value.whole.iter().map(|byte| format!("{byte:02x}")).collect();
            Ok(format!("{name}=#{hex}"))
        }
    }
}

/// `None` for what is no text.
fn text_of(value: &Element<'_>) -> Result<Option<String>, DerError> {
    let wide = |width: usize| {
        let units =
            value.content.chunks(width).map(|unit| unit.iter().fold(0, |all, &byte| all << 8 | u32::from(byte)));
        units.collect::<Vec<u32>>()
    };
    Ok(Some(match value.tag {
        tag::UTF8_STRING => String::from_utf8(value.content.to_vec()).map_err(|_| DerError::Unexpected)?,
        tag::PRINTABLE_STRING | tag::IA5_STRING | tag::T61_STRING | tag::GENERAL_STRING => {
            value.content.iter().map(|&byte| char::from(byte)).collect()
        }
        tag::BMP_STRING => {
            let units: Vec<u16> = wide(2).into_iter().filter_map(|unit| u16::try_from(unit).ok()).collect();
            String::from_utf16(&units).map_err(|_| DerError::Unexpected)?
        }
        tag::UNIVERSAL_STRING => {
            let characters: Option<String> = wide(4).into_iter().map(char::from_u32).collect();
            characters.ok_or(DerError::Unexpected)?
        }
        _ => return Ok(None),
    }))
}

fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let last = text.chars().count().saturating_sub(1);
    let leading = text.chars().take_while(|&c| c == ' ').count();
    let trailing = text.chars().rev().take_while(|&c| c == ' ').count();
    for (place, c) in text.chars().enumerate() {
        match c {
            '\0' => out.push_str("\\00"),
            ',' | '=' | '+' | '<' | '>' | '#' | ';' | '"' | '\\' => out.extend(['\\', c]),
            ' ' if place < leading || last < place + trailing => out.push_str("\\ "),
            c => out.push(c),
        }
    }
    out
}

/// `YYMMDDHHMMSSZ` or `YYYYMMDDHHMMSSZ`. A time before 1970 is 1970.
fn time(element: Element<'_>) -> Result<SystemTime, DerError> {
    let digits = element.content.strip_suffix(b"Z").ok_or(DerError::Unexpected)?;
    let pair = |at: usize| -> Result<u64, DerError> {
        match digits.get(at..at + 2) {
            Some(&[tens @ b'0'..=b'9', ones @ b'0'..=b'9']) => Ok(u64::from(tens - b'0') * 10 + u64::from(ones - b'0')),
            _ => Err(DerError::Unexpected),
        }
    };
    let (year, rest) = match element.tag {
        tag::UTC_TIME => match pair(0)? {
            year @ 0..50 => (2000 + year, 2),
            year => (1900 + year, 2),
        },
        tag::GENERALIZED_TIME => (pair(0)? * 100 + pair(2)?, 4),
        _ => return Err(DerError::Unexpected),
    };
    let (month, day) = (pair(rest)?, pair(rest + 2)?);
    let (hour, minute, second) = (pair(rest + 4)?, pair(rest + 6)?, pair(rest + 8)?);
    if !(1..=12).contains(&month) || !(1..=31).contains(&day) || 23 < hour || 59 < minute || 60 < second {
        return Err(DerError::Unexpected);
    }
    let seconds = days_since_1970(year, month, day).map(|days| days * 86_400 + hour * 3600 + minute * 60 + second);
    Ok(UNIX_EPOCH + Duration::from_secs(seconds.unwrap_or(0)))
}

/// Of the Gregorian calendar; `None` before 1970.
fn days_since_1970(year: u64, month: u64, day: u64) -> Option<u64> {
    // Years that begin in March have their leap day at the end.
    let (year, month) = if month <= 2 { (year.checked_sub(1)?, month + 9) } else { (year, month - 3) };
    let days = year * 365 + year / 4 - year / 100 + year / 400 + (month * 153 + 2) / 5 + day - 1;
    days.checked_sub(719_468)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn part(oid: &[u8], tag: u8, text: &[u8]) -> Vec<u8> {
        let oid = [&[tag::OBJECT_IDENTIFIER, oid.len() as u8], oid].concat();
        let value = [&[tag, text.len() as u8], text].concat();
        let inner = [oid, value].concat();
        let sequence = [&[tag::SEQUENCE, inner.len() as u8], &inner[..]].concat();
        [&[tag::SET, sequence.len() as u8], &sequence[..]].concat()
    }

    fn text(parts: &[Vec<u8>]) -> String {
        let inner = parts.concat();
        let whole = [&[tag::SEQUENCE, inner.len() as u8], &inner[..]].concat();
        name_text(&Reader::new(&whole).any().unwrap()).unwrap()
    }

    /// Java's own words for these names (`X500Principal.getName`).
    #[test]
    fn names_are_written_in_javas_way() {
        let (cn, o, c) = ([0x55, 4, 3], [0x55, 4, 10], [0x55, 4, 6]);
        assert_eq!(
            text(&[part(&c, tag::PRINTABLE_STRING, b"DE"), part(&o, tag::UTF8_STRING, b"A, B"), part(&cn, 0x0c, b"x")]),
            "CN=x,O=A\\, B,C=DE"
        );
        assert_eq!(text(&[part(&cn, 0x0c, b"  a\\\"# b ")]), "CN=\\ \\ a\\\\\\\"\\# b\\ ");
        let email = [0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x09, 0x01];
        assert_eq!(text(&[part(&email, tag::IA5_STRING, b"a@b")]), "1.2.840.113549.1.9.1=#1603614062");
        assert_eq!(text(&[part(&cn, tag::BMP_STRING, b"\0a\x20\xac")]), "CN=a€");
    }

    #[test]
    fn days_are_counted_over_leap_years() {
        assert_eq!(days_since_1970(1970, 1, 1), Some(0));
        assert_eq!(days_since_1970(2000, 2, 29), Some(11_016));
        assert_eq!(days_since_1970(2026, 11, 29), Some(20_786));
        assert_eq!(days_since_1970(1969, 12, 31), None);
    }

    #[test]
    fn both_kinds_of_time_are_read() {
        let read = |tag, text: &str| {
            let bytes = [&[tag, text.len() as u8], text.as_bytes()].concat();
            time(Reader::new(&bytes).any().unwrap()).map(|at| at.duration_since(UNIX_EPOCH).unwrap().as_secs())
        };
        assert_eq!(read(tag::UTC_TIME, "261129120001Z"), Ok(20_786 * 86_400 + 43_201));
        assert_eq!(read(tag::GENERALIZED_TIME, "20261129120001Z"), Ok(20_786 * 86_400 + 43_201));
        assert_eq!(read(tag::UTC_TIME, "261329120001Z"), Err(DerError::Unexpected));
        assert_eq!(read(tag::UTC_TIME, "2611291200Z"), Err(DerError::Unexpected));
    }
}
