//! Settings of single groups, which Kafka keeps for groups whether they exist or not.
//!
//! Names, types, defaults, limits and words are those of Apache Kafka 4.3. Those of share and streams groups are kept and
//! told, and have no effect: such groups are not served.

use std::collections::BTreeMap;

use millstream_config::{
    ConfigType::{Boolean, Int, String as Text},
    Validator,
};

use super::keys::{self, Key};

/// What is set for one group, by key.
pub type OwnSettings = BTreeMap<String, String>;

fn offset_reset() -> Validator {
    Validator::Custom("[latest, earliest, by_duration:PnDTnHnMn.nS]".to_owned())
}

const SESSION: &str = "consumer.session.timeout.ms";
const HEARTBEAT: &str = "consumer.heartbeat.interval.ms";
const ASSIGNMENT: &str = "consumer.assignment.interval.ms";

/// Keys of groups, in the order of names.
pub const GROUP_KEYS: &[Key] = &[
    Key::new(ASSIGNMENT, Int, Some("1000"), "Shortest time between two assignments of the group.")
        .min(0)
        .inherits("group.consumer.assignment.interval.ms"),
    Key::new(HEARTBEAT, Int, Some("5000"), "How often members are to send heartbeats.")
        .min(1)
        .inherits("group.consumer.heartbeat.interval.ms"),
    Key::new(SESSION, Int, Some("45000"), "How long a member is one without a heartbeat.")
        .min(1)
        .inherits("group.consumer.session.timeout.ms"),
    Key::new("share.assignment.interval.ms", Int, Some("1000"), "Has no effect: share groups are not served.")
        .min(0)
        .inherits("group.share.assignment.interval.ms"),
    Key::new("share.auto.offset.reset", Text, Some("latest"), "Has no effect.").validator(offset_reset),
    Key::new("share.delivery.count.limit", Int, Some("5"), "Has no effect.")
        .min(2)
        .inherits("group.share.delivery.count.limit"),
    Key::new("share.heartbeat.interval.ms", Int, Some("5000"), "Has no effect.")
        .min(1)
        .inherits("group.share.heartbeat.interval.ms"),
    Key::new("share.isolation.level", Text, Some("read_uncommitted"), "Has no effect.")
        .allowed(&["read_committed", "read_uncommitted"]),
    Key::new("share.partition.max.record.locks", Int, Some("2000"), "Has no effect.")
        .min(100)
        .inherits("group.share.partition.max.record.locks"),
    Key::new("share.record.lock.duration.ms", Int, Some("30000"), "Has no effect.")
        .min(1000)
        .inherits("group.share.record.lock.duration.ms"),
    Key::new("share.renew.acknowledge.enable", Boolean, Some("true"), "Has no effect."),
    Key::new("share.session.timeout.ms", Int, Some("45000"), "Has no effect.")
        .min(1)
        .inherits("group.share.session.timeout.ms"),
    Key::new("streams.assignment.interval.ms", Int, Some("1000"), "Has no effect: streams groups are not served.")
        .min(0)
        .inherits("group.streams.assignment.interval.ms"),
    Key::new("streams.heartbeat.interval.ms", Int, Some("5000"), "Has no effect.")
        .min(1)
        .inherits("group.streams.heartbeat.interval.ms"),
    Key::new("streams.initial.rebalance.delay.ms", Int, Some("3000"), "Has no effect.")
        .min(0)
        .inherits("group.streams.initial.rebalance.delay.ms"),
    Key::new("streams.num.standby.replicas", Int, Some("0"), "Has no effect.")
        .min(0)
        .inherits("group.streams.num.standby.replicas"),
    Key::new("streams.session.timeout.ms", Int, Some("45000"), "Has no effect.")
        .min(1)
        .inherits("group.streams.session.timeout.ms"),
];

/// The times of a group of the consumer protocol, in milliseconds.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct ConsumerTimes {
    /// How long a member is one without a heartbeat.
    pub session_ms: i32,
    /// How often members are to send heartbeats.
    pub heartbeat_ms: i32,
    /// Shortest time between two assignments.
    pub assignment_interval_ms: i32,
}

/// What the broker allows groups to set, and sets for those that do not: one of its keys, with its bounds.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Bounded {
    /// Lowest value.
    pub min: i32,
    /// Highest value.
    pub max: i32,
    /// Where a group sets none.
    pub default: i32,
}

/// The broker's bounds for [`ConsumerTimes`].
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct ConsumerBounds {
    /// `group.consumer.session.timeout.ms` and its min and max.
    pub session_ms: Bounded,
    /// `group.consumer.heartbeat.interval.ms` and its min and max.
    pub heartbeat_ms: Bounded,
    /// `group.consumer.assignment.interval.ms` and its min and max.
    pub assignment_interval_ms: Bounded,
}

impl ConsumerBounds {
    fn each(&self) -> [(&'static str, &'static str, Bounded); 3] {
        [
            (HEARTBEAT, "heartbeat.interval.ms", self.heartbeat_ms),
            (SESSION, "session.timeout.ms", self.session_ms),
            (ASSIGNMENT, "assignment.interval.ms", self.assignment_interval_ms),
        ]
    }

