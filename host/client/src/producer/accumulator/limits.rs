//! The settings that a producer's buffer obeys.

use std::time::Duration;

use crate::{
    config::{Partitioner, ProducerConfig},
    producer::{partition::RetryPolicy, record_batch::Encoding},
};

/// The settings that matter here.
#[derive(Clone, Debug)]
pub(in crate::producer) struct Limits {
    pub(super) batch_size: usize,
    pub(super) linger: Duration,
    pub(super) buffer_memory: usize,
    pub(super) max_request_size: usize,
    pub(super) delivery_timeout: Duration,
    pub(super) partitioner: Partitioner,
    pub(in crate::producer) encoding: Encoding,
    pub(in crate::producer) retry: RetryPolicy,
    retry_backoff: Duration,
    retry_backoff_max: Duration,
}

impl Limits {
    pub(in crate::producer) fn new(config: &ProducerConfig) -> Self {
        Self {
            batch_size: config.batch_size,
            linger: config.linger,
            buffer_memory: config.buffer_memory,
            max_request_size: config.max_request_size,
            delivery_timeout: config.delivery_timeout,
            partitioner: config.partitioner,
            encoding: Encoding {
                codec: config.compression,
                level: config.compression_level,
                transactional: config.transactional_id.is_some(),
            },
            retry: RetryPolicy {
                retries: config.retries,
                idempotent: config.idempotent,
                transactional: config.transactional_id.is_some(),
            },
            retry_backoff: config.connection.retry_backoff,
            retry_backoff_max: config.connection.retry_backoff_max,
        }
    }

    pub(super) fn retry_delay(&self, attempts: u32) -> Duration {
        let doubled = self.retry_backoff.saturating_mul(1 << attempts.saturating_sub(1).min(16));
        doubled.min(self.retry_backoff_max.max(self.retry_backoff))
    }
}
