//! `host-columns`.

use std::time::{Instant, SystemTime, UNIX_EPOCH};

use millstream_columns::{Bounds, Refusal, Session};
use millstream_record::batch::Batch;

use super::super::imports::host_columns::{Host, Made};
use super::super::imports::types::{Error, ErrorKind};
use super::super::lift::{failure, lowered};
use crate::instance::{DeadlinePassed, GuestState};

impl GuestState {
    /// Works for the guest: within the memory that the instance has left, and the time that the call has.
    fn on_columns<T>(
        &mut self,
        work: impl FnOnce(&mut Session, &Bounds) -> Result<T, Refusal>,
    ) -> wasmtime::Result<Result<T, Error>> {
        self.clock.account();
        let began = Instant::now();
        let bounds = Bounds { deadline: began + self.clock.left(), memory: self.limiter.room_for_columns() };
        let session = &mut self.capabilities.columns;
        let done = work(session, &bounds);
        let fits = self.limiter.hold_columns(session.bytes());
        self.clock.worked();
        match done {
            Ok(value) if fits => Ok(Ok(value)),
            Err(Refusal::TimeUp) => Err(DeadlinePassed.into()),
            Err(Refusal::Failure(refused)) => Ok(Err(lowered(refused))),
            Ok(_) | Err(Refusal::NoMemory) => Ok(Err(lowered(self.limiter.no_room_for_columns()))),
        }
    }
}

fn now_ms() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}

fn made(millstream_columns::Made { column, failed }: millstream_columns::Made) -> Made {
    Made { column, failed }
}

/// Functions that do nothing but work on columns.
macro_rules! on_columns {
    ($($name:ident($($parameter:ident: $type:ty),*) -> $made:ty = $work:expr;)*) => {
        impl Host for GuestState {
            async fn read(&mut self, records: Vec<u8>) -> wasmtime::Result<Result<u32, Error>> {
                // A guest's own, which nobody has looked at yet.
                let batch = match Batch::validate(records, &self.capabilities.sql.batch_limits()) {
                    Ok(batch) => batch,
                    Err(error) => wasmtime::bail!("opened a damaged batch: {error}"),
                };
                self.on_columns(|session, bounds| session.read(&batch, bounds))
            }

            async fn fail(
                &mut self,
                table: u32,
                messages: u32,
                link: u32,
                kind: ErrorKind,
                class: String,
            ) -> wasmtime::Result<Result<(), Error>> {
                let empty = Error { kind, class: String::new(), message: String::new(), causes: Vec::new() };
                let kind = failure(empty).kind;
                self.on_columns(|session, bounds| session.fail(table, messages, link, kind, &class, bounds))
            }

            $(
                async fn $name(&mut self $(, $parameter: $type)*) -> wasmtime::Result<Result<$made, Error>> {
                    let work: fn(&mut Session, &Bounds $(, $type)*) -> Result<$made, Refusal> = $work;
                    self.on_columns(|session, bounds| work(session, bounds $(, $parameter)*))
                }
            )*
        }
    };
}

