//! How compiled code becomes executable, wherever it is: copied, mapped from the cache, or inside the
//! host's own binary.

use std::collections::BTreeSet;
use std::sync::Mutex;

use rustix::mm::{MprotectFlags, mprotect};
use wasmtime::CustomCodeMemory;

/// Images inside the binary that are in use. Wasmtime knows code by its address, so each image can be
/// loaded where it is only once in a process.
static TAKEN: Mutex<BTreeSet<usize>> = Mutex::new(BTreeSet::new());

/// Makes code executable that Wasmtime has not mapped itself.
pub(super) struct CodePages;

impl CustomCodeMemory for CodePages {
    fn required_alignment(&self) -> usize {
        rustix::param::page_size()
    }

    fn publish_executable(&self, start: *const u8, len: usize) -> wasmtime::Result<()> {
        // SAFETY: Wasmtime passes pages of an image that nobody writes to any more.
        unsafe { mprotect(start.cast_mut().cast(), len, MprotectFlags::READ | MprotectFlags::EXEC) }?;
        Ok(())
    }

    fn unpublish_executable(&self, _: *const u8, _: usize) -> wasmtime::Result<()> {
        // Called when code is no longer used. Then it is either unmapped or belongs to the binary, where
        // it is never written to.
        Ok(())
    }
}

/// Whether code may be run where it is, which may be asked once: it lies at the beginning of a page, and
/// nobody has asked before.
pub(crate) fn take_in_place(code: &'static [u8]) -> bool {
    let address = code.as_ptr().addr();
    !code.is_empty()
        && address.is_multiple_of(rustix::param::page_size())
        && TAKEN.lock().is_ok_and(|mut taken| taken.insert(address))
}
