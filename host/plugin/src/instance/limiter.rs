//! Counts all memories and tables of an instance together, and remembers what it refused, so that a guest
//! which then aborts is said to have run out of memory and not to have executed an unreachable instruction.

use std::sync::Arc;

use millstream_connector::{ErrorKind, Failure};
use millstream_metrics::PluginInstance;
use wasmtime::{Error, ResourceLimiter, Result};

use crate::engine::MemoryBudget;

/// Bytes that one element of a table costs the host.
const TABLE_ELEMENT_BYTES: usize = 8;

/// Bytes that an instance costs the host beside its memories and tables: store, handles, and what is used of the
/// stack that its calls run on.
const INSTANCE_BYTES: usize = 64 << 10;

/// What a guest was refused.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Refusal {
    /// More bytes than `plugin.memory.max.bytes`.
    Memory,
    /// More bytes than `plugin.memory.total.max.bytes` leaves.
    TotalMemory,
    /// More elements in one table than the host has room for.
    Table,
    /// Memory that the limits allow, but the system does not give.
    System,
    /// More than the component allows itself.
    OwnMaximum,
}

/// The sum of what the instance holds, against what it may hold. Dropping it gives all of that back.
#[derive(Debug)]
pub(crate) struct Limiter {
    max_bytes: usize,
    max_table_elements: usize,
    bytes: usize,
    /// Bytes that the host holds for the instance: columns and tables.
    columns: usize,
    /// Bytes that were granted last, to be taken back if the system does not give them.
    granted: usize,
    /// Whether there was room for the instance itself.
    admitted: bool,
    total: Arc<MemoryBudget>,
    metrics: Arc<PluginInstance>,
    refused: Option<Refusal>,
}

impl Limiter {
    pub(crate) fn new(
        max_bytes: usize,
        max_table_elements: usize,
        total: Arc<MemoryBudget>,
        metrics: Arc<PluginInstance>,
    ) -> Self {
        let admitted = total.take(INSTANCE_BYTES);
        Self {
            max_bytes,
            max_table_elements,
            bytes: 0,
            columns: 0,
            granted: 0,
            admitted,
            total,
            metrics,
            refused: None,
        }
    }

    /// Bytes held at present.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Whether there was room for an instance.
    pub(crate) fn is_admitted(&self) -> bool {
        self.admitted
    }

    /// A call begins: what was refused before does not explain what happens in it.
    pub(crate) fn begin_call(&mut self) {
        self.refused = None;
    }

    /// The first refusal since the call began, if there was one.
    pub(crate) fn refused(&self) -> Option<Refusal> {
        self.refused
    }

    fn grow(&mut self, current: usize, desired: usize) -> bool {
        let more = desired.saturating_sub(current);
        let refusal = if self.max_bytes < self.bytes.saturating_add(self.columns).saturating_add(more) {
            Refusal::Memory
        } else if !self.total.take(more) {
            Refusal::TotalMemory
        } else {
            self.bytes += more;
            self.granted = more;
            self.metrics.memory.change(signed(more));
            return true;
        };
        self.refused.get_or_insert(refusal);
        false
    }

    /// Bytes that columns and tables may take together.
    pub(crate) fn room_for_columns(&self) -> usize {
        self.max_bytes.saturating_sub(self.bytes)
    }

    /// Columns and tables take so many bytes now. False if that is more than all instances may hold together.
    pub(crate) fn hold_columns(&mut self, bytes: usize) -> bool {
        let before = self.columns;
        if bytes == before {
            return true;
        }
        let fits = bytes < before || self.total.take(bytes - before);
        if bytes < before {
            self.total.give_back(before - bytes);
        }
        if fits {
            self.columns = bytes;
            self.metrics.memory.change(signed(bytes) - signed(before));
        }
        fits
    }

    /// That there is no room for another column, as the guest hears.
    pub(crate) fn no_room_for_columns(&self) -> Failure {
        let message = format!(
            "the columns and tables that are open take more memory than the instance has left of {} bytes \
             (plugin.memory.max.bytes): release some, or work on fewer rows",
            self.max_bytes
        );
        Failure::new(ErrorKind::Fatal, "", message)
    }

    /// What was granted last has not been given by the system.
    fn not_given(&mut self) {
        let bytes = std::mem::take(&mut self.granted);
        self.bytes -= bytes;
        self.total.give_back(bytes);
        self.metrics.memory.change(-signed(bytes));
        self.refused.get_or_insert(Refusal::System);
    }
}

