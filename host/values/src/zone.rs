//! Time zones in date texts: offsets and the English names of zones with one meaning.

use crate::java_text::starts_with_ignoring_case;

/// Names and minutes ahead of UTC. Where Java would follow a zone's history, these are fixed to what
/// the name means today; where a short name has several meanings, it is the one Java takes.
const NAMES: [(&str, i64); 83] = [
    ("Coordinated Universal Time", 0),
    ("UTC", 0),
    ("Greenwich Mean Time", 0),
    ("British Summer Time", 60),
    ("BST", 60),
    ("Western European Standard Time", 0),
    ("Western European Summer Time", 60),
    ("WEST", 60),
    ("WET", 0),
    ("Central European Standard Time", 60),
    ("Central European Summer Time", 120),
    ("CEST", 120),
    ("CET", 60),
    ("MEST", 120),
    ("MET", 60),
    ("Eastern European Standard Time", 120),
    ("Eastern European Summer Time", 180),
    ("EEST", 180),
    ("EET", 120),
    ("Moscow Standard Time", 180),
    ("MSK", 180),
    ("Eastern Standard Time", -300),
    ("Eastern Daylight Time", -240),
    ("EST", -300),
    ("EDT", -240),
    ("Central Standard Time", -360),
    ("Central Daylight Time", -300),
    ("CST", -360),
    ("CDT", -300),
    ("Mountain Standard Time", -420),
    ("Mountain Daylight Time", -360),
    ("MST", -420),
    ("MDT", -360),
    ("Pacific Standard Time", -480),
    ("Pacific Daylight Time", -420),
    ("PST", -480),
    ("PDT", -420),
    ("Alaska Standard Time", -540),
    ("Alaska Daylight Time", -480),
    ("AKST", -540),
    ("AKDT", -480),
    ("Hawaii-Aleutian Standard Time", -600),
    ("HST", -600),
    ("Atlantic Standard Time", -240),
    ("Atlantic Daylight Time", -180),
    ("AST", -240),
    ("ADT", -180),
    ("Newfoundland Standard Time", -210),
    ("Newfoundland Daylight Time", -150),
    ("NST", -210),
    ("NDT", -150),
    ("Brasilia Standard Time", -180),
    ("BRT", -180),
    ("Argentina Standard Time", -180),
    ("ART", -180),
    ("India Standard Time", 330),
    ("Japan Standard Time", 540),
    ("JST", 540),
    ("Korean Standard Time", 540),
    ("KST", 540),
    ("China Standard Time", 480),
    ("Hong Kong Standard Time", 480),
    ("HKT", 480),
    ("Singapore Standard Time", 480),
    ("SGT", 480),
    ("Indochina Time", 420),
    ("ICT", 420),
    ("Western Indonesia Time", 420),
    ("WIB", 420),
    ("Pakistan Standard Time", 300),
    ("PKT", 300),
    ("Gulf Standard Time", 240),
    ("Israel Standard Time", 120),
    ("South Africa Standard Time", 120),
    ("SAST", 120),
    ("East Africa Time", 180),
    ("EAT", 180),
    ("AEST", 600),
    ("AEDT", 660),
    ("ACST", 570),
    ("AWST", 480),
    ("NZST", 720),
    ("NZDT", 780),
];

const MINUTE_MS: i64 = 60_000;

/// Reads what `z` and `Z` take: `±hhmm`, `GMT±h:mm`, or a name. `first` is where blanks after `start` end.
/// The offset in milliseconds (none for UTC by name) and the byte index after it.
pub(crate) fn parse_general(text: &str, start: usize, first: usize) -> Option<(Option<i64>, usize)> {
    let given = |(offset_ms, end)| (Some(offset_ms), end);
    if let Some(sign) = sign_at(text, first) {
        return parse_offset(text, first + 1, sign, 0, false).map(given);
    }
    if starts_with_ignoring_case(&text[start..], "GMT") {
        let after = start + 3;
        return match sign_at(text, after) {
            Some(sign) => parse_offset(text, after + 1, sign, 0, true).map(given),
            None => Some((Some(0), after)),
        };
    }
    let rest = &text[first..];
    let found =
        NAMES.iter().filter(|(name, _)| starts_with_ignoring_case(rest, name)).max_by_key(|(name, _)| name.len());
    let is_utc = |name: &str| matches!(name, "UTC" | "Coordinated Universal Time");
    found.map(|(name, minutes)| ((!is_utc(name)).then_some(minutes * MINUTE_MS), first + name.len()))
}

/// Reads what `X`, `XX` and `XXX` take: `Z`, `±hh`, `±hhmm`, `±hh:mm`.
pub(crate) fn parse_iso(text: &str, first: usize, count: u32) -> Option<(i64, usize)> {
    if text.as_bytes().get(first) == Some(&b'Z') {
        return Some((0, first + 1));
    }
    parse_offset(text, first + 1, sign_at(text, first)?, count, count == 3)
}

fn sign_at(text: &str, at: usize) -> Option<i64> {
    match text.as_bytes().get(at) {
        Some(b'+') => Some(1),
        Some(b'-') => Some(-1),
        _ => None,
    }
}

/// Hours, and minutes unless `letters` is 1. Only after `GMT` one digit is enough for the hours.
fn parse_offset(text: &str, start: usize, sign: i64, letters: u32, colon: bool) -> Option<(i64, usize)> {
    let bytes = text.as_bytes();
    let digit = |at: usize| bytes.get(at).filter(|byte| byte.is_ascii_digit()).map(|byte| i64::from(byte - b'0'));
    let mut hours = digit(start)?;
    let mut at = start + 1;
    match digit(at) {
        Some(second) => {
            hours = hours * 10 + second;
            at += 1;
        }
        // The text must go on: Java looks at the next character before it decides.
        None if letters == 0 && colon && at < bytes.len() => {}
        None => return None,
    }
    if 23 < hours {
        return None;
    }
    let mut minutes = 0;
    if letters != 1 {
        if colon {
            if bytes.get(at) != Some(&b':') {
                return None;
            }
            at += 1;
        }
        minutes = digit(at)? * 10 + digit(at + 1)?;
        at += 2;
        if 59 < minutes {
            return None;
        }
    }
    Some((sign * (hours * 60 + minutes) * MINUTE_MS, at))
}
