//! What a group of metrics is: rows of a table, and the macro that declares them together with their instruments.

use crate::value::Value;

/// How an attribute follows from its instrument.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Statistic {
    /// The sum since the group exists.
    Total,
    /// The sum per second, over the moving window.
    Rate,
    /// As it is at the moment.
    Current,
    /// The largest in the moving window; not a number without one.
    Max,
    /// The average over the moving window; not a number without one.
    Average,
    /// The share of this counter in the sum of the attributes named, over the moving window: 0 to 1, 0 without any.
    ShareWith(&'static str),
}

/// What a value counts.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Unit {
    /// Records.
    Records,
    /// Events of any kind.
    Count,
    /// Bytes.
    Bytes,
    /// Milliseconds.
    Millis,
    /// Nanoseconds.
    Nanos,
    /// Milliseconds since 1970.
    Time,
}

/// One metric as it is shown.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Attribute {
    /// Its name within the group.
    pub name: &'static str,
    /// The instrument it is read from, by the name of the group's field.
    pub instrument: &'static str,
    /// How it follows from that.
    pub statistic: Statistic,
    /// What it counts.
    pub unit: Unit,
    /// What it means, as a sentence without full stop.
    pub help: &'static str,
}

/// A kind of group: the table that is shown, documented and counted.
#[derive(Debug)]
pub struct GroupDefinition {
    /// Connect's name of the group, or one of ours.
    pub name: &'static str,
    /// What it is about, for people.
    pub about: &'static str,
    /// What tells the groups of this kind apart.
    pub labels: &'static [&'static str],
    /// Its metrics.
    pub attributes: &'static [Attribute],
}

/// The instruments of one thing that is counted: of a task, an instance, a client.
pub trait Group: Default + Send + Sync + 'static {
    /// Its rows.
    const DEFINITION: &'static GroupDefinition;

    /// What each instrument says, by its name.
    fn values(&self) -> Vec<(&'static str, Value)>;

    /// Begins a new window for what is the largest in one.
    fn end_window(&self);
}

/// Declares a group: its name, labels, instruments, and the attributes that are read from each.
macro_rules! group {
    (
        $(#[doc = $about:literal])+
        $group:ident = $name:literal by $labels:expr;
        $(
            $field:ident: $instrument:ty, $unit:ident, $help:literal => {
                $($attribute:literal: $statistic:expr),+ $(,)?
            }
        )+
    ) => {
        $(#[doc = $about])+
        #[derive(Debug, Default)]
        pub struct $group {
            $(#[doc = $help] pub $field: $instrument,)+
        }

        impl crate::table::Group for $group {
            const DEFINITION: &'static crate::table::GroupDefinition = &crate::table::GroupDefinition {
                name: $name,
                about: concat!($($about),+),
                labels: &$labels,
                attributes: &[$($(crate::table::Attribute {
                    name: $attribute,
                    instrument: stringify!($field),
                    statistic: $statistic,
                    unit: crate::table::Unit::$unit,
                    help: $help,
                }),+),+],
            };

            fn values(&self) -> Vec<(&'static str, crate::value::Value)> {
                vec![$((stringify!($field), crate::instrument::Instrument::read(&self.$field))),+]
            }

            fn end_window(&self) {
                $(crate::instrument::Instrument::end_window(&self.$field);)+
            }
        }
    };
}
pub(crate) use group;
