//! A whole worker over fakes: what becomes of records, changes and statuses when something waits, fails or panics.

mod changes;
mod counts;
mod dead_letters;
mod hangs;
mod new_topics;
mod others;
mod panics;
mod refused_batches;
mod renewals;
mod restarts;
mod seeks;
mod source_letters;
mod task_counts;
mod waits;
