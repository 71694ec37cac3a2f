//! Offsets of connectors: seeing, altering and resetting them.

use std::sync::Arc;

use axum::{body::Body, extract::State, response::Response};
use millstream_runtime::herder::{OffsetChange, OffsetEntry};
use serde_json::{Value, json};

use super::Api;
use crate::{
    Herder, body,
    error::{Answer, RestError, ok},
    path::Name,
};

/// `GET /connectors/{connector}/offsets`.
pub(crate) async fn list(State(herder): State<Arc<dyn Herder>>, Name(name): Name) -> Answer {
    let entry = |OffsetEntry { partition, offset }| json!({"partition": partition, "offset": offset});
    let offsets: Vec<Value> = herder.offsets(&name).await?.into_iter().map(entry).collect();
    Ok(ok(&json!({ "offsets": offsets })))
}

/// `PATCH /connectors/{connector}/offsets`.
pub(crate) async fn alter(State(api): State<Api>, Name(name): Name, body: Body) -> Answer {
    let entries = body::offsets(&body::read(body, api.max_body_bytes).await?)?;
    if entries.is_empty() {
        return Err(RestError::bad_request("Partitions / offsets need to be provided for an alter offsets request"));
    }
    let alone = api.herder.change_offsets(&name, OffsetChange::Alter(entries)).await?;
    Ok(changed("altered", alone))
}

/// `DELETE /connectors/{connector}/offsets`.
pub(crate) async fn reset(State(herder): State<Arc<dyn Herder>>, Name(name): Name) -> Answer {
    let alone = herder.change_offsets(&name, OffsetChange::Reset).await?;
    Ok(changed("reset", alone))
}

/// `alone` says that the connector keeps no offsets elsewhere.
fn changed(how: &str, alone: bool) -> Response {
    let message = if alone {
        format!("The offsets for this connector have been {how} successfully")
    } else {
        format!(
            "The Connect framework-managed offsets for this connector have been {how} successfully. However, if this connector manages offsets externally, they will need to be manually {how} in the system that the connector uses."
        )
    };
    ok(&json!({ "message": message }))
}
