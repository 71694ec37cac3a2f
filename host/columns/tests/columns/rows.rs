//! Which rows are meant, and how they end.

use millstream_columns::{Answer, Session, Subject};
use millstream_connector::ErrorKind;
use millstream_record::Value;
use millstream_record::batch::{Batch, Limits, Role, Side};

use crate::support::{Call, bounds, checked, map, path, plain, text};

fn letters() -> Batch {
    plain(&["a", "b", "c", "d"].map(text))
}

fn selected(batch: &Batch) -> Vec<Value> {
    let table = batch.open();
    let data = table.data(Side::Value).into_iter().enumerate();
    data.filter(|(row, _)| table.is_selected(*row)).map(|(_, (_, value))| value).collect()
}

#[test]
fn rows_are_filtered_and_fail_with_messages_of_their_own() {
    let mut call = Call::over(&letters());
    let value = call.get(&["value"]);
    let b = call.session.constant_text("b", &bounds()).unwrap();
    let is_b = call.session.equal(value, b, &bounds()).unwrap();
    let not_b = call.session.inverse(is_b, &bounds()).unwrap();
    call.session.keep(call.table, not_b, &bounds()).unwrap();
    let c = call.session.constant_text("c", &bounds()).unwrap();
    let is_c = call.session.equal(value, c, &bounds()).unwrap();
    let why = call.session.constant_text("no", &bounds()).unwrap();
    let why = call.session.concat(&[why, value], " ", &bounds()).unwrap();
    let absent = call.session.absent(&bounds()).unwrap();
    let failed = call.session.choose(is_c, why, absent, &bounds()).unwrap();
    call.session.fail(call.table, failed, 3, ErrorKind::Data, "x.Y", &bounds()).unwrap();
    // What has ended is not there any more, and cannot fail.
    let rest = call.get(&["value"]);
    assert_eq!(call.texts(rest), [Some("a".to_owned()), None, None, Some("d".to_owned())]);
    let all = call.session.constant_text("again", &bounds()).unwrap();
    let (batch, errors) = {
        call.session.fail(call.table, absent, 0, ErrorKind::Data, "", &bounds()).unwrap();
        let _ = all;
        call.answer()
    };
    assert_eq!(selected(&batch), ["a", "d"].map(text));
    assert_eq!(errors.len(), 1);
    let error = &errors[0];
    assert_eq!(
        (error.row, error.link, error.failure.class.as_str(), error.failure.message.as_str()),
        (2, 3, "x.Y", "no c")
    );
}

#[test]
fn a_focus_leaves_other_rows_as_they_are() {
    let rows = [map(&[("a", text("x"))]), map(&[("a", text("y"))]), map(&[("a", text("z"))])];
    let mut call = Call::over(&plain(&rows));
    let column = call.get(&["value", "a"]);
    let y = call.session.constant_text("y", &bounds()).unwrap();
    let is_y = call.session.equal(column, y, &bounds()).unwrap();
    call.session.focus(call.table, Some(is_y), &bounds()).unwrap();
    let seen = call.get(&["value", "a"]);
    assert_eq!(call.texts(seen), [None, Some("y".to_owned()), None]);
    let number = call.constant("1");
    call.set(&["value", "a"], number);
    call.session.rename(call.table, &path(&["value", "a"]), "b", &bounds()).unwrap();
    call.session.focus(call.table, None, &bounds()).unwrap();
    let constant = call.constant("true");
    call.set(&["value", "c"], constant);
    let values = call.values();
    let with = |name: &str, value: Value| map(&[(name, value), ("c", Value::Boolean(true))]);
    assert_eq!(values, [with("a", text("x")), with("b", Value::Int64(1)), with("a", text("z"))]);
}

