//! What stands in the data folder beside the partitions.

pub mod catalogue;
pub mod data_dir;
pub mod durable_file;
pub mod topic_id;
