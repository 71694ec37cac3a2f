//! Dates, times and zones between databases and Connect.

use std::fmt::Write;
use std::fs;

use millstream_values::local_zone::{LocalZone, describe_compiled};
use millstream_values::{hybrid_to_proleptic, proleptic_to_hybrid};

/// Where zones are compiled, as on every system that has them.
const ZONES: [&str; 2] = ["/usr/share/zoneinfo", "/usr/lib/zoneinfo"];

pub(super) const DAY_NANOS: i64 = 86_400_000_000_000;
pub(super) const DAY_SECONDS: i64 = 86_400;

/// Java's `ZoneId.SHORT_IDS`.
const SHORT_IDS: [(&str, &str); 28] = [
    ("ACT", "Australia/Darwin"),
    ("AET", "Australia/Sydney"),
    ("AGT", "America/Argentina/Buenos_Aires"),
    ("ART", "Africa/Cairo"),
    ("AST", "America/Anchorage"),
    ("BET", "America/Sao_Paulo"),
    ("BST", "Asia/Dhaka"),
    ("CAT", "Africa/Harare"),
    ("CNT", "America/St_Johns"),
    ("CST", "America/Chicago"),
    ("CTT", "Asia/Shanghai"),
    ("EAT", "Africa/Addis_Ababa"),
    ("ECT", "Europe/Paris"),
    ("EST", "GMT-05:00"),
    ("HST", "GMT-10:00"),
    ("IET", "America/Indiana/Indianapolis"),
    ("IST", "Asia/Kolkata"),
    ("JST", "Asia/Tokyo"),
    ("MIT", "Pacific/Apia"),
    ("MST", "GMT-07:00"),
    ("NET", "Asia/Yerevan"),
    ("NST", "Pacific/Auckland"),
    ("PLT", "Asia/Karachi"),
    ("PNT", "America/Phoenix"),
    ("PRT", "America/Puerto_Rico"),
    ("PST", "America/Los_Angeles"),
    ("SST", "Pacific/Guadalcanal"),
    ("VST", "Asia/Ho_Chi_Minh"),
];

/// How days before 15 October 1582 are counted.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Calendar {
    /// As `java.util.Date` does: in the Julian calendar.
    Legacy,
    /// As databases do: the Gregorian calendar goes on.
    ProlepticGregorian,
}

/// A time zone.
#[derive(Clone, Debug)]
pub(super) struct Zone {
    /// None is UTC.
    rules: Option<LocalZone>,
}

/// A moment: seconds since 1970 and nanoseconds that are added.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(super) struct Moment {
    pub(super) seconds: i64,
    pub(super) nanos: u32,
}

impl Zone {
    pub(super) fn utc() -> Self {
        Self { rules: None }
    }

    /// A zone by its id, as Java has them. Reads a file.
    pub(super) fn named(id: &str) -> Result<Self, String> {
        let id = id.trim();
        let id = SHORT_IDS.iter().find(|(short, _)| *short == id).map_or(id, |(_, long)| long);
        if matches!(id, "UTC" | "GMT" | "UT" | "Z" | "Etc/UTC" | "Etc/GMT" | "UCT" | "Zulu" | "Universal") {
            return Ok(Self::utc());
        }
        let offset = ["UTC", "GMT", "UT"].iter().find_map(|name| id.strip_prefix(name)).unwrap_or(id);
        if offset.starts_with(['+', '-']) {
            let described = LocalZone::described(&format!("GMT{offset}")).map_err(|error| format!("{id}: {error}"))?;
            return Ok(Self { rules: described });
        }
        let is_name = id.split('/').all(|part| {
            !part.is_empty()
                && part.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'+'))
        });
        if !is_name {
            return Err(format!("there is no time zone {id:?}: write one as UTC, +02:00 or Europe/Berlin"));
        }
        let compiled = ZONES.iter().find_map(|folder| fs::read(format!("{folder}/{id}")).ok());
        let Some(compiled) = compiled else {
            let have = ZONES.iter().any(|folder| fs::metadata(folder).is_ok());
            return Err(if have {
                format!("there is no time zone {id:?}: write one as UTC, +02:00 or Europe/Berlin")
            } else {
                format!("the machine of this worker knows no time zone but UTC and offsets (install tzdata for {id})")
            });
        };
        let described =
            LocalZone::described(&describe_compiled(&compiled)).map_err(|error| format!("{id}: {error}"))?;
        Ok(Self { rules: described })
    }

    /// The moment at which clocks of the zone show this, given as if it were UTC.
    pub(super) fn moment_of(&self, shown: Moment) -> Moment {
        let Some(rules) = &self.rules else { return shown };
        let shown_ms = shown.seconds.saturating_mul(1000);
        Moment { seconds: rules.instant_of_shown(shown_ms).div_euclid(1000), nanos: shown.nanos }
    }

    /// What clocks of the zone show, as if it were UTC.
    pub(super) fn shown_at(&self, moment: Moment) -> Moment {
        let Some(rules) = &self.rules else { return moment };
        let ahead = rules.ahead_of_utc_ms(moment.seconds.saturating_mul(1000)).div_euclid(1000);
        Moment { seconds: moment.seconds.saturating_add(ahead), nanos: moment.nanos }
    }
}

