//! What workers keep in topics, over fake topics and paused time.

mod config_log;
mod leader;
mod leases;
mod offsets;
mod statuses;
mod topic_log;
