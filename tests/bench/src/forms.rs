//! The records that are measured: ten fields, about 210 bytes as JSON, in the forms that batches have.

use millstream_connector::Converter;
use millstream_record::batch::{Batch, ColumnBuilder, Side, Table, Union};

use crate::json::{self, Messages, decode};

/// How the records look.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Form {
    /// One schema.
    Schema,
    /// No schema, one shape.
    Shredded,
    /// No schema, and a field that is now a number and now a text.
    Conflict,
    /// No schema, and every record a variant: what is left when shapes do not agree at all.
    Variant,
    /// Two schemas, schemaless records and tombstones in turn.
    Mixed,
}

impl Form {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Schema, Self::Shredded, Self::Conflict, Self::Variant, Self::Mixed];

    /// Name in tables.
    pub fn name(self) -> &'static str {
        match self {
            Self::Schema => "schema",
            Self::Shredded => "schemaless, one shape",
            Self::Conflict => "schemaless, one field in conflict",
            Self::Variant => "schemaless, variants",
            Self::Mixed => "mixed schemas, tombstones",
        }
    }

    /// Whether messages carry their schema.
    fn schemas(self) -> bool {
        matches!(self, Self::Schema | Self::Mixed)
    }

    /// A JSON converter for the form's messages.
    pub fn converter(self) -> Box<dyn Converter> {
        json::converter(self.schemas())
    }

    /// So many messages.
    pub fn messages(self, count: usize) -> Messages {
        Messages::new((0..count).map(|number| self.message(number)).collect())
    }

    fn message(self, number: usize) -> Option<Vec<u8>> {
        let payload = payload(number, self == Self::Conflict && number % 2 == 1);
        let text = match self {
            Self::Schema => format!(r#"{{"schema":{},"payload":{payload}}}"#, schema("Order")),
            Self::Mixed => match number % 10 {
                9 => return None,
                0 | 1 => format!(r#"{{"schema":null,"payload":{payload}}}"#),
                number if number % 2 == 0 => format!(r#"{{"schema":{},"payload":{payload}}}"#, schema("Order")),
                _ => format!(r#"{{"schema":{},"payload":{payload}}}"#, schema("OldOrder")),
            },
            _ => payload,
        };
        Some(text.into_bytes())
    }

    /// The messages as a batch of one topic, as a converter and a consumer make it.
    pub fn batch(self, count: usize) -> Batch {
        let messages = self.messages(count);
        let mut batch = decode(&mut *self.converter(), &messages);
        if self == Self::Variant {
            let mut table = batch.open().into_owned();
            table.values = as_variants(&table);
            batch = table.into_batch();
        }
        batch
    }
}

fn payload(number: usize, conflict: bool) -> String {
    let amount = if conflict { format!("\"{}.50\"", number % 900) } else { format!("{}.25", number % 900 + 100) };
    format!(
        r#"{{"id":{},"customer":"customer-{:05}","status":"pending","amount":{amount},"currency":"EUR","items":{},"express":{},"city":"Amsterdam","internal_note":"checked by agent {}, ok","created":17000{:08}}}"#,
        1_000_000 + number,
        number % 100_000,
        number % 9 + 1,
        number.is_multiple_of(3),
        number % 10,
        number * 13 % 100_000_000,
    )
}

fn schema(name: &str) -> String {
    let field = |field: &str, kind: &str| format!(r#"{{"field":"{field}","type":"{kind}","optional":false}}"#);
    let fields = [
        field("id", "int64"),
        field("customer", "string"),
        field("status", "string"),
        field("amount", "double"),
        field("currency", "string"),
        field("items", "int32"),
        field("express", "boolean"),
        field("city", "string"),
        field("internal_note", "string"),
        field("created", "int64"),
    ];
    format!(r#"{{"type":"struct","name":"org.example.{name}","optional":false,"fields":[{}]}}"#, fields.join(","))
}

fn as_variants(table: &Table<'_>) -> Union<'static> {
    let mut column = ColumnBuilder::new();
    for (_, value) in table.data(Side::Value) {
        let mut schemas = millstream_record::batch::SchemaTable::default();
        column.push_variant(&value, &mut schemas).expect("a map of scalars can be carried");
    }
    Union::single(None, column.finish())
}