    /// Whether the broker's own settings fit together.
    ///
    /// # Errors
    ///
    /// The key that does not fit, and why, in Kafka's words.
    pub fn check(&self) -> Result<(), (String, String)> {
        for (_, name, Bounded { min, max, default }) in self.each() {
            let key = |what: &str| format!("group.consumer.{what}{name}");
            if max < min {
                return Err((key("max."), format!("it must be greater than or equal to {}", key("min."))));
            }
            if default < min {
                return Err((key(""), format!("it must be greater than or equal to {}", key("min."))));
            }
            if max < default {
                return Err((key(""), format!("it must be less than or equal to {}", key("max."))));
            }
        }
        if self.session_ms.default <= self.heartbeat_ms.default {
            let key = "group.consumer.heartbeat.interval.ms".to_owned();
            return Err((key, "it must be less than group.consumer.session.timeout.ms".to_owned()));
        }
        Ok(())
    }

    /// Whether what a group sets is allowed. Each value has been read.
    ///
    /// # Errors
    ///
    /// What is not, in Kafka's words.
    pub fn check_own(&self, own: &OwnSettings) -> Result<(), String> {
        for (key, name, bounds) in self.each() {
            let Some(value) = number(own, key) else { continue };
            if value < bounds.min {
                return Err(format!("{key} must be greater than or equal to group.consumer.min.{name}"));
            }
            if bounds.max < value {
                return Err(format!("{key} must be less than or equal to group.consumer.max.{name}"));
            }
        }
        let session = number(own, SESSION).unwrap_or(self.session_ms.default);
        if session <= number(own, HEARTBEAT).unwrap_or(self.heartbeat_ms.default) {
            return Err(format!("{SESSION} must be greater than {HEARTBEAT}"));
        }
        Ok(())
    }

    /// What is in effect for a group. What was set under other bounds is brought within those of now.
    pub fn effective(&self, own: &OwnSettings) -> ConsumerTimes {
        let within =
            |key, Bounded { min, max, default }: Bounded| number(own, key).map_or(default, |it| it.clamp(min, max));
        ConsumerTimes {
            session_ms: within(SESSION, self.session_ms),
            heartbeat_ms: within(HEARTBEAT, self.heartbeat_ms),
            assignment_interval_ms: within(ASSIGNMENT, self.assignment_interval_ms),
        }
    }
}

fn number(own: &OwnSettings, key: &str) -> Option<i32> {
    own.get(key)?.parse().ok()
}

/// Reads one setting of a group: the value as it is kept and shown.
///
/// # Errors
///
/// An unknown name or a value that it does not take, in words.
pub fn read(name: &str, value: &str) -> Result<String, String> {
    let key = keys::find(GROUP_KEYS, name).ok_or_else(|| format!("Unknown group config name: {name}"))?;
    let read = key.read(value).map_err(|error| error.message().to_owned())?;
    if name == "share.auto.offset.reset" && !is_offset_reset(&read) {
        return Err(format!(
            "Invalid value {value} for configuration {name}: Invalid value `{value}` for configuration {name}. The value \
             must be either 'earliest', 'latest' or of the format 'by_duration:<PnDTnHnMn.nS>'."
        ));
    }
    Ok(read)
}

/// Whether it is a word, or a duration that is not negative: `by_duration:PnDTnHnMn.nS`.
fn is_offset_reset(value: &str) -> bool {
    let Some(duration) = value.strip_prefix("by_duration:") else { return value == "earliest" || value == "latest" };
    let Some(parts) = duration.strip_prefix('P') else { return false };
    let (days, times) = parts.split_once('T').map_or((parts, None), |(days, times)| (days, Some(times)));
    let all_of = |text: &str, units: &str| {
        let mut units = units.chars();
        let mut rest = text;
        while let Some(at) = rest.find(|c: char| c.is_ascii_alphabetic()) {
            let (amount, unit) = (&rest[..at], &rest[at..=at]);
            let (whole, part) = amount.split_once('.').map_or((amount, None), |(whole, part)| (whole, Some(part)));
            let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
            let fits = digits(whole) && part.is_none_or(|part| unit == "S" && part.len() <= 9 && digits(part));
            if !fits || !units.any(|known| unit.starts_with(known)) {
                return false;
            }
            rest = &rest[at + 1..];
        }
        rest.is_empty()
    };
    let has_time = times.is_none_or(|times| !times.is_empty() && all_of(times, "HMS"));
    has_time && all_of(days, "D") && !(days.is_empty() && times.is_none())
}

#[cfg(test)]
mod tests {
    use super::*;

    const KAFKAS: ConsumerBounds = ConsumerBounds {
        session_ms: Bounded { min: 45_000, max: 60_000, default: 45_000 },
        heartbeat_ms: Bounded { min: 5_000, max: 15_000, default: 5_000 },
        assignment_interval_ms: Bounded { min: 0, max: 15_000, default: 1_000 },
    };

