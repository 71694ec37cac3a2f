//! The topics as the coordinator gets to see them.

use uuid::Uuid;

/// The topics at this moment.
pub trait Topology {
    /// Changes whenever any of the rest does.
    fn version(&self) -> u64;

    /// Id and number of partitions of a topic; `None` if there is none of this name.
    fn topic(&self, name: &str) -> Option<(Uuid, i32)>;

    /// The name of a topic; `None` if there is none with this id.
    fn name(&self, id: Uuid) -> Option<String>;

    /// Every topic's name.
    fn names(&self) -> Vec<String>;
}
