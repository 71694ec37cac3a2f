//! Which operations go wrong, and how.

use std::{
    io,
    path::Path,
    sync::{Arc, Condvar, Mutex},
    time::Duration,
};

use super::Dice;

/// What a process asks of the disk.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum Operation {
    /// To open, make or lock a file.
    Open,
    /// To read content, length, age or the names in a folder.
    Read,
    /// To write to a file.
    Write,
    /// To cut or lengthen a file.
    SetLen,
    /// To make a file's content durable.
    Sync,
    /// To rename a file or folder.
    Rename,
    /// To remove a file or folder.
    Remove,
    /// To make a folder.
    CreateDir,
    /// To make the names in a folder durable.
    SyncDir,
}

/// Which operations something happens to: once, at the next one of its kind, unless it says otherwise.
#[derive(Clone, Debug)]
pub struct Trigger {
    operation: Operation,
    path_part: String,
    skip: u64,
    times: u64,
}

impl Trigger {
    /// The next operation of this kind.
    pub fn on(operation: Operation) -> Self {
        Self { operation, path_part: String::new(), skip: 0, times: 1 }
    }

    /// Only where the path has this in it.
    #[must_use]
    pub fn path(self, part: &str) -> Self {
        Self { path_part: part.to_owned(), ..self }
    }

    /// Not for the first so many.
    #[must_use]
    pub fn skip(self, operations: u64) -> Self {
        Self { skip: operations, ..self }
    }

    /// For so many in a row.
    #[must_use]
    pub fn times(self, operations: u64) -> Self {
        Self { times: operations, ..self }
    }

    /// For all of them, until the disk is healed.
    #[must_use]
    pub fn always(self) -> Self {
        self.times(u64::MAX)
    }

    /// Counts an operation, and says whether it is one of those meant.
    fn fires(&mut self, operation: Operation, path: &Path) -> bool {
        if operation != self.operation || !path.to_string_lossy().contains(&self.path_part) {
            return false;
        }
        if 0 < self.skip {
            self.skip -= 1;
            return false;
        }
        let fires = 0 < self.times;
        self.times = self.times.saturating_sub(u64::from(fires && self.times != u64::MAX));
        fires
    }
}

/// What goes wrong.
#[derive(Clone, Debug)]
pub(super) enum Effect {
    Fail(io::ErrorKind),
    Short(io::ErrorKind),
    Wait(Arc<Gate>),
    Die,
}

/// All that is to go wrong.
#[derive(Debug, Default)]
pub(super) struct Plan {
    orders: Vec<(Trigger, Effect)>,
    chances: Vec<(Operation, u64)>,
    /// Operations that are still done before the process dies.
    die_after: Option<u64>,
    pub operations: u64,
}

impl Plan {
    pub(super) fn add(&mut self, trigger: Trigger, effect: Effect) {
        self.orders.push((trigger, effect));
    }

    pub(super) fn set_chance(&mut self, operation: Operation, per_mille: u64) {
        self.chances.retain(|(known, _)| *known != operation);
        self.chances.push((operation, per_mille));
    }

    pub(super) fn die_after(&mut self, operations: u64) {
        self.die_after = Some(operations);
    }

    pub(super) fn clear(&mut self) {
        self.process_died();
        self.orders.clear();
        self.chances.clear();
    }

    /// Lets go of what waits.
    pub(super) fn process_died(&mut self) {
        self.die_after = None;
        self.orders.retain(|(_, effect)| match effect {
            Effect::Wait(gate) => {
                gate.open();
                false
            }
            Effect::Fail(_) | Effect::Short(_) | Effect::Die => true,
        });
    }

    /// What becomes of the next operation.
    pub(super) fn effect(&mut self, operation: Operation, path: &Path, dice: &mut Dice) -> Option<Effect> {
        self.operations += 1;
        match &mut self.die_after {
            Some(0) => return Some(Effect::Die),
            Some(left) => *left -= 1,
            None => {}
        }
        let ordered = self.orders.iter_mut().find_map(|(trigger, effect)| {
            let open = matches!(effect, Effect::Wait(gate) if gate.is_open());
            (!open && trigger.fires(operation, path)).then(|| effect.clone())
        });
        if ordered.is_some() {
            return ordered;
        }
        let (_, chance) = self.chances.iter().find(|(known, _)| *known == operation)?;
        if !dice.per_mille(*chance) {
            return None;
        }
        let short = operation == Operation::Write && dice.per_mille(500);
        Some(if short { Effect::Short(io::ErrorKind::Other) } else { Effect::Fail(io::ErrorKind::Other) })
    }
}

/// Holds operations up until it is opened.
#[derive(Debug, Default)]
pub(super) struct Gate {
    state: Mutex<GateState>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct GateState {
    open: bool,
    waiting: usize,
}

impl Gate {
    pub(super) fn pass(&self) {
        let mut state = self.state.lock().expect("a gate's state is whole");
        state.waiting += 1;
        self.changed.notify_all();
        while !state.open {
            state = self.changed.wait(state).expect("a gate's state is whole");
        }
        state.waiting -= 1;
    }

    fn open(&self) {
        self.state.lock().expect("a gate's state is whole").open = true;
        self.changed.notify_all();
    }

    fn is_open(&self) -> bool {
        self.state.lock().expect("a gate's state is whole").open
    }
}

/// Operations that were told to wait. Dropping it lets them go.
#[derive(Debug, Default)]
pub struct Stall(Arc<Gate>);

impl Stall {
    pub(super) fn gate(&self) -> Arc<Gate> {
        Arc::clone(&self.0)
    }

    /// Waits until an operation waits, for at most so long, and says whether one does.
    pub fn is_reached_within(&self, limit: Duration) -> bool {
        let state = self.0.state.lock().expect("a gate's state is whole");
        let waited = self.0.changed.wait_timeout_while(state, limit, |state| state.waiting == 0);
        waited.expect("a gate's state is whole").0.waiting != 0
    }

    /// Lets all of them go on, and those that come later pass.
    pub fn release(&self) {
        self.0.open();
    }
}

impl Drop for Stall {
    fn drop(&mut self) {
        self.release();
    }
}
