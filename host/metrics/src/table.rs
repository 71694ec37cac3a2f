//! What a group of metrics is: rows of a table, and the macro that declares them together with their instruments.

use std::time::Instant;

use crate::state::State;
use crate::value::{Recorded, Value};

/// How an attribute follows from its instrument.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Statistic {
    /// The sum since the group exists.
    Total,
    /// The sum per second, over the moving window.
    Rate,
    /// The events per hour, over the moving window.
    RatePerHour,
    /// As it is at the moment.
    Current,
    /// The largest in the moving window; not a number without one.
    Max,
    /// The smallest in the moving window; not a number without one.
    Min,
    /// The average over the moving window; not a number without one.
    Average,
    /// The share of this counter in the sum of it and the instrument named, over the moving window: 0 to 1, 0 without any.
    ShareWith(&'static str),
    /// The share of a state in the time since the group exists: 0 to 1.
    TimeIn(State),
    /// Milliseconds since something happened last; infinite if it never has.
    MillisSince,
    /// Whole seconds since something happened last; -1 if it never has.
    SecondsSince,
    /// A time by the calendar.
    Time,
    /// How many fell into which bucket.
    Buckets,
    /// A text.
    Text,
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
    /// Seconds.
    Seconds,
    /// Nanoseconds.
    Nanos,
    /// Milliseconds since 1970.
    Time,
    /// None: a text.
    Word,
}

/// Who has given a group its names.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Origin {
    /// Kafka Connect.
    Connect,
    /// Kafka's clients.
    Client,
    /// Nobody but Millstream.
    Ours,
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
    /// Whose name that is.
    pub origin: Origin,
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
    fn values(&self, now: Instant) -> Vec<(&'static str, Value)>;

    /// Hands over what each instrument that has a window has recorded, in the order of the rows; what is the largest or
    /// smallest is looked for anew from here on.
    fn take_recorded(&self, take: &mut dyn FnMut(&'static str, Recorded));
}

macro_rules! origin {
    (connect) => {
        crate::table::Origin::Connect
    };
    (client) => {
        crate::table::Origin::Client
    };
    (ours) => {
        crate::table::Origin::Ours
    };
}

/// Declares a group: whose it is, its name, labels, instruments, and the attributes that are read from each.
macro_rules! group {
    (
        $(#[doc = $about:literal])+
        $group:ident = $origin:ident $name:literal by $labels:expr;
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
            const DEFINITION: &'static crate::table::GroupDefinition = {
                // A static, so that it is known by its address.
                static DEFINITION: crate::table::GroupDefinition = crate::table::GroupDefinition {
                    name: $name,
                    origin: crate::table::origin!($origin),
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
                &DEFINITION
            };

            fn values(&self, now: std::time::Instant) -> Vec<(&'static str, crate::value::Value)> {
                vec![$((stringify!($field), crate::instrument::Instrument::read(&self.$field, now))),+]
            }

            fn take_recorded(&self, take: &mut dyn FnMut(&'static str, crate::value::Recorded)) {
                $(if let Some(recorded) = crate::instrument::Instrument::take(&self.$field) {
                    take(stringify!($field), recorded);
                })+
            }
        }
    };
}
pub(crate) use {group, origin};
