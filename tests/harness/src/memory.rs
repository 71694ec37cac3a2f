//! An allocator that tells how large a block was asked for, so that a test can hold memory against what it is for.

use std::{
    alloc::{GlobalAlloc, Layout, System},
    cell::Cell,
};

thread_local! {
    static LARGEST_BLOCK: Cell<usize> = const { Cell::new(0) };
}

/// The system's allocator, watched. A test that measures makes it the `#[global_allocator]`.
pub struct Watched;

impl Watched {
    /// What comes of `run`, and the bytes of the largest block that this thread asked for meanwhile.
    ///
    /// # Panics
    ///
    /// If this is not the global allocator.
    pub fn largest_block<T>(run: impl FnOnce() -> T) -> (T, usize) {
        LARGEST_BLOCK.set(0);
        drop(std::hint::black_box(Box::new(1_u8)));
        assert_eq!(LARGEST_BLOCK.get(), 1, "the watched allocator is not the global one");
        let result = run();
        (result, LARGEST_BLOCK.get())
    }

    fn note(size: usize) {
        LARGEST_BLOCK.with(|largest| largest.set(largest.get().max(size)));
    }
}

// SAFETY: every call goes on to the system's allocator as it came.
unsafe impl GlobalAlloc for Watched {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        Self::note(layout.size());
        // SAFETY: the caller's promise.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        Self::note(layout.size());
        // SAFETY: the caller's promise.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn realloc(&self, block: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        Self::note(size);
        // SAFETY: the caller's promise.
        unsafe { System.realloc(block, layout, size) }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        // SAFETY: the caller's promise.
        unsafe { System.dealloc(block, layout) }
    }
}
