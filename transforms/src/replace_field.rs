//! ReplaceField: leaves fields out, and renames them.

use std::sync::Arc;

use millstream_sdk::{
    Error, Field, Result, Schema, Value,
    batch::{self, EntryEdit, Kind, MapEdit, Variant, VariantBytes},
    config::{ConfigDef, ConfigValues, Importance::Medium, Key, PluginConfig, Validator},
};

use crate::{
    key_and_value,
    side::{Datum, Logic, OpenBlock, RowContext},
    trees::{SchemaCache, copied, copies_as_is, field_names, put, rebuilt, require_map, require_struct},
};

key_and_value!(
    ReplaceFieldKey,
    ReplaceFieldValue,
    "org.apache.kafka.connect.transforms.ReplaceField",
    ReplaceFieldConfig,
    ReplaceField,
    "Leaves out or renames fields."
);

const PURPOSE: &str = "field replacement";

/// Its configuration.
#[derive(Debug)]
pub struct ReplaceFieldConfig {
    exclude: Vec<String>,
    include: Vec<String>,
    /// Old and new names; for one old name the last one counts.
    renames: Vec<(String, String)>,
    replace_null: bool,
}

impl PluginConfig for ReplaceFieldConfig {
    fn definition() -> ConfigDef {
        let names =
            || Validator::List { allow_empty: true, allow_null: false, allow_duplicates: false, one_of: Vec::new() };
        ConfigDef::new()
            .key(
                Key::list("exclude")
                    .default("")
                    .validator(names())
                    .importance(Medium)
                    .doc("Fields to leave out; they are left out even if `include` names them."),
            )
            .key(
                Key::list("include")
                    .default("")
                    .validator(names())
                    .importance(Medium)
                    .doc("Fields to keep; all others are left out. Keeps all if empty."),
            )
            .key(
                Key::list("renames")
                    .default("")
                    .importance(Medium)
                    .doc("New names, as `old:new`, separated by commas."),
            )
            .key(crate::replace_null_key())
    }

    fn from_values(values: &ConfigValues) -> Result<Self> {
        let mut renames: Vec<(String, String)> = Vec::new();
        for item in values.list("renames")? {
            let mut parts: Vec<&str> = item.split(':').collect();
            while parts.last().is_some_and(|part| part.is_empty()) {
                parts.pop();
            }
            let [old, new] = parts.as_slice() else {
                let list = values.list("renames")?.join(", ");
                return Err(Error::config(format!(
                    "Invalid value [{list}] for configuration renames: Invalid rename mapping: {item}"
                )));
            };
            renames.retain(|(other, _)| other != old);
            renames.push(((*old).to_owned(), (*new).to_owned()));
        }
        Ok(Self {
            exclude: values.list("exclude")?.to_vec(),
            include: values.list("include")?.to_vec(),
            renames,
            replace_null: values.boolean("replace.null.with.default")?,
        })
    }
}

impl ReplaceFieldConfig {
    fn keeps(&self, name: &str) -> bool {
        let named = |list: &[String]| list.iter().any(|other| other == name);
        !named(&self.exclude) && (self.include.is_empty() || named(&self.include))
    }

    fn renamed<'n>(&'n self, name: &'n str) -> &'n str {
        self.renames.iter().find(|(old, _)| old == name).map_or(name, |(_, new)| new)
    }

    /// The field that an output field is read from.
    fn source_of<'n>(&'n self, output: &'n str) -> &'n str {
        // As in a map from new to old names: the mapping that was put last stands.
        self.renames.iter().rev().find(|(_, new)| new == output).map_or(output, |(old, _)| old)
    }
}

/// What becomes of a schema: the new one, and where each of its fields is read from.
#[derive(Clone, Debug)]
struct Plan {
    schema: Arc<Schema>,
    sources: Arc<[usize]>,
}

/// The transform.
pub struct ReplaceField {
    config: ReplaceFieldConfig,
    plans: SchemaCache<Result<Plan>>,
}

impl ReplaceField {
    fn configure(config: ReplaceFieldConfig) -> Result<Self> {
        Ok(Self { config, plans: SchemaCache::default() })
    }

    /// One that only leaves fields out.
    pub fn excluding(exclude: Vec<String>, replace_null: bool) -> Self {
        let config = ReplaceFieldConfig { exclude, include: Vec::new(), renames: Vec::new(), replace_null };
        Self { config, plans: SchemaCache::default() }
    }

    fn plan(&mut self, schema: &Arc<Schema>) -> Result<Plan> {
        let config = &self.config;
        self.plans.get(schema, |schema| Ok(plan(config, schema)))?
    }
}

