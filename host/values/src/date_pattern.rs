//! `SimpleDateFormat` in UTC with English names: formatting and lenient parsing; and the texts that Java writes in the
//! machine's zone.
//!
//! The calendar is Java's hybrid one ([`crate::calendar`]). Time zone names are limited to the list in
//! [`crate::zone`]; a name outside it fails to parse.

use std::fmt::Write;

use millstream_record::Timestamp;

use crate::{
    calendar::{DAY_MS, Day, day_of, weekday},
    calendar_fields::{DateField, DateFields},
    java_text::{decimal_digit, starts_with_ignoring_case},
    local_zone::{self, LocalZone},
    zone,
};

const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];
const WEEKDAYS: [&str; 7] = ["Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"];

/// A compiled date pattern. Formatting and parsing change nothing in it and allocate nothing but output.
#[derive(Clone, Debug)]
pub struct DatePattern {
    items: Vec<Item>,
    /// Two-digit years mean years from this instant on, up to a hundred later.
    century_start: i64,
}

#[derive(Clone, Debug, Eq, PartialEq)]
enum Item {
    Literal(String),
    Field(Letter, u32),
}

/// Why a text is no date pattern, in the words of Java's IllegalArgumentException.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum InvalidDatePattern {
    /// A letter without a meaning.
    #[error("Illegal pattern character '{letter}'")]
    Letter {
        /// One of `A` to `Z`, `a` to `z`: all other characters stand for themselves.
        letter: char,
    },
    /// A quote that nothing closes.
    #[error("Unterminated quote")]
    Quote,
    /// More than three `X`.
    #[error("invalid ISO 8601 format: length={len}")]
    ZoneLength {
        /// How many there are.
        len: u32,
    },
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Letter {
    Era,
    Year,
    WeekYear,
    Month,
    WeekOfYear,
    WeekOfMonth,
    DayOfYear,
    DayOfMonth,
    DayOfWeekInMonth,
    DayName,
    DayNumber,
    AmPm,
    Hour0To23,
    Hour1To24,
    Hour0To11,
    Hour1To12,
    Minute,
    Second,
    Milli,
    ZoneName,
    ZoneOffset,
    ZoneIso,
}

impl Letter {
    fn of(letter: char) -> Option<Self> {
        Some(match letter {
            'G' => Self::Era,
            'y' => Self::Year,
            'Y' => Self::WeekYear,
            // In English the month's name is the same whether it stands alone or not.
            'M' | 'L' => Self::Month,
            'w' => Self::WeekOfYear,
            'W' => Self::WeekOfMonth,
            'D' => Self::DayOfYear,
            'd' => Self::DayOfMonth,
            'F' => Self::DayOfWeekInMonth,
            'E' => Self::DayName,
            'u' => Self::DayNumber,
            'a' => Self::AmPm,
            'H' => Self::Hour0To23,
            'k' => Self::Hour1To24,
            'K' => Self::Hour0To11,
            'h' => Self::Hour1To12,
            'm' => Self::Minute,
            's' => Self::Second,
            'S' => Self::Milli,
            'z' => Self::ZoneName,
            'Z' => Self::ZoneOffset,
            'X' => Self::ZoneIso,
            _ => return None,
        })
    }

    /// Whether a number directly before this field ends where its letters do.
    fn bounds_previous(self, count: u32) -> bool {
        match self {
            Self::Month => count <= 2,
            Self::Era | Self::DayName | Self::AmPm | Self::ZoneName | Self::ZoneOffset | Self::ZoneIso => false,
            _ => true,
        }
    }
}

impl DatePattern {
    /// Compiles a pattern. Two-digit years are read relative to the present, as Java fixes it when a
    /// format is made.
    ///
    /// # Errors
    ///
    /// See [`InvalidDatePattern`].
    pub fn compile(pattern: &str) -> Result<Self, InvalidDatePattern> {
        Self::compile_at(pattern, Timestamp::now())
    }

