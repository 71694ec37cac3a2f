//! ExtractField: one field in the place of the whole key or value.

use std::sync::Arc;

use millstream_sdk::{
    Error, Result, Schema, SchemaType, Value,
    batch::Kind,
    config::{
        ConfigDef, ConfigValue, ConfigValues,
        Importance::{High, Medium},
        Key, PluginConfig,
    },
    error::class,
    values::{FieldPath, PathSyntax},
};

use crate::{
    key_and_value,
    side::{Datum, Logic, OpenBlock, RowContext},
    trees::{field_names, found, get, null_where_absent, require_map, require_struct},
};

key_and_value!(
    ExtractFieldKey,
    ExtractFieldValue,
    "org.apache.kafka.connect.transforms.ExtractField",
    ExtractFieldConfig,
    ExtractField,
    "Replaces a struct (or map, without a schema) by one of its fields."
);

const PURPOSE: &str = "field extraction";

/// Its configuration.
#[derive(Debug)]
pub struct ExtractFieldConfig {
    path: FieldPath,
    replace_null: bool,
}

impl PluginConfig for ExtractFieldConfig {
    fn definition() -> ConfigDef {
        ConfigDef::new()
            .key(Key::string("field").required().importance(Medium).doc("Name or path of the field."))
            .key(
                Key::string("field.syntax.version")
                    .default("V1")
                    .validator(millstream_sdk::config::Validator::OneOfIgnoreCase(vec!["V1".into(), "V2".into()]))
                    .importance(High)
                    .doc("`V1`: `field` is a name. `V2`: it is a path, with dots between the steps and backticks around steps that contain dots."),
            )
            .key(crate::replace_null_key())
    }

    fn from_values(values: &ConfigValues) -> Result<Self> {
        let syntax = match values.value("field.syntax.version") {
            ConfigValue::String(text) => PathSyntax::parse(text),
            _ => None,
        };
        let syntax = syntax.ok_or_else(|| {
            Error::config("Invalid value null for configuration field.syntax.version: Value must be non-null")
        })?;
        let field = values.opt_string("field").unwrap_or_default();
        let path = FieldPath::parse(field, syntax)
            .map_err(|error| found(Error::from(error), format!("field={field}"), "a path with its backticks closed"))?;
        Ok(Self { path, replace_null: values.boolean("replace.null.with.default")? })
    }
}

/// The transform.
pub struct ExtractField {
    config: ExtractFieldConfig,
}

impl ExtractField {
    fn configure(config: ExtractFieldConfig) -> Result<Self> {
        Ok(Self { config })
    }

    /// The failure of a struct that lacks a step of the path.
    #[cold]
    fn unknown(&self, step: usize, schema: &Schema) -> Error {
        let steps = self.config.path.steps();
        let wanted = steps.get(step).map_or("", String::as_str);
        self.at(step + 1, found(self.no_such_field(), field_names(schema), format!("{wanted:?}")))
    }

    fn no_such_field(&self) -> Error {
        let path = self.config.path.as_str();
        Error::data(format!("Unknown field: {path}")).class(class::ILLEGAL_ARGUMENT_EXCEPTION)
    }

    /// A failure in what the first steps of the path lead to.
    #[cold]
    fn at(&self, steps: usize, error: Error) -> Error {
        let path = self.config.path.steps().iter().take(steps).rev();
        path.fold(error, |error, step| error.in_field(step))
    }

    /// The schema of the addressed field.
    fn schema(&self, schema: &Arc<Schema>) -> Result<Arc<Schema>> {
        let steps = self.config.path.steps();
        if steps.is_empty() {
            return Err(self.no_such_field());
        }
        let mut current = Arc::clone(schema);
        for (at, step) in steps.iter().enumerate() {
            if !matches!(current.kind, SchemaType::Struct(_)) {
                let error = Error::data("Cannot look up fields on non-struct type");
                return Err(self.at(at, found(error, current.kind.name(), "STRUCT")));
            }
            let field = current.field(step).map(|(_, field)| Arc::clone(&field.schema));
            current = field.ok_or_else(|| self.unknown(at, &current))?;
        }
        Ok(current)
    }
}

impl Logic for ExtractField {
    fn columns(&mut self, block: &mut OpenBlock<'_, '_>) -> Result<bool> {
        let [step] = self.config.path.steps() else { return Ok(false) };
        if block.column.valid.is_some() || block.column.constant {
            return Ok(false);
        }
        match (block.schema.clone(), block.column.kind) {
            (Some(schema), Kind::Struct) => {
                let Some((at, field)) = schema.field(step) else { return Ok(false) };
                if self.config.replace_null && field.schema.default.is_some() && !block.column.children[at].is_full() {
                    return Ok(false);
                }
                *block.schema = Some(Arc::clone(&field.schema));
                *block.column = block.column.children.swap_remove(at).named("");
                Ok(true)
            }
            (None, Kind::Object) => {
                let Some(at) = block.column.children.iter().position(|child| child.name == *step) else {
                    return Ok(false);
                };
                // A map that lacks the key gives null, so absence becomes null.
                let column = block.column.children.swap_remove(at).named("");
                *block.column = null_where_absent(column);
                Ok(true)
            }
            _ => Ok(false),
        }
    }

    fn row(&mut self, schema: Option<Arc<Schema>>, value: Value, _: &RowContext<'_, '_>) -> Result<Datum> {
        let steps = self.config.path.steps();
        let Some(schema) = schema else {
            if value.is_null() {
                return Ok((None, Value::Null));
            }
            if steps.is_empty() {
                return Err(self.no_such_field());
            }
            let mut current = value;
            for (at, step) in steps.iter().enumerate() {
                if current.is_null() {
                    return Ok((None, Value::Null));
                }
                let purpose = if at == 0 { PURPOSE } else { "nested field access" };
                let entries = require_map(current, purpose).map_err(|error| self.at(at, error))?;
                current = get(&entries, step).cloned().unwrap_or_default();
            }
            // An element that is a struct stands without its schema.
            return Ok((None, current));
        };
        let out = self.schema(&schema)?;
        let mut current = value;
        for (at, step) in steps.iter().enumerate() {
            if current.is_null() {
                return Ok((Some(out), Value::Null));
            }
            let (own, mut slots) = require_struct(current, PURPOSE).map_err(|error| self.at(at, error))?;
            let (index, field) = own.field(step).ok_or_else(|| self.unknown(at, &own))?;
            let slot = std::mem::take(&mut slots[index]);
            let replace = at + 1 < steps.len() || self.config.replace_null;
            current = match field.schema.default_value() {
                Some(default) if slot.is_null() && replace => default,
                _ => slot,
            };
        }
        Ok((Some(out), current))
    }
}
