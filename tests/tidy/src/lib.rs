//! Checks of the checkout itself: which crate may use which, where heavy libraries live, and what
//! stands at the top. The tests are in `tests/tidy.rs`; there is nothing to call here.

#![forbid(unsafe_code)]