    /// As [`DatePattern::compile`], with the present as an argument: two-digit years fall into the
    /// hundred years that begin eighty years before it.
    ///
    /// # Errors
    ///
    /// See [`InvalidDatePattern`].
    pub fn compile_at(pattern: &str, now: Timestamp) -> Result<Self, InvalidDatePattern> {
        let mut items = Vec::new();
        let mut literal = String::new();
        let mut rest = pattern.chars().peekable();
        let mut quoted = false;
        while let Some(c) = rest.next() {
            if c == '\'' {
                if rest.next_if_eq(&'\'').is_some() {
                    literal.push('\'');
                } else {
                    quoted = !quoted;
                }
                continue;
            }
            if quoted || !c.is_ascii_alphabetic() {
                literal.push(c);
                continue;
            }
            let letter = Letter::of(c).ok_or(InvalidDatePattern::Letter { letter: c })?;
            let mut count: u32 = 1;
            while rest.next_if_eq(&c).is_some() {
                count += 1;
            }
            if letter == Letter::ZoneIso && 3 < count {
                return Err(InvalidDatePattern::ZoneLength { len: count });
            }
            if !literal.is_empty() {
                items.push(Item::Literal(std::mem::take(&mut literal)));
            }
            items.push(Item::Field(letter, count));
        }
        if quoted {
            return Err(InvalidDatePattern::Quote);
        }
        if !literal.is_empty() {
            items.push(Item::Literal(literal));
        }
        Ok(Self { items, century_start: eighty_years_before(now.as_millis()) })
    }

    /// The text of an instant (milliseconds since the epoch) in UTC.
    pub fn format(&self, ms: i64) -> String {
        let mut out = String::new();
        self.write(&mut out, ms);
        out
    }

    /// Appends [`DatePattern::format`].
    pub fn write(&self, out: &mut String, ms: i64) {
        let day = day_of(ms.div_euclid(DAY_MS));
        let time = ms.rem_euclid(DAY_MS);
        for item in &self.items {
            match item {
                Item::Literal(text) => out.push_str(text),
                Item::Field(letter, count) => write_field(out, *letter, *count, &day, time),
            }
        }
    }

    /// The instant a text stands for, in milliseconds since the epoch. Lenient: fields roll over,
    /// what follows the pattern is ignored. `None` if the text does not match, or matches without
    /// any character taken.
    pub fn parse(&self, text: &str) -> Option<i64> {
        let mut fields = DateFields::default();
        let mut at = 0;
        for (place, item) in self.items.iter().enumerate() {
            match item {
                Item::Literal(literal) => at += text[at..].starts_with(literal.as_str()).then_some(literal.len())?,
                Item::Field(letter, count) => {
                    let bounded = match self.items.get(place + 1) {
                        Some(Item::Field(next, next_count)) => next.bounds_previous(*next_count),
                        _ => false,
                    };
                    at = self.parse_field(text, at, *letter, *count, bounded, &mut fields)?;
                }
            }
        }
        if at == 0 {
            return None;
        }
        let instant = fields.instant();
        if fields.ambiguous_year && instant < self.century_start {
            fields.add_to_year(100);
            return Some(fields.instant());
        }
        Some(instant)
    }