fn plan(config: &ReplaceFieldConfig, schema: &Arc<Schema>) -> Result<Plan> {
    let kept = schema.fields().iter().filter(|field| config.keeps(&field.name));
    let fields: Vec<Field> = kept
        .map(|field| Field { name: config.renamed(&field.name).to_owned(), schema: Arc::clone(&field.schema) })
        .collect();
    let source = |field: &Field| {
        let name = config.source_of(&field.name);
        let found = schema.field(name).map(|(at, _)| at);
        found.ok_or_else(|| {
            let error = Error::data(format!("{name} is not a valid field name"));
            crate::trees::found(error, field_names(schema), format!("{name:?}")).in_field(name)
        })
    };
    let sources = fields.iter().map(source).collect::<Result<_>>()?;
    Ok(Plan { schema: rebuilt(schema, fields)?, sources })
}

/// Leaves entries out where maps stand as variants.
impl MapEdit for ReplaceFieldConfig {
    fn entry(&self, name: &str) -> EntryEdit {
        if self.keeps(name) { EntryEdit::Keep } else { EntryEdit::Drop }
    }

    fn replace(&mut self, _: Variant<'_>) -> Option<&VariantBytes> {
        None
    }
}

impl Logic for ReplaceField {
    fn columns(&mut self, block: &mut OpenBlock<'_, '_>) -> Result<bool> {
        if block.column.constant {
            return Ok(false);
        }
        match (block.schema.clone(), block.column.kind) {
            // Nulls pass.
            (None, Kind::Null) => Ok(true),
            (Some(schema), Kind::Struct) if block.column.valid.is_none() => {
                let Ok(plan) = self.plan(&schema) else { return Ok(false) };
                if !copies_as_is(&schema, block.column, |name| !self.config.keeps(name)) {
                    return Ok(false);
                }
                let mut old: Vec<_> = std::mem::take(&mut block.column.children).into_iter().map(Some).collect();
                for (field, &source) in plan.schema.fields().iter().zip(plan.sources.iter()) {
                    // A column that two fields are read from is there only once.
                    let Some(column) = old[source].take().or_else(|| block.column.children.get(source).cloned()) else {
                        continue;
                    };
                    block.column.children.push(column.named(field.name.clone()));
                }
                if block.column.children.len() != plan.schema.fields().len() {
                    return Err(Error::data("two fields are read from one"));
                }
                *block.schema = Some(plan.schema);
                Ok(true)
            }
            (None, Kind::Object) => {
                let config = &self.config;
                let renames_collide = block.column.children.iter().any(|child| {
                    let new = config.renamed(&child.name);
                    new != child.name && block.column.children.iter().any(|other| other.name == new)
                });
                let targets_repeat = (1..config.renames.len())
                    .any(|at| config.renames[..at].iter().any(|(_, new)| *new == config.renames[at].1));
                if renames_collide || targets_repeat {
                    return Ok(false);
                }
                block.column.children.retain(|child| config.keeps(&child.name));
                for child in &mut block.column.children {
                    if let Some((_, new)) = config.renames.iter().find(|(old, _)| *old == child.name) {
                        child.name = new.clone().into();
                    }
                }
                Ok(true)
            }
            (None, Kind::Variant) if self.config.renames.is_empty() => {
                let Some(column) = batch::edit_maps(block.column, &mut self.config) else { return Ok(false) };
                *block.column = column;
                Ok(true)
            }
            _ => Ok(false),
        }
    }

    fn row(&mut self, schema: Option<Arc<Schema>>, value: Value, _: &RowContext<'_, '_>) -> Result<Datum> {
        if value.is_null() {
            return Ok((schema, value));
        }
        let Some(schema) = schema else {
            let mut out = Vec::new();
            for (key, value) in require_map(value, PURPOSE)? {
                match &key {
                    Value::String(name) if self.config.keeps(name) => put(&mut out, self.config.renamed(name), value),
                    Value::String(_) => {}
                    _ => out.push((key, value)),
                }
            }
            return Ok((None, Value::Map(out)));
        };
        let (own, slots) = require_struct(value, PURPOSE)?;
        let plan = self.plan(&schema)?;
        let copy = |&source: &usize| copied(&own.fields()[source], slots[source].clone(), self.config.replace_null);
        let copies = plan.sources.iter().map(copy).collect::<Result<_>>()?;
        Ok((Some(Arc::clone(&plan.schema)), Value::Struct(plan.schema, copies)))
    }
}
