//! Metrics as they are shown at a moment: with rates, averages and extremes of the moving window.
//!
//! [`Watch`] looks at the instruments from time to time, what is new since the last look being recorded at the time of this
//! one: counting itself knows no time. It reads no clock. Whoever shows metrics looks once more before, so that nothing is
//! missing; several may.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::lifecycle::share;
use crate::registry::{Labels, Metrics, Reading};
use crate::table::{Attribute, GroupDefinition, Statistic};
use crate::value::{BOUNDS, Recorded, Value};
use crate::window::{Window, WindowSettings};

/// Looks within one sample of a window.
const LOOKS: u32 = 10;

/// Shortest and longest time between two looks.
const SHORTEST_LOOK: Duration = Duration::from_millis(100);
const LONGEST_LOOK: Duration = Duration::from_secs(5);

/// The windows of all metrics.
#[derive(Debug)]
pub struct Watch {
    metrics: Metrics,
    settings: WindowSettings,
    /// By the group's id, of those in which something was recorded, or that were shown.
    groups: BTreeMap<u64, Windows>,
    /// How often it has looked.
    looks: u64,
}

#[derive(Debug, Default)]
struct Windows {
    /// By instrument, for those that have one.
    windows: Vec<(&'static str, Window)>,
    /// Count and sum of these at the last look.
    before: Vec<(u64, u64)>,
    /// The last look at which the group was there.
    seen: u64,
}

/// What is shown of one attribute.
#[derive(Clone, Debug, PartialEq)]
pub enum Shown {
    /// A number; may be infinite or none.
    Number(f64),
    /// A sum that never goes back, or a count.
    Whole(i128),
    /// A text.
    Text(Arc<str>),
    /// How many there are up to each of the bounds, smaller ones included; their number and sum.
    Buckets {
        /// Upper bounds in seconds, without infinity.
        up_to: Vec<(f64, u64)>,
        /// All of them.
        count: u64,
        /// Their sum in seconds.
        sum: f64,
    },
}

/// One group at a moment.
#[derive(Clone, Debug)]
pub struct ShownGroup {
    /// What kind of group it is.
    pub definition: &'static GroupDefinition,
    /// Which one.
    pub labels: Labels,
    /// Its attributes in the order of the table; a text that is empty is left out.
    pub attributes: Vec<(&'static Attribute, Shown)>,
}

impl Watch {
    /// Windows that begin now. There may be one for a [`Metrics`]: it takes what is the largest.
    pub fn new(metrics: Metrics, settings: WindowSettings) -> Self {
        Self { metrics, settings, groups: BTreeMap::new(), looks: 0 }
    }

    /// How often to [look](Self::look).
    pub fn interval(&self) -> Duration {
        (self.settings.length / LOOKS).clamp(SHORTEST_LOOK, LONGEST_LOOK)
    }

    /// Records what is new. Costs little for a group in which nothing was recorded.
    pub fn look(&mut self, now: Instant) {
        self.looks += 1;
        let Self { metrics, settings, groups, looks } = self;
        let mut seen = 0;
        metrics.take_each(|id, recorded| {
            if let Some(windows) = groups.get_mut(&id) {
                windows.record(recorded, now, *settings);
                windows.seen = *looks;
            } else if recorded.iter().any(|(_, recorded)| recorded.count != 0) {
                let mut windows = Windows::of(recorded.iter().map(|(name, _)| *name), *looks);
                windows.record(recorded, now, *settings);
                groups.insert(id, windows);
            } else {
                return;
            }
            seen += 1;
        });
        if seen < groups.len() {
            groups.retain(|_, windows| windows.seen == *looks);
        }
    }

    /// Everything, by the order of groups' names and labels.
    pub fn show(&mut self, now: Instant) -> Vec<ShownGroup> {
        self.look(now);
        let Self { metrics, settings, groups, looks } = self;
        let show = |reading: Reading| {
            let windows = groups.entry(reading.id).or_insert_with(|| Windows::of(with_window(&reading), *looks));
            let shown =
                |attribute: &'static Attribute| Some((attribute, shown(attribute, &reading, windows, now, *settings)?));
            let attributes = reading.definition.attributes.iter().filter_map(shown).collect();
            Some(ShownGroup { definition: reading.definition, labels: reading.labels, attributes })
        };
        metrics.read_at(now).into_iter().filter_map(show).collect()
    }
}

/// Names of the instruments that have a window.
fn with_window(reading: &Reading) -> impl Iterator<Item = &'static str> {
    let has_window = |value: &Value| matches!(value, Value::Total(_) | Value::Distribution { .. });
    reading.values.iter().filter(move |(_, value)| has_window(value)).map(|(name, _)| *name)
}

impl Windows {
    fn of(names: impl Iterator<Item = &'static str>, looks: u64) -> Self {
        let windows: Vec<_> = names.map(|name| (name, Window::default())).collect();
        Self { before: vec![(0, 0); windows.len()], windows, seen: looks }
    }

