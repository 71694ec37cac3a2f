//! Transforms and predicates, chained.

use async_trait::async_trait;
use millstream_config::{ConfigMap, Wanted};
use millstream_record::batch::Batch;

use crate::{PluginError, RowError};

/// When a transform applies.
#[derive(Clone, Debug, PartialEq)]
pub struct Condition {
    /// The predicate.
    pub class: Wanted,
    /// The predicate's own keys, without their prefix.
    pub config: ConfigMap,
    /// Apply where the predicate is false.
    pub negate: bool,
}

/// One transform of a chain.
#[derive(Clone, Debug, PartialEq)]
pub struct Link {
    /// The transform.
    pub class: Wanted,
    /// The transform's own keys, without their prefix.
    pub config: ConfigMap,
    /// When it applies; always if `None`.
    pub condition: Option<Condition>,
}

/// What a chain made of a batch. Each row that was selected in the input is in the output's
/// selection (through its origin, possibly several times), or was filtered, or has exactly one error.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// The new batch; the input itself if nothing changed.
    pub batch: Batch,
    /// Rows that failed, by their row in the **input**, in ascending order. They are not selected in
    /// `batch`.
    pub errors: Vec<RowError>,
}

/// The transforms of a task, in order.
#[async_trait]
pub trait LinkedTransforms: Send {
    /// Runs the chain over the selected rows. A failure never stops earlier rows; whether rows
    /// behind it still count is the caller's policy.
    async fn apply(&mut self, batch: &Batch) -> Result<Outcome, PluginError>;
}