#[test]
fn what_a_chain_is_limited_to_is_the_first_focus() {
    let mut call = Call::limited(&letters(), Some(vec![0b0110]));
    let value = call.get(&["value"]);
    assert_eq!(call.texts(value), [None, Some("b".to_owned()), Some("c".to_owned()), None]);
    let upper = call.session.upper(value, &bounds()).unwrap();
    call.set(&["value"], upper);
    assert_eq!(call.values(), ["a", "B", "C", "d"].map(text));
    let mut call = Call::limited(&letters(), Some(vec![0b0110]));
    let none = call.constant("false");
    call.session.keep(call.table, none, &bounds()).unwrap();
    assert_eq!(selected(&call.answer().0), ["a", "d"].map(text));
}

#[test]
fn rows_become_several_which_say_where_they_came_from_and_fail_together() {
    let mut call = Call::over(&letters());
    let parents = call.session.repeat(call.table, &[2, 1, 0, 3], &bounds()).unwrap();
    assert_eq!(parents, [0, 0, 1, 2, 3, 3, 3]);
    let texts = ["a1", "a2", "b", "c", "d1", "d2", "d3"].map(|text| Some(text.to_owned()));
    let made = call.session.from_texts(texts.to_vec(), &bounds()).unwrap();
    call.set(&["value"], made);
    let only_d2 = [None, None, None, None, None, Some("bad".to_owned()), None];
    let failed = call.session.from_texts(only_d2.to_vec(), &bounds()).unwrap();
    call.session.fail(call.table, failed, 0, ErrorKind::Data, "", &bounds()).unwrap();
    let (batch, errors) = call.answer();
    assert_eq!(selected(&batch), ["a1", "a2", "b"].map(text));
    assert_eq!(errors.iter().map(|error| error.row).collect::<Vec<_>>(), [3]);
    let table = batch.open();
    let numbers = |role| (0..7).map(|row| table.integer(role, row).unwrap()).collect::<Vec<_>>();
    assert_eq!(numbers(Role::ORIGIN), [0, 0, 1, 2, 3, 3, 3]);
    assert_eq!(numbers(Role::CHILD), [0, 1, 0, 0, 0, 1, 2]);
}

#[test]
fn a_predicate_answers_with_a_condition() {
    let mut session = Session::new(Limits::DEFAULT, Default::default());
    session.begin(Subject { batch: Some(letters()), returns_verdict: true, ..Subject::default() });
    let table = session.input(&bounds()).unwrap();
    let value = session.get(table, &path(&["value"]), &bounds()).unwrap().unwrap();
    let matches = session.matches(value, "[bd]", &bounds()).unwrap();
    session.answer_verdict(matches, None, &bounds()).unwrap();
    let Some(Answer::Verdict { holds, errors }) = session.end() else { panic!("a verdict") };
    assert_eq!((holds, errors), (vec![0b1010], vec![]));
}

#[test]
fn an_untouched_table_is_no_new_batch() {
    let mut call = Call::over(&letters());
    call.get(&["value"]);
    call.session.answer(call.table, &bounds()).unwrap();
    let Some(Answer::Table { batch, errors }) = call.session.end() else { panic!("a table") };
    assert_eq!((batch, errors), (None, vec![]));
}

#[test]
fn what_is_written_is_read_again_with_other_schemas_around() {
    let of = crate::support::schema(&[("a", millstream_record::SchemaType::String)]);
    let value = crate::support::structure(&of, &[text("x")]);
    let first = crate::support::batch(&[(Some(std::sync::Arc::clone(&of)), value.clone())]);
    // A list makes a variant of the struct in it, which names its schema by place.
    let other = crate::support::schema(&[("b", millstream_record::SchemaType::Int8)]);
    let inner = crate::support::structure(&other, &[Value::Int8(1)]);
    let second = plain(&[Value::List(vec![inner.clone()]), Value::Int64(1)]);
    let mut call = Call::over(&first);
    let read = call.session.read(&second, &bounds()).unwrap();
    let bytes = call.session.write(read, &bounds()).unwrap();
    let data = checked(bytes).open().data(Side::Value);
    assert_eq!(data, [(None, Value::List(vec![inner])), (None, Value::Int64(1))]);
    assert_eq!(call.values(), [value]);
}