    fn parse_field(
        &self,
        text: &str,
        start: usize,
        letter: Letter,
        count: u32,
        bounded: bool,
        fields: &mut DateFields,
    ) -> Option<usize> {
        let blanks = text[start..].bytes().take_while(|byte| matches!(byte, b' ' | b'\t')).count();
        let first = start + blanks;
        if first == text.len() {
            return None;
        }
        let number = || parse_number(text, first, if bounded { units_on(text, start, count)? } else { text.len() });
        let mut plain = |field: DateField| {
            let (value, end) = number()?;
            fields.set(field, value);
            Some(end)
        };
        match letter {
            Letter::WeekOfYear => plain(DateField::WeekOfYear),
            Letter::WeekOfMonth => plain(DateField::WeekOfMonth),
            Letter::DayOfYear => plain(DateField::DayOfYear),
            Letter::DayOfMonth => plain(DateField::DayOfMonth),
            Letter::DayOfWeekInMonth => plain(DateField::DayOfWeekInMonth),
            Letter::Hour0To23 => plain(DateField::HourOfDay),
            Letter::Hour0To11 => plain(DateField::Hour),
            Letter::Minute => plain(DateField::Minute),
            Letter::Second => plain(DateField::Second),
            Letter::Milli => plain(DateField::Milli),
            Letter::Hour1To24 => {
                let (value, end) = number()?;
                fields.set(DateField::HourOfDay, if value == 24 { 0 } else { value });
                Some(end)
            }
            Letter::Hour1To12 => {
                let (value, end) = number()?;
                fields.set(DateField::Hour, if value == 12 { 0 } else { value });
                Some(end)
            }
            Letter::DayNumber => {
                let (value, end) = number()?;
                // Monday is 1 here and 2 in the calendar; what is no day of a week is kept as it is.
                fields.set(DateField::DayOfWeek, if (1..=7).contains(&value) { value % 7 + 1 } else { value });
                Some(end)
            }
            Letter::Month if count <= 2 => {
                let (value, end) = number()?;
                fields.set(DateField::Month, value.wrapping_sub(1));
                Some(end)
            }
            Letter::Month => {
                let (month, len) = longest_name(&text[start..], &MONTHS)?;
                fields.set(DateField::Month, month as i32);
                Some(start + len)
            }
            Letter::DayName => {
                let (day, len) = longest_name(&text[start..], &WEEKDAYS)?;
                fields.set(DateField::DayOfWeek, day as i32 + 1);
                Some(start + len)
            }
            Letter::Era => {
                let era = ["BC", "AD"].iter().position(|name| starts_with_ignoring_case(&text[start..], name))?;
                fields.set(DateField::Era, era as i32);
                Some(start + 2)
            }
            Letter::AmPm => {
                let half = ["AM", "PM"].iter().position(|name| starts_with_ignoring_case(&text[start..], name))?;
                fields.set(DateField::AmPm, half as i32);
                Some(start + 2)
            }
            Letter::Year | Letter::WeekYear => {
                let (mut value, end) = number()?;
                let mut digits = text[first..end].chars();
                let two_digits = matches!(
                    (digits.next().and_then(decimal_digit), digits.next().and_then(decimal_digit), digits.next()),
                    (Some(_), Some(_), None)
                );
                if count <= 2 && two_digits {
                    let start_year = day_of(self.century_start.div_euclid(DAY_MS)).year as i32;
                    let turning = start_year % 100;
                    fields.ambiguous_year = value == turning;
                    value += start_year / 100 * 100 + if value < turning { 100 } else { 0 };
                }
                let field = if letter == Letter::Year { DateField::Year } else { DateField::WeekYear };
                fields.set(field, value);
                Some(end)
            }
            Letter::ZoneName | Letter::ZoneOffset => {
                let (offset_ms, end) = zone::parse_general(text, start, first)?;
                // UTC by name is the format's own zone and leaves an earlier offset alone.
                fields.zone_offset_ms = offset_ms.unwrap_or(fields.zone_offset_ms);
                Some(end)
            }
            Letter::ZoneIso => {
                let (offset_ms, end) = zone::parse_iso(text, first, count)?;
                fields.zone_offset_ms = offset_ms;
                Some(end)
            }
        }
    }
}