impl Drop for Limiter {
    fn drop(&mut self) {
        self.metrics.memory.change(-signed(self.bytes + self.columns));
        self.total.give_back(self.bytes + self.columns + if self.admitted { INSTANCE_BYTES } else { 0 });
    }
}

/// A number of bytes that are there, which is far below what 63 bits hold.
fn signed(bytes: usize) -> i64 {
    i64::try_from(bytes).unwrap_or(i64::MAX)
}

impl ResourceLimiter for Limiter {
    fn memory_growing(&mut self, current: usize, desired: usize, maximum: Option<usize>) -> Result<bool> {
        if maximum.is_some_and(|maximum| maximum < desired) {
            self.refused.get_or_insert(Refusal::OwnMaximum);
            return Ok(false);
        }
        Ok(self.grow(current, desired))
    }

    fn memory_grow_failed(&mut self, _error: Error) -> Result<()> {
        self.not_given();
        Ok(())
    }

    fn table_growing(&mut self, current: usize, desired: usize, maximum: Option<usize>) -> Result<bool> {
        if maximum.is_some_and(|maximum| maximum < desired) {
            self.refused.get_or_insert(Refusal::OwnMaximum);
            return Ok(false);
        }
        if self.max_table_elements < desired {
            self.refused.get_or_insert(Refusal::Table);
            return Ok(false);
        }
        Ok(self.grow(current.saturating_mul(TABLE_ELEMENT_BYTES), desired.saturating_mul(TABLE_ELEMENT_BYTES)))
    }

    fn table_grow_failed(&mut self, _error: Error) -> Result<()> {
        self.not_given();
        Ok(())
    }

    fn instances(&self) -> usize {
        crate::engine::MAX_CORE_INSTANCES as usize
    }

    fn tables(&self) -> usize {
        crate::engine::MAX_TABLES as usize
    }

    fn memories(&self) -> usize {
        crate::engine::MAX_MEMORIES as usize
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limiter(total: usize) -> (Arc<MemoryBudget>, Limiter) {
        let total = Arc::new(MemoryBudget::new(total));
        (Arc::clone(&total), Limiter::new(1 << 20, 1000, total, Arc::default()))
    }

    #[test]
    fn memories_and_tables_are_summed_and_the_first_refusal_is_remembered() {
        let (total, mut limiter) = limiter(64 << 20);
        assert!(limiter.memory_growing(0, 512 << 10, None).unwrap());
        assert!(limiter.memory_growing(0, 256 << 10, None).unwrap(), "a second memory");
        assert!(limiter.table_growing(0, 1000, None).unwrap());
        assert_eq!(limiter.bytes(), (768 << 10) + 8000);
        assert_eq!(limiter.refused(), None);
        assert!(!limiter.memory_growing(256 << 10, 768 << 10, None).unwrap());
        assert!(!limiter.table_growing(1000, 1001, None).unwrap());
        assert_eq!(limiter.refused(), Some(Refusal::Memory));
        assert!(limiter.memory_growing(256 << 10, 300 << 10, None).unwrap(), "a smaller wish still fits");
        let metrics = Arc::clone(&limiter.metrics);
        assert_eq!(metrics.memory.value(), signed(limiter.bytes()));
        drop(limiter);
        assert_eq!((total.held(), metrics.memory.value()), (0, 0), "everything is given back");
    }

    #[test]
    fn what_all_instances_hold_together_is_limited_too() {
        let (total, mut first) = limiter(512 << 10);
        let mut second = Limiter::new(1 << 20, 1000, Arc::clone(&total), Arc::default());
        assert!(first.memory_growing(0, 256 << 10, None).unwrap());
        assert!(!second.memory_growing(0, 256 << 10, None).unwrap());
        assert_eq!(second.refused(), Some(Refusal::TotalMemory));
        drop(first);
        assert!(second.memory_growing(0, 256 << 10, None).unwrap());
        assert!(second.memory_growing(256 << 10, 448 << 10, None).unwrap());
        assert!(!Limiter::new(1 << 20, 1000, total, Arc::default()).is_admitted(), "not even room for an instance");
    }

    #[test]
    fn what_the_system_does_not_give_is_not_held() {
        let (total, mut limiter) = limiter(64 << 20);
        let before = total.held();
        assert!(limiter.memory_growing(0, 1 << 20, None).unwrap());
        limiter.memory_grow_failed(Error::msg("out of memory")).unwrap();
        assert_eq!((limiter.bytes(), total.held(), limiter.refused()), (0, before, Some(Refusal::System)));
        assert_eq!(limiter.metrics.memory.value(), 0);
    }
}
