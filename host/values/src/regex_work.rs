//! How much work patterns are, for tests: the bound on steps means something only if no step is much work.
//!
//! Counted is what may grow with text or pattern: parts of sets that are asked, registers that are emptied, tables that are
//! made. Outside of tests nothing is.

/// Some work was done.
///
/// # Panics
///
/// In tests, when it is more than what [`allow`] has left.
#[cfg_attr(not(test), inline(always))]
pub(crate) fn did(amount: usize) {
    #[cfg(test)]
    LEFT.with(|left| match left.get().checked_sub(amount) {
        Some(less) => left.set(less),
        None => panic!("more work than is allowed"),
    });
    #[cfg(not(test))]
    let _ = amount;
}

#[cfg(test)]
thread_local! {
    static LEFT: std::cell::Cell<usize> = const { std::cell::Cell::new(usize::MAX) };
}

/// Allows this much work on this thread from now on.
#[cfg(test)]
pub(crate) fn allow(amount: usize) {
    LEFT.set(amount);
}
