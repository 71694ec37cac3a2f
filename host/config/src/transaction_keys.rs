//! A key of ours about the transactions of sources that deliver exactly once. It stands apart from Connect's keys: where a
//! connector does not set it, nothing shows it.

use crate::{ConfigDef, ConfigMap};

/// The key, to be read from a configuration parsed with [`transaction_keys`] beside Connect's.
pub mod names {
    use std::time::Duration;

    use crate::{Importance::Low, Key, Place, Width, keys};

    keys! {
        /// Keys of sources.
        transaction_keys:
        POLL_LINGER: Duration = Key::millis("transaction.boundary.poll.linger.ms")
            .default("50")
            .min(0)
            .importance(Low)
            .placed(Place::at("Exactly Once Support", 5, Width::Short, "Linger of polls"))
            .doc("With `transaction.boundary=poll`: milliseconds since the end of the last transaction during which polls share the next one, so that a source which has much at once does not pay for a transaction with each batch. The first batch after a pause is committed at once, and none waits longer, whether the source returns from its next poll or not. 0: each batch has a transaction to itself, as in Connect.");
    }
}

/// All of them.
pub fn transaction_keys() -> ConfigDef {
    names::transaction_keys()
}

/// Whether a configuration of a connector sets one of them.
pub(crate) fn sets_transactions(config: &ConfigMap) -> bool {
    transaction_keys().keys().iter().any(|key| config.contains_key(&key.name))
}
