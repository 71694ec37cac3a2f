//! Counts all memories and tables of an instance together, and remembers what it refused, so that a guest
//! which then aborts is said to have run out of memory and not to have executed an unreachable instruction.

use wasmtime::{Error, ResourceLimiter, Result};

/// Bytes that one element of a table costs the host.
const TABLE_ELEMENT_BYTES: usize = 8;

/// What a guest was refused.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Refusal {
    /// More bytes than `plugin.memory.max.bytes`.
    Memory,
    /// More elements in one table than the host has room for.
    Table,
}

/// The sum of what the instance holds, against what it may hold.
#[derive(Debug)]
pub(crate) struct Limiter {
    max_bytes: usize,
    max_table_elements: usize,
    bytes: usize,
    refused: Option<Refusal>,
}

impl Limiter {
    pub(crate) fn new(max_bytes: usize, max_table_elements: usize) -> Self {
        Self { max_bytes, max_table_elements, bytes: 0, refused: None }
    }

    /// Bytes held at present.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes
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
        let wanted = self.bytes.saturating_add(desired.saturating_sub(current));
        if self.max_bytes < wanted {
            self.refused.get_or_insert(Refusal::Memory);
            return false;
        }
        self.bytes = wanted;
        true
    }
}

impl ResourceLimiter for Limiter {
    fn memory_growing(&mut self, current: usize, desired: usize, _maximum: Option<usize>) -> Result<bool> {
        Ok(self.grow(current, desired))
    }

    fn memory_grow_failed(&mut self, _error: Error) -> Result<()> {
        self.refused.get_or_insert(Refusal::Memory);
        Ok(())
    }

    fn table_growing(&mut self, current: usize, desired: usize, _maximum: Option<usize>) -> Result<bool> {
        if self.max_table_elements < desired {
            self.refused.get_or_insert(Refusal::Table);
            return Ok(false);
        }
        Ok(self.grow(current.saturating_mul(TABLE_ELEMENT_BYTES), desired.saturating_mul(TABLE_ELEMENT_BYTES)))
    }

    fn table_grow_failed(&mut self, _error: Error) -> Result<()> {
        self.refused.get_or_insert(Refusal::Table);
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

    #[test]
    fn memories_and_tables_are_summed_and_the_first_refusal_is_remembered() {
        let mut limiter = Limiter::new(1 << 20, 1000);
        assert!(limiter.memory_growing(0, 512 << 10, None).unwrap());
        assert!(limiter.memory_growing(0, 256 << 10, None).unwrap(), "a second memory");
        assert!(limiter.table_growing(0, 1000, None).unwrap());
        assert_eq!(limiter.bytes(), (768 << 10) + 8000);
        assert_eq!(limiter.refused(), None);
        assert!(!limiter.memory_growing(256 << 10, 768 << 10, None).unwrap());
        assert!(!limiter.table_growing(1000, 1001, None).unwrap());
        assert_eq!(limiter.refused(), Some(Refusal::Memory));
        assert!(limiter.memory_growing(256 << 10, 300 << 10, None).unwrap(), "a smaller wish still fits");
    }
}