impl Calendar {
    /// A day of a database, as Connect counts it.
    pub(super) fn day_read(self, day: i64) -> i64 {
        match self {
            Self::Legacy => proleptic_to_hybrid(day),
            Self::ProlepticGregorian => day,
        }
    }

    /// A day of Connect, as a database counts it.
    pub(super) fn day_written(self, day: i64) -> i64 {
        match self {
            Self::Legacy => hybrid_to_proleptic(day),
            Self::ProlepticGregorian => day,
        }
    }

    fn of(self, shown: Moment, day_of: impl Fn(Self, i64) -> i64) -> Moment {
        let day = shown.seconds.div_euclid(DAY_SECONDS);
        let seconds = day_of(self, day) * DAY_SECONDS + shown.seconds.rem_euclid(DAY_SECONDS);
        Moment { seconds, nanos: shown.nanos }
    }

    /// What a clock shows in a database, as Connect counts it.
    pub(super) fn read(self, shown: Moment) -> Moment {
        self.of(shown, Self::day_read)
    }

    /// What a clock shows in Connect, as a database counts it.
    pub(super) fn written(self, shown: Moment) -> Moment {
        self.of(shown, Self::day_written)
    }
}

impl Moment {
    pub(super) fn of_millis(millis: i64) -> Self {
        Self { seconds: millis.div_euclid(1000), nanos: (millis.rem_euclid(1000) * 1_000_000) as u32 }
    }

    pub(super) fn of_micros(micros: i64) -> Self {
        Self { seconds: micros.div_euclid(1_000_000), nanos: (micros.rem_euclid(1_000_000) * 1000) as u32 }
    }

    pub(super) fn of_nanos(nanos: i64) -> Self {
        Self { seconds: nanos.div_euclid(1_000_000_000), nanos: nanos.rem_euclid(1_000_000_000) as u32 }
    }

    pub(super) fn millis(self) -> Option<i64> {
        self.seconds.checked_mul(1000)?.checked_add(i64::from(self.nanos / 1_000_000))
    }

    pub(super) fn micros(self) -> Option<i64> {
        self.seconds.checked_mul(1_000_000)?.checked_add(i64::from(self.nanos / 1000))
    }

    pub(super) fn nanos(self) -> Option<i64> {
        i64::try_from(i128::from(self.seconds) * 1_000_000_000 + i128::from(self.nanos)).ok()
    }

    /// Reads an instant text: seconds, a dot and nine digits.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let (seconds, nanos) = text.split_once('.')?;
        let digits = nanos.len() == 9 && nanos.bytes().all(|byte| byte.is_ascii_digit());
        Some(Self { seconds: seconds.parse().ok()?, nanos: digits.then(|| nanos.parse().ok())?? })
    }

    /// The instant text.
    pub(super) fn text(self) -> String {
        format!("{}.{:09}", self.seconds, self.nanos)
    }

    /// `yyyy-MM-dd` and `HH:mm:ss.f…` with a separator between them, as if it were UTC.
    pub(super) fn shown(self, separator: char, digits: usize) -> String {
        let mut text = date_text(self.seconds.div_euclid(DAY_SECONDS));
        text.push(separator);
        let nanos = self.seconds.rem_euclid(DAY_SECONDS) * 1_000_000_000 + i64::from(self.nanos);
        time_text(nanos, digits, &mut text);
        text
    }
}

