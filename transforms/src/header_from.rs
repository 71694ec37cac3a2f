//! HeaderFrom: moves or copies fields into headers.

use std::sync::Arc;

use millstream_sdk::{
    Error, Records, Result, RowError, Schema, Value,
    batch::{Column, HeadersBuilder, Kind, Role, SchemaTable, Side, Table},
    config::{ConfigDef, ConfigValues, Importance::High, Key, PluginConfig, Validator},
    values::headers,
};

use crate::{
    replace_field::ReplaceField,
    side,
    trees::{field_names, found, get, require_map, require_struct},
};

/// Its configuration.
#[derive(Debug)]
pub struct HeaderFromConfig {
    fields: Vec<String>,
    headers: Vec<String>,
    moves: bool,
    replace_null: bool,
}

impl PluginConfig for HeaderFromConfig {
    fn definition() -> ConfigDef {
        let list = |name: &str| Key::list(name).required().validator(Validator::SomeItems).importance(High);
        ConfigDef::new()
            .key(list("fields").doc("Names of the fields that go into headers."))
            .key(list("headers").doc("Keys of the headers, one for each field."))
            .key(
                Key::string("operation")
                    .required()
                    .validator(Validator::OneOf(vec!["move".into(), "copy".into()]))
                    .importance(High)
                    .doc("`move` takes the fields out of the record, `copy` leaves them there."),
            )
            .key(crate::replace_null_key())
    }

    fn from_values(values: &ConfigValues) -> Result<Self> {
        let (fields, headers) = (values.list("fields")?.to_vec(), values.list("headers")?.to_vec());
        if fields.len() != headers.len() {
            return Err(Error::config("'fields' config must have the same number of elements as 'headers' config."));
        }
        let moves = values.string("operation")? == "move";
        Ok(Self { fields, headers, moves, replace_null: values.boolean("replace.null.with.default")? })
    }
}

/// The transform on either side of a record.
pub struct HeaderFrom {
    config: HeaderFromConfig,
    /// Takes the fields out.
    removal: ReplaceField,
}

/// Where a field of a block is read.
enum Source<'t, 'a> {
    /// In a column of its own.
    Column(&'t Column<'a>, Option<Arc<Schema>>),
    /// Nowhere: maps without schema lack it.
    Nothing,
    /// In the row as a tree.
    Tree,
    /// The schema has no such field.
    Missing,
}

impl HeaderFrom {
    fn configure(config: HeaderFromConfig) -> Result<Self> {
        let removal = ReplaceField::excluding(config.fields.clone(), config.replace_null);
        Ok(Self { config, removal })
    }

