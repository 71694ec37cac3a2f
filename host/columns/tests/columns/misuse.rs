//! What authors get wrong, and what hostile plugins try.

use std::time::{Duration, Instant};

use millstream_columns::{Bounds, Refusal, Session, Subject};
use millstream_record::Value;
use millstream_record::batch::{Limits, Side};

use crate::support::{Call, bounds, map, path, plain, refused, text};

#[test]
fn unknown_numbers_and_paths_are_named() {
    let mut call = Call::over(&plain(&[text("a")]));
    assert_eq!(refused(call.session.upper(77, &bounds())), "there is no column 77 in this call");
    assert_eq!(refused(call.session.rows(9)), "there is no table 9 in this call");
    assert!(refused(call.session.get(call.table, &path(&["values"]), &bounds())).starts_with("[values] leads nowhere"));
    assert!(refused(call.session.get(call.table, &[], &bounds())).starts_with("[] leads nowhere"));
    let two = call.session.from_texts(vec![None, None], &bounds()).unwrap();
    let message = refused(call.session.set(call.table, &path(&["value"]), two, &bounds()));
    assert_eq!(message, "the column has 2 rows where there are 1");
    let three = call.session.from_texts(vec![None, None, None], &bounds()).unwrap();
    assert_eq!(refused(call.session.equal(two, three, &bounds())), "columns of 2 and of 3 rows do not go together");
    assert!(refused(call.session.set(call.table, &path(&["offset"]), two, &bounds())).contains("2 rows"));
    let constant = call.constant("1");
    assert!(
        refused(call.session.set(call.table, &path(&["offset"]), constant, &bounds())).contains("only the host knows")
    );
    assert!(refused(call.session.drop_path(call.table, &path(&["topic"]), &bounds())).contains("cannot be dropped"));
    assert!(refused(call.session.keep(call.table, constant, &bounds())).contains("wanted a boolean"));
    assert_eq!(call.session.release(&[constant]), Ok(()));
    assert_eq!(refused(call.session.release(&[constant])), format!("there is no column {constant} in this call"));
}

#[test]
fn a_failed_edit_changes_nothing() {
    let rows = [map(&[("a", text("x"))]), text("no map")];
    let mut call = Call::over(&plain(&rows));
    let constant = call.constant("1");
    let message = refused(call.session.set(call.table, &path(&["value", "a"]), constant, &bounds()));
    assert!(message.starts_with("row 1: "), "{message}");
    assert_eq!(call.values(), rows);
    let mut call = Call::over(&plain(&[text("a"), text("b")]));
    let negative = call.constant("-1");
    assert_eq!(
        refused(call.session.set(call.table, &path(&["partition"]), negative, &bounds())),
        "row 0: there is no partition -1"
    );
    let number = call.constant("5");
    assert!(
        refused(call.session.set(call.table, &path(&["topic"]), number, &bounds())).contains("wanted a topic's name")
    );
    assert_eq!(call.answer().0.open().topic(0), Some("t"));
}

#[test]
fn calls_end_with_what_they_opened() {
    let given = plain(&[text("a")]);
    let mut session = Session::new(Limits::DEFAULT, Default::default());
    session.begin(Subject { batch: Some(given), returns_batch: true, ..Subject::default() });
    let table = session.input(&bounds()).unwrap();
    let column = session.get(table, &path(&["value"]), &bounds()).unwrap().unwrap();
    assert!(0 < session.bytes());
    assert!(session.end().is_none());
    assert_eq!(session.bytes(), 0);
    session.begin(Subject::default());
    assert_eq!(refused(session.length(column)), format!("there is no column {column} in this call"));
    assert_eq!(refused(session.input(&bounds())), "input: the running call has no batch");
    let made = session.make(1, &bounds()).unwrap();
    assert_eq!(refused(session.answer(made, &bounds())), "answer: the running call returns no batch");
    assert_eq!(refused(session.open_queried(&bounds())), "queried: no rows were read from a database in this call");
}

#[test]
fn memory_time_rows_and_numbers_are_bounded() {
    let mut call = Call::over(&plain(&[text("a")]));
    let tight = Bounds { memory: call.session.bytes() + 4096, ..bounds() };
    let long = "x".repeat(1 << 20);
    assert_eq!(call.session.constant_text(&long, &tight), Err(Refusal::NoMemory));
    let over = Bounds { deadline: Instant::now() - Duration::from_secs(1), ..bounds() };
    let column = call.get(&["value"]);
    assert_eq!(call.session.upper(column, &over), Err(Refusal::TimeUp));
    assert_eq!(call.session.get(call.table, &path(&["value"]), &over), Err(Refusal::TimeUp));
    assert!(refused(call.session.make(u32::MAX, &bounds())).contains("plugin.batch.max.records"));
    assert!(refused(call.session.repeat(call.table, &[u32::MAX], &bounds())).contains("plugin.batch.max.records"));
    assert_eq!(refused(call.session.repeat(call.table, &[1, 1], &bounds())), "repeat: 2 counts for 1 rows");
    let mut error = None;
    for _ in 0..5000 {
        if let Err(refusal) = call.session.absent(&bounds()) {
            error = Some(refusal.to_string());
            break;
        }
    }
    assert_eq!(error.as_deref(), Some("more than 4096 columns are held: release some"));
    let mut error = None;
    for _ in 0..100 {
        if let Err(refusal) = call.session.make(1, &bounds()) {
            error = Some(refusal.to_string());
            break;
        }
    }
    assert_eq!(error.as_deref(), Some("more than 64 tables are open: answer with one, or use fewer"));
}

#[test]
fn batches_of_no_rows_and_of_nothing_are_worked_on() {
    let mut call = Call::over(&plain(&[]));
    let value = call.get(&["value"]);
    let upper = call.session.upper(value, &bounds()).unwrap();
    call.set(&["value"], upper);
    let constant = call.constant("{\"a\": 1}");
    call.set(&["key"], constant);
    assert_eq!(call.values(), []);
    let mut call = Call::over(&plain(&[Value::Null, Value::Null]));
    assert_eq!(call.find(&["value", "a"]), None);
    let constant = call.constant("1");
    call.set(&["value", "a"], constant);
    let key = call.get(&["key"]);
    assert_eq!(call.texts(key), [None, None]);
    let (batch, _) = call.answer();
    assert_eq!(batch.open().data(Side::Value), [(None, Value::Null), (None, Value::Null)]);
}
