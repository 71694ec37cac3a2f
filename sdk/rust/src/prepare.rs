//! What an instance does once, before anything else.

use std::{env, sync::Once};

use millstream_values::local_zone::{self, LocalZone};

use crate::{
    host,
    logging::{Level, log_panics},
};

/// Where the worker says which zone it writes dates in.
const TIME_ZONE: &str = "MILLSTREAM_TIME_ZONE";

/// Called at every way into the component; only the first call does something.
pub(crate) fn prepare() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        log_panics();
        adopt_time_zone();
    });
}

fn adopt_time_zone() {
    let Ok(description) = env::var(TIME_ZONE) else { return };
    match LocalZone::described(&description) {
        Ok(Some(zone)) => local_zone::set(zone),
        Ok(None) => {}
        Err(error) => host::log(
            Level::Warn,
            &format!(
                "dates are written in UTC, since the worker's time zone in {TIME_ZONE} cannot be read: {error}; \
                 build the plugin with the SDK of the worker's version"
            ),
        ),
    }
}
