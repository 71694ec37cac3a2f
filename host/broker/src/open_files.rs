//! How many files the process may have open: three for each segment of those in use, one for each connection.
//!
//! Systems begin with a low limit for the sake of old programs and let every program raise its own, up to a second
//! limit that is the administrator's. Java does the same.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tracing::{debug, warn};

/// Fewer than this will not do for many connections, and keep files from staying open.
const COMFORTABLE: u64 = 4096;

/// Raises the limit as far as the system lets this process; says so where that is little. Returns how many files logs may
/// have open: what is configured, or half of the limit.
pub fn raise_limit(configured: Option<usize>) -> usize {
    let before = getrlimit(Resource::Nofile);
    if before.current != before.maximum {
        let raised = Rlimit { current: before.maximum, maximum: before.maximum };
        match setrlimit(Resource::Nofile, raised) {
            Ok(()) => debug!(from = before.current, to = before.maximum, "the limit of open files was raised"),
            Err(error) => warn!(%error, "the limit of open files could not be raised"),
        }
    }
    // None is no limit.
    let limit = getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX);
    if limit < COMFORTABLE {
        warn!(limit, "few files may be open at once (ulimit -n): half of them are for logs, the rest for connections");
    }
    configured.unwrap_or(usize::try_from(limit / 2).unwrap_or(usize::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_limit_of_open_files_is_raised_as_far_as_allowed() {
        let half = raise_limit(None);
        let limit = getrlimit(Resource::Nofile);
        assert_eq!(limit.current, limit.maximum);
        assert_eq!(limit.current.map_or(u64::MAX / 2, |limit| limit / 2), half as u64);
        assert_eq!(raise_limit(Some(7)), 7);
    }
}
