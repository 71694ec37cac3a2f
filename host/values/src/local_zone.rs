//! The machine's time zone, in which Java writes `java.util.Date` and reads and writes the dates of header text.
//!
//! Finding it is left to who runs the process; here is what it does to an instant. As in a JVM it is one for the
//! whole process, and UTC until it is set.

use std::{error::Error, fmt::Write, sync::OnceLock};

use base64::{Engine, engine::general_purpose::STANDARD};
use tz::{LocalTimeType, TimeZone, TimeZoneSettings, timezone::TransitionRule};

use crate::calendar::DAY_MS;

static LOCAL: OnceLock<LocalZone> = OnceLock::new();

/// What a description begins with that holds a compiled zone, as text.
const COMPILED: &str = "tzif:";

/// 1900-01-01T00:00Z. Java knows no changes before it.
const HISTORY_BEGINS_S: i64 = -2_208_988_800;

const MINUTE_S: i32 = 60;

/// A time zone other than UTC, with Java's names for its times.
#[derive(Clone, Debug, PartialEq)]
pub struct LocalZone {
    rules: Rules,
    standard: Time,
    /// Equal to `standard` where clocks were never changed.
    daylight: Time,
    /// Clocks are put back in winter, and summer is the law's standard time: Ireland, Morocco.
    negative: bool,
}

#[derive(Clone, Debug, PartialEq)]
enum Rules {
    Fixed,
    History(Box<TimeZone>),
}

/// What clocks show for a part of the year.
#[derive(Clone, Debug, PartialEq)]
struct Time {
    offset_s: i32,
    /// What the zone's data call it.
    designation: String,
    /// What Java calls it.
    name: String,
}

