//! Kills the real process at random moments under load and looks at what is left. The tests are in
//! `tests/`; there is nothing to call here. `MILLSTREAM_CRASH_SEED` repeats a run.
