//! Records of one topic that are appended one after another, whatever the producer has to wait for first.

use millstream_client::{Ack, RecordRef, SendError, TryAppendError};
use millstream_record::TopicName;

use super::RecordProducer;

/// Appends all of `items`, each made a record by `record`. Waits while the producer does not know the topic, and sends
/// everything while it has no room. Acknowledgements that come meanwhile are `taken`, since they take up room.
///
/// Dropping the future leaves some of them appended.
///
/// # Errors
///
/// A record can never be written, or `taken` refuses an acknowledgement: some may have been appended.
pub(crate) async fn append_all<T: Sync>(
    producer: &mut dyn RecordProducer,
    topic: &TopicName,
    items: &[T],
    record: impl for<'r> Fn(&'r T) -> RecordRef<'r> + Send + Sync,
    mut taken: impl FnMut(Ack) -> Result<(), SendError> + Send,
) -> Result<(), SendError> {
    let mut rest = items;
    while !rest.is_empty() {
        let (mut appended, mut refused) = (0, None);
        producer.group(&mut |appender| {
            for item in rest {
                if let Err(error) = appender.append(topic, None, record(item)) {
                    refused = Some(error);
                    return;
                }
                appended += 1;
            }
        });
        rest = &rest[appended..];
        match refused {
            None => {}
            Some(TryAppendError::Full) => producer.flush().await,
            Some(TryAppendError::UnknownTopic) => producer.learn(topic).await?,
            Some(TryAppendError::Failed(error)) => return Err(error),
        }
        take_acks(producer, &mut taken)?;
    }
    Ok(())
}

/// Has the acknowledgements that are there `taken`.
///
/// # Errors
///
/// One of them was refused, and is the last that was taken.
pub(crate) fn take_acks(
    producer: &mut dyn RecordProducer,
    mut taken: impl FnMut(Ack) -> Result<(), SendError>,
) -> Result<(), SendError> {
    while let Some(ack) = producer.try_ack() {
        taken(ack)?;
    }
    Ok(())
}
