//! What plugins count themselves, and how far their tasks have come: names that no table knows.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Most metrics of one plugin in a connector or task, and pieces of work under way at a time.
const MAX_METRICS: usize = 100;
const MAX_PROGRESS: usize = 100;
/// Longest name of a metric, and texts about it, in characters.
const MAX_NAME: usize = 100;
const MAX_HELP: usize = 500;
const MAX_WHAT: usize = 200;
const MAX_UNIT: usize = 50;
/// Ends of names that Prometheus gives a meaning.
const RESERVED: [&str; 6] = ["_total", "_bucket", "_count", "_sum", "_created", "_info"];

/// What a metric of a plugin's own is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum CustomKind {
    /// A sum that never goes back.
    Counter,
    /// How much there is of something.
    Gauge,
}

/// A metric of a plugin's own at a moment.
#[derive(Clone, Debug, PartialEq)]
pub struct CustomMetric {
    /// What it is.
    pub kind: CustomKind,
    /// What it means; empty if the plugin has not said.
    pub help: String,
    /// Its value.
    pub value: f64,
}

/// How far one piece of work has come.
#[derive(Clone, Debug, PartialEq)]
pub struct Progress {
    /// How much is done, in units.
    pub done: f64,
    /// How much there is to do, as far as that is known.
    pub total: Option<f64>,
    /// What is counted, in the plural.
    pub unit: String,
}

