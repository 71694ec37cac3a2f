//! Tables, columns and keys, by the server's catalogue.

use serde_json::{Value as Json, json};
use sqlx::postgres::types::Oid;
use sqlx::postgres::{PgConnection, PgRow, PgStatement};
use sqlx::{Column as _, Row, Statement};

use super::super::SqlError;
use super::super::columns::ColumnInfo;
use super::super::options::QueryOptions;
use super::super::session::{TableFilter, TableName};
use super::types::{self, Source};
use super::{PRODUCT, forget, prepared};

/// What a relation is called by its kind, as the driver of JDBC has it.
const KIND: &str = "CASE WHEN n.nspname LIKE 'pg\\_temp\\_%' THEN 'TEMPORARY ' ELSE '' END || \
    CASE c.relkind WHEN 'r' THEN CASE WHEN n.nspname IN ('pg_catalog', 'information_schema') THEN 'SYSTEM TABLE' \
    ELSE 'TABLE' END WHEN 'v' THEN CASE WHEN n.nspname IN ('pg_catalog', 'information_schema') THEN 'SYSTEM VIEW' \
    ELSE 'VIEW' END WHEN 'p' THEN 'PARTITIONED TABLE' WHEN 'm' THEN 'MATERIALIZED VIEW' WHEN 'f' THEN 'FOREIGN TABLE' END";

fn get<'r, T>(row: &'r PgRow, at: usize, attempted: &str) -> Result<T, SqlError>
where
    T: sqlx::Decode<'r, sqlx::Postgres> + sqlx::Type<sqlx::Postgres>,
{
    row.try_get(at).map_err(|error| SqlError::driver(PRODUCT, attempted, error))
}

/// Relations that a filter fits; `types` of the filter are the caller's to look at.
pub(in super::super) async fn tables(
    connection: &mut PgConnection,
    filter: &TableFilter,
) -> Result<Vec<TableName>, SqlError> {
    let attempted = "list tables";
    let sql = format!(
        "SELECT n.nspname::text, c.relname::text, {KIND} FROM pg_catalog.pg_class c \
         JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace \
         WHERE c.relkind IN ('r', 'v', 'p', 'm', 'f') AND ($1::text IS NULL OR n.nspname LIKE $1) AND c.relname LIKE $2 \
         AND ($3::text IS NULL OR current_database() LIKE $3) AND n.nspname !~ '^pg_toast' \
         AND (n.nspname !~ '^pg_temp_' OR n.oid = pg_my_temp_schema()) ORDER BY 3, 1, 2"
    );
    let query = sqlx::query(sqlx::AssertSqlSafe(sql)).bind(&filter.schema).bind(&filter.name).bind(&filter.catalog);
    let rows = query.fetch_all(connection).await.map_err(|error| SqlError::driver(PRODUCT, attempted, error))?;
    rows.iter()
        .map(|row| {
            Ok(TableName {
                catalog: None,
                schema: Some(get(row, 0, attempted)?),
                name: get(row, 1, attempted)?,
                kind: get(row, 2, attempted)?,
            })
        })
        .collect()
}

