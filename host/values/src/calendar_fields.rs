//! From the fields of a date to its instant, by the rules of Java's lenient `GregorianCalendar`: where
//! fields contradict each other, the ones set last win.

use crate::calendar::{CUTOVER, CUTOVER_YEAR, DAY_MS, gregorian_day, julian_day, on_or_before};

/// A field that a pattern can set.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum DateField {
    /// 0 for BC, 1 for AD.
    Era,
    Year,
    WeekYear,
    /// 0 for January.
    Month,
    WeekOfYear,
    WeekOfMonth,
    DayOfMonth,
    DayOfYear,
    /// 1 for Sunday.
    DayOfWeek,
    DayOfWeekInMonth,
    AmPm,
    /// Of a half day.
    Hour,
    HourOfDay,
    Minute,
    Second,
    Milli,
}

const COUNT: usize = DateField::Milli as usize + 1;

/// The fields set so far, each with its place in the order of setting.
#[derive(Clone, Debug, Default)]
pub(crate) struct DateFields {
    values: [i32; COUNT],
    /// When a field was set, from 1; 0 if it was not.
    stamps: [u32; COUNT],
    next: u32,
    /// What the zone is ahead of UTC.
    pub(crate) zone_offset_ms: i64,
    /// The year was two digits of the year in which the century of such years begins.
    pub(crate) ambiguous_year: bool,
}

/// Which fields say the day.
enum DayFrom {
    DayOfMonth,
    WeekOfMonth,
    WeekdayInMonth,
    DayOfYear,
    WeekOfYear,
}

impl DateFields {
    pub(crate) fn set(&mut self, field: DateField, value: i32) {
        self.next += 1;
        self.stamps[field as usize] = self.next;
        self.values[field as usize] = value;
    }

    /// Wraps as Java's does: of two year fields the last may be a number of any size.
    pub(crate) fn add_to_year(&mut self, years: i32) {
        for field in [DateField::Year, DateField::WeekYear] {
            if self.stamp(field) != 0 {
                let year = &mut self.values[field as usize];
                *year = year.wrapping_add(years);
            }
        }
    }

    fn stamp(&self, field: DateField) -> u32 {
        self.stamps[field as usize]
    }

    fn value(&self, field: DateField) -> i64 {
        i64::from(self.values[field as usize])
    }

    /// When a pair of fields was complete; 0 if it is not.
    fn pair(&self, a: DateField, b: DateField) -> u32 {
        if self.stamp(a) == 0 || self.stamp(b) == 0 { 0 } else { self.stamp(a).max(self.stamp(b)) }
    }

    /// Milliseconds since the epoch. Fields not given are those of 1970-01-01T00:00; what is out of
    /// range rolls over, beyond 64 bits it wraps as Java's does.
    pub(crate) fn instant(&self) -> i64 {
        let (days, time) = self.time_of_day();
        let day = if self.stamp(DateField::Year) < self.stamp(DateField::WeekYear) {
            days + self.week_date()
        } else {
            self.day(days)
        };
        day.wrapping_mul(DAY_MS).wrapping_add(time).wrapping_sub(self.zone_offset_ms)
    }

    /// Whole days, and the milliseconds left over.
    fn time_of_day(&self) -> (i64, i64) {
        let of_day = self.stamp(DateField::HourOfDay);
        let mut half = self.pair(DateField::Hour, DateField::AmPm);
        if of_day == 0 && half == 0 {
            half = self.stamp(DateField::Hour).max(self.stamp(DateField::AmPm));
        }
        let hours = if of_day < half {
            self.value(DateField::Hour) + 12 * self.value(DateField::AmPm)
        } else {
            self.value(DateField::HourOfDay)
        };
        let minutes = hours * 60 + self.value(DateField::Minute);
        let ms = (minutes * 60 + self.value(DateField::Second)) * 1_000 + self.value(DateField::Milli);
        (ms.div_euclid(DAY_MS), ms.rem_euclid(DAY_MS))
    }

    /// Year with 0 for 1 BC.
    fn year(&self) -> i64 {
        let year = if self.stamp(DateField::Year) == 0 { 1970 } else { self.value(DateField::Year) };
        self.in_era(year)
    }

    fn in_era(&self, year: i64) -> i64 {
        if self.stamp(DateField::Era) != 0 && self.value(DateField::Era) == 0 { 1 - year } else { year }
    }

    /// The day, `days` later than the fields say, in whichever calendar was in force.
    fn day(&self, days: i64) -> i64 {
        let from = self.day_from();
        let year = self.year();
        let gregorian = days + self.day_in(&from, year, gregorian_day);
        let julian = days + self.day_in(&from, year, julian_day);
        // A year that began in the Julian calendar is counted in it, 1582 by the day too.
        let counted_from_new_year = matches!(from, DayFrom::DayOfYear | DayFrom::WeekOfYear);
        if year < CUTOVER_YEAR || year == CUTOVER_YEAR && counted_from_new_year {
            return julian;
        }
        // A day that was left out by the switch is counted in the Julian calendar.
        if CUTOVER <= gregorian { gregorian } else { julian }
    }