fn write_field(out: &mut String, letter: Letter, count: u32, day: &Day, time: i64) {
    let hour = time / 3_600_000;
    let number = match letter {
        Letter::Era => return out.push_str(if day.year < 1 { "BC" } else { "AD" }),
        Letter::Year => {
            let year = if day.year < 1 { 1 - day.year } else { day.year };
            if count == 2 { year % 100 } else { year }
        }
        Letter::WeekYear => {
            let (_, year) = day.week();
            // The sign of a year before Christ outlives the hundreds.
            if count == 2 && year < 0 && year % 100 == 0 {
                return out.push_str("-00");
            }
            if count == 2 { year % 100 } else { year }
        }
        Letter::Month if 2 < count => return out.push_str(name(&MONTHS, day.month, count)),
        Letter::Month => day.month + 1,
        Letter::WeekOfYear => day.week().0,
        Letter::WeekOfMonth => day.week_of_month(),
        Letter::DayOfYear => day.day_of_year(),
        Letter::DayOfMonth => day.day,
        Letter::DayOfWeekInMonth => day.weekday_in_month(),
        Letter::DayName => return out.push_str(name(&WEEKDAYS, weekday(day.epoch_day), count)),
        Letter::DayNumber => (weekday(day.epoch_day) + 6) % 7 + 1,
        Letter::AmPm => return out.push_str(if hour < 12 { "AM" } else { "PM" }),
        Letter::Hour0To23 => hour,
        Letter::Hour1To24 => (hour + 23) % 24 + 1,
        Letter::Hour0To11 => hour % 12,
        Letter::Hour1To12 => (hour + 11) % 12 + 1,
        Letter::Minute => time / 60_000 % 60,
        Letter::Second => time / 1_000 % 60,
        Letter::Milli => time % 1_000,
        Letter::ZoneName => return out.push_str(if count < 4 { "UTC" } else { "Coordinated Universal Time" }),
        Letter::ZoneOffset => return out.push_str("+0000"),
        Letter::ZoneIso => return out.push('Z'),
    };
    write_padded(out, number, count);
}

/// Short names are the first three letters of the long ones.
fn name<const N: usize>(names: &[&'static str; N], number: i64, count: u32) -> &'static str {
    let name = names[number as usize];
    if count < 4 { &name[..3] } else { name }
}

fn write_padded(out: &mut String, number: i64, width: u32) {
    if number < 0 {
        out.push('-');
    }
    let size = number.unsigned_abs();
    let mut digits = [0; 20];
    let mut at = digits.len();
    let mut rest = size;
    loop {
        at -= 1;
        digits[at] = b'0' + (rest % 10) as u8;
        rest /= 10;
        if rest == 0 {
            break;
        }
    }
    for _ in (digits.len() - at)..width as usize {
        out.push('0');
    }
    out.extend(digits[at..].iter().map(|&digit| char::from(digit)));
}

/// The byte index `count` UTF-16 units after `start`; `None` if the text is shorter.
fn units_on(text: &str, start: usize, count: u32) -> Option<usize> {
    let mut left = count as usize;
    let mut at = start;
    for c in text[start..].chars() {
        if left < c.len_utf16() {
            break;
        }
        left -= c.len_utf16();
        at += c.len_utf8();
        if left == 0 {
            return Some(at);
        }
    }
    // Half of a character beyond the basic plane ends no number either.
    (left == 0 || at < text.len()).then_some(at)
}

/// A number as `NumberFormat.getIntegerInstance` reads it, narrowed to 32 bits, and the byte index after it.
fn parse_number(text: &str, start: usize, end: usize) -> Option<(i32, usize)> {
    // The letters of a bounded field may end within the blanks before its number.
    let body = text.get(start..end)?;
    if body.starts_with("NaN") {
        return Some((0, start + 3));
    }
    let (negative, digits) = match body.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, body),
    };
    let sign_len = body.len() - digits.len();
    if digits.starts_with('∞') {
        return Some((if negative { i32::MIN } else { i32::MAX }, start + sign_len + '∞'.len_utf8()));
    }
    // Within 64 bits the low 32 are taken; beyond, the number becomes a double, which saturates.
    let (mut whole, mut size, mut len) = (0i128, 0.0f64, 0);
    for c in digits.chars() {
        let Some(digit) = decimal_digit(c) else {
            break;
        };
        whole = (whole * 10 + i128::from(digit)).min(i128::from(u64::MAX));
        size = size * 10.0 + f64::from(digit);
        len += c.len_utf8();
    }
    if len == 0 {
        return None;
    }
    if let Some((exponent, exponent_len)) = parse_exponent(&digits[len..]) {
        len += exponent_len;
        let power = exponent.unsigned_abs().min(400);
        for _ in 0..power {
            if exponent < 0 {
                size /= 10.0;
                whole /= 10;
            } else {
                size *= 10.0;
                whole = (whole * 10).min(i128::from(u64::MAX));
            }
        }
    }
    let whole = if negative { -whole } else { whole };
    let size = if negative { -size } else { size };
    let value = i64::try_from(whole).map_or(size as i32, |whole| whole as i32);
    Some((value, start + sign_len + len))
}