on_columns! {
    input() -> u32 = |session, bounds| session.input(bounds);
    queried() -> u32 = |session, bounds| session.open_queried(bounds);
    make(rows: u32) -> u32 = |session, bounds, rows| session.make(rows, bounds);
    rows(table: u32) -> u32 = |session, _, table| session.rows(table);
    selected(table: u32) -> u32 = |session, bounds, table| session.selected(table, bounds);
    focus(table: u32, condition: Option<u32>) -> () = |session, bounds, table, condition| session.focus(table, condition, bounds);
    keep(table: u32, condition: u32) -> () = |session, bounds, table, condition| session.keep(table, condition, bounds);
    repeat(table: u32, counts: Vec<u32>) -> Vec<u32> = |session, bounds, table, counts| session.repeat(table, &counts, bounds);
    answer(table: u32) -> () = |session, bounds, table| session.answer(table, bounds);
    answer_verdict(holds: u32, failed: Option<u32>) -> () = |session, bounds, holds, failed| session.answer_verdict(holds, failed, bounds);
    write(table: u32) -> Vec<u8> = |session, bounds, table| session.write(table, bounds);
    get(table: u32, path: Vec<String>) -> Option<u32> = |session, bounds, table, path| session.get(table, &path, bounds);
    names(table: u32, path: Vec<String>) -> Vec<String> = |session, _, table, path| session.names(table, &path);
    set(table: u32, path: Vec<String>, column: u32) -> () = |session, bounds, table, path, column| session.set(table, &path, column, bounds);
    drop(table: u32, path: Vec<String>) -> () = |session, bounds, table, path| session.drop_path(table, &path, bounds);
    rename(table: u32, path: Vec<String>, name: String) -> () = |session, bounds, table, path, name| session.rename(table, &path, &name, bounds);
    texts(column: u32) -> Vec<Option<String>> = |session, bounds, column| session.texts(column, bounds);
    numbers(column: u32) -> Vec<Option<f64>> = |session, bounds, column| session.numbers(column, bounds);
    booleans(column: u32) -> Vec<Option<bool>> = |session, bounds, column| session.booleans(column, bounds);
    to_json(column: u32) -> String = |session, bounds, column| session.to_json(column, bounds);
    from_texts(values: Vec<Option<String>>) -> u32 = |session, bounds, values| session.from_texts(values, bounds);
    from_numbers(values: Vec<Option<f64>>) -> u32 = |session, bounds, values| session.from_numbers(values, bounds);
    from_booleans(values: Vec<Option<bool>>) -> u32 = |session, bounds, values| session.from_booleans(values, bounds);
    from_json(text: String, schema: Option<String>) -> Made = |session, bounds, text, schema| session.from_json(&text, schema.as_deref(), bounds).map(made);
    from_json_like(text: String, like: u32) -> Made = |session, bounds, text, like| session.from_json_like(&text, like, bounds).map(made);
    constant(json: String) -> u32 = |session, bounds, json| session.constant(&json, bounds);
    constant_text(text: String) -> u32 = |session, bounds, text| session.constant_text(&text, bounds);
    absent() -> u32 = |session, bounds| session.absent(bounds);
    now() -> u32 = |session, bounds| session.moment(now_ms(), bounds);
    length(column: u32) -> u32 = |session, _, column| session.length(column);
    about(column: u32) -> String = |session, _, column| session.about(column);
    release(columns: Vec<u32>) -> () = |session, _, columns| session.release(&columns);
    cast(column: u32, to: String) -> Made = |session, bounds, column, to| session.cast(column, &to, bounds).map(made);
    to_text(column: u32, encoding: String) -> Made = |session, bounds, column, encoding| session.to_text(column, &encoding, bounds).map(made);
    to_bytes(column: u32, encoding: String) -> Made = |session, bounds, column, encoding| session.to_bytes(column, &encoding, bounds).map(made);
    parse_json(column: u32, schema: Option<String>) -> Made = |session, bounds, column, schema| session.parse_json(column, schema.as_deref(), bounds).map(made);
    write_json(column: u32) -> u32 = |session, bounds, column| session.write_json(column, bounds);
    schemaless(column: u32) -> u32 = |session, bounds, column| session.schemaless(column, bounds);
    pack(names: Vec<String>, columns: Vec<u32>, name: Option<String>) -> u32 = |session, bounds, names, columns, name| session.pack(&names, &columns, name.as_deref(), bounds);
    upper(column: u32) -> u32 = |session, bounds, column| session.upper(column, bounds);
    lower(column: u32) -> u32 = |session, bounds, column| session.lower(column, bounds);
    trim(column: u32) -> u32 = |session, bounds, column| session.trim(column, bounds);
    substring(column: u32, start: u32, count: Option<u32>) -> u32 = |session, bounds, column, start, count| session.substring(column, start, count, bounds);
    characters(column: u32) -> u32 = |session, bounds, column| session.characters(column, bounds);
    concat(columns: Vec<u32>, separator: String) -> u32 = |session, bounds, columns, separator| session.concat(&columns, &separator, bounds);
    replace(column: u32, pattern: String, replacement: String, all: bool) -> u32 = |session, bounds, column, pattern, replacement, all| session.replace(column, &pattern, &replacement, all, bounds);
    extract(column: u32, pattern: String, group: u32) -> u32 = |session, bounds, column, pattern, group| session.extract(column, &pattern, group, bounds);
    matches(column: u32, pattern: String) -> u32 = |session, bounds, column, pattern| session.matches(column, &pattern, bounds);
    contains(column: u32, text: u32) -> u32 = |session, bounds, column, text| session.contains(column, text, bounds);
    hash(column: u32, algorithm: String) -> u32 = |session, bounds, column, algorithm| session.hash(column, &algorithm, bounds);
    add(left: u32, right: u32) -> u32 = |session, bounds, left, right| session.add(left, right, bounds);
    subtract(left: u32, right: u32) -> u32 = |session, bounds, left, right| session.subtract(left, right, bounds);
    multiply(left: u32, right: u32) -> u32 = |session, bounds, left, right| session.multiply(left, right, bounds);
    divide(left: u32, right: u32) -> u32 = |session, bounds, left, right| session.divide(left, right, bounds);
    remainder(left: u32, right: u32) -> u32 = |session, bounds, left, right| session.remainder(left, right, bounds);
    equal(left: u32, right: u32) -> u32 = |session, bounds, left, right| session.equal(left, right, bounds);
    less(left: u32, right: u32) -> u32 = |session, bounds, left, right| session.less(left, right, bounds);
    at_most(left: u32, right: u32) -> u32 = |session, bounds, left, right| session.at_most(left, right, bounds);
    is_null(column: u32) -> u32 = |session, bounds, column| session.is_null(column, bounds);
    is_present(column: u32) -> u32 = |session, bounds, column| session.is_present(column, bounds);
    both(left: u32, right: u32) -> u32 = |session, bounds, left, right| session.both(left, right, bounds);
    either(left: u32, right: u32) -> u32 = |session, bounds, left, right| session.either(left, right, bounds);
    inverse(condition: u32) -> u32 = |session, bounds, condition| session.inverse(condition, bounds);
    choose(condition: u32, holds: u32, otherwise: u32) -> u32 = |session, bounds, condition, holds, otherwise| session.choose(condition, holds, otherwise, bounds);
    coalesce(columns: Vec<u32>) -> u32 = |session, bounds, columns| session.coalesce(&columns, bounds);
}
