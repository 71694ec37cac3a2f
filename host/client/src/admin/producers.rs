//! Producers of transactions, shut out from outside.

use std::collections::BTreeMap;

use futures::future::try_join_all;
use millstream_wire::protocol::messages::{InitProducerIdRequest, ProducerId};

use super::{Admin, Refused, groups::not_worth_repeating, millis};
use crate::cluster::{CoordinatorOf, RequestError, wire_transactional_id};

impl Admin {
    /// Shuts out the producers that write transactions under these names, as Kafka's `fenceProducers` does: what one of
    /// them has left open is aborted, and whatever it still sends is refused. A name that nobody has used yet is no
    /// error.
    ///
    /// # Errors
    ///
    /// A coordinator cannot be asked; names that others were asked about may be shut out nevertheless.
    pub async fn fence_producers(
        &self,
        transactional_ids: &[String],
    ) -> Result<BTreeMap<String, Result<(), Refused>>, RequestError> {
        let fenced = transactional_ids.iter().map(|id| self.fence_producer(id));
        Ok(transactional_ids.iter().cloned().zip(try_join_all(fenced).await?).collect())
    }

    async fn fence_producer(&self, id: &str) -> Result<Result<(), Refused>, RequestError> {
        // Nobody writes under the identity that this asks for, so that its time for transactions means nothing. As
        // Kafka's own admin client has it, since brokers may refuse one that is very short.
        let request = InitProducerIdRequest::default()
            .with_transactional_id(Some(wire_transactional_id(id)))
            .with_transaction_timeout_ms(millis(self.api_timeout))
            .with_producer_id(ProducerId(-1))
            .with_producer_epoch(-1);
        let attempted = format!("fence the producer {id}");
        self.repeat(&attempted, || async {
            let (node, address) = self.link.cluster.find_coordinator(CoordinatorOf::Transaction(id)).await?;
            let response = self.link.to_address(node, &address).await?.call(&request).await?;
            // A transaction that is still being ended is waited for.
            let answer = not_worth_repeating(&attempted, response.error_code)?;
            Ok(answer.map_err(|source| Refused { message: None, source }))
        })
        .await
    }
}
