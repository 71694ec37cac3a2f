//! What is known of the tables that are written to: their columns, and a statement for each shape of records.

use std::{collections::HashMap, sync::Arc};

use millstream_sdk::{Error, ErrorKind, Result, Schema, info, sql::Statement};

use super::{
    create,
    fields::{Field, Fields},
    settings::Settings,
    statements::{Prepared, Target},
};
use crate::{dialect::Spelling, session::Session, source::columns::TableInfo, table_name::TableName};

/// Schemas of key and value of the records of one run; no value for those that delete.
#[derive(Clone, Debug, PartialEq)]
pub struct Schemas {
    pub key: Option<Arc<Schema>>,
    pub value: Option<Arc<Schema>>,
    pub deletes: bool,
}

/// Most shapes of records that are remembered for a table, so that topics without end of schemas take no memory without end.
const MAX_SHAPES: usize = 64;

/// Tables by their names.
#[derive(Debug, Default)]
pub struct Tables {
    known: HashMap<TableName, Known>,
    /// Whether what failed last was making or changing a table.
    changing: bool,
}

#[derive(Debug)]
struct Known {
    info: TableInfo,
    shapes: Vec<Ready>,
}

#[derive(Debug)]
struct Ready {
    schemas: Schemas,
    statement: Statement,
}

impl Tables {
    /// Forgets everything, since the session is another, or what was changed was undone.
    pub fn forget(&mut self) {
        self.known.clear();
        self.changing = false;
    }

    /// Whether what failed last was making or changing a table, which another task may have done at the same time.
    pub fn was_changing(&self) -> bool {
        self.changing
    }

    /// Makes sure that a table has the columns for records of such schemas: looks at it, makes it, adds to it.
    ///
    /// # Errors
    ///
    /// It has not, and may not or cannot get them.
    pub fn prepare(
        &mut self,
        settings: &Settings,
        spelling: Spelling,
        session: &Session,
        table: &TableName,
        schemas: &Schemas,
    ) -> Result<()> {
        if self.known.get(table).is_some_and(|known| known.shapes.iter().any(|ready| ready.schemas == *schemas)) {
            return Ok(());
        }
        let fields = Fields::of(settings, table, schemas.key.as_ref(), schemas.value.as_ref())?;
        if !self.known.contains_key(table) {
            let info = match session.table(table)? {
                Some(info) => info,
                None => self.create(settings, spelling, session, table, &fields)?,
            };
            if !settings.table_types.contains(&info.kind) {
                return Err(Error::config(format!(
                    "{table} is of the type {}, and table.types lets only {} be written to",
                    info.kind,
                    settings.table_types.join(", ")
                )));
            }
            self.known.insert(table.clone(), Known { info, shapes: Vec::new() });
        }
        let known = self.known.get_mut(table).ok_or_else(|| Error::fatal("a table was looked at and is not known"))?;
        let missing: Vec<&Field> = fields.all().filter(|field| known.info.column(&field.name).is_none()).collect();
        if !missing.is_empty() && !schemas.deletes {
            let changes = evolution(settings, spelling, table, &known.info, &missing)?;
            self.changing = true;
            known.info = evolve(session, table, &changes, &missing)?;
            self.changing = false;
            // What was prepared before may mean other columns now.
            known.shapes.clear();
        }
        let target = Target { settings, spelling, table, info: &known.info };
        let Prepared { sql, bindings } =
            if schemas.deletes { target.delete(&fields)? } else { target.write(&fields)? };
        let statement = session.database.prepare(&sql, &bindings)?;
        if MAX_SHAPES <= known.shapes.len() {
            known.shapes.remove(0);
        }
        known.shapes.push(Ready { schemas: schemas.clone(), statement });
        Ok(())
    }

    /// The statement for records of such schemas, made ready before.
    ///
    /// # Errors
    ///
    /// It was not.
    pub fn statement(&mut self, table: &TableName, schemas: &Schemas) -> Result<&mut Statement> {
        let known = self.known.get_mut(table);
        let ready = known.and_then(|known| known.shapes.iter_mut().find(|ready| ready.schemas == *schemas));
        ready
            .map(|ready| &mut ready.statement)
            .ok_or_else(|| Error::fatal(format!("there is no statement for {table}")))
    }

    fn create(
        &mut self,
        settings: &Settings,
        spelling: Spelling,
        session: &Session,
        table: &TableName,
        fields: &Fields,
    ) -> Result<TableInfo> {
        if !settings.create {
            return Err(Error::config(format!("Table {table} is missing and auto-creation is disabled")));
        }
        let sql = create::create(settings, spelling, table, fields)?;
        info!("creating table {table}: {}", sql.replace('\n', " "));
        self.changing = true;
        session.database.execute(&sql, &[]).map_err(|error| about(error, format!("create table {table}")))?;
        self.changing = false;
        session.table(table)?.ok_or_else(|| Error::fatal(format!("table {table} was created and is not there")))
    }
}

fn about(error: Error, what: String) -> Error {
    // What a database says of a statement of ours is no fault of the records.
    let kind = if error.kind == ErrorKind::Retriable { ErrorKind::Retriable } else { ErrorKind::Fatal };
    Error { kind, ..Error::fatal(what).because(&error) }
}

/// The statements that add what is missing.
fn evolution(
    settings: &Settings,
    spelling: Spelling,
    table: &TableName,
    info: &TableInfo,
    missing: &[&Field],
) -> Result<Vec<String>> {
    let names = names(missing);
    let kind = if info.kind.is_empty() { "TABLE" } else { info.kind.as_str() };
    let shown = capitalized(kind);
    if !matches!(kind, "TABLE" | "PARTITIONED TABLE") {
        return Err(Error::config(format!(
            "{shown} {table} is missing fields ({names}) and ALTER {kind} is unsupported"
        )));
    }
    let required = |field: &&&Field| !field.schema.optional && field.schema.default.is_none();
    if let Some(field) = missing.iter().find(required) {
        return Err(Error::config(format!(
            "Cannot ALTER {kind} {table} to add missing field {}, as the field is not optional and does not have a default value",
            field.name
        )));
    }
    if !settings.evolve {
        return Err(Error::config(format!(
            "{shown} {table} is missing fields ({names}) and auto-evolution is disabled"
        )));
    }
    create::alter(settings, spelling, table, missing)
}

fn evolve(session: &Session, table: &TableName, changes: &[String], missing: &[&Field]) -> Result<TableInfo> {
    for sql in changes {
        info!("changing table {table}: {}", sql.replace('\n', " "));
        let what = || format!("Failed to amend '{table}' to add missing fields: {}", names(missing));
        session.database.execute(sql, &[]).map_err(|error| about(error, what()))?;
    }
    session.table(table)?.ok_or_else(|| Error::fatal(format!("table {table} was changed and is not there")))
}

fn names(fields: &[&Field]) -> String {
    fields.iter().map(|field| field.name.as_str()).collect::<Vec<_>>().join(", ")
}

fn capitalized(kind: &str) -> String {
    let lower = kind.to_lowercase();
    let mut chars = lower.chars();
    chars.next().map_or_else(String::new, |first| first.to_uppercase().chain(chars).collect())
}