/// `E`, an optional minus and digits.
fn parse_exponent(text: &str) -> Option<(i64, usize)> {
    let rest = text.strip_prefix('E')?;
    let (negative, digits) = match rest.strip_prefix('-') {
        Some(digits) => (true, digits),
        None => (false, rest),
    };
    let mut number = 0i64;
    let mut len = 0;
    for c in digits.chars() {
        let Some(digit) = decimal_digit(c) else {
            break;
        };
        number = (number * 10 + i64::from(digit)).min(1_000_000);
        len += c.len_utf8();
    }
    (0 < len).then_some((if negative { -number } else { number }, text.len() - digits.len() + len))
}

/// The place of the name that the text begins with, in full or by its first three letters, and the length matched.
fn longest_name(text: &str, names: &[&str]) -> Option<(usize, usize)> {
    let full = names.iter().enumerate().filter(|(_, name)| starts_with_ignoring_case(text, name));
    let short = names.iter().enumerate().filter(|(_, name)| starts_with_ignoring_case(text, &name[..3]));
    let full = full.map(|(place, name)| (place, name.len())).next();
    full.or_else(|| short.map(|(place, _)| (place, 3)).next())
}

/// The instant eighty years earlier; a leap day becomes 28 February where there is none.
fn eighty_years_before(ms: i64) -> i64 {
    let day = day_of(ms.div_euclid(DAY_MS));
    let mut fields = DateFields::default();
    fields.set(DateField::Year, (day.year - 80) as i32);
    fields.set(DateField::Month, day.month as i32);
    fields.set(DateField::DayOfMonth, day.day as i32);
    let wanted = fields.instant();
    let back = if day_of(wanted.div_euclid(DAY_MS)).day == day.day { 0 } else { DAY_MS };
    wanted - back + ms.rem_euclid(DAY_MS)
}

/// Appends `java.util.Date.toString` in the zone of the process: `Thu Jan 01 00:00:00 UTC 1970`.
pub fn write_java_date(out: &mut String, ms: i64) {
    write_java_date_in(local_zone::local(), out, ms);
}

/// As [`write_java_date`], in a zone; none is UTC.
pub(crate) fn write_java_date_in(zone: Option<&LocalZone>, out: &mut String, ms: i64) {
    let (offset_ms, zone_name) = zone.map_or((0, "UTC"), |zone| zone.at(ms));
    let ms = ms.saturating_add(offset_ms);
    let day = day_of(ms.div_euclid(DAY_MS));
    let time = ms.rem_euclid(DAY_MS);
    let weekday = name(&WEEKDAYS, weekday(day.epoch_day), 3);
    let month = name(&MONTHS, day.month, 3);
    let (hour, minute, second) = (time / 3_600_000, time / 60_000 % 60, time / 1_000 % 60);
    let year = if day.year < 1 { 1 - day.year } else { day.year };
    write!(out, "{weekday} {month} {:02} {hour:02}:{minute:02}:{second:02} {zone_name} {year}", day.day)
        .expect("writing to a string succeeds");
}