/// A day since 1970 as `yyyy-MM-dd`; years before 1 have a sign.
pub(super) fn date_text(day: i64) -> String {
    let (year, month, day) = civil(day);
    if (0..=9999).contains(&year) {
        format!("{year:04}-{month:02}-{day:02}")
    } else {
        format!("{}{:04}-{month:02}-{day:02}", if year < 0 { "-" } else { "+" }, year.abs())
    }
}

/// Nanoseconds of a day as `HH:mm:ss` and so many digits behind a dot.
pub(super) fn time_text(nanos: i64, digits: usize, out: &mut String) {
    let seconds = nanos.div_euclid(1_000_000_000);
    let _ = write!(out, "{:02}:{:02}:{:02}", seconds / 3600, seconds / 60 % 60, seconds % 60);
    if digits != 0 {
        let fraction = format!("{:09}", nanos.rem_euclid(1_000_000_000));
        out.push('.');
        out.push_str(&fraction[..digits.min(9)]);
    }
}

/// Year, month and day of a day since 1970, the Gregorian calendar going on before 1582.
pub(super) fn civil(day: i64) -> (i64, i64, i64) {
    let shifted = day + 719_468;
    let (era, of_era) = (shifted.div_euclid(146_097), shifted.rem_euclid(146_097));
    let year = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    (era * 400 + year + i64::from(month <= 2), month, day)
}

/// The day since 1970; none if there is no such day.
pub(super) fn day_of(year: i64, month: i64, day: i64) -> Option<i64> {
    if !(1..=12).contains(&month) || !(1..=31).contains(&day) || !(-300_000..=300_000).contains(&year) {
        return None;
    }
    let (y, m) = if month <= 2 { (year - 1, month + 9) } else { (year, month - 3) };
    let (era, of_era) = (y.div_euclid(400), y.rem_euclid(400));
    let of_year = (153 * m + 2) / 5 + day - 1;
    let found = era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468;
    (civil(found) == (year, month, day)).then_some(found)
}

/// Reads `yyyy-MM-dd`.
pub(super) fn parse_date(text: &str) -> Option<i64> {
    let (sign, digits) = match text.strip_prefix('-') {
        Some(rest) => (-1, rest),
        None => (1, text.strip_prefix('+').unwrap_or(text)),
    };
    let mut parts = digits.split('-');
    let mut next = || parts.next().filter(|part| part.bytes().all(|byte| byte.is_ascii_digit()))?.parse::<i64>().ok();
    let (year, month, day) = (next()?, next()?, next()?);
    if parts.next().is_some() { None } else { day_of(sign * year, month, day) }
}

/// Reads `HH:mm`, `HH:mm:ss` or that with a fraction: nanoseconds of the day.
pub(super) fn parse_time(text: &str) -> Option<i64> {
    let (whole, fraction) = text.split_once(['.', ',']).unwrap_or((text, ""));
    let mut parts = whole.split(':');
    let mut next = |most: i64| {
        let part = parts.next()?;
        let digits = (1..=2).contains(&part.len()) && part.bytes().all(|byte| byte.is_ascii_digit());
        part.parse::<i64>().ok().filter(|&number| digits && number <= most)
    };
    let (hour, minute) = (next(24)?, next(59)?);
    let second = if whole.matches(':').count() == 2 { next(60)? } else { 0 };
    if parts.next().is_some() || 9 < fraction.len() || !fraction.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let fraction = format!("{fraction:0<9}").parse::<i64>().ok()?;
    Some((hour * 3600 + minute * 60 + second) * 1_000_000_000 + fraction)
}

