//! One owner among a connector's tasks, and what it keeps for its successors.

use crate::{Error, Result, host};

/// Java class of the error that tells a task that it does not own the lease.
pub(crate) const LOST: &str = "org.apache.kafka.common.errors.ProducerFencedException";

/// The lease of the connector, owned by this task since [`Lease::obtain`]: until another task of the connector obtains it,
/// wherever that runs, or this one ends. The plugin's [`Info`](crate::Info) has to say that it
/// [wants](crate::Info::wants_lease) one.
///
/// Whoever obtains it gets a higher [epoch](Lease::epoch) than all before. A task that has lost it hears so from
/// its next call, as an error for which [`Error::is_lease_lost`] is true: nothing that it writes from then on counts. Its
/// right answer is to return the error, or to obtain the lease again and begin from what is kept.
///
/// A task that was frozen in the middle of something does not know that it has lost the lease. What keeps it from doing
/// harm is not [`Lease::confirm`], but that its commit goes through the lease: by [`Lease::write`], whose values say what
/// counts of the files or rows that were written before; or by a target that is given the epoch and refuses lower ones.
///
/// ```
/// use millstream_sdk::{Lease, harness::Harness};
///
/// let harness = Harness::enter();
/// let lease = Lease::obtain().unwrap();
/// let before = lease.get("snapshot").unwrap();
/// assert_eq!(before, None);
/// lease.write([("snapshot", Some(&b"files 1 to 7"[..]))]).unwrap();
///
/// // Another task of the connector takes over.
/// harness.take_lease();
/// let refused = lease.write([("snapshot", Some(&b"files 1 to 8"[..]))]).unwrap_err();
/// assert!(refused.is_lease_lost());
/// assert_eq!(harness.kept("snapshot").as_deref(), Some(&b"files 1 to 7"[..]));
/// ```
#[derive(Debug)]
pub struct Lease {
    epoch: u64,
}

impl Lease {
    /// Makes this task the owner, whoever was before; one that is it already stays it, in the same epoch. What is read
    /// afterwards is all that owners before it have written, and will ever have.
    ///
    /// Waits for the worker, for at most its `kv.timeout.ms`.
    ///
    /// # Errors
    ///
    /// Of kind retriable if asking again later may help.
    pub fn obtain() -> Result<Self> {
        Ok(Self { epoch: host::obtain_lease()? })
    }

    /// Higher than that of every owner before: for targets that can tell who is late.
    pub fn epoch(&self) -> u64 {
        self.epoch
    }

    /// Whether this task was the owner at some moment after the call. It may not be any more when this returns.
    ///
    /// # Errors
    ///
    /// The lease is lost, or it is not known whether it is.
    pub fn confirm(&self) -> Result<()> {
        host::confirm_lease(self.epoch)
    }

    /// All keys that have a value, in ascending order.
    ///
    /// # Errors
    ///
    /// They cannot be read.
    pub fn keys(&self) -> Result<Vec<String>> {
        host::kept_keys()
    }

    /// The value of a key.
    ///
    /// # Errors
    ///
    /// It cannot be read.
    pub fn get(&self, key: &str) -> Result<Option<Vec<u8>>> {
        kept(key)
    }

    /// Changes values, all together or none; `None` removes one. Returns when they are durable and count.
    ///
    /// # Errors
    ///
    /// The lease is lost, or a limit of the worker's is exceeded: nothing has changed. After one of kind retriable the
    /// change may count or not, and the lease is lost; obtain it again, and read.
    pub fn write<'v>(&self, changes: impl IntoIterator<Item = (&'v str, Option<&'v [u8]>)>) -> Result<()> {
        let changes = changes.into_iter().map(|(key, value)| (key.to_owned(), value.map(<[u8]>::to_vec)));
        host::write_kept(self.epoch, changes.collect())
    }
}

/// What an owner of the lease has kept under a key, for tasks that are none: at least as new as what was written before
/// the call.
///
/// # Errors
///
/// It cannot be read.
pub fn kept(key: &str) -> Result<Option<Vec<u8>>> {
    Ok(host::read_kept(&[key.to_owned()])?.pop().flatten())
}

impl Error {
    /// Whether a task has heard by it that it does not own the lease of its connector, or not any more.
    pub fn is_lease_lost(&self) -> bool {
        self.class == LOST
    }
}
