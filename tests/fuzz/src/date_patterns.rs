//! Date patterns from configurations, on text and instants from anywhere.

use millstream_record::Timestamp;
use millstream_values::DatePattern;

use super::parts::parts;

/// Inputs that reach most of the code: a pattern, a text, the eight bytes of an instant.
pub const SEEDS: &[&[u8]] = &[
    b"yyyy-MM-dd'T'HH:mm:ss.SSSXXX\xff\xff2024-02-29T12:00:00.000+01:00\xff\xff\x00\x01\x02\x03\x04\x05\x06\x00",
    b"EEE, d MMM yyyy HH:mm:ss Z\xff\xffThu, 29 Feb 2024 12:00:00 +0100\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff",
    b"yyMMddHHmmss\xff\xff240229120000\xff\xff\x00\x00\x00\x00\x00\x00\x00\x80",
    b"G YYYY ww u F D W kk KK hh a z zzzz 'o''clock'\xff\xffAD 2024 09 4 5 60 5 12 00 12 PM UTC GMT-1:30 o'clock",
    b"h:mm a, MMMM d\xff\xff12:00 am, sep \xd9\xa1NaN\xff\xff\xff\xff\xff\xff\xff\xff\xff\x7f",
    b"yyyyyyyyyyyy-SSSSSSSSS\xff\xff-00000292278994E5-\xe2\x88\x9e",
];

/// Pieces of such inputs.
pub const TOKENS: &[&str] = &[
    "yyyy",
    "YY",
    "MM",
    "MMM",
    "dd",
    "HH",
    "'",
    "''",
    "X",
    "XXX",
    "Z",
    "z",
    "a",
    "E",
    "G",
    "S",
    "-",
    ":",
    " ",
    "2024",
    "99999999999",
    "E9",
    "GMT+1",
    "PST",
    "Sep",
    "AM",
    "\u{661}",
    "\u{221e}",
    "NaN",
    "BC",
];

/// The present in milliseconds, for two-digit years.
const NOW: i64 = 1_709_208_000_000;

/// Compiles, formats and parses. True if the pattern is one.
pub fn date_patterns(bytes: &[u8]) -> bool {
    let [pattern_text, text, instant] = parts::<3>(bytes);
    let (pattern_text, text) = (String::from_utf8_lossy(pattern_text), String::from_utf8_lossy(text));
    let mut ms = [0; 8];
    ms.iter_mut().zip(instant).for_each(|(to, from)| *to = *from);
    let ms = i64::from_le_bytes(ms);
    let Ok(pattern) = DatePattern::compile_at(&pattern_text, Timestamp::from_millis(NOW)) else { return false };
    let formatted = pattern.format(ms);
    // The longest a letter becomes is a time zone's full name.
    assert!(formatted.len() <= pattern_text.len() * 32, "{pattern_text:?} makes {formatted:?}");
    for text in [&*formatted, &*text] {
        if let Some(parsed) = pattern.parse(text) {
            let _ = pattern.parse(&pattern.format(parsed));
        }
    }
    check_iso(ms);
    true
}

/// All fields of an instant read back, within the years that four digits can tell.
fn check_iso(ms: i64) {
    let ms = ms.rem_euclid(253_402_300_800_000);
    let iso = DatePattern::compile_at("yyyy-MM-dd'T'HH:mm:ss.SSSX", Timestamp::from_millis(NOW)).expect("a pattern");
    assert_eq!(iso.parse(&iso.format(ms)), Some(ms));
}
