//! Writes down what clients ask for and are answered, in the order in which it happens.

use std::sync::{Mutex, PoisonError};

use checker::{Action, Client, Event, History, Outcome, What};

/// One history in the making.
#[derive(Debug, Default)]
pub struct Recorder(Mutex<Vec<Event>>);

impl Recorder {
    /// A client is about to ask for something.
    pub fn call(&self, client: Client, action: &Action) {
        self.note(client, What::Called(action.clone()));
    }

    /// A client was answered.
    pub fn answer(&self, client: Client, outcome: Outcome) {
        self.note(client, What::Returned(outcome));
    }

    /// Everything so far.
    pub fn take(&self) -> History {
        History(std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner)))
    }

    fn note(&self, client: Client, what: What) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(Event { client, what });
    }
}