/// Why a text describes no time zone.
#[derive(Debug, thiserror::Error)]
pub enum InvalidZone {
    /// Neither `GMT±h:mm` nor a rule.
    #[error("it is neither an offset such as GMT+5:30 nor a rule such as CET-1CEST,M3.5.0,M10.5.0/3")]
    Text(#[source] Box<dyn Error + Send + Sync>),
    /// The compiled data cannot be read.
    #[error("its data are damaged")]
    Data(#[source] Box<dyn Error + Send + Sync>),
    /// The compiled data are not base64.
    #[error("its data are no base64")]
    Base64(#[source] base64::DecodeError),
}

/// Makes a zone the one of this process. The first call counts; UTC needs none.
pub fn set(zone: LocalZone) {
    LOCAL.get_or_init(|| zone);
}

/// The zone of this process; none for UTC.
pub(crate) fn local() -> Option<&'static LocalZone> {
    LOCAL.get()
}

/// Describes the zone of a compiled file (TZif) for [`LocalZone::described`].
pub fn describe_compiled(bytes: &[u8]) -> String {
    format!("{COMPILED}{}", STANDARD.encode(bytes))
}

impl LocalZone {
    /// The zone of a description: [compiled data](describe_compiled), `GMT±h:mm` (ahead of GMT with plus, as in Java),
    /// or a POSIX rule. None for UTC itself.
    ///
    /// # Errors
    ///
    /// For any other text, and for damaged data.
    pub fn described(text: &str) -> Result<Option<Self>, InvalidZone> {
        if let Some(data) = text.strip_prefix(COMPILED) {
            let bytes = STANDARD.decode(data).map_err(InvalidZone::Base64)?;
            return Ok(Self::of(TimeZone::from_tz_data(&bytes).map_err(|error| InvalidZone::Data(error.into()))?));
        }
        if let Some(offset_s) = custom_offset(text) {
            return Ok(Some(Self::fixed(offset_s)));
        }
        let no_files = TimeZoneSettings::new(&[], |_| Err("a rule names no file".into()));
        let zone = no_files.parse_posix_tz(text).map_err(|error| InvalidZone::Text(error.into()))?;
        Ok(match zone.as_ref().extra_rule() {
            // Java does not take over the name of a rule that it cannot read.
            Some(TransitionRule::Fixed(time)) => Some(Self::fixed(time.ut_offset())),
            _ => Self::of(zone),
        })
    }

    fn fixed(offset_s: i32) -> Self {
        let name = offset_name(offset_s);
        let time = Time { offset_s, designation: name.clone(), name };
        Self { rules: Rules::Fixed, standard: time.clone(), daylight: time, negative: false }
    }

    fn of(zone: TimeZone) -> Option<Self> {
        let (types, rule) = (zone.as_ref().local_time_types(), zone.as_ref().extra_rule());
        let used =
            zone.as_ref().transitions().iter().rev().map(|transition| &types[transition.local_time_type_index()]);
        let of_rule = match rule {
            None => vec![],
            Some(TransitionRule::Fixed(time)) => vec![time],
            Some(TransitionRule::Alternate(rule)) => vec![rule.std(), rule.dst()],
        };
        let mut latest_first = of_rule.into_iter().chain(used).chain(types);
        let standard = latest_first.clone().find(|time| !time.is_dst()).unwrap_or(&types[0]);
        let daylight = latest_first.find(|time| time.is_dst()).unwrap_or(standard);
        let negative = daylight.ut_offset() < standard.ut_offset();
        let (mut standard, mut daylight) = (Time::of(standard), Time::of(daylight));
        if negative && matches!(rule, Some(TransitionRule::Alternate(_))) {
            (standard, daylight) = (daylight, standard);
        }
        if zone.as_ref().transitions().is_empty() && standard == daylight {
            let is_utc = standard.offset_s == 0 && standard.name == "UTC";
            return (!is_utc).then_some(Self { rules: Rules::Fixed, standard, daylight, negative });
        }
        Some(Self { rules: Rules::History(Box::new(zone)), standard, daylight, negative })
    }

    /// How far clocks are ahead of UTC at an instant; both in milliseconds.
    pub fn ahead_of_utc_ms(&self, instant_ms: i64) -> i64 {
        self.at(instant_ms).0
    }

    /// The instant at which clocks show a time, given as if it were UTC; both in milliseconds. Of two instants the later, and
    /// a time that clocks skip is counted on from before, as in Java.
    pub fn instant_of_shown(&self, shown_ms: i64) -> i64 {
        self.instant_of(shown_ms)
    }

    /// What clocks show is ahead of UTC, in milliseconds, and what Java calls it.
    pub(crate) fn at(&self, ms: i64) -> (i64, &str) {
        let Rules::History(zone) = &self.rules else {
            return (i64::from(self.standard.offset_s) * 1_000, &self.standard.name);
        };
        let second = ms.div_euclid(1_000);
        if second < HISTORY_BEGINS_S {
            return (i64::from(self.standard.offset_s) * 1_000, &self.standard.name);
        }
        // Fails behind the last change of data without a rule, and in years that no clock will show.
        match zone.find_local_time_type(second) {
            Ok(time) => (i64::from(time.ut_offset()) * 1_000, self.name(time)),
            Err(_) => (i64::from(self.standard.offset_s) * 1_000, &self.standard.name),
        }
    }

    /// Java has two names for a zone, whatever its times were called in the past.
    fn name(&self, time: &LocalTimeType) -> &str {
        let daylight = if self.negative {
            time.time_zone_designation() == self.daylight.designation
                || time.is_dst() && time.time_zone_designation() != self.standard.designation
        } else {
            time.is_dst()
        };
        if daylight { &self.daylight.name } else { &self.standard.name }
    }

    /// The instant at which clocks show a time, given in milliseconds as if it were UTC. Of two instants the later,
    /// and a time that clocks skip is counted on from before, both as in Java.
    pub(crate) fn instant_of(&self, shown_ms: i64) -> i64 {
        let before = self.at(shown_ms.saturating_sub(DAY_MS)).0;
        let after = self.at(shown_ms.saturating_add(DAY_MS)).0;
        let instant = shown_ms.wrapping_sub(after);
        if self.at(instant).0 == after { instant } else { shown_ms.wrapping_sub(before) }
    }
}

impl Time {
    fn of(time: &LocalTimeType) -> Self {
        let designation = time.time_zone_designation();
        // Where the data have only a number for a name, Java writes the offset.
        let numeric = designation.is_empty() || designation.starts_with(['+', '-']);
        let name = if numeric { offset_name(time.ut_offset()) } else { designation.to_owned() };
        Self { offset_s: time.ut_offset(), designation: designation.to_owned(), name }
    }
}

/// `GMT+05:30`, or `GMT` alone.
fn offset_name(offset_s: i32) -> String {
    let mut name = "GMT".to_owned();
    let minutes = offset_s.unsigned_abs() / MINUTE_S.unsigned_abs();
    if minutes != 0 {
        let sign = if offset_s < 0 { '-' } else { '+' };
        write!(name, "{sign}{:02}:{:02}", minutes / 60, minutes % 60).expect("writing to a string succeeds");
    }
    name
}

/// Reads `GMT`, `GMT+5`, `GMT+05`, `GMT+5:30`, `GMT+05:30`, `GMT+530` and `GMT+0530`.
fn custom_offset(text: &str) -> Option<i32> {
    let rest = text.strip_prefix("GMT")?;
    if rest.is_empty() {
        return Some(0);
    }
    let (sign, digits) = match rest.split_at_checked(1)? {
        ("+", digits) => (1, digits),
        ("-", digits) => (-1, digits),
        _ => return None,
    };
    let (hours, minutes) = match digits.split_once(':') {
        Some((hours, minutes)) => (hours, minutes),
        None if 2 < digits.len() => digits.split_at_checked(digits.len() - 2)?,
        None => (digits, "00"),
    };
    let number = |text: &str, most: i32| {
        let digits = !text.is_empty() && text.len() <= 2 && text.bytes().all(|byte| byte.is_ascii_digit());
        digits.then(|| text.parse().ok())?.filter(|&number: &i32| number <= most)
    };
    if minutes.len() != 2 {
        return None;
    }
    Some(sign * (number(hours, 23)? * 60 + number(minutes, 59)?) * MINUTE_S)
}

#[cfg(test)]
mod tests {
    use millstream_record::Value;

    use super::*;
    use crate::{
        date_pattern::{write_instant_header_text_in, write_java_date_in},
        temporal_text::parse_temporal_in,
    };

    /// Zones as tzdata compiles them, then what a JVM in them makes of instants and of texts.
    const RECORDED: &str = include_str!("../testdata/java-zones.txt");

    fn recorded(separator: char) -> impl Iterator<Item = (LocalZone, Vec<&'static str>)> {
        RECORDED.lines().filter(move |line| line.contains(separator)).map(move |line| {
            let parts: Vec<&str> = line.split(separator).collect();
            let compiled = RECORDED.lines().find_map(|line| line.strip_prefix(parts[0])?.strip_prefix('='));
            let zone = LocalZone::described(compiled.expect("the zone is in the file")).unwrap();
            (zone.expect("it is not UTC"), parts)
        })
    }

    #[test]
    fn a_date_is_written_as_a_jvm_in_its_zone_writes_it() {
        let mut wrong = vec![];
        for (zone, parts) in recorded('|') {
            let [id, ms, date, header] = parts[..] else { panic!("four parts: {parts:?}") };
            let ms: i64 = ms.parse().unwrap();
            let (mut as_date, mut as_header) = (String::new(), String::new());
            write_java_date_in(Some(&zone), &mut as_date, ms);
            write_instant_header_text_in(Some(&zone), &mut as_header, ms);
            let (day, time) = header.split_once('T').unwrap();
            let header = match ms {
                ..DAY_MS => time,
                _ if ms % DAY_MS == 0 => day,
                _ => header,
            };
            if (&*as_date, &*as_header) != (date, header) {
                wrong.push(format!("{id} {ms}: {as_date}, not {date}; {as_header}, not {header}"));
            }
        }
        assert!(wrong.is_empty(), "{wrong:#?}");
    }

    #[test]
    fn a_timestamp_in_a_header_is_read_as_a_jvm_in_its_zone_reads_it() {
        let mut wrong = vec![];
        for (zone, parts) in recorded('<') {
            let [id, text, ms] = parts[..] else { panic!("three parts: {parts:?}") };
            let read = parse_temporal_in(Some(&zone), text).map(|(_, value)| value);
            if read != Some(Value::Instant(ms.parse().unwrap())) {
                wrong.push(format!("{id} {text}: {read:?}, not {ms}"));
            }
        }
        assert!(wrong.is_empty(), "{wrong:#?}");
    }

    #[test]
    fn a_description_is_an_offset_as_in_java_or_a_posix_rule() {
        let written = |text: &str, ms: i64| {
            let zone = LocalZone::described(text).unwrap();
            let mut out = String::new();
            write_java_date_in(zone.as_ref(), &mut out, ms);
            out
        };
        let july = 1_719_831_845_006;
        for (text, expected) in [
            ("GMT", "11:04:05 GMT"),
            ("GMT0", "11:04:05 GMT"),
            ("GMT+5:30", "16:34:05 GMT+05:30"),
            ("GMT-0130", "09:34:05 GMT-01:30"),
            ("GMT+05", "16:04:05 GMT+05:00"),
            ("UTC+3", "08:04:05 GMT-03:00"),
            ("<+03>-3", "14:04:05 GMT+03:00"),
            ("CET-1CEST,M3.5.0,M10.5.0/3", "13:04:05 CEST"),
        ] {
            assert_eq!(written(text, july), format!("Mon Jul 01 {expected} 2024"), "{text}");
        }
        assert_eq!(written("CET-1CEST,M3.5.0,M10.5.0/3", 0), "Thu Jan 01 01:00:00 CET 1970");
        for text in ["", "Nowhere/Land", "GMT+1:60", "GMT+é", "tzif:%", "tzif:AAAA", "CET"] {
            assert!(LocalZone::described(text).is_err(), "{text}");
        }
    }

    #[test]
    fn instants_at_both_ends_of_time_are_written() {
        for (zone, _) in recorded('<') {
            for ms in [i64::MIN, i64::MAX] {
                let mut out = String::new();
                write_java_date_in(Some(&zone), &mut out, ms);
                write_instant_header_text_in(Some(&zone), &mut out, ms);
                zone.instant_of(ms);
            }
        }
    }
}
