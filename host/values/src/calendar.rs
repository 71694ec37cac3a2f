//! The calendar behind Java's dates: Julian up to 1582-10-04, Gregorian from 1582-10-15, in UTC.

/// Milliseconds of a day.
pub const DAY_MS: i64 = 86_400_000;

/// Days from 1970-01-01 to 1582-10-15, the first Gregorian day.
pub(crate) const CUTOVER: i64 = -141_427;

/// The year of the switch.
pub(crate) const CUTOVER_YEAR: i64 = 1582;

/// A day as `GregorianCalendar` names it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Day {
    /// Year with 0 for 1 BC.
    pub(crate) year: i64,
    /// 0 to 11.
    pub(crate) month: i64,
    /// 1 to 31.
    pub(crate) day: i64,
    /// Days since 1970-01-01.
    pub(crate) epoch_day: i64,
}

/// Days since 1970-01-01 of a Gregorian date; the month (0 to 11) must be in range, the day need not.
pub(crate) fn gregorian_day(year: i64, month: i64, day: i64) -> i64 {
    let (y, m) = shifted(year, month);
    365 * y + y.div_euclid(4) - y.div_euclid(100) + y.div_euclid(400) + day_of_shifted_year(m) + day - 719_469
}

/// As [`gregorian_day`], for a Julian date.
pub(crate) fn julian_day(year: i64, month: i64, day: i64) -> i64 {
    let (y, m) = shifted(year, month);
    365 * y + y.div_euclid(4) + day_of_shifted_year(m) + day - 719_471
}

/// Years that begin in March, so that the leap day is their last.
fn shifted(year: i64, month: i64) -> (i64, i64) {
    if month < 2 { (year - 1, month + 10) } else { (year, month - 2) }
}

/// Days before a month, counted from March.
fn day_of_shifted_year(month: i64) -> i64 {
    (153 * month + 2) / 5
}

/// Names a day.
pub(crate) fn day_of(epoch_day: i64) -> Day {
    let (mut year, day_of_year) = if CUTOVER <= epoch_day {
        let since = epoch_day + 719_468;
        let (era, day) = (since.div_euclid(146_097), since.rem_euclid(146_097));
        let year = (day - day / 1_460 + day / 36_524 - day / 146_096) / 365;
        (era * 400 + year, day - (365 * year + year / 4 - year / 100))
    } else {
        let since = epoch_day + 719_470;
        let (cycle, day) = (since.div_euclid(1_461), since.rem_euclid(1_461));
        let year = (day - day / 1_460) / 365;
        (cycle * 4 + year, day - 365 * year)
    };
    let shifted_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - day_of_shifted_year(shifted_month) + 1;
    let month = if shifted_month < 10 { shifted_month + 2 } else { shifted_month - 10 };
    year += i64::from(month < 2);
    Day { year, month, day, epoch_day }
}

/// First day of a month of the hybrid calendar.
pub(crate) fn first_of_month(year: i64, month: i64) -> i64 {
    let day = gregorian_day(year, month, 1);
    if CUTOVER <= day { day } else { julian_day(year, month, 1) }
}

/// 0 for Sunday to 6 for Saturday.
pub(crate) fn weekday(epoch_day: i64) -> i64 {
    (epoch_day + 4).rem_euclid(7)
}

/// The latest day on or before a day that is that weekday (0 for Sunday; other numbers wrap).
pub(crate) fn on_or_before(epoch_day: i64, wanted: i64) -> i64 {
    epoch_day - (epoch_day + 4 - wanted).rem_euclid(7)
}

impl Day {
    /// 1 for the first of January.
    pub(crate) fn day_of_year(&self) -> i64 {
        self.epoch_day - first_of_month(self.year, 0) + 1
    }