    fn purpose(&self) -> &'static str {
        if self.config.moves { "header move" } else { "header copy" }
    }

    /// Where the fields of a block are read; one entry each.
    fn sources<'t, 'a>(&self, column: &'t Column<'a>, schema: Option<&Arc<Schema>>) -> Vec<Source<'t, 'a>> {
        let source = |name: &String| match (schema, column.kind) {
            (Some(schema), Kind::Struct) => match schema.field(name) {
                Some((at, field)) => Source::Column(&column.children[at], Some(Arc::clone(&field.schema))),
                None => Source::Missing,
            },
            (None, Kind::Object) => column.child(name).map_or(Source::Nothing, |child| Source::Column(child, None)),
            _ => Source::Tree,
        };
        self.config.fields.iter().map(source).collect()
    }

    /// A field of a row that no column holds.
    fn of_tree(&self, value: Value, has_schema: bool, name: &str) -> Result<(Option<Arc<Schema>>, Value)> {
        if has_schema {
            let (own, mut slots) = require_struct(value, self.purpose())?;
            let (at, field) = own.field(name).ok_or_else(|| missing(name, &own))?;
            return Ok((Some(Arc::clone(&field.schema)), std::mem::take(&mut slots[at])));
        }
        let entries = require_map(value, self.purpose())?;
        Ok((None, get(&entries, name).cloned().unwrap_or_default()))
    }

    /// Appends a field to the headers of the row under way.
    fn push(
        &self,
        headers: &mut HeadersBuilder,
        name: &str,
        schema: Option<Arc<Schema>>,
        value: Value,
        schemas: &mut SchemaTable<'static>,
    ) -> Result<()> {
        let default = schema.as_ref().filter(|_| value.is_null() && self.config.replace_null);
        let value = default.and_then(Schema::default_value).unwrap_or(value);
        let header = headers::Header::new(name, schema, value)?;
        Ok(headers.push(&header.key, header.schema.as_ref(), &header.value, schemas)?)
    }

    fn apply(&mut self, records: &mut Records<'_>, side: Side) -> Result<()> {
        if (0..records.rows as usize).all(|row| !records.is_active(row)) {
            return Ok(());
        }
        let (column, schemas, failed) = self.headers(records, side)?;
        records.schemas = schemas;
        if let Some(column) = column {
            records.set(Role::HEADERS, column);
        }
        failed.into_iter().for_each(|error| records.fail(error));
        if self.config.moves { side::apply(records, side, &mut self.removal) } else { Ok(()) }
    }

    /// The headers of all rows with those from fields behind them, and the rows that failed.
    fn headers(
        &self,
        records: &Records<'_>,
        side: Side,
    ) -> Result<(Option<Column<'static>>, SchemaTable<'static>, Vec<RowError>)> {
        let table: &Table<'_> = records;
        let union = table.side(side);
        let old = table.get(Role::HEADERS);
        let mut schemas = table.schemas.clone().into_owned();
        let blocks: Vec<_> = union
            .blocks
            .iter()
            .map(|block| {
                let schema = table.schema_of(block);
                let sources = self.sources(&block.column, schema.as_ref());
                (&block.column, schema, sources)
            })
            .collect();
        let mut failed = Vec::new();
        let mut out = HeadersBuilder::default();
        for (row, place) in union.places(table.rows as usize).enumerate() {
            old.into_iter().flat_map(|old| old.headers(row)).for_each(|header| out.push_raw(&header));
            if records.is_active(row) {
                let result = match place {
                    Some(place) => {
                        let (column, schema, sources) = &blocks[place.block];
                        self.row(column, schema.as_ref(), sources, place.row, &mut out, &mut schemas, table)
                    }
                    None => self.of_tree(Value::Null, false, "").map(|_| ()),
                };
                if let Err(error) = result {
                    failed.push(RowError::new(row, error));
                }
            }
            out.end_row();
        }
        Ok((out.finish(), schemas, failed))
    }

    #[expect(clippy::too_many_arguments, reason = "the parts of one row")]
    fn row(
        &self,
        column: &Column<'_>,
        schema: Option<&Arc<Schema>>,
        sources: &[Source<'_, '_>],
        row: usize,
        out: &mut HeadersBuilder,
        schemas: &mut SchemaTable<'static>,
        table: &Table<'_>,
    ) -> Result<()> {
        if column.is_null(row) {
            self.of_tree(Value::Null, schema.is_some(), "")?;
        }
        let inner = column.physical(row);
        for ((source, header), name) in sources.iter().zip(&self.config.headers).zip(&self.config.fields) {
            let (schema, value) = match source {
                Source::Column(child, schema) => (schema.clone(), child.value(inner, schema.as_ref(), &table.schemas)),
                Source::Nothing => (None, Value::Null),
                Source::Missing => {
                    return Err(match schema {
                        Some(schema) => missing(name, schema),
                        None => Error::data(format!("there is no field {name}")).in_field(name),
                    });
                }
                Source::Tree => self.of_tree(column.value(row, schema, &table.schemas), schema.is_some(), name)?,
            };
            self.push(out, header, schema, value, schemas).map_err(|error| error.in_field(name))?;
        }
        Ok(())
    }
}

#[cold]
fn missing(name: &str, schema: &Schema) -> Error {
    let error = Error::data(format!("there is no field {name}")).class("java.lang.NullPointerException");
    found(error, field_names(schema), format!("{name:?}")).in_field(name)
}

/// A class on one side of the record.
macro_rules! header_from {
    ($name:ident, $side:ident, $class:literal) => {
        #[doc = concat!("The transform on the record's ", stringify!($side), ".")]
        pub struct $name(HeaderFrom);

        impl millstream_sdk::Transform for $name {
            const INFO: millstream_sdk::Info = millstream_sdk::Info::new($class)
                .version(crate::KAFKA_VERSION)
                .doc("Moves or copies fields of the key or value into headers.");
            type Config = HeaderFromConfig;

            fn configure(config: HeaderFromConfig) -> Result<Self> {
                Ok(Self(HeaderFrom::configure(config)?))
            }

            fn apply(&mut self, records: &mut Records<'_>) -> Result<()> {
                self.0.apply(records, Side::$side)
            }
        }
    };
}

header_from!(HeaderFromKey, Key, "org.apache.kafka.connect.transforms.HeaderFrom$Key");
header_from!(HeaderFromValue, Value, "org.apache.kafka.connect.transforms.HeaderFrom$Value");
