//! The state of a connector or task, and how long it has been in each.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::instrument::Instrument;
use crate::state::State;
use crate::value::Value;

/// In which state something is, since when, and how long it was in others.
#[derive(Debug, Default)]
pub struct Lifecycle(Mutex<Lasting>);

#[derive(Clone, Copy, Debug, Default)]
struct Lasting {
    current: Option<(State, Instant)>,
    lasted: [Duration; State::ALL.len()],
}

impl Lifecycle {
    /// It is in this state from this moment on.
    pub fn enter(&self, state: State, at: Instant) {
        let mut lasting = self.lasting();
        lasting.lasted = lasting.at(at);
        lasting.current = Some((state, at));
    }

    /// The state it is in; `None` before the first.
    pub fn state(&self) -> Option<State> {
        self.lasting().current.map(|(state, _)| state)
    }

    fn lasting(&self) -> MutexGuard<'_, Lasting> {
        // Nothing panics while it is held, and every value of it is sound.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Lasting {
    fn at(&self, now: Instant) -> [Duration; State::ALL.len()] {
        let mut lasted = self.lasted;
        if let Some((state, since)) = self.current {
            lasted[state as usize] += now.saturating_duration_since(since);
        }
        lasted
    }
}

impl Instrument for Lifecycle {
    fn read(&self, now: Instant) -> Value {
        let lasting = *self.lasting();
        Value::States { current: lasting.current.map(|(state, _)| state), lasted: lasting.at(now) }
    }
}

/// The share of a state in the time that was not spent stopped, as Connect has it: 0 before any.
pub(crate) fn share(state: State, lasted: &[Duration; State::ALL.len()]) -> f64 {
    let all: Duration = State::ALL.iter().filter(|of| **of != State::Stopped).map(|of| lasted[*of as usize]).sum();
    if all.is_zero() { 0.0 } else { lasted[state as usize].as_secs_f64() / all.as_secs_f64() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_states_share_is_of_all_time_but_that_spent_stopped() {
        let begin = Instant::now();
        let at = |seconds| begin + Duration::from_secs(seconds);
        let lifecycle = Lifecycle::default();
        let shares = |now| {
            let Value::States { lasted, .. } = lifecycle.read(at(now)) else { panic!("it reads states") };
            [State::Unassigned, State::Running, State::Paused].map(|state| share(state, &lasted))
        };
        assert_eq!(shares(0), [0.0; 3]);
        lifecycle.enter(State::Unassigned, at(0));
        lifecycle.enter(State::Running, at(2));
        assert_eq!(shares(8), [0.25, 0.75, 0.0]);
        lifecycle.enter(State::Paused, at(8));
        lifecycle.enter(State::Stopped, at(16));
        assert_eq!(shares(1000), [0.125, 0.375, 0.5]);
        assert_eq!(lifecycle.state(), Some(State::Stopped));
    }
}
