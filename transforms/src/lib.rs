//! Kafka Connect's transforms and predicates, as one component.
//!
//! Each transform works on whole columns where a batch is of a plain shape, and row by row where it
//! is not; both give what Connect gives. The rules are in the transforms' own files.

// The component's exports, which only exist there, are unsafe by nature; everything else is compiled natively, too.
#![cfg_attr(not(target_arch = "wasm32"), forbid(unsafe_code))]

pub mod cast;
pub mod drop_headers;
pub mod extract_field;
pub mod filter;
pub mod flatten;
pub mod header_from;
pub mod hoist_field;
pub mod insert_field;
pub mod insert_header;
pub mod mask_field;
pub mod predicates;
pub mod regex_router;
pub mod replace_field;
pub mod set_schema_metadata;
pub mod side;
pub mod timestamp_converter;
pub mod timestamp_router;
pub mod trees;
pub mod value_to_key;

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
        drop_headers::DropHeaders,
        extract_field::ExtractFieldKey,
        extract_field::ExtractFieldValue,
        filter::Filter,
        flatten::FlattenKey,
        flatten::FlattenValue,
        header_from::HeaderFromKey,
        header_from::HeaderFromValue,
        hoist_field::HoistFieldKey,
        hoist_field::HoistFieldValue,
        insert_field::InsertFieldKey,
        insert_field::InsertFieldValue,
        insert_header::InsertHeader,
        mask_field::MaskFieldKey,
        mask_field::MaskFieldValue,
        regex_router::RegexRouter,
        replace_field::ReplaceFieldKey,
        replace_field::ReplaceFieldValue,
        set_schema_metadata::SetSchemaMetadataKey,
        set_schema_metadata::SetSchemaMetadataValue,
        timestamp_converter::TimestampConverterKey,
        timestamp_converter::TimestampConverterValue,
        timestamp_router::TimestampRouter,
        value_to_key::ValueToKey,
    ],
    predicates: [predicates::HasHeaderKey, predicates::RecordIsTombstone, predicates::TopicNameMatches],
}
