//! Keys of ours by which connectors and tasks that failed are started again. A worker's are the defaults of its
//! connectors'. They stand apart from Connect's keys: where a connector sets none, nothing shows them.

use crate::{ConfigDef, ConfigMap};

/// The keys, to be read from a configuration parsed with [`restart_keys`].
pub mod names {
    use std::time::Duration;

    use crate::{
        Importance::{Low, Medium},
        Key, Place, Validator, Width, keys,
    };

    /// What all of them begin with.
    pub const PREFIX: &str = "restart.";

    const GROUP: &str = "Restarts";

    keys! {
        /// Keys of every connector, and of workers.
        restart_keys:
        RESTART_POLICY: String = Key::string("restart.policy")
            .default("none")
            .validator(|| Validator::one_of(&["none", "backoff"]))
            .importance(Medium)
            .placed(Place::at(GROUP, 1, Width::Short, "Restart policy"))
            .doc("What becomes of the connector or a task when it has failed. `none`: it stays FAILED, as in Connect. `backoff`: it is started again, after a wait that doubles each time. What was paused or stopped is not restarted before it is resumed. In a worker's configuration: for its connectors that do not say.");
        RESTART_BACKOFF: Duration = Key::millis("restart.backoff.ms")
            .default("1000")
            .min(1)
            .importance(Low)
            .placed(Place::at(GROUP, 2, Width::Short, "First wait"))
            .doc("Milliseconds before the first restart. Chance takes up to half of every wait, so that tasks which failed together do not come back together.");
        RESTART_BACKOFF_MAX: Duration = Key::millis("restart.backoff.max.ms")
            .default("300000")
            .min(1)
            .importance(Low)
            .placed(Place::at(GROUP, 3, Width::Short, "Longest wait"))
            .doc("The longest wait in milliseconds before a restart.");
        RESTART_HEALTHY: Duration = Key::millis("restart.healthy.ms")
            .default("600000")
            .min(1)
            .importance(Low)
            .placed(Place::at(GROUP, 4, Width::Short, "Healthy time"))
            .doc("Milliseconds without a failure after which the next failure counts as the first.");
        RESTART_MAX: i32 = Key::int("restart.max")
            .default("20")
            .min(0)
            .importance(Low)
            .placed(Place::at(GROUP, 5, Width::Short, "Most restarts"))
            .doc("Most restarts of the connector, or of one task, within `restart.window.ms`. After that it stays FAILED until somebody restarts it.");
        RESTART_WINDOW: Duration = Key::millis("restart.window.ms")
            .default("3600000")
            .min(1)
            .importance(Low)
            .placed(Place::at(GROUP, 6, Width::Short, "Window of restarts"))
            .doc("Milliseconds in which at most `restart.max` restarts happen.");
    }
}

/// All of them.
pub fn restart_keys() -> ConfigDef {
    names::restart_keys()
}

/// Whether a configuration sets one of them.
pub fn sets_restarts(config: &ConfigMap) -> bool {
    restart_keys().keys().iter().any(|key| config.contains_key(&key.name))
}
