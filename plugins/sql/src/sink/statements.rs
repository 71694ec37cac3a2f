//! The statements that write and delete rows.

use millstream_sdk::Result;
use serde_json::{Value as Json, json};

use super::{
    fields::{Field, Fields, From},
    settings::{InsertMode, Settings},
};
use crate::{
    dialect::{Dialect, Spelling},
    source::columns::TableInfo,
    table_name::TableName,
};

/// A statement for the rows of batches: its text, and what its columns are bound to, as the host takes it.
#[derive(Clone, Debug, PartialEq)]
pub struct Prepared {
    pub sql: String,
    pub bindings: String,
}

/// A table that is written to.
pub struct Target<'t> {
    pub settings: &'t Settings,
    pub spelling: Spelling,
    pub table: &'t TableName,
    pub info: &'t TableInfo,
}

impl Target<'_> {
    /// The statement that writes rows with these columns.
    ///
    /// # Errors
    ///
    /// The mode needs a key, or a name cannot be spelled.
    pub fn write(&self, fields: &Fields) -> Result<Prepared> {
        match self.settings.insert_mode {
            InsertMode::Insert => self.insert(fields, ""),
            InsertMode::Upsert => self.upsert(fields),
            InsertMode::Update => self.update(fields),
        }
    }

    /// The statement that deletes rows by their keys.
    ///
    /// # Errors
    ///
    /// There is no key, or a name cannot be spelled.
    pub fn delete(&self, fields: &Fields) -> Result<Prepared> {
        self.need_keys(fields, "DELETE")?;
        let table = self.table.spelled(self.spelling)?;
        let keys = self.columns(&fields.keys)?;
        let bound: Vec<&Field> = fields.keys.iter().collect();
        let sql = match self.spelling.dialect {
            Dialect::PostgreSql => {
                let same = pairs(&keys, |key| format!("d.{key}=r.{key}"), " AND ");
                format!("DELETE FROM {table} AS d USING ({{rows}}) AS r ({}) WHERE {same}", keys.join(","))
            }
            Dialect::MySql | Dialect::Sqlite => {
                format!("DELETE FROM {table} WHERE {}", pairs(&keys, |key| format!("{key} = ?"), " AND "))
            }
        };
        Ok(Prepared { sql, bindings: self.bindings(&bound, fields, true) })
    }

    fn insert(&self, fields: &Fields, behind: &str) -> Result<Prepared> {
        let bound: Vec<&Field> = fields.all().collect();
        let columns = self.columns(bound.iter().copied())?.join(",");
        let table = self.table.spelled(self.spelling)?;
        let sql = format!("INSERT INTO {table} ({columns}) {{rows}}{behind}");
        // Where rows are only added, each is one of its own.
        let keyed = !matches!(self.settings.insert_mode, InsertMode::Insert);
        Ok(Prepared { sql, bindings: self.bindings(&bound, fields, keyed) })
    }

    fn upsert(&self, fields: &Fields) -> Result<Prepared> {
        self.need_keys(fields, "UPSERT")?;
        let keys = self.columns(&fields.keys)?;
        let others = self.columns(&fields.others)?;
        match self.spelling.dialect {
            Dialect::MySql => {
                // Rows of a table with nothing but its key stay as they are.
                let set = if others.is_empty() { &keys } else { &others };
                let set = pairs(set, |column| format!("{column}=values({column})"), ",");
                self.insert(fields, &format!(" on duplicate key update {set}"))
            }
            // Where the table does not say that the columns are its key, rows are replaced that any of its keys forbids.
            Dialect::Sqlite if !self.is_key(&fields.keys) => {
                let written = self.insert(fields, "")?;
                Ok(Prepared { sql: written.sql.replacen("INSERT", "INSERT OR REPLACE", 1), ..written })
            }
            Dialect::PostgreSql | Dialect::Sqlite => {
                let what = match others.as_slice() {
                    [] => "NOTHING".to_owned(),
                    others => {
                        format!("UPDATE SET {}", pairs(others, |column| format!("{column}=EXCLUDED.{column}"), ","))
                    }
                };
                self.insert(fields, &format!(" ON CONFLICT ({}) DO {what}", keys.join(",")))
            }
        }
    }

    /// Whether the table has a primary or unique key of these columns.
    fn is_key(&self, keys: &[Field]) -> bool {
        let same = |columns: &Vec<String>| {
            columns.len() == keys.len()
                && columns.iter().all(|column| keys.iter().any(|key| key.name.eq_ignore_ascii_case(column)))
        };
        same(&self.info.primary) || self.info.unique.iter().any(same)
    }

    fn update(&self, fields: &Fields) -> Result<Prepared> {
        self.need_keys(fields, "UPDATE")?;
        let table = self.table.spelled(self.spelling)?;
        let keys = self.columns(&fields.keys)?;
        let others = self.columns(&fields.others)?;
        if others.is_empty() {
            return Err(millstream_sdk::Error::config(format!(
                "Write to table '{}' in UPDATE mode has no columns to change: all that are written are of the key",
                self.table
            )));
        }
        let bound: Vec<&Field> = fields.others.iter().chain(&fields.keys).collect();
        let sql = match self.spelling.dialect {
            Dialect::PostgreSql => {
                let columns = self.columns(bound.iter().copied())?.join(",");
                let set = pairs(&others, |column| format!("{column}=r.{column}"), ",");
                let same = pairs(&keys, |key| format!("u.{key}=r.{key}"), " AND ");
                format!("UPDATE {table} AS u SET {set} FROM ({{rows}}) AS r ({columns}) WHERE {same}")
            }
            Dialect::MySql | Dialect::Sqlite => {
                let set = pairs(&others, |column| format!("{column} = ?"), ", ");
                format!("UPDATE {table} SET {set} WHERE {}", pairs(&keys, |key| format!("{key} = ?"), " AND "))
            }
        };
        Ok(Prepared { sql, bindings: self.bindings(&bound, fields, true) })
    }

    fn need_keys(&self, fields: &Fields, mode: &str) -> Result<()> {
        if !fields.keys.is_empty() {
            return Ok(());
        }
        Err(millstream_sdk::Error::config(format!(
            "Write to table '{}' in {mode} mode requires key field names to be known, check the primary key configuration (pk.mode and pk.fields)",
            self.table
        )))
    }

    /// Names as the table has them.
    fn columns<'f>(&self, fields: impl IntoIterator<Item = &'f Field>) -> Result<Vec<String>> {
        let spelled = |field: &Field| {
            let name = self.info.column(&field.name).map_or(field.name.as_str(), |column| column.name.as_str());
            self.spelling.name(name)
        };
        fields.into_iter().map(spelled).collect()
    }

    /// `keyed` if of rows with one key the last is what counts.
    fn bindings(&self, bound: &[&Field], fields: &Fields, keyed: bool) -> String {
        let binding = |field: &&Field| {
            let from = match &field.from {
                From::Topic => json!(["topic"]),
                From::Partition => json!(["partition"]),
                From::Offset => json!(["offset"]),
                From::Key => json!(["key"]),
                From::KeyField(name) => json!(["key", name]),
                From::Value => json!(["value"]),
                From::ValueField(name) => json!(["value", name]),
            };
            let base = self.info.column(&field.name).and_then(|column| column.base.clone());
            json!({ "from": from, "type": base, "options": self.options(field, keyed && fields.is_key(&field.name)) })
        };
        Json::Array(bound.iter().map(binding).collect()).to_string()
    }

    fn options(&self, field: &Field, is_key: bool) -> Json {
        let settings = self.settings;
        let mut options = json!({
            "db.timezone": settings.connection.zone,
            "date.timezone": settings.date_zone,
            "date.calendar.system": settings.connection.calendar,
            "null.default": settings.null_default,
        });
        if is_key {
            options["key"] = true.into();
        }
        if settings.timestamp_fields.contains(&field.name) {
            options["timestamp"] = settings.timestamp_precision.as_str().into();
        }
        options
    }
}