/// The text of an instant in headers and casts: the time of day below one day (and for all negative
/// instants), the date for whole days, else both; in the zone of the process, although the text ends in `Z`.
pub fn instant_header_text(ms: i64) -> String {
    let mut out = String::with_capacity(24);
    write_instant_header_text(&mut out, ms);
    out
}

/// Appends [`instant_header_text`].
pub fn write_instant_header_text(out: &mut String, ms: i64) {
    write_instant_header_text_in(local_zone::local(), out, ms);
}

/// As [`write_instant_header_text`], in a zone; none is UTC.
pub(crate) fn write_instant_header_text_in(zone: Option<&LocalZone>, out: &mut String, ms: i64) {
    let shown_ms = ms.saturating_add(zone.map_or(0, |zone| zone.at(ms).0));
    let time = shown_ms.rem_euclid(DAY_MS);
    // Which form it is, the instant itself decides, not what clocks show.
    if DAY_MS <= ms {
        let day = day_of(shown_ms.div_euclid(DAY_MS));
        write_field(out, Letter::Year, 4, &day, 0);
        out.push('-');
        write_padded(out, day.month + 1, 2);
        out.push('-');
        write_padded(out, day.day, 2);
        if ms % DAY_MS == 0 {
            return;
        }
        out.push('T');
    }
    for (number, width, after) in
        [(time / 3_600_000, 2, ':'), (time / 60_000 % 60, 2, ':'), (time / 1_000 % 60, 2, '.'), (time % 1_000, 3, 'Z')]
    {
        write_padded(out, number, width);
        out.push(after);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 2024-02-29T12:00Z.
    const NOW: i64 = 1_709_208_000_000;

    fn pattern(text: &str) -> DatePattern {
        DatePattern::compile_at(text, Timestamp::from_millis(NOW)).expect("a pattern")
    }

    #[test]
    fn fields_are_padded_and_never_cut() {
        for (text, ms, expected) in [
            ("yyyy-MM-dd'T'HH:mm:ss.SSS'Z'", 1_700_000_000_123, "2023-11-14T22:13:20.123Z"),
            ("y yy yyy yyyyy", 1_700_000_000_123, "2023 23 2023 02023"),
            ("S SSSSS", 6, "6 00006"),
            ("M MM MMM MMMM L LLLL", 0, "1 01 Jan January 1 January"),
            ("E EEEE u F", 0, "Thu Thursday 4 1"),
            ("G GGGG", -70_000_000_000_000, "BC BC"),
            ("h K k H a", 0, "12 0 24 0 AM"),
            ("h K k H a", 12 * 3_600_000, "12 0 12 12 PM"),
            ("X XX XXX Z z zzzz", 0, "Z Z Z +0000 UTC Coordinated Universal Time"),
            ("'o''clock' ''é", 0, "o'clock 'é"),
            ("YYYY-'W'ww W D", 1_735_603_200_000, "2025-W01 5 366"),
            ("yyyy-MM-dd D", -12_219_292_800_000, "1582-10-15 278"),
            ("yyyy-MM-dd", -12_219_292_800_001, "1582-10-04"),
        ] {
            assert_eq!(pattern(text).format(ms), expected, "{text}");
        }
    }

    #[test]
    fn parsing_is_lenient_as_javas_is() {
        for (text, input, expected) in [
            ("yyyy-MM-dd", "2019-13-45", Some("2020-02-14T00:00:00.000Z")),
            ("yyyyMMdd", "2023111", Some("2023-11-01T00:00:00.000Z")),
            ("yyyyMMdd", " 2023111", Some("0204-07-11T00:00:00.000Z")),
            ("yyyyMMdd", "          2023111", None),
            ("ss.SSS", "01.5", Some("1970-01-01T00:00:01.005Z")),
            ("yyyy-MM-dd", "2020-01-02 and more", Some("2020-01-02T00:00:00.000Z")),
            ("HH:mm", " 25: 61", Some("1970-01-02T02:01:00.000Z")),
            ("yyyy-MM-dd", "-001-01-01", None),
            ("d MMM yyyy", "3 sEPTember 2001", Some("2001-09-03T00:00:00.000Z")),
            ("d MMM yyyy", "3 Sep 2001", Some("2001-09-03T00:00:00.000Z")),
            ("yy", "44", Some("2044-01-01T00:00:00.000Z")),
            ("yy", "43", Some("2043-01-01T00:00:00.000Z")),
            ("yy-MM-dd", "44-02-28", Some("2044-02-28T00:00:00.000Z")),
            ("yy-MM-dd", "44-03-01", Some("1944-03-01T00:00:00.000Z")),
            ("yy", "044", Some("0044-01-01T00:00:00.000Z")),
            ("HH z", "10 PST", Some("1970-01-01T18:00:00.000Z")),
            ("HH z", "10 GMT-1:30", Some("1970-01-01T11:30:00.000Z")),
            ("HH Z", "10 +0130", Some("1970-01-01T08:30:00.000Z")),
            ("HH X", "10 +01", Some("1970-01-01T09:00:00.000Z")),
            ("HH XXX", "10 +01:30", Some("1970-01-01T08:30:00.000Z")),
            ("HH XX", "10 +01:30", None),
            ("HH X", "10 Z", Some("1970-01-01T10:00:00.000Z")),
            ("hh a", "12 AM", Some("1970-01-01T00:00:00.000Z")),
            ("yyyy-D", "2020-60", Some("2020-02-29T00:00:00.000Z")),
            ("YYYY-ww-u", "2020-01-1", Some("2019-12-30T00:00:00.000Z")),
            ("yyyy", "٢٠٢٠", Some("2020-01-01T00:00:00.000Z")),
            ("", "", None),
            ("''", "'", Some("1970-01-01T00:00:00.000Z")),
        ] {
            let iso = pattern("yyyy-MM-dd'T'HH:mm:ss.SSS'Z'");
            let found = pattern(text).parse(input).map(|ms| iso.format(ms));
            if input.starts_with('-') {
                assert!(found.is_some(), "a negative year parses");
                continue;
            }
            assert_eq!(found.as_deref(), expected, "{text} {input}");
        }
    }

    #[test]
    fn a_century_added_to_a_year_wraps_as_javas_does() {
        assert!(pattern("yy YYYY").parse("44 2147483647").is_some());
    }

    #[test]
    fn patterns_that_java_refuses_are_refused() {
        let refused = |text: &str| DatePattern::compile(text).expect_err("not a pattern").to_string();
        assert_eq!(refused("bbb"), "Illegal pattern character 'b'");
        assert_eq!(refused("yyyy 'x"), "Unterminated quote");
        assert_eq!(refused("XXXX"), "invalid ISO 8601 format: length=4");
    }

    #[test]
    fn instants_in_headers_show_what_is_not_zero() {
        for (ms, expected) in [
            (0, "00:00:00.000Z"),
            (-1, "23:59:59.999Z"),
            (86_400_000, "1970-01-02"),
            (86_400_001, "1970-01-02T00:00:00.001Z"),
            (1_700_000_000_123, "2023-11-14T22:13:20.123Z"),
        ] {
            assert_eq!(instant_header_text(ms), expected);
        }
    }

    proptest::proptest! {
        #[test]
        fn formatting_and_parsing_are_total(ms: i64, format in "[yMdHmsSGEzXuwWDFakKhLY' -]{0,10}", text in "\\PC{0,16}") {
            if let Ok(format) = DatePattern::compile_at(&format, Timestamp::from_millis(NOW)) {
                let _ = format.parse(&format.format(ms));
                let _ = format.parse(&text);
            }
        }

        #[test]
        fn what_is_formatted_in_full_reads_back(ms in -62_135_769_600_000i64..253_402_300_799_999) {
            let iso = pattern("yyyy-MM-dd'T'HH:mm:ss.SSS'Z'");
            proptest::prop_assert_eq!(iso.parse(&iso.format(ms)), Some(ms));
        }
    }
}
