//! Points in time and in logs, as people write them.

use std::{str::FromStr, time::Duration};

use millstream_client::admin::OffsetSpec;

/// A place in a partition: `earliest`, `latest`, `max-timestamp`, or a [`Moment`].
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Place(pub OffsetSpec);

impl FromStr for Place {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Ok(Self(match text {
            "earliest" => OffsetSpec::Earliest,
            "latest" => OffsetSpec::Latest,
            "max-timestamp" => OffsetSpec::MaxTimestamp,
            other => OffsetSpec::At(
                Moment::from_str(other)
                    .map_err(|_| {
                        "expected earliest, latest, max-timestamp, milliseconds since 1970, or a time like \
                         2026-01-31T12:00:00Z"
                            .to_owned()
                    })?
                    .0,
            ),
        }))
    }
}

/// Milliseconds since 1970: as a number, or a date and time like `2026-01-31T12:00:00.5+02:00`; UTC unless it says
/// otherwise.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Moment(pub i64);

impl FromStr for Moment {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if let Ok(millis) = text.parse() {
            return Ok(Self(millis));
        }
        date_time(text)
            .map(Self)
            .ok_or_else(|| "expected milliseconds since 1970, or a time like 2026-01-31T12:00:00Z".to_owned())
    }
}

/// Milliseconds of a date and time.
fn date_time(text: &str) -> Option<i64> {
    let (date, time) = text.split_once('T').unwrap_or((text, "00:00"));
    let mut parts = date.splitn(3, '-');
    let mut part = |len: usize| -> Option<i64> { number(parts.next()?, len) };
    let (year, month, day) = (part(4)?, part(2)?, part(2)?);
    let zone_at = time.find(['Z', '+', '-']).unwrap_or(time.len());
    let (time, zone) = time.split_at(zone_at);
    let mut parts = time.splitn(3, ':');
    let (hour, minute) = (number(parts.next()?, 2)?, number(parts.next()?, 2)?);
    let (second, fraction) = parts.next().map_or(("00", ""), |text| text.split_once('.').unwrap_or((text, "")));
    let second = number(second, 2)?;
    let millis = match fraction.len() {
        0 => 0,
        len @ 1..=3 => number(fraction, len)? * 10_i64.pow(3 - len as u32),
        _ => return None,
    };
    let days = days_since_1970(year, month, day)?;
    if 23 < hour || 59 < minute || 59 < second {
        return None;
    }
    let offset_minutes = match zone {
        "" | "Z" => 0,
        zone => {
            let (hours, minutes) = zone[1..].split_once(':').unwrap_or((&zone[1..], "00"));
            let total = number(hours, 2)? * 60 + number(minutes, 2)?;
            if zone.starts_with('-') { -total } else { total }
        }
    };
    Some(((days * 24 + hour) * 60 + minute - offset_minutes) * 60_000 + second * 1000 + millis)
}

fn number(text: &str, len: usize) -> Option<i64> {
    (text.len() == len && text.bytes().all(|byte| byte.is_ascii_digit())).then(|| text.parse().ok())?
}

/// Days of the Gregorian calendar, after which every month begins at a known day of a year that begins in March.
fn days_since_1970(year: i64, month: i64, day: i64) -> Option<i64> {
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let longest = match month {
        4 | 6 | 9 | 11 => 30,
        2 if leap => 29,
        2 => 28,
        1..=12 => 31,
        _ => return None,
    };
    if !(1..=longest).contains(&day) {
        return None;
    }
    let (year, month) = if month <= 2 { (year - 1, month + 9) } else { (year, month - 3) };
    let day_of_year = (153 * month + 2) / 5 + day - 1;
    Some(365 * year + year.div_euclid(4) - year.div_euclid(100) + year.div_euclid(400) + day_of_year - 719_468)
}

/// A duration like `90s`, `15m`, `12h` or `7d`, or Java's `P7D` and `PT12H`.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Span(pub Duration);

impl FromStr for Span {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let plain = text.trim_start_matches('P').trim_start_matches('T').to_ascii_lowercase();
        let unit_at = plain.find(|c: char| !c.is_ascii_digit()).unwrap_or(plain.len());
        let (amount, unit) = plain.split_at(unit_at);
        let seconds = match unit {
            "s" => 1,
            "m" => 60,
            "h" => 3600,
            "d" => 86_400,
            _ => 0,
        };
        let amount = amount.parse::<u64>().ok().filter(|_| seconds != 0).and_then(|amount| amount.checked_mul(seconds));
        amount
            .map(|seconds| Self(Duration::from_secs(seconds)))
            .ok_or_else(|| "expected an amount with a unit, like 90s, 15m, 12h or 7d".to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_as_iso_8601_has_them() {
        for (text, millis) in [
            ("1700000000123", 1_700_000_000_123),
            ("1970-01-01T00:00:00Z", 0),
            ("1970-01-01", 0),
            ("2023-11-14T22:13:20Z", 1_700_000_000_000),
            ("2023-11-14T22:13:20.1", 1_700_000_000_100),
            ("2023-11-15T00:13:20+02:00", 1_700_000_000_000),
            ("2023-11-14T17:13:20-05", 1_700_000_000_000),
            ("2000-02-29T00:00", 951_782_400_000),
            ("1969-12-31T23:59:59.999Z", -1),
        ] {
            assert_eq!(text.parse(), Ok(Moment(millis)), "{text}");
        }
        for wrong in
            ["", "yesterday", "2023-02-29", "2023-13-01", "2023-1-1", "2023-11-14T24:00", "2023-11-14T10:00:00.1234"]
        {
            assert!(wrong.parse::<Moment>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn durations_are_read_in_both_notations() {
        for (text, seconds) in
            [("90s", 90), ("15m", 900), ("12h", 43_200), ("7d", 604_800), ("P7D", 604_800), ("PT12H", 43_200)]
        {
            assert_eq!(text.parse(), Ok(Span(Duration::from_secs(seconds))), "{text}");
        }
        for wrong in ["", "7", "d", "-1d", "1w", "99999999999999999999d"] {
            assert!(wrong.parse::<Span>().is_err(), "{wrong}");
        }
    }
}
