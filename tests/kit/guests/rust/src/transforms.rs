//! The transforms and the predicate.

use std::sync::Arc;

use millstream_sdk::{
    Error, Field, Header, Info, Record, Records, Result, RowPredicate, RowTransform, Schema, SchemaType, Transform,
    Value,
    batch::{Column, Role},
    config::{ConfigDef, ConfigValues, Key, PluginConfig},
};

use crate::kit::{self, Actions, failure, own, panic_on_purpose, text_of};

const fn info(class: &'static str) -> Info {
    Info::new(class).version("1.0.0").doc("Kit transform.")
}

/// The configuration of those that have actions only.
pub struct ActionsOnly(Actions);

impl PluginConfig for ActionsOnly {
    fn definition() -> ConfigDef {
        ConfigDef::new().key(kit::key())
    }

    fn from_values(values: &ConfigValues) -> Result<Self> {
        configured(values).map(Self)
    }
}

/// The actions, after those of `configure`.
fn configured(values: &ConfigValues) -> Result<Actions> {
    let mut actions = Actions::parse(values.opt_string("do").unwrap_or_default())?;
    run(&mut actions, "configure")?;
    Ok(actions)
}

fn run(actions: &mut Actions, place: &str) -> Result<()> {
    match actions.run(place)?.first() {
        None => Ok(()),
        Some(words) => Err(Error::config(format!("cannot read the action {}", words.join(" ")))),
    }
}

/// Takes records apart and makes new ones of the parts.
pub struct Echo(Actions);

impl RowTransform for Echo {
    const INFO: Info = info("org.millstream.kit.Echo");
    type Config = ActionsOnly;

    fn configure(config: ActionsOnly) -> Result<Self> {
        Ok(Self(config.0))
    }

    fn apply(&mut self, record: Record) -> Result<Option<Record>> {
        run(&mut self.0, "apply")?;
        let Record { topic, partition, timestamp_ms, key_schema, key, value_schema, value, headers, .. } = record;
        Ok(Some(Record {
            topic,
            partition,
            timestamp_ms,
            key_schema,
            key,
            value_schema,
            value,
            headers,
            ..Record::default()
        }))
    }
}

/// Sends records to another topic, without a look at what is in them.
pub struct Stamp {
    topic: String,
    actions: Actions,
}

/// The configuration of [`Stamp`].
pub struct StampConfig(String, Actions);

impl PluginConfig for StampConfig {
    fn definition() -> ConfigDef {
        ConfigDef::new().key(Key::string("topic").required().non_empty()).key(kit::key())
    }

    fn from_values(values: &ConfigValues) -> Result<Self> {
        Ok(Self(values.string("topic")?.to_owned(), configured(values)?))
    }
}

impl Transform for Stamp {
    const INFO: Info = info("org.millstream.kit.Stamp");
    type Config = StampConfig;

    fn configure(StampConfig(topic, actions): StampConfig) -> Result<Self> {
        Ok(Self { topic, actions })
    }

    fn apply(&mut self, records: &mut Records<'_>) -> Result<()> {
        run(&mut self.actions, "apply")?;
        let rows = records.rows;
        let topic = |row: usize| match records.is_active(row) {
            true => self.topic.as_str(),
            false => records.topic(row).unwrap_or_default(),
        };
        let topics = match records.all_matter() {
            true => Column::constant_str(rows, &self.topic),
            false => Column::strings((0..rows as usize).map(topic)).into_owned(),
        };
        records.set(Role::TOPIC, topics);
        Ok(())
    }
}

/// Sets a field of maps and structs.
pub struct SetField {
    field: String,
    value: String,
    actions: Actions,
}

/// The configuration of [`SetField`].
pub struct SetFieldConfig(String, String, Actions);

impl PluginConfig for SetFieldConfig {
    fn definition() -> ConfigDef {
        ConfigDef::new()
            .key(Key::string("field").required().non_empty())
            .key(Key::string("value").default("set"))
            .key(kit::key())
    }

    fn from_values(values: &ConfigValues) -> Result<Self> {
        let text = |key: &str| values.string(key).map(str::to_owned);
        Ok(Self(text("field")?, text("value")?, configured(values)?))
    }
}

impl RowTransform for SetField {
    const INFO: Info = info("org.millstream.kit.SetField");
    type Config = SetFieldConfig;

    fn configure(SetFieldConfig(field, value, actions): SetFieldConfig) -> Result<Self> {
        Ok(Self { field, value, actions })
    }

