//! Base64 as Java writes it and as Connect's JSON reader takes it.

use base64::{
    Engine,
    alphabet::STANDARD,
    engine::{GeneralPurpose, GeneralPurposeConfig, general_purpose},
};

/// Jackson ignores the bits that the last digit has too many, but wants the padding.
const LENIENT_BITS: GeneralPurpose =
    GeneralPurpose::new(&STANDARD, GeneralPurposeConfig::new().with_decode_allow_trailing_bits(true));

/// Standard base64 with padding.
pub fn encode(bytes: &[u8]) -> String {
    general_purpose::STANDARD.encode(bytes)
}

/// Appends standard base64 with padding.
pub fn encode_onto(bytes: &[u8], out: &mut String) {
    general_purpose::STANDARD.encode_string(bytes, out);
}

/// Reads standard base64. Padding is required; blanks around and between groups of four are skipped
/// as Jackson does. `None` for anything else.
pub fn decode(text: &str) -> Option<Vec<u8>> {
    let mut bytes = Vec::with_capacity(text.len() / 4 * 3);
    decode_onto(text, &mut bytes).then_some(bytes)
}

/// As [`decode`], appending. `false` leaves `out` as it was.
pub fn decode_onto(text: &str, out: &mut Vec<u8>) -> bool {
    let start = out.len();
    if LENIENT_BITS.decode_vec(text, out).is_ok() {
        return true;
    }
    out.truncate(start);
    if decode_groups(text.trim_matches(|c| c <= ' ').as_bytes(), out).is_none() {
        out.truncate(start);
        return false;
    }
    true
}

/// Group by group: a padded group may stand anywhere, and blanks may stand between groups.
fn decode_groups(text: &[u8], out: &mut Vec<u8>) -> Option<()> {
    let mut rest = text;
    loop {
        let blanks = rest.iter().take_while(|&&byte| byte <= b' ').count();
        rest = &rest[blanks..];
        if rest.is_empty() {
            return Some(());
        }
        let (group, tail) = rest.split_at_checked(4)?;
        LENIENT_BITS.decode_vec(group, out).ok()?;
        rest = tail;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_needs_its_padding() {
        for (text, expected) in [
            ("AQI=", Some(vec![1, 2])),
            ("AQI", None),
            ("", Some(vec![])),
            (" AQID\nAQ== ", Some(vec![1, 2, 3, 1])),
            ("AQ==AQ==", Some(vec![1, 1])),
            ("A QID", None),
            ("AR==", Some(vec![1])),
            ("A-_=", None),
        ] {
            assert_eq!(decode(text), expected, "{text:?}");
        }
        assert_eq!(encode(&[1, 2, 255]), "AQL/");
    }
}
