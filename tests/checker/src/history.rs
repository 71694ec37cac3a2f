//! What clients ask for and what they are answered, in the order in which it happened.

/// A client: it does one thing after the other. Its next life, after a crash, begins with [`Action::Open`].
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Client(pub u32);

/// One partition of one topic, numbered by whoever records the history.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Partition(pub u32);

/// Position of a record in its partition.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Offset(pub i64);

/// What a record holds: sent once in a history.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Value(pub u64);

/// What a client's polls see.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Isolation {
    /// `isolation.level=read_committed`.
    Committed,
    /// `isolation.level=read_uncommitted`.
    Uncommitted,
}

/// A record to be sent.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct Message {
    /// Where to.
    pub partition: Partition,
    /// What.
    pub value: Value,
    /// The value that was read and is written on, for a client that copies each record exactly once.
    pub copy_of: Option<Value>,
}

/// What a client asks for.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Action {
    /// Begins a life, without partitions to read from.
    Open(Isolation),
    /// Reads exactly these from their start on.
    Assign(Vec<Partition>),
    /// Reads what its group gives it, from where the group is.
    Subscribe,
    /// Begins a transaction: everything up to [`Action::Commit`] or [`Action::Abort`] belongs to it.
    Begin,
    /// Sends these in this order, as far as they go to the same partition, and waits for all of them.
    Send(Vec<Message>),
    /// Takes the next records.
    Poll,
    /// Writes down, in the transaction, how far its polls are.
    Offsets,
    /// Commits the transaction.
    Commit,
    /// Aborts it.
    Abort,
    /// Ends the life, or is killed. An open transaction is nobody's to commit any more.
    Close,
}

/// What a client knows of a record that it has sent.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Fate {
    /// Acknowledged, and there.
    At(Offset),
    /// Acknowledged; nobody said where.
    Written,
    /// Certainly not written.
    Refused,
    /// Perhaps written.
    Unknown,
}

/// What a poll has brought.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Polled {
    /// The group has given the client other partitions, before or in the middle of the records.
    pub moved: bool,
    /// Records in the order in which they came.
    pub records: Vec<(Partition, Offset, Value)>,
}

/// How an action ended.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Outcome {
    /// As was asked.
    Done,
    /// Each record of an [`Action::Send`], in its order.
    Sent(Vec<Fate>),
    /// Of an [`Action::Poll`].
    Polled(Polled),
    /// It certainly did not happen.
    Failed,
    /// It may have happened or may yet happen.
    Unknown,
}

/// An action begins or ends.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum What {
    /// The client asks.
    Called(Action),
    /// It is answered, or gives up.
    Returned(Outcome),
}

/// One entry of a history.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Event {
    /// Whose.
    pub client: Client,
    /// What.
    pub what: What,
}

/// Everything that clients did, in the order in which it happened. As text (`to_string`, `parse`) it is one line an
/// event: see [`History::from_str`](#impl-FromStr-for-History).
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct History(pub Vec<Event>);