    fn apply(&mut self, mut record: Record) -> Result<Option<Record>> {
        run(&mut self.actions, "apply")?;
        let (name, text) = (self.field.as_str(), Value::from(self.value.as_str()));
        match &mut record.value {
            Value::Null => {}
            Value::Map(entries) => match entries.iter_mut().find(|(key, _)| text_of(key) == Some(name)) {
                Some((_, value)) => *value = text,
                None => entries.push((name.into(), text)),
            },
            Value::Struct(schema, slots) => match schema.field(name) {
                Some((at, field)) if field.schema.kind == SchemaType::String => slots[at] = text,
                Some(_) => return Err(Error::data(format!("field {name} is no text")).in_field(name)),
                None => {
                    let optional = Arc::new(Schema::new(SchemaType::String).optional());
                    let mut fields = schema.fields().to_vec();
                    fields.push(Field { name: name.to_owned(), schema: optional });
                    let wider = Arc::new(Schema { kind: SchemaType::Struct(fields), ..Schema::clone(schema) });
                    slots.push(text);
                    *schema = Arc::clone(&wider);
                    record.value_schema = Some(wider);
                }
            },
            _ => return Err(Error::data("expected a map or a struct").in_field(name)),
        }
        Ok(Some(record))
    }
}

/// Makes a record of each word.
pub struct Split(Actions);

impl RowTransform for Split {
    const INFO: Info = info("org.millstream.kit.Split");
    type Config = ActionsOnly;

    fn configure(config: ActionsOnly) -> Result<Self> {
        Ok(Self(config.0))
    }

    fn apply(&mut self, record: Record) -> Result<Option<Record>> {
        Ok(Some(record))
    }

    fn expand(&mut self, record: Record) -> Result<Vec<Record>> {
        run(&mut self.0, "apply")?;
        let Some(text) = text_of(&record.value) else { return Ok(vec![record]) };
        let word = |word: &str| Record { value: word.into(), ..record.clone() };
        Ok(text.split(' ').filter(|word| !word.is_empty()).map(word).collect())
    }
}

/// Does with a record what its value says.
pub struct Odd(Actions);

impl RowTransform for Odd {
    const INFO: Info = info("org.millstream.kit.Odd");
    type Config = ActionsOnly;

    fn configure(config: ActionsOnly) -> Result<Self> {
        Ok(Self(config.0))
    }

    fn apply(&mut self, mut record: Record) -> Result<Option<Record>> {
        run(&mut self.0, "apply")?;
        match text_of(&record.value) {
            Some("drop") => return Ok(None),
            Some("own") => return Err(own()),
            Some("panic") => panic_on_purpose(),
            Some("bad") => record.value_schema = Some(Arc::new(Schema::new(SchemaType::Int32))),
            Some(text) => {
                if let Some(kind) = text.strip_prefix("fail ") {
                    return Err(failure(kind, "record"));
                }
            }
            None => {}
        }
        Ok(Some(record))
    }
}

/// Numbers records.
pub struct Count {
    next: i64,
    actions: Actions,
}

impl RowTransform for Count {
    const INFO: Info = info("org.millstream.kit.Count");
    type Config = ActionsOnly;

    fn configure(config: ActionsOnly) -> Result<Self> {
        Ok(Self { next: 0, actions: config.0 })
    }

    fn apply(&mut self, mut record: Record) -> Result<Option<Record>> {
        run(&mut self.actions, "apply")?;
        let schema = Some(Arc::new(Schema::new(SchemaType::Int64)));
        record.headers.push(Header { key: "count".to_owned(), schema, value: Value::Int64(self.next) });
        self.next += 1;
        Ok(Some(record))
    }
}

/// Holds for values that contain a text.
pub struct HasText {
    text: String,
    actions: Actions,
}

/// The configuration of [`HasText`].
pub struct HasTextConfig(String, Actions);

impl PluginConfig for HasTextConfig {
    fn definition() -> ConfigDef {
        ConfigDef::new().key(Key::string("text").required().non_empty()).key(kit::key())
    }

    fn from_values(values: &ConfigValues) -> Result<Self> {
        Ok(Self(values.string("text")?.to_owned(), configured(values)?))
    }
}

impl RowPredicate for HasText {
    const INFO: Info = Info::new("org.millstream.kit.HasText").version("1.0.0").doc("Kit predicate.");
    type Config = HasTextConfig;

    fn configure(HasTextConfig(text, actions): HasTextConfig) -> Result<Self> {
        Ok(Self { text, actions })
    }

    fn test(&mut self, record: &Record) -> Result<bool> {
        run(&mut self.actions, "test")?;
        match text_of(&record.value) {
            Some("fail data") => Err(failure("data", "record")),
            text => Ok(text.is_some_and(|text| text.contains(&self.text))),
        }
    }
}