    /// The combination of fields that was completed last.
    fn day_from(&self) -> DayFrom {
        let weekday = self.stamp(DateField::DayOfWeek);
        let day_of_month = self.stamp(DateField::DayOfMonth);
        let day_of_year = self.stamp(DateField::DayOfYear);
        let mut week_of_month = self.pair(DateField::WeekOfMonth, DateField::DayOfWeek);
        let mut in_month = self.pair(DateField::DayOfWeekInMonth, DateField::DayOfWeek);
        let mut week_of_year = self.pair(DateField::WeekOfYear, DateField::DayOfWeek);
        let mut best = day_of_month.max(week_of_month).max(in_month).max(day_of_year).max(week_of_year);
        if best == 0 {
            // No combination is complete: a week alone will do, or a weekday alone as the first of its kind.
            week_of_month = self.stamp(DateField::WeekOfMonth);
            in_month = self.stamp(DateField::DayOfWeekInMonth).max(weekday);
            week_of_year = self.stamp(DateField::WeekOfYear);
            best = week_of_month.max(in_month).max(week_of_year);
        }
        let before_week_of_year = |field| self.stamp(DateField::WeekOfYear) <= self.stamp(field);
        if best == 0 || best == day_of_month {
            DayFrom::DayOfMonth
        } else if best == week_of_month && before_week_of_year(DateField::WeekOfMonth)
            || best == in_month && before_week_of_year(DateField::DayOfWeekInMonth)
        {
            let prefers_week = if week_of_month == in_month {
                self.stamp(DateField::DayOfWeekInMonth) <= self.stamp(DateField::WeekOfMonth)
            } else {
                best == week_of_month
            };
            if prefers_week { DayFrom::WeekOfMonth } else { DayFrom::WeekdayInMonth }
        } else if best == day_of_year {
            DayFrom::DayOfYear
        } else {
            DayFrom::WeekOfYear
        }
    }

    /// The day in one of the two calendars.
    fn day_in(&self, from: &DayFrom, year: i64, count: fn(i64, i64, i64) -> i64) -> i64 {
        let months = self.value(DateField::Month);
        let (month_year, month) = (year + months.div_euclid(12), months.rem_euclid(12));
        // 0 for Sunday; numbers that are no weekday wrap.
        let weekday = (self.stamp(DateField::DayOfWeek) != 0).then(|| self.value(DateField::DayOfWeek) - 1);
        match from {
            DayFrom::DayOfMonth => {
                let set = self.stamp(DateField::DayOfMonth) != 0;
                count(month_year, month, 1) + if set { self.value(DateField::DayOfMonth) - 1 } else { 0 }
            }
            DayFrom::WeekOfMonth => {
                let mut day = on_or_before(count(month_year, month, 1), 0);
                if let Some(weekday) = weekday {
                    day = on_or_before(day + 6, weekday);
                }
                day + 7 * (self.value(DateField::WeekOfMonth) - 1)
            }
            DayFrom::WeekdayInMonth => {
                let first = count(month_year, month, 1);
                let set = self.stamp(DateField::DayOfWeekInMonth) != 0;
                let which = if set { self.value(DateField::DayOfWeekInMonth) } else { 1 };
                let bound = if which < 0 { month_len(month_year, month) + 7 * (which + 1) } else { 7 * which };
                on_or_before(first + bound - 1, weekday.unwrap_or(0))
            }
            DayFrom::DayOfYear => count(year, 0, 1) + self.value(DateField::DayOfYear) - 1,
            DayFrom::WeekOfYear => {
                let mut day = on_or_before(count(year, 0, 1), 0);
                if let Some(weekday) = weekday.filter(|&weekday| weekday != 0) {
                    day = on_or_before(day + 6, weekday);
                }
                day + 7 * (self.value(DateField::WeekOfYear) - 1)
            }
        }
    }

    /// The day that week year, week and weekday say.
    fn week_date(&self) -> i64 {
        let mut week = if self.stamp(DateField::WeekOfYear) == 0 { 1 } else { self.value(DateField::WeekOfYear) };
        let mut weekday = if self.stamp(DateField::DayOfWeek) == 0 { 0 } else { self.value(DateField::DayOfWeek) - 1 };
        if !(0..7).contains(&weekday) {
            // Such a number was meant to count from Monday.
            let iso = weekday + 1;
            if 8 <= iso {
                week += (iso - 1) / 7;
                weekday = ((iso - 1) % 7 + 1) % 7;
            } else {
                let weeks = (7 - iso) / 7;
                week -= weeks;
                weekday = (iso + 7 * weeks) % 7;
            }
        }
        let year = self.in_era(self.value(DateField::WeekYear));
        let mut first = Self::default();
        first.set(DateField::Year, year as i32);
        first.set(DateField::WeekOfYear, 1);
        first.set(DateField::DayOfWeek, 1);
        first.day(0) + weekday + 7 * (week - 1)
    }
}

/// Days of a month of the hybrid calendar, the switch aside.
fn month_len(year: i64, month: i64) -> i64 {
    let leap = if CUTOVER_YEAR < year {
        year.rem_euclid(4) == 0 && (year.rem_euclid(100) != 0 || year.rem_euclid(400) == 0)
    } else {
        year.rem_euclid(4) == 0
    };
    match month {
        1 => 28 + i64::from(leap),
        3 | 5 | 8 | 10 => 30,
        _ => 31,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_set_is_the_epoch() {
        assert_eq!(DateFields::default().instant(), 0);
    }

    #[test]
    fn the_fields_set_last_win() {
        let mut fields = DateFields::default();
        fields.set(DateField::DayOfMonth, 20);
        fields.set(DateField::DayOfYear, 3);
        assert_eq!(fields.instant(), 2 * DAY_MS);
        fields.set(DateField::DayOfMonth, 10);
        assert_eq!(fields.instant(), 9 * DAY_MS);
    }
}