    /// Week of the year and the year it belongs to; weeks begin on Sunday, week 1 holds 1 January.
    pub(crate) fn week(&self) -> (i64, i64) {
        let sunday = on_or_before(self.epoch_day, 0);
        if first_of_month(self.year + 1, 0) <= sunday + 6 {
            return (1, self.year + 1);
        }
        ((sunday - on_or_before(first_of_month(self.year, 0), 0)) / 7 + 1, self.year)
    }

    /// Week of the month; week 1 holds the first.
    pub(crate) fn week_of_month(&self) -> i64 {
        let first = first_of_month(self.year, self.month);
        (on_or_before(self.epoch_day, 0) - on_or_before(first, 0)) / 7 + 1
    }

    /// Which of its weekdays in the month this is, from 1.
    pub(crate) fn weekday_in_month(&self) -> i64 {
        (self.epoch_day - first_of_month(self.year, self.month)) / 7 + 1
    }
}

/// The day that `GregorianCalendar` gives the name of a day of the Gregorian calendar, which for this goes on before 1582.
/// Both count from 1970-01-01.
pub fn proleptic_to_hybrid(epoch_day: i64) -> i64 {
    if CUTOVER <= epoch_day {
        return epoch_day;
    }
    let Day { year, month, day, .. } = gregorian_name(epoch_day);
    // The ten days that Java skips are named as if it went on with the Julian calendar.
    julian_day(year, month, day)
}

/// The day of the Gregorian calendar, which for this goes on before 1582, with the name that `GregorianCalendar` gives a
/// day. Both count from 1970-01-01.
pub fn hybrid_to_proleptic(epoch_day: i64) -> i64 {
    if CUTOVER <= epoch_day {
        return epoch_day;
    }
    let Day { year, month, day, .. } = day_of(epoch_day);
    gregorian_day(year, month, day)
}

fn gregorian_name(epoch_day: i64) -> Day {
    let since = epoch_day + 719_468;
    let (era, day) = (since.div_euclid(146_097), since.rem_euclid(146_097));
    let year = (day - day / 1_460 + day / 36_524 - day / 146_096) / 365;
    let day_of_year = day - (365 * year + year / 4 - year / 100);
    let shifted_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - day_of_shifted_year(shifted_month) + 1;
    let month = if shifted_month < 10 { shifted_month + 2 } else { shifted_month - 10 };
    Day { year: era * 400 + year + i64::from(month < 2), month, day, epoch_day }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_calendar_switches_in_october_1582() {
        check(0, 1970, 0, 1);
        check(CUTOVER, 1582, 9, 15);
        check(CUTOVER - 1, 1582, 9, 4);
        check(-719_162, 1, 0, 3);
        check(-719_164, 1, 0, 1);
        check(-719_165, 0, 11, 31);
        check(11_016, 2000, 1, 29);
        check(18_321, 2020, 1, 29);
    }

    #[track_caller]
    fn check(epoch_day: i64, year: i64, month: i64, day: i64) {
        assert_eq!(day_of(epoch_day), Day { year, month, day, epoch_day });
    }

    #[test]
    fn a_name_of_the_one_calendar_is_found_in_the_other() {
        // 1500-03-01 is ten days later in the Julian calendar, and a day that both have is the same.
        let named = gregorian_day(1500, 2, 1);
        assert_eq!((proleptic_to_hybrid(named), hybrid_to_proleptic(named + 10)), (named + 10, named));
        for day in (-1_000_000..-141_438).step_by(17).chain(CUTOVER..CUTOVER + 10) {
            assert_eq!(hybrid_to_proleptic(proleptic_to_hybrid(day)), day);
        }
    }

    #[test]
    fn naming_a_day_and_counting_it_agree() {
        for epoch_day in (-1_000_000..1_000_000).step_by(17).chain(CUTOVER - 800..CUTOVER + 800) {
            let Day { year, month, day, .. } = day_of(epoch_day);
            let count = if CUTOVER <= epoch_day { gregorian_day } else { julian_day };
            assert_eq!(count(year, month, day), epoch_day);
        }
    }
}
