//! The moving window of one value, by Kafka's rules: a few samples, each of what happened within a while.
//!
//! A plain value that reads no clock. A sample begins with the first thing recorded after the one before was complete; one
//! in which nothing was recorded for a whole window counts no more. A window that is not full yet counts as if all samples
//! but the last were, so that the first event of a task is not shown as a high rate.

use std::time::{Duration, Instant};

use crate::value::Recorded;

/// Most samples that are kept of a value, whatever is configured.
const MAX_SAMPLES: usize = 1_000;

/// How long a window is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct WindowSettings {
    /// Samples in it (`metrics.num.samples`); more than a thousand count as a thousand.
    pub samples: usize,
    /// Time that each covers (`metrics.sample.window.ms`).
    pub length: Duration,
}

impl Default for WindowSettings {
    /// Connect's own.
    fn default() -> Self {
        Self { samples: 2, length: Duration::from_secs(30) }
    }
}

impl WindowSettings {
    fn samples(&self) -> usize {
        self.samples.clamp(1, MAX_SAMPLES)
    }

    fn whole(&self) -> Duration {
        self.length.saturating_mul(self.samples() as u32)
    }
}

#[derive(Clone, Copy, Debug)]
struct Sample {
    begun: Instant,
    last: Instant,
    recorded: Recorded,
}

impl Recorded {
    pub(crate) const NOTHING: Self = Self { count: 0, sum: 0, largest: 0, smallest: u64::MAX };

    fn add(&mut self, other: Self) {
        self.count = self.count.saturating_add(other.count);
        self.sum = self.sum.saturating_add(other.sum);
        self.largest = self.largest.max(other.largest);
        self.smallest = self.smallest.min(other.smallest);
    }
}

impl Sample {
    fn new(now: Instant) -> Self {
        Self { begun: now, last: now, recorded: Recorded::NOTHING }
    }
}

/// See the module's documentation.
#[derive(Clone, Debug, Default)]
pub(crate) struct Window {
    samples: Vec<Sample>,
    current: usize,
}

impl Window {
    /// Something was recorded at `now`.
    pub(crate) fn record(&mut self, recorded: Recorded, now: Instant, settings: WindowSettings) {
        if self.samples.is_empty() {
            self.samples.push(Sample::new(now));
        } else if settings.length <= now.saturating_duration_since(self.samples[self.current].begun) {
            // One more than the window has, since the oldest reaches into it.
            self.current = (self.current + 1) % (settings.samples() + 1);
            match self.samples.get_mut(self.current) {
                Some(sample) => *sample = Sample::new(now),
                None => self.samples.push(Sample::new(now)),
            }
        }
        let sample = &mut self.samples[self.current];
        sample.recorded.add(recorded);
        sample.last = now;
    }

    /// What is in the window at `now`, and how long it is for a rate.
    pub(crate) fn at(&mut self, now: Instant, settings: WindowSettings) -> (Recorded, Duration) {
        if self.samples.is_empty() {
            // As in Kafka, the first look begins a sample, too.
            self.samples.push(Sample::new(now));
        }
        let (mut all, mut oldest) = (Recorded::NOTHING, now);
        for sample in &mut self.samples {
            if settings.whole() <= now.saturating_duration_since(sample.last) {
                *sample = Sample::new(now);
            }
            all.add(sample.recorded);
            oldest = oldest.min(sample.begun);
        }
        let mut elapsed = now.saturating_duration_since(oldest);
        let full = if settings.length.is_zero() { 0 } else { elapsed.as_millis() / settings.length.as_millis().max(1) };
        let wanted = settings.samples() as u32 - 1;
        let missing = wanted.saturating_sub(u32::try_from(full).unwrap_or(u32::MAX));
        elapsed = elapsed.saturating_add(settings.length.saturating_mul(missing));
        (all, elapsed.max(Duration::from_millis(1)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Recorded with Kafka's own classes.
    #[test]
    fn windows_are_kafkas() {
        let recorded = include_str!("../testdata/windows.txt");
        let begin = Instant::now();
        let at = |ms: &str| begin + Duration::from_millis(ms.parse().unwrap());
        let (mut settings, mut window) = (WindowSettings::default(), Window::default());
        // Windows in which there was something, and values that were compared.
        let (mut filled, mut compared) = (0, 0);
        for line in recorded.lines().filter(|line| !line.starts_with('!')) {
            match *line.split(' ').collect::<Vec<_>>() {
                ["#", samples, length] => {
                    let length = Duration::from_millis(length.parse().unwrap());
                    settings = WindowSettings { samples: samples.parse().unwrap(), length };
                    window = Window::default();
                }
                ["r", now, value] => {
                    let value = value.parse().unwrap();
                    let once = Recorded { count: 1, sum: value, largest: value, smallest: value };
                    window.record(once, at(now), settings);
                }
                ["m", now, rate, average, largest, smallest] => {
                    let (all, elapsed) = window.at(at(now), settings);
                    let of = |extreme: u64| if all.count == 0 { f64::NAN } else { extreme as f64 };
                    let rate_here = all.sum as f64 / elapsed.as_secs_f64();
                    let average_here = all.sum as f64 / all.count as f64;
                    for (here, there) in [
                        (rate_here, rate),
                        (average_here, average),
                        (of(all.largest), largest),
                        (of(all.smallest), smallest),
                    ] {
                        let there: f64 = there.parse().unwrap();
                        let same = (here.is_nan() && there.is_nan()) || (here - there).abs() <= there.abs() * 1e-12;
                        assert!(same, "{line}: {here} instead of {there}, {settings:?}");
                        compared += 1;
                    }
                    filled += usize::from(all.count != 0);
                }
                _ => panic!("{line}"),
            }
        }
        assert_eq!(compared, 4 * recorded.lines().filter(|line| line.starts_with("m ")).count());
        assert!(80 < filled, "{filled}");
    }

    #[test]
    fn settings_that_make_no_sense_do_no_harm() {
        let now = Instant::now();
        let once = Recorded { count: 1, sum: 1, largest: 1, smallest: 1 };
        for (samples, length) in
            [(0, Duration::ZERO), (usize::MAX, Duration::from_secs(u64::MAX)), (usize::MAX, Duration::ZERO)]
        {
            let (settings, mut window) = (WindowSettings { samples, length }, Window::default());
            for ms in 0..3_000 {
                window.record(once, now + Duration::from_millis(ms), settings);
            }
            assert!(window.samples.len() <= MAX_SAMPLES + 1);
            window.at(now + Duration::from_secs(3), settings);
        }
    }
}
