//! When a request is sent again, and how long to wait until then. Reads no clock.

use std::hash::{BuildHasher, Hasher};
use std::time::Duration;

use millstream_sdk::http::Response;

/// Longest wait that a server may ask for.
const MAX_RETRY_AFTER: Duration = Duration::from_secs(300);

/// Statuses: `404,408,500-`.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Statuses(Vec<(u16, u16)>);

impl Statuses {
    /// Reads single statuses and ranges, whose end may be left out.
    ///
    /// # Errors
    ///
    /// The item that is none.
    pub fn parse(text: &str) -> Result<Self, String> {
        let status = |text: &str| text.trim().parse::<u16>().ok().filter(|status| (100..=599).contains(status));
        let range = |item: &str| {
            let range = match item.split_once('-') {
                None => status(item).map(|one| (one, one)),
                Some((from, "")) => status(from).map(|from| (from, 599)),
                Some((from, to)) => status(from).zip(status(to)).filter(|(from, to)| from <= to),
            };
            range.ok_or_else(|| {
                format!("{item} is neither a status nor a range of them, such as 404 or 500-599 or 500-")
            })
        };
        let items = text.split(',').map(str::trim).filter(|item| !item.is_empty());
        Ok(Self(items.map(range).collect::<Result<_, _>>()?))
    }

    /// Whether a status is among them.
    pub fn contains(&self, status: u16) -> bool {
        self.0.iter().any(|&(from, to)| (from..=to).contains(&status))
    }
}

/// How waits grow.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Growth {
    /// Always the same.
    Constant,
    /// Twice as long each time, of which a part between half and all is waited.
    Exponential,
}

/// How often and how long.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Policy {
    /// Repeats of one request.
    pub max_retries: u32,
    /// The first wait.
    pub backoff: Duration,
    /// The longest.
    pub max_backoff: Duration,
    /// How waits grow.
    pub growth: Growth,
}

impl Policy {
    /// The wait before a repeat, the first of which has the number 0; none if there is none any more. `chance` is between
    /// 0 and 1. A server that says how long to wait is obeyed if that is longer.
    pub fn wait(&self, repeat: u32, chance: f64, asked: Option<Duration>) -> Option<Duration> {
        if self.max_retries <= repeat {
            return None;
        }
        let wait = match self.growth {
            Growth::Constant => self.backoff,
            Growth::Exponential => {
                let factor = 2_u32.checked_pow(repeat).unwrap_or(u32::MAX);
                self.backoff.saturating_mul(factor).min(self.max_backoff).mul_f64(0.5 + chance.clamp(0.0, 1.0) / 2.0)
            }
        };
        Some(wait.max(asked.unwrap_or_default().min(MAX_RETRY_AFTER)))
    }
}

/// A number between 0 and 1 that nobody can tell beforehand, so that many tasks do not come back at once.
pub fn chance() -> f64 {
    let random = std::collections::hash_map::RandomState::new().build_hasher().finish();
    // The upper 53 bits are what fits.
    (random >> 11) as f64 / (1_u64 << 53) as f64
}

/// How long a server asks to wait (RFC 9110, 10.2.3), seen from `now_ms`.
pub fn retry_after(response: &Response, now_ms: i64) -> Option<Duration> {
    let text = response.header("retry-after")?.trim();
    if let Ok(seconds) = text.parse::<u64>() {
        return Some(Duration::from_secs(seconds));
    }
    let wait = http_date_ms(text)?.saturating_sub(now_ms);
    Some(Duration::from_millis(u64::try_from(wait).unwrap_or(0)))
}

/// `Sun, 06 Nov 1994 08:49:37 GMT` in milliseconds since the epoch; none for the two obsolete forms.
pub fn http_date_ms(text: &str) -> Option<i64> {
    const MONTHS: [&str; 12] = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let (_, rest) = text.split_once(", ")?;
    let words: Vec<&str> = rest.split(' ').collect();
    let [day, month, year, time, "GMT"] = words.as_slice() else { return None };
    let day: i64 = day.parse().ok().filter(|day| (1..=31).contains(day))?;
    let month = MONTHS.iter().position(|known| known == month)? as i64 + 1;
    let year: i64 = year.parse().ok().filter(|year| (1970..=9999).contains(year))?;
    let mut parts = time.split(':').map(|part| part.parse::<i64>().ok().filter(|part| (0..=60).contains(part)));
    let (hour, minute, second) = (parts.next()??, parts.next()??, parts.next()??);
    Some((days(year, month, day) * 86_400 + hour * 3600 + minute * 60 + second) * 1000)
}

/// Days since the epoch of a day of the Gregorian calendar.
pub fn days(year: i64, month: i64, day: i64) -> i64 {
    // Years that begin in March have their leap day at the end.
    let (year, month) = if month <= 2 { (year - 1, month + 9) } else { (year, month - 3) };
    let (era, of_era) = (year.div_euclid(400), year.rem_euclid(400));
    let of_year = (153 * month + 2) / 5 + day - 1;
    era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statuses_are_listed_and_ranged() {
        let statuses = Statuses::parse("404, 408,500-").unwrap();
        let within: Vec<u16> =
            [400, 404, 408, 499, 500, 599].into_iter().filter(|&one| statuses.contains(one)).collect();
        assert_eq!(within, [404, 408, 500, 599]);
        assert!(Statuses::parse("").is_ok_and(|none| !none.contains(500)));
        for odd in ["x", "500-400", "99", "600", "-500"] {
            assert!(Statuses::parse(odd).is_err(), "{odd}");
        }
    }

    #[test]
    fn waits_double_up_to_their_limit_and_end_with_the_number_of_repeats() {
        let seconds = Duration::from_secs;
        let policy =
            Policy { max_retries: 5, backoff: seconds(1), max_backoff: seconds(5), growth: Growth::Exponential };
        let waits: Vec<_> = (0..6).map(|repeat| policy.wait(repeat, 1.0, None)).collect();
        assert_eq!(
            waits,
            [Some(seconds(1)), Some(seconds(2)), Some(seconds(4)), Some(seconds(5)), Some(seconds(5)), None]
        );
        assert_eq!(policy.wait(1, 0.0, None), Some(seconds(1)));
        assert_eq!(policy.wait(0, 1.0, Some(seconds(30))), Some(seconds(30)));
        assert_eq!(policy.wait(0, 1.0, Some(seconds(9999))), Some(MAX_RETRY_AFTER));
        let constant = Policy { growth: Growth::Constant, ..policy };
        assert_eq!(constant.wait(4, 0.0, None), Some(seconds(1)));
        assert!((0.0..1.0).contains(&chance()));
    }

    #[test]
    fn a_server_says_how_long_in_seconds_or_until_when() {
        let asked = |text: &str| retry_after(&Response::new(429, "").with("Retry-After", text), 784_111_770_000);
        assert_eq!(asked("12"), Some(Duration::from_secs(12)));
        assert_eq!(asked("Sun, 06 Nov 1994 08:49:37 GMT"), Some(Duration::from_secs(7)));
        assert_eq!(asked("Thu, 01 Jan 1970 00:00:00 GMT"), Some(Duration::ZERO));
        assert_eq!(asked("soon"), None);
        assert_eq!(http_date_ms("Tue, 29 Feb 2028 00:00:00 GMT"), Some(1_835_395_200_000));
    }
}