/// Reads a date and a time with a blank or a T between them, as if it were UTC; a zone behind it moves it there.
pub(super) fn parse_shown(text: &str) -> Option<Moment> {
    let text = text.trim();
    let text = text.strip_suffix(['Z', 'z']).unwrap_or(text);
    let Some((date, time)) = text.split_once([' ', 'T']) else {
        return Some(Moment { seconds: parse_date(text)? * DAY_SECONDS, nanos: 0 });
    };
    let (time, ahead) = match time.rfind(['+', '-']) {
        Some(at) => {
            let (hours, minutes) = time[at + 1..].split_once(':').unwrap_or((&time[at + 1..], "0"));
            let seconds = hours.parse::<i64>().ok()? * 3600 + minutes.parse::<i64>().ok()? * 60;
            (time[..at].trim_end(), if time[at..].starts_with('-') { -seconds } else { seconds })
        }
        None => (time, 0),
    };
    let nanos = parse_time(time)?;
    let seconds = parse_date(date)? * DAY_SECONDS + nanos / 1_000_000_000 - ahead;
    Some(Moment { seconds, nanos: (nanos % 1_000_000_000) as u32 })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_are_counted_and_named() {
        for (text, day) in
            [("1970-01-01", 0), ("2000-02-29", 11_016), ("1582-10-14", -141_428), ("0001-01-01", -719_162)]
        {
            assert_eq!((parse_date(text), date_text(day)), (Some(day), text.to_owned()));
        }
        for text in ["2001-02-29", "2001-13-01", "2001-00-01", "x", "2001-1", "2001-01-01-01"] {
            assert_eq!(parse_date(text), None, "{text}");
        }
        assert_eq!(date_text(-719_529), "-0001-12-31");
    }

    #[test]
    fn before_1582_the_calendars_differ() {
        let day = parse_date("1500-03-01").unwrap();
        assert_eq!(Calendar::Legacy.day_read(day), day + 10, "Java's 1500-03-01 is the Julian one");
        assert_eq!(Calendar::Legacy.day_written(day + 10), day);
        assert_eq!(Calendar::ProlepticGregorian.day_read(day), day);
        assert_eq!(Calendar::Legacy.day_read(0), 0);
    }

    #[test]
    fn times_are_read_and_written() {
        assert_eq!(parse_time("23:59:59.123456789"), Some(DAY_NANOS - 1_000_000_000 + 123_456_789));
        assert_eq!(parse_time("07:05"), Some((7 * 3600 + 300) * 1_000_000_000));
        for text in ["25:00:00", "1:2:3:4", "12:60:00", "12", "12:00:00.1234567890", "a:b"] {
            assert_eq!(parse_time(text), None, "{text}");
        }
        let moment = parse_shown("2024-05-01 12:00:00.5+02:00").unwrap();
        assert_eq!(moment.shown('T', 3), "2024-05-01T10:00:00.500");
        assert_eq!(Moment::parse(&moment.text()), Some(moment));
        assert_eq!(parse_shown("2024-05-01").unwrap().shown(' ', 0), "2024-05-01 00:00:00");
    }

    #[test]
    fn a_zone_is_known_by_id_short_id_and_offset() {
        let shown =
            |id: &str| Zone::named(id).unwrap().shown_at(Moment { seconds: 1_720_000_000, nanos: 5 }).shown(' ', 9);
        assert_eq!(shown("UTC"), "2024-07-03 09:46:40.000000005");
        assert_eq!(shown("+05:30"), "2024-07-03 15:16:40.000000005");
        assert_eq!(shown("EST"), "2024-07-03 04:46:40.000000005");
        assert_eq!(shown("Europe/Berlin"), "2024-07-03 11:46:40.000000005");
        let berlin = Zone::named("Europe/Berlin").unwrap();
        let moment = Moment { seconds: 1_720_000_000, nanos: 5 };
        assert_eq!(berlin.moment_of(berlin.shown_at(moment)), moment);
        for odd in ["Nowhere/Land", "../../etc/passwd", "", "/etc/passwd"] {
            assert!(Zone::named(odd).is_err(), "{odd}");
        }
    }
}