/// The columns of a statement, each with how it is read.
pub(super) async fn columns(
    connection: &mut PgConnection,
    statement: &PgStatement,
    options: &QueryOptions,
) -> Result<Vec<(ColumnInfo, Source)>, SqlError> {
    let attempted = "look at the columns of the query";
    let places = statement.columns().iter().map(|column| column.relation_id().zip(column.relation_attribute_no()));
    let places: Vec<Option<(Oid, i16)>> = places.collect();
    let (relations, numbers): (Vec<Oid>, Vec<i16>) = places.iter().flatten().copied().unzip();
    let mut known = Vec::new();
    if !relations.is_empty() {
        let sql = "SELECT a.attrelid, a.attnum, CASE WHEN t.typtype = 'd' THEN t.typtypmod ELSE a.atttypmod END, \
                   a.attnotnull OR t.typnotnull, a.attidentity <> '' OR coalesce(pg_get_expr(d.adbin, d.adrelid) LIKE \
                   'nextval(%', false), format_type(a.atttypid, a.atttypmod), pg_get_expr(d.adbin, d.adrelid), t.typname::text \
                   FROM unnest($1::oid[], $2::int2[]) AS w(relation, number) \
                   JOIN pg_catalog.pg_attribute a ON a.attrelid = w.relation AND a.attnum = w.number \
                   JOIN pg_catalog.pg_type t ON t.oid = a.atttypid \
                   LEFT JOIN pg_catalog.pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum";
        let rows = sqlx::query(sql).bind(&relations).bind(&numbers).fetch_all(connection).await;
        known = rows.map_err(|error| SqlError::driver(PRODUCT, attempted, error))?;
    }
    let mut columns = Vec::new();
    for (column, place) in statement.columns().iter().zip(places) {
        let kind = column.type_info();
        let mut row = None;
        for candidate in &known {
            let found = (get::<Oid>(candidate, 0, attempted)?, get::<i16>(candidate, 1, attempted)?);
            if Some(found) == place {
                row = Some(candidate);
            }
        }
        let modifier = match row {
            Some(row) => get(row, 2, attempted)?,
            None => -1,
        };
        let (source, form) = types::source(kind, modifier, options).unzip();
        let (precision, scale) =
            types::precision(modifier).filter(|_| types::number(types::base(kind)) == types::oid::NUMERIC).unzip();
        let mut info = ColumnInfo {
            name: column.name().to_owned(),
            kind: types::name(kind),
            base: types::name(kind),
            nullable: None,
            auto: false,
            default: None,
            precision,
            scale,
            instant: types::is_instant(kind),
            form,
        };
        if let Some(row) = row {
            info.nullable = Some(!get::<bool>(row, 3, attempted)?);
            info.auto = get(row, 4, attempted)?;
            info.kind = get(row, 5, attempted)?;
            info.default = get(row, 6, attempted)?;
            info.base = get(row, 7, attempted)?;
        }
        columns.push((info, source.unwrap_or(Source::Unknown)));
    }
    Ok(columns)
}

/// A table's columns and keys; none if there is no such table.
pub(in super::super) async fn table(
    connection: &mut PgConnection,
    parts: &[String],
    options: &QueryOptions,
) -> Result<Option<Json>, SqlError> {
    let attempted = format!("look at the table {}", parts.join("."));
    let failed = |error| SqlError::driver(PRODUCT, &attempted, error);
    let (catalog, schema, name) = match parts {
        [name] => (None, None, name),
        [schema, name] => (None, Some(schema), name),
        [catalog, schema, name] => (Some(catalog), Some(schema), name),
        _ => return Ok(None),
    };
    let sql = format!(
        "SELECT c.oid, n.nspname::text, c.relname::text, {KIND}, format('%I.%I', n.nspname, c.relname) \
         FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace \
         WHERE c.oid = to_regclass(CASE WHEN $2::text IS NULL THEN format('%I', $1::text) ELSE format('%I.%I', $2, $1) END) \
         AND c.relkind IN ('r', 'v', 'p', 'm', 'f') AND ($3::text IS NULL OR $3 = current_database())"
    );
    let query = sqlx::query(sqlx::AssertSqlSafe(sql)).bind(name).bind(schema).bind(catalog);
    let Some(row) = query.fetch_optional(&mut *connection).await.map_err(failed)? else { return Ok(None) };
    let relation: Oid = get(&row, 0, &attempted)?;
    let (schema, name): (String, String) = (get(&row, 1, &attempted)?, get(&row, 2, &attempted)?);
    let (kind, quoted): (String, String) = (get(&row, 3, &attempted)?, get(&row, 4, &attempted)?);
    forget(connection).await?;
    let statement = prepared(connection, &format!("SELECT * FROM {quoted}"), &attempted).await?;
    let columns = columns(connection, &statement, options).await?;
    let sql = "SELECT i.indisprimary, array(SELECT a.attname::text FROM unnest(i.indkey::int2[]) WITH ORDINALITY AS k(number, \
               place) JOIN pg_catalog.pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = k.number \
               WHERE k.place <= i.indnkeyatts ORDER BY k.place) \
               FROM pg_catalog.pg_index i WHERE i.indrelid = $1 AND i.indisunique AND i.indisvalid AND i.indpred IS NULL \
               AND i.indexprs IS NULL ORDER BY i.indexrelid";
    let rows = sqlx::query(sql).bind(relation).fetch_all(connection).await.map_err(failed)?;
    let (mut primary, mut unique) = (Vec::new(), Vec::new());
    for row in &rows {
        let names: Vec<String> = get(row, 1, &attempted)?;
        if get(row, 0, &attempted)? { primary = names } else { unique.push(names) }
    }
    let columns: Vec<Json> = columns.iter().map(|(column, _)| column.json()).collect();
    Ok(Some(json!({
        "catalog": null, "schema": schema, "name": name, "type": kind, "columns": columns, "primary": primary,
        "unique": unique,
    })))
}
