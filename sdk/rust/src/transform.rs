//! Transforms: change, drop or multiply records between connectors and topics.

use crate::{Info, Record, Records, Result, config::PluginConfig};

/// A transform over whole batches: the fast way, column by column.
///
/// [`RowTransform`] is the comfortable way.
pub trait Transform: Sized + 'static {
    /// What users see of it.
    const INFO: Info;
    /// Its configuration.
    type Config: PluginConfig;

    /// The transform, ready for use by one task.
    ///
    /// # Errors
    ///
    /// The task fails with it before it starts.
    fn configure(config: Self::Config) -> Result<Self>;

    /// Changes the active rows of a batch; all others have to be left as they are. A row that cannot
    /// be changed goes to [`Records::fail`], one that is to be dropped to [`Records::filter`].
    ///
    /// # Errors
    ///
    /// The batch as a whole failed; the task fails with it.
    fn apply(&mut self, records: &mut Records<'_>) -> Result<()>;
}

/// A transform that looks at one record at a time. List it as `Rows<MyTransform>` in
/// [`plugin!`](crate::plugin!).
pub trait RowTransform: Sized + 'static {
    /// What users see of it.
    const INFO: Info;
    /// Its configuration.
    type Config: PluginConfig;

    /// The transform, ready for use by one task.
    ///
    /// # Errors
    ///
    /// The task fails with it before it starts.
    fn configure(config: Self::Config) -> Result<Self>;

    /// The record changed, or `None` to drop it on purpose. Headers, key, value, topic, partition and
    /// timestamp may change; where the record came from stays as it is.
    ///
    /// # Errors
    ///
    /// The record has failed; the error policy of the task decides what becomes of it.
    fn apply(&mut self, record: Record) -> Result<Option<Record>>;

    /// All that the record becomes, for transforms that make several of one. By default what
    /// [`RowTransform::apply`] returns.
    ///
    /// # Errors
    ///
    /// As for [`RowTransform::apply`].
    fn expand(&mut self, record: Record) -> Result<Vec<Record>> {
        Ok(self.apply(record)?.into_iter().collect())
    }
}

/// Makes a [`Transform`] of a [`RowTransform`], and a [`Predicate`](crate::Predicate) of a
/// [`RowPredicate`](crate::RowPredicate).
#[derive(Debug)]
pub struct Rows<T>(pub(crate) T);

impl<T> Rows<T> {
    pub(crate) fn of(inner: T) -> Self {
        Self(inner)
    }
}

impl<T: RowTransform> Transform for Rows<T> {
    const INFO: Info = T::INFO;
    type Config = T::Config;

    fn configure(config: T::Config) -> Result<Self> {
        Ok(Self::of(T::configure(config)?))
    }

    fn apply(&mut self, records: &mut Records<'_>) -> Result<()> {
        records.replace_each(|record| self.0.expand(record))
    }
}
