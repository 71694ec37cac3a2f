//! How many files the process may have open: three for each segment, one for each connection.
//!
//! Systems begin with a low limit for the sake of old programs and let every program raise its own, up to a second
//! limit that is the administrator's. Java does the same.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tracing::{debug, warn};

/// Fewer than this will not do for more than a few hundred partitions.
const COMFORTABLE: u64 = 4096;

/// Raises the limit as far as the system lets this process; says so where that is little.
pub fn raise_limit() {
    let before = getrlimit(Resource::Nofile);
    if before.current != before.maximum {
        let raised = Rlimit { current: before.maximum, maximum: before.maximum };
        match setrlimit(Resource::Nofile, raised) {
            Ok(()) => debug!(from = before.current, to = before.maximum, "the limit of open files was raised"),
            Err(error) => warn!(%error, "the limit of open files could not be raised"),
        }
    }
    if let Some(limit) = getrlimit(Resource::Nofile).current.filter(|limit| *limit < COMFORTABLE) {
        warn!(limit, "few files may be open at once (ulimit -n); a partition needs three for each segment");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_limit_of_open_files_is_raised_as_far_as_allowed() {
        raise_limit();
        let limit = getrlimit(Resource::Nofile);
        assert_eq!(limit.current, limit.maximum);
    }
}
