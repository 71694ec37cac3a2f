//! Kafka Connect's transforms and predicates, as one component.
//!
//! Each transform works on whole columns where a batch is of a plain shape, and row by row where it
//! is not; both give what Connect gives. The rules are in the transforms' own files.

pub mod cast;
pub mod extract_field;
pub mod filter;
pub mod hoist_field;
pub mod insert_field;
pub mod mask_field;
pub mod predicates;
pub mod regex_router;
pub mod replace_field;
pub mod side;
pub mod trees;

use millstream_sdk::config::{Importance, Key};

/// The version these plugins report: the Kafka release whose behaviour they have.
pub const KAFKA_VERSION: &str = "4.3.0";

/// The key that most transforms share.
fn replace_null_key() -> Key {
    Key::boolean("replace.null.with.default")
        .default(true)
        .importance(Importance::Medium)
        .doc("Whether a field that is null takes its schema's default, if there is one.")
}

millstream_sdk::plugin! {
    transforms: [
        cast::CastKey,
        cast::CastValue,
        extract_field::ExtractFieldKey,
        extract_field::ExtractFieldValue,
        filter::Filter,
        hoist_field::HoistFieldKey,
        hoist_field::HoistFieldValue,
        insert_field::InsertFieldKey,
        insert_field::InsertFieldValue,
        mask_field::MaskFieldKey,
        mask_field::MaskFieldValue,
        regex_router::RegexRouter,
        replace_field::ReplaceFieldKey,
        replace_field::ReplaceFieldValue,
    ],
    predicates: [predicates::HasHeaderKey, predicates::RecordIsTombstone, predicates::TopicNameMatches],
}