    fn own(pairs: &[(&str, &str)]) -> OwnSettings {
        pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn every_default_is_valid_and_keys_stand_in_the_order_of_names() {
        for key in GROUP_KEYS {
            let default = key.default.unwrap();
            assert_eq!(read(key.name, default).as_deref(), Ok(default), "{}", key.name);
        }
        assert!(GROUP_KEYS.is_sorted_by(|a, b| a.name < b.name));
    }

    #[test]
    fn every_broker_key_that_a_group_key_names_exists_with_the_same_default() {
        for key in GROUP_KEYS {
            let Some(name) = key.inherits else { continue };
            match keys::find(keys::BROKER_KEYS, name) {
                Some(of_broker) => assert_eq!(of_broker.default, key.default, "{name}"),
                None => assert!(keys::is_known_elsewhere(name), "{name}"),
            }
        }
    }

    #[test]
    fn what_a_group_sets_is_held_against_the_brokers_bounds_in_kafkas_words() {
        let cases = [
            (
                "consumer.session.timeout.ms",
                "1000",
                "must be greater than or equal to group.consumer.min.session.timeout.ms",
            ),
            (
                "consumer.session.timeout.ms",
                "70000",
                "must be less than or equal to group.consumer.max.session.timeout.ms",
            ),
            (
                "consumer.heartbeat.interval.ms",
                "1000",
                "must be greater than or equal to group.consumer.min.heartbeat.interval.ms",
            ),
            (
                "consumer.heartbeat.interval.ms",
                "60000",
                "must be less than or equal to group.consumer.max.heartbeat.interval.ms",
            ),
            (
                "consumer.assignment.interval.ms",
                "20000",
                "must be less than or equal to group.consumer.max.assignment.interval.ms",
            ),
        ];
        for (key, value, words) in cases {
            assert_eq!(KAFKAS.check_own(&own(&[(key, value)])), Err(format!("{key} {words}")));
        }
        let both = own(&[("consumer.session.timeout.ms", "46000"), ("consumer.heartbeat.interval.ms", "14000")]);
        assert_eq!(KAFKAS.check_own(&both), Ok(()));
        let narrow = ConsumerBounds { session_ms: Bounded { min: 1, ..KAFKAS.session_ms }, ..KAFKAS };
        let contrary = own(&[("consumer.session.timeout.ms", "5000")]);
        let words = "consumer.session.timeout.ms must be greater than consumer.heartbeat.interval.ms";
        assert_eq!(narrow.check_own(&contrary), Err(words.to_owned()));
    }

    #[test]
    fn what_is_in_effect_is_within_the_bounds_of_now() {
        let set = own(&[("consumer.session.timeout.ms", "50000"), ("consumer.heartbeat.interval.ms", "14000")]);
        let expected = ConsumerTimes { session_ms: 50_000, heartbeat_ms: 14_000, assignment_interval_ms: 1_000 };
        assert_eq!(KAFKAS.effective(&set), expected);
        let lower = Bounded { min: 1, max: 10, default: 5 };
        let bounds = ConsumerBounds { session_ms: lower, heartbeat_ms: lower, assignment_interval_ms: lower };
        let expected = ConsumerTimes { session_ms: 10, heartbeat_ms: 10, assignment_interval_ms: 5 };
        assert_eq!(bounds.effective(&set), expected);
    }

    #[test]
    fn the_brokers_settings_are_held_against_each_other() {
        assert_eq!(KAFKAS.check(), Ok(()));
        let with = |session_ms| ConsumerBounds { session_ms, ..KAFKAS }.check().unwrap_err();
        let (key, _) = with(Bounded { min: 70_000, ..KAFKAS.session_ms });
        assert_eq!(key, "group.consumer.max.session.timeout.ms");
        let (key, reason) = with(Bounded { default: 10_000, ..KAFKAS.session_ms });
        assert_eq!(key, "group.consumer.session.timeout.ms");
        assert_eq!(reason, "it must be greater than or equal to group.consumer.min.session.timeout.ms");
        let (key, _) = with(Bounded { default: 100_000, ..KAFKAS.session_ms });
        assert_eq!(key, "group.consumer.session.timeout.ms");
        let (key, _) = with(Bounded { min: 1, default: 5_000, ..KAFKAS.session_ms });
        assert_eq!(key, "group.consumer.heartbeat.interval.ms");
    }

    #[test]
    fn offsets_to_begin_at_are_a_word_or_a_duration() {
        for value in ["earliest", "latest", "by_duration:P1D", "by_duration:PT1H30M", "by_duration:P2DT0.5S"] {
            assert!(is_offset_reset(value), "{value}");
        }
        for value in
            ["never", "by_duration:", "by_duration:P", "by_duration:PT", "by_duration:-PT1H", "by_duration:PT1M1H"]
        {
            assert!(!is_offset_reset(value), "{value}");
        }
        assert!(read("nonsense", "1").is_err_and(|words| words == "Unknown group config name: nonsense"));
    }
}