/// Why a plugin's metric or progress was not taken.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[expect(missing_docs, reason = "the messages say what the variants and fields are")]
pub enum InvalidCustom {
    #[error("a metric cannot be named {name:?}: a name has 1 to {MAX_NAME} letters, digits and _, no digit first")]
    Name { name: String },
    #[error("a metric cannot be named {name:?}: Prometheus gives names that end in {end} a meaning of its own")]
    Reserved { name: String, end: &'static str },
    #[error("{name} is a {is} already")]
    OtherKind { name: String, is: &'static str },
    #[error("{name} cannot be the {max}st metric of this plugin: it may have {}", max - 1)]
    TooMany { name: String, max: usize },
    #[error("{value} is not a finite number{}", if *.at_least_zero { " of at least 0" } else { "" })]
    Value { value: String, at_least_zero: bool },
    #[error("the {what} is longer than {max} characters, or empty")]
    Text { what: &'static str, max: usize },
    #[error("{what:?} cannot be the {max}st piece of work under way: there may be {}", max - 1)]
    TooMuchWork { what: String, max: usize },
}

/// What the instances of one plugin count themselves in one connector or task.
#[derive(Debug, Default)]
pub struct Custom(Mutex<Counted>);

#[derive(Clone, Debug, Default)]
struct Counted {
    metrics: BTreeMap<String, CustomMetric>,
    progress: BTreeMap<String, Progress>,
}

impl CustomKind {
    fn name(self) -> &'static str {
        match self {
            Self::Counter => "counter",
            Self::Gauge => "gauge",
        }
    }
}

impl Custom {
    /// Says what a metric is before it has a value.
    ///
    /// # Errors
    ///
    /// A name that Prometheus would not take, one that is another kind already, a metric too many, a help too long.
    pub fn declare(&self, name: &str, kind: CustomKind, help: &str) -> Result<(), InvalidCustom> {
        if MAX_HELP < help.chars().count() {
            return Err(InvalidCustom::Text { what: "help", max: MAX_HELP });
        }
        self.counted().metric(name, kind)?.help = help.to_owned();
        Ok(())
    }

    /// Adds to a counter.
    ///
    /// # Errors
    ///
    /// As [`Self::declare`]; a number that is not finite, or negative.
    pub fn count(&self, name: &str, more: f64) -> Result<(), InvalidCustom> {
        if !(more.is_finite() && 0.0 <= more) {
            return Err(InvalidCustom::Value { value: more.to_string(), at_least_zero: true });
        }
        self.counted().metric(name, CustomKind::Counter)?.value += more;
        Ok(())
    }

    /// Sets a gauge.
    ///
    /// # Errors
    ///
    /// As [`Self::declare`]; a number that is not finite.
    pub fn gauge(&self, name: &str, value: f64) -> Result<(), InvalidCustom> {
        if !value.is_finite() {
            return Err(InvalidCustom::Value { value: value.to_string(), at_least_zero: false });
        }
        self.counted().metric(name, CustomKind::Gauge)?.value = value;
        Ok(())
    }

    /// How far a piece of work has come; none when it is through.
    ///
    /// # Errors
    ///
    /// A number that is not finite or negative, a text too long or empty, a piece of work too many.
    pub fn report_progress(&self, what: &str, now: Option<Progress>) -> Result<(), InvalidCustom> {
        let Some(now) = now else {
            self.counted().progress.remove(what);
            return Ok(());
        };
        let texts = [("name of the work", what, MAX_WHAT), ("unit", &now.unit, MAX_UNIT)];
        for (name, text, max) in texts {
            if text.is_empty() || max < text.chars().count() {
                return Err(InvalidCustom::Text { what: name, max });
            }
        }
        for number in [Some(now.done), now.total].into_iter().flatten() {
            if !(number.is_finite() && 0.0 <= number) {
                return Err(InvalidCustom::Value { value: number.to_string(), at_least_zero: true });
            }
        }
        let mut counted = self.counted();
        if counted.progress.len() == MAX_PROGRESS && !counted.progress.contains_key(what) {
            return Err(InvalidCustom::TooMuchWork { what: what.to_owned(), max: MAX_PROGRESS + 1 });
        }
        counted.progress.insert(what.to_owned(), now);
        Ok(())
    }

    /// Nothing is under way any more.
    pub fn forget_progress(&self) {
        self.counted().progress.clear();
    }

    /// The metrics by name.
    pub fn metrics(&self) -> Vec<(String, CustomMetric)> {
        self.counted().metrics.iter().map(|(name, metric)| (name.clone(), metric.clone())).collect()
    }

    /// What is under way, by name.
    pub fn progress(&self) -> Vec<(String, Progress)> {
        self.counted().progress.iter().map(|(what, progress)| (what.clone(), progress.clone())).collect()
    }

    fn counted(&self) -> MutexGuard<'_, Counted> {
        // Nothing panics while it is held, and every value of it is sound.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Counted {
    fn metric(&mut self, name: &str, kind: CustomKind) -> Result<&mut CustomMetric, InvalidCustom> {
        if !self.metrics.contains_key(name) {
            check_name(name)?;
            if self.metrics.len() == MAX_METRICS {
                return Err(InvalidCustom::TooMany { name: name.to_owned(), max: MAX_METRICS + 1 });
            }
        }
        let fresh = || CustomMetric { kind, help: String::new(), value: 0.0 };
        let metric = self.metrics.entry(name.to_owned()).or_insert_with(fresh);
        if metric.kind == kind {
            return Ok(metric);
        }
        Err(InvalidCustom::OtherKind { name: name.to_owned(), is: metric.kind.name() })
    }
}

fn check_name(name: &str) -> Result<(), InvalidCustom> {
    let sound = (1..=MAX_NAME).contains(&name.len())
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
        && !name.starts_with(|c: char| c.is_ascii_digit());
    if !sound {
        return Err(InvalidCustom::Name { name: name.chars().take(MAX_NAME).collect() });
    }
    match RESERVED.into_iter().find(|end| name.ends_with(end)) {
        Some(end) => Err(InvalidCustom::Reserved { name: name.to_owned(), end }),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counters_add_up_and_gauges_are_set() {
        let custom = Custom::default();
        custom.declare("parsed", CustomKind::Counter, "Lines that were parsed").unwrap();
        custom.count("parsed", 2.0).unwrap();
        custom.count("parsed", 0.5).unwrap();
        custom.gauge("depth", 7.0).unwrap();
        custom.gauge("depth", -1.0).unwrap();
        let metrics = custom.metrics();
        let seen: Vec<_> = metrics.iter().map(|(name, metric)| (name.as_str(), metric.kind, metric.value)).collect();
        assert_eq!(seen, [("depth", CustomKind::Gauge, -1.0), ("parsed", CustomKind::Counter, 2.5)]);
        assert_eq!(metrics[1].1.help, "Lines that were parsed");
    }

    #[test]
    fn names_values_and_numbers_of_metrics_are_bounded() {
        let custom = Custom::default();
        for name in ["", "1a", "a-b", "a b", "ä", "x".repeat(101).as_str()] {
            assert!(matches!(custom.count(name, 1.0), Err(InvalidCustom::Name { .. })), "{name}");
        }
        assert!(matches!(custom.count("rows_total", 1.0), Err(InvalidCustom::Reserved { end: "_total", .. })));
        for value in [-1.0, f64::NAN, f64::INFINITY] {
            assert!(matches!(custom.count("a", value), Err(InvalidCustom::Value { .. })), "{value}");
        }
        assert!(custom.gauge("a", f64::NAN).is_err());
        assert_eq!(custom.metrics(), []);
        for number in 0..100 {
            custom.count(&format!("m{number}"), 1.0).unwrap();
        }
        let refused = custom.count("m100", 1.0).unwrap_err().to_string();
        assert_eq!(refused, "m100 cannot be the 101st metric of this plugin: it may have 100");
        assert_eq!(custom.gauge("m1", 1.0).unwrap_err().to_string(), "m1 is a counter already");
        custom.count("m1", 1.0).unwrap();
    }

    #[test]
    fn a_piece_of_work_is_shown_until_it_is_through() {
        let custom = Custom::default();
        let rows = |done, total| Progress { done, total, unit: "rows".to_owned() };
        custom.report_progress("orders", Some(rows(10.0, None))).unwrap();
        custom.report_progress("orders", Some(rows(20.0, Some(40.0)))).unwrap();
        custom.report_progress("lines", Some(rows(0.0, Some(0.0)))).unwrap();
        assert_eq!(custom.progress().len(), 2);
        custom.report_progress("lines", None).unwrap();
        custom.report_progress("nothing", None).unwrap();
        assert_eq!(custom.progress(), [("orders".to_owned(), rows(20.0, Some(40.0)))]);
        assert!(custom.report_progress("", Some(rows(1.0, None))).is_err());
        assert!(custom.report_progress("x", Some(rows(-1.0, None))).is_err());
        for number in 1..100 {
            custom.report_progress(&number.to_string(), Some(rows(1.0, None))).unwrap();
        }
        assert!(custom.report_progress("another", Some(rows(1.0, None))).is_err());
        custom.forget_progress();
        assert_eq!(custom.progress(), []);
    }
}