    fn record(&mut self, recorded: &[(&'static str, Recorded)], now: Instant, settings: WindowSettings) {
        for (((_, value), (_, window)), before) in recorded.iter().zip(&mut self.windows).zip(&mut self.before) {
            let (count, sum) = (value.count.wrapping_sub(before.0), value.sum.wrapping_sub(before.1));
            if count != 0 {
                *before = (value.count, value.sum);
                window.record(Recorded { count, sum, ..*value }, now, settings);
            }
        }
    }

    fn at(&mut self, instrument: &str, now: Instant, settings: WindowSettings) -> Option<(Recorded, Duration)> {
        let (_, window) = self.windows.iter_mut().find(|(name, _)| *name == instrument)?;
        Some(window.at(now, settings))
    }
}

fn shown(
    attribute: &Attribute,
    reading: &Reading,
    windows: &mut Windows,
    now: Instant,
    settings: WindowSettings,
) -> Option<Shown> {
    let (_, value) = reading.values.iter().find(|(name, _)| *name == attribute.instrument)?;
    let mut within = |instrument| windows.at(instrument, now, settings);
    let number = |number: f64| Some(Shown::Number(number));
    let per = |unit: f64, (recorded, elapsed): (Recorded, Duration)| {
        number(recorded.sum as f64 / elapsed.as_secs_f64() * unit)
    };
    match (attribute.statistic, value) {
        (Statistic::Total | Statistic::Time, Value::Total(total)) => Some(Shown::Whole((*total).into())),
        (Statistic::Total, Value::Distribution { sum, .. }) => Some(Shown::Whole((*sum).into())),
        (Statistic::Current, Value::Current(value)) => Some(Shown::Whole((*value).into())),
        (Statistic::Rate, _) => per(1.0, within(attribute.instrument)?),
        (Statistic::RatePerHour, _) => per(3600.0, within(attribute.instrument)?),
        (Statistic::Max, _) => {
            let (recorded, _) = within(attribute.instrument)?;
            number(if recorded.count == 0 { f64::NAN } else { recorded.largest as f64 })
        }
        (Statistic::Min, _) => {
            let (recorded, _) = within(attribute.instrument)?;
            number(if recorded.count == 0 { f64::NAN } else { recorded.smallest as f64 })
        }
        (Statistic::Average, _) => {
            let (recorded, _) = within(attribute.instrument)?;
            number(recorded.sum as f64 / recorded.count as f64)
        }
        (Statistic::ShareWith(other), _) => {
            let (own, other) = (within(attribute.instrument)?.0.sum, within(other)?.0.sum);
            number(if own == 0 { 0.0 } else { own as f64 / (own as f64 + other as f64) })
        }
        (Statistic::TimeIn(state), Value::States { lasted, .. }) => number(share(state, lasted)),
        (Statistic::MillisSince, Value::Ago(ago)) => number(ago.map_or(f64::INFINITY, |ago| ago.as_millis() as f64)),
        (Statistic::SecondsSince, Value::Ago(ago)) => {
            Some(Shown::Whole(ago.map_or(-1, |ago| i128::from(ago.as_secs()))))
        }
        (Statistic::Text, Value::Text(text)) => (!text.is_empty()).then(|| Shown::Text(Arc::clone(text))),
        (Statistic::Text, Value::States { current, .. }) => Some(Shown::Text((*current)?.name().into())),
        (Statistic::Buckets, Value::Histogram { counts, sum }) => {
            let mut count = 0;
            let mut below = |(bound, more): (&Duration, &u64)| {
                count += more;
                (bound.as_secs_f64(), count)
            };
            let up_to = BOUNDS.iter().zip(counts).map(&mut below).collect();
            let count = counts.iter().sum();
            Some(Shown::Buckets { up_to, count, sum: sum.as_secs_f64() })
        }
        // A test below sees that no attribute of the table comes here.
        _ => None,
    }
}

#[cfg(test)]
mod tests;