fn pairs(columns: &[String], each: impl Fn(&String) -> String, between: &str) -> String {
    columns.iter().map(each).collect::<Vec<_>>().join(between)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use millstream_sdk::{Error, Field as SchemaField, Schema, SchemaType};

    use super::*;
    use crate::{
        dialect::Quoting,
        sink::{create, testing::settings},
        source::columns::ColumnInfo,
    };

    fn record(fields: &[&str]) -> Arc<Schema> {
        let field = |name: &&str| SchemaField {
            name: (*name).to_owned(),
            schema: Arc::new(Schema::new(SchemaType::Int32).optional()),
        };
        Arc::new(Schema::structure(fields.iter().map(field).collect()).expect("a struct"))
    }

    fn column(name: &str) -> ColumnInfo {
        ColumnInfo { name: name.to_owned(), base: Some("int4".into()), ..ColumnInfo::default() }
    }

    /// The statements for a value of `id`, `a` and `b`, by the key `id`.
    fn statements(dialect: Dialect, mode: &str, value: &[&str]) -> Result<(String, String)> {
        let settings = settings(&[("insert.mode", mode), ("pk.mode", "record_key"), ("delete.enabled", "true")]);
        let table = TableName::new(None, None, "t");
        let info =
            TableInfo { columns: vec![column("ID"), column("a")], primary: vec!["ID".into()], ..TableInfo::default() };
        let spelling = Spelling { dialect, quoting: Quoting::Always };
        let target = Target { settings: &settings, spelling, table: &table, info: &info };
        let fields = Fields::of(&settings, &table, Some(&record(&["id"])), Some(&record(value)))?;
        Ok((target.write(&fields)?.sql, target.delete(&fields)?.sql))
    }

    #[test]
    fn each_database_gets_its_own_form() {
        let of = |dialect, mode| statements(dialect, mode, &["id", "a", "b"]).expect("statements");
        let pg = |mode| of(Dialect::PostgreSql, mode);
        assert_eq!(pg("insert").0, r#"INSERT INTO "t" ("ID","a","b") {rows}"#);
        assert_eq!(
            pg("upsert").0,
            r#"INSERT INTO "t" ("ID","a","b") {rows} ON CONFLICT ("ID") DO UPDATE SET "a"=EXCLUDED."a","b"=EXCLUDED."b""#
        );
        assert_eq!(
            pg("update"),
            (
                r#"UPDATE "t" AS u SET "a"=r."a","b"=r."b" FROM ({rows}) AS r ("a","b","ID") WHERE u."ID"=r."ID""#
                    .to_owned(),
                r#"DELETE FROM "t" AS d USING ({rows}) AS r ("ID") WHERE d."ID"=r."ID""#.to_owned()
            )
        );
        assert_eq!(
            of(Dialect::MySql, "upsert").0,
            "INSERT INTO `t` (`ID`,`a`,`b`) {rows} on duplicate key update `a`=values(`a`),`b`=values(`b`)"
        );
        assert_eq!(
            of(Dialect::MySql, "update"),
            ("UPDATE `t` SET `a` = ?, `b` = ? WHERE `ID` = ?".to_owned(), "DELETE FROM `t` WHERE `ID` = ?".to_owned())
        );
        assert_eq!(
            of(Dialect::Sqlite, "upsert").0,
            "INSERT INTO `t` (`ID`,`a`,`b`) {rows} ON CONFLICT (`ID`) DO UPDATE SET `a`=EXCLUDED.`a`,`b`=EXCLUDED.`b`"
        );
    }

    #[test]
    fn rows_with_nothing_but_a_key_are_written_too() {
        let of = |dialect, mode| statements(dialect, mode, &["id"]).map(|(write, _)| write);
        assert_eq!(
            of(Dialect::PostgreSql, "upsert"),
            Ok(r#"INSERT INTO "t" ("ID") {rows} ON CONFLICT ("ID") DO NOTHING"#.to_owned())
        );
        assert_eq!(
            of(Dialect::MySql, "upsert"),
            Ok("INSERT INTO `t` (`ID`) {rows} on duplicate key update `ID`=values(`ID`)".to_owned())
        );
        assert!(of(Dialect::Sqlite, "update").expect_err("nothing to set").message.contains("no columns to change"));
    }

    #[test]
    fn no_statement_changes_every_row_of_a_table() {
        let settings = settings(&[]);
        let table = TableName::new(None, None, "t");
        let spelling = Spelling { dialect: Dialect::Sqlite, quoting: Quoting::Always };
        let info = TableInfo::default();
        for mode in [InsertMode::Update, InsertMode::Upsert] {
            let settings = Settings { insert_mode: mode, ..settings.clone() };
            let target = Target { settings: &settings, spelling, table: &table, info: &info };
            let fields = Fields::of(&settings, &table, None, Some(&record(&["a"]))).expect("fields");
            let error = target.write(&fields).expect_err("no key").message;
            assert!(error.contains("requires key field names to be known"), "{error}");
            assert!(target.delete(&fields).is_err());
        }
    }

    #[test]
    fn a_table_without_that_key_is_replaced_into_where_sqlite_has_nothing_better() {
        let settings = settings(&[("insert.mode", "upsert"), ("pk.mode", "record_value"), ("pk.fields", "id")]);
        let table = TableName::new(None, None, "t");
        let spelling = Spelling { dialect: Dialect::Sqlite, quoting: Quoting::Always };
        let info = TableInfo { columns: vec![column("id"), column("a")], ..TableInfo::default() };
        let target = Target { settings: &settings, spelling, table: &table, info: &info };
        let fields = Fields::of(&settings, &table, None, Some(&record(&["id", "a"]))).expect("fields");
        assert_eq!(target.write(&fields).expect("made").sql, "INSERT OR REPLACE INTO `t` (`id`,`a`) {rows}");
    }

    #[test]
    fn bindings_say_where_values_come_from_and_what_the_key_is() {
        let settings = settings(&[
            ("insert.mode", "upsert"),
            ("pk.mode", "kafka"),
            ("timestamp.fields.list", "at"),
            ("db.timezone", "Europe/Berlin"),
        ]);
        let table = TableName::new(None, None, "t");
        let spelling = Spelling { dialect: Dialect::PostgreSql, quoting: Quoting::Always };
        let info = TableInfo { columns: vec![column("at")], ..TableInfo::default() };
        let target = Target { settings: &settings, spelling, table: &table, info: &info };
        let fields = Fields::of(&settings, &table, None, Some(&record(&["at"]))).expect("fields");
        let bindings: Json = serde_json::from_str(&target.write(&fields).expect("made").bindings).expect("JSON");
        let options = |more: &[(&str, Json)]| {
            let mut options = json!({
                "db.timezone": "Europe/Berlin", "date.timezone": "Europe/Berlin",
                "date.calendar.system": "LEGACY", "null.default": true,
            });
            more.iter().for_each(|(key, value)| options[*key] = value.clone());
            options
        };
        let key = options(&[("key", true.into())]);
        assert_eq!(
            bindings,
            json!([
                { "from": ["topic"], "type": null, "options": key },
                { "from": ["partition"], "type": null, "options": key },
                { "from": ["offset"], "type": null, "options": key },
                { "from": ["value", "at"], "type": "int4", "options": options(&[("timestamp", "microseconds".into())]) },
            ])
        );
    }

    #[test]
    fn tables_are_made_with_the_columns_of_the_original_and_defaults_that_end_where_they_should() {
        let text =
            |default: &str| Arc::new(Schema { default: Some(default.into()), ..Schema::new(SchemaType::String) });
        let fields = vec![
            SchemaField { name: "id".into(), schema: Arc::new(Schema::new(SchemaType::Int64)) },
            SchemaField { name: "it's".into(), schema: text("a'b\\") },
            SchemaField { name: "d".into(), schema: Arc::new(Schema::decimal(2).optional()) },
            SchemaField { name: "t".into(), schema: Arc::new(Schema::timestamp().optional()) },
        ];
        let value = Arc::new(Schema::structure(fields).expect("a struct"));
        let settings = settings(&[("pk.mode", "record_value"), ("pk.fields", "id")]);
        let table = TableName::new(None, Some("s"), "t");
        let of = |dialect| {
            let fields = Fields::of(&settings, &table, None, Some(&value)).expect("fields");
            let spelling = Spelling { dialect, quoting: Quoting::Always };
            create::create(&settings, spelling, &table, &fields).expect("a statement")
        };
        assert_eq!(
            of(Dialect::PostgreSql),
            "CREATE TABLE \"s\".\"t\" (\n\"id\" BIGINT NOT NULL,\n\"it's\" TEXT DEFAULT 'a''b\\',\n\"d\" DECIMAL NULL,\n\"t\" TIMESTAMP NULL,\nPRIMARY KEY(\"id\"))"
        );
        assert_eq!(
            of(Dialect::MySql),
            "CREATE TABLE `s`.`t` (\n`id` BIGINT NOT NULL,\n`it's` VARCHAR(255) DEFAULT 'a''b\\\\',\n`d` DECIMAL(65,2) NULL,\n`t` DATETIME(3) NULL,\nPRIMARY KEY(`id`))"
        );
        let nested = record(&["x"]);
        let value = Schema::structure(vec![SchemaField { name: "n".into(), schema: nested }]).expect("a struct");
        let plain = super::Fields::of(&super::super::testing::settings(&[]), &table, None, Some(&Arc::new(value)))
            .expect("fields");
        let spelling = Spelling { dialect: Dialect::PostgreSql, quoting: Quoting::Always };
        let error: Error = create::create(&settings, spelling, &table, &plain).expect_err("no column for a struct");
        assert!(
            error.message.starts_with("null (STRUCT) type doesn't have a mapping to the SQL database column type"),
            "{error}"
        );
    }

    #[test]
    fn a_field_that_the_schema_lacks_is_named() {
        let table = TableName::new(None, None, "t");
        let of = |entries: &[(&str, &str)], key: Option<&Arc<Schema>>, value: Option<&Arc<Schema>>| {
            Fields::of(&settings(entries), &table, key, value).map(|fields| {
                let names =
                    |fields: &[Field]| fields.iter().map(|field| field.name.clone()).collect::<Vec<_>>().join(",");
                format!("{}|{}", names(&fields.keys), names(&fields.others))
            })
        };
        let (key, value) = (record(&["k", "l"]), record(&["k", "a", "b"]));
        let number = Arc::new(Schema::new(SchemaType::Int64));
        assert_eq!(of(&[], None, Some(&value)), Ok("|k,a,b".into()));
        assert_eq!(of(&[("fields.whitelist", "b")], None, Some(&value)), Ok("|b".into()));
        assert_eq!(of(&[("pk.mode", "record_key")], Some(&key), Some(&value)), Ok("k,l|a,b".into()));
        assert_eq!(
            of(&[("pk.mode", "record_key"), ("pk.fields", "id")], Some(&number), Some(&value)),
            Ok("id|k,a,b".into())
        );
        assert_eq!(of(&[("pk.mode", "record_value"), ("pk.fields", "a")], None, Some(&value)), Ok("a|k,b".into()));
        assert_eq!(
            of(&[("pk.mode", "kafka")], None, Some(&value)),
            Ok("__connect_topic,__connect_partition,__connect_offset|k,a,b".into())
        );
        let message = |result: Result<String>| result.expect_err("refused").message;
        assert_eq!(
            message(of(&[("pk.mode", "record_value"), ("pk.fields", "x")], None, Some(&value))),
            "PK mode for table 't' is RECORD_VALUE with configured PK fields [x], but record value schema does not contain field: x"
        );
        assert_eq!(
            message(of(&[("pk.mode", "record_key")], Some(&number), Some(&value))),
            "Need exactly one PK column defined since the key schema for records is a primitive type, defined columns are: []"
        );
        assert_eq!(
            message(of(&[("fields.whitelist", "x")], None, Some(&value))),
            "No fields found using key and value schemas for table: t"
        );
    }
}
