//! Batches, and a session that works on one.

use std::sync::Arc;
use std::time::{Duration, Instant};

use millstream_columns::{Answer, Bounds, Refusal, Session, Subject};
use millstream_connector::RowError;
use millstream_convert::ReadLimits;
use millstream_record::batch::{Batch, Column, HeadersBuilder, Limits, Role, Side, Table, UnionBuilder};
use millstream_record::{Field, Schema, SchemaType, Value};

/// Bounds that nothing here reaches.
pub fn bounds() -> Bounds {
    Bounds { deadline: Instant::now() + Duration::from_secs(60), memory: 64 << 20 }
}

pub fn text(text: &str) -> Value {
    Value::String(text.to_owned())
}

/// A schemaless map.
pub fn map(entries: &[(&str, Value)]) -> Value {
    Value::Map(entries.iter().map(|(name, value)| (text(name), value.clone())).collect())
}

/// A struct with these fields, the optional ones marked by `?`.
pub fn schema(fields: &[(&str, SchemaType)]) -> Arc<Schema> {
    let field = |(name, kind): &(&str, SchemaType)| {
        let plain = Schema::new(kind.clone());
        let (name, schema) = match name.strip_suffix('?') {
            Some(name) => (name, plain.optional()),
            None => (*name, plain),
        };
        Field { name: name.to_owned(), schema: Arc::new(schema) }
    };
    Arc::new(Schema::structure(fields.iter().map(field).collect()).expect("names differ").named("Of.Test"))
}

pub fn structure(schema: &Arc<Schema>, slots: &[Value]) -> Value {
    Value::Struct(Arc::clone(schema), slots.to_vec())
}

/// A batch of values, each with its schema, in the topic `t`.
pub fn batch(values: &[(Option<Arc<Schema>>, Value)]) -> Batch {
    batch_with(values, |_| {})
}

pub fn batch_with(values: &[(Option<Arc<Schema>>, Value)], more: impl FnOnce(&mut Table<'static>)) -> Batch {
    let mut table = Table::new(values.len() as u32);
    let mut union = UnionBuilder::default();
    for (schema, value) in values {
        union.push(schema.as_ref(), value, &mut table.schemas).expect("it can be carried");
    }
    table.values = union.finish(&mut table.schemas).expect("it can be carried");
    table.set(Role::TOPIC, Column::constant_str(table.rows, "t"));
    more(&mut table);
    checked(table.write())
}

/// Schemaless values.
pub fn plain(values: &[Value]) -> Batch {
    batch(&values.iter().map(|value| (None, value.clone())).collect::<Vec<_>>())
}

/// Bytes that hold a batch, every rule of it kept.
pub fn checked(bytes: Vec<u8>) -> Batch {
    Batch::validate(bytes, &Limits::DEFAULT).expect("a valid batch")
}

pub fn headers(rows: &[&[(&str, Value)]]) -> Column<'static> {
    let mut builder = HeadersBuilder::default();
    let mut table = Table::new(0);
    for row in rows {
        for (name, value) in *row {
            builder.push(name, None, value, &mut table.schemas).expect("it can be carried");
        }
        builder.end_row();
    }
    builder.finish().expect("there are headers")
}

/// A session in a call over a batch.
pub struct Call {
    pub session: Session,
    pub table: u32,
    given: Batch,
}

impl Call {
    pub fn over(batch: &Batch) -> Self {
        Self::limited(batch, None)
    }

    /// With `only` some of the rows.
    pub fn limited(batch: &Batch, only: Option<Vec<u8>>) -> Self {
        let mut session = Session::new(Limits::DEFAULT, ReadLimits::DEFAULT);
        session.begin(Subject { batch: Some(batch.clone()), only, returns_batch: true, returns_verdict: false });
        let table = session.input(&bounds()).expect("the call has a batch");
        Self { session, table, given: batch.clone() }
    }

    pub fn get(&mut self, steps: &[&str]) -> u32 {
        self.find(steps).unwrap_or_else(|| panic!("there is no {steps:?}"))
    }

    pub fn find(&mut self, steps: &[&str]) -> Option<u32> {
        self.session.get(self.table, &path(steps), &bounds()).expect("the path leads somewhere")
    }

    pub fn set(&mut self, steps: &[&str], column: u32) {
        self.session.set(self.table, &path(steps), column, &bounds()).expect("it can be set");
    }

    pub fn json(&self, column: u32) -> String {
        self.session.to_json(column, &bounds()).expect("it is JSON")
    }

    pub fn texts(&self, column: u32) -> Vec<Option<String>> {
        self.session.texts(column, &bounds()).expect("there are texts")
    }

    pub fn constant(&mut self, json: &str) -> u32 {
        self.session.constant(json, &bounds()).expect("JSON")
    }

    /// What was answered: a valid batch, or the one that was given.
    pub fn answer(mut self) -> (Batch, Vec<RowError>) {
        self.session.answer(self.table, &bounds()).expect("it can be answered");
        match self.session.end() {
            Some(Answer::Table { batch, errors }) => (batch.map_or(self.given, checked), errors),
            other => panic!("{other:?}"),
        }
    }

    /// Values that were answered, without their schemas.
    pub fn values(self) -> Vec<Value> {
        self.data().into_iter().map(|(_, value)| value).collect()
    }

    pub fn data(self) -> Vec<(Option<Arc<Schema>>, Value)> {
        self.answer().0.open().data(Side::Value)
    }
}

pub fn path(steps: &[&str]) -> Vec<String> {
    steps.iter().map(|&step| step.to_owned()).collect()
}

/// The words of a refusal.
pub fn refused<T: std::fmt::Debug>(result: Result<T, Refusal>) -> String {
    match result.expect_err("it is to be refused") {
        Refusal::Failure(failure) => failure.message,
        other => other.to_string(),
    }
}
