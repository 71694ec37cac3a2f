//! Texts, numbers, conditions, choice.

use std::sync::Arc;

use millstream_columns::{Bounds, Result, Session};
use millstream_record::{SchemaType, Value};

use crate::support::{Call, batch, bounds, plain, refused, schema, structure, text};

/// Columns of constants that fit rows, and a call to make others.
fn call() -> Call {
    Call::over(&plain(&[text("a")]))
}

/// What an operation makes of JSON values.
#[track_caller]
fn check(values: &str, made: &str, operation: impl FnOnce(&mut Session, u32, &Bounds) -> Result<u32>) {
    let mut call = call();
    let column = call.session.from_json(values, None, &bounds()).expect("JSON").column;
    let result = operation(&mut call.session, column, &bounds()).expect("it works");
    assert_eq!(call.json(result), made);
}

/// The same of two lists of values.
#[track_caller]
fn check_two(left: &str, right: &str, made: &str, operation: fn(&mut Session, u32, u32, &Bounds) -> Result<u32>) {
    let mut call = call();
    let left = call.session.from_json(left, None, &bounds()).expect("JSON").column;
    let right = call.session.from_json(right, None, &bounds()).expect("JSON").column;
    let result = operation(&mut call.session, left, right, &bounds()).expect("it works");
    assert_eq!(call.json(result), made);
}

#[test]
fn texts_are_changed_character_by_character_and_nulls_stay() {
    check(r#"["aß",null]"#, r#"["ASS",null]"#, |session, column, bounds| session.upper(column, bounds));
    check(r#"["AÄ",""]"#, r#"["aä",""]"#, |session, column, bounds| session.lower(column, bounds));
    check(r#"[" x y\n",""]"#, r#"["x y",""]"#, |session, column, bounds| session.trim(column, bounds));
    check(r#"["äöüß","a",""]"#, r#"["öü","",""]"#, |session, column, bounds| {
        session.substring(column, 1, Some(2), bounds)
    });
    check(r#"["äöüß"]"#, r#"["üß"]"#, |session, column, bounds| session.substring(column, 2, None, bounds));
    check(r#"["äö😀",null]"#, "[3,null]", |session, column, bounds| session.characters(column, bounds));
}

#[test]
fn regular_expressions_are_javas() {
    check(r#"["a1b22","x"]"#, r#"["a<1>b<22>","x"]"#, |session, column, bounds| {
        session.replace(column, r"(\d+)", "<$1>", true, bounds)
    });
    check(r#"["a1b22"]"#, r#"["a-b22"]"#, |session, column, bounds| {
        session.replace(column, r"\d+", "-", false, bounds)
    });
    check(r#"["k=v","none",null]"#, r#"["v",null,null]"#, |session, column, bounds| {
        session.extract(column, "(\\w)=(\\w)", 2, bounds)
    });
    check(r#"["ab","b",null]"#, "[true,false,null]", |session, column, bounds| session.matches(column, "^a", bounds));
    let mut call = call();
    let column = call.get(&["value"]);
    assert!(
        refused(call.session.matches(column, "(", &bounds())).starts_with("\"(\" is no regular expression of Java's: ")
    );
    assert_eq!(refused(call.session.extract(column, "a", 1, &bounds())), "\"a\" has 0 groups, and no group 1");
    // The bound on steps ends what would not end.
    let slow = call.session.constant_text(&"a".repeat(40), &bounds()).unwrap();
    assert!(refused(call.session.matches(slow, "(a*)*(a*)*b", &bounds())).starts_with("row 0: "));
}

#[test]
fn texts_are_joined_found_and_digested() {
    check_two(r#"["a","b",null]"#, r#"["x",null,"y"]"#, r#"["a/x",null,null]"#, |session, left, right, bounds| {
        session.concat(&[left, right], "/", bounds)
    });
    check_two(r#"["abc","abc"]"#, r#"["bc","x"]"#, "[true,false]", Session::contains);
    check(
        r#"["abc"]"#,
        r#"["ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"]"#,
        |session, column, bounds| session.hash(column, "sha-256", bounds),
    );
}

#[test]
fn whole_numbers_stay_whole_and_what_exceeds_them_is_an_error() {
    check_two("[1,2,null]", "[3,4,5]", "[4,6,null]", Session::add);
    check_two("[7,-7]", "[2,2]", "[5,-9]", Session::subtract);
    check_two("[7,1.5]", "[2,2]", "[14.0,3.0]", Session::multiply);
    check_two("[7,1]", "[2,0]", "[3.5,\"Infinity\"]", |session, left, right, bounds| {
        let divided = session.divide(left, right, bounds)?;
        let texts = session.texts(divided, bounds)?;
        assert_eq!(texts, [Some("3.5".to_owned()), Some("Infinity".to_owned())]);
        session.from_json("[3.5,\"Infinity\"]", None, bounds).map(|made| made.column)
    });
    check_two("[7,-7]", "[3,3]", "[1,-1]", Session::remainder);
    let mut call = call();
    let (most, one) = (call.constant("9223372036854775807"), call.constant("1"));
    let message = refused(call.session.add(most, one, &bounds()));
    assert_eq!(message, "row 0: 9223372036854775807 and 1 have no result in INT64");
    let zero = call.constant("0");
    assert!(refused(call.session.remainder(one, zero, &bounds())).contains("no result"));
    let text = call.get(&["value"]);
    assert_eq!(refused(call.session.add(text, one, &bounds())), "row 0: found STRING, wanted a number");
}

#[test]
fn conditions_know_true_false_and_null() {
    check_two("[1,2,null]", "[1.0,3,1]", "[true,false,null]", Session::equal);
    check_two("[1,\"b\",true]", "[2,\"a\",false]", "[true,false,false]", Session::less);
    check_two("[2,\"a\"]", "[2,\"b\"]", "[true,true]", Session::at_most);
    check_two("[\"1\"]", "[1]", "[false]", Session::equal);
    check_two(
        "[true,true,false,null,null]",
        "[true,null,null,false,null]",
        "[true,null,false,false,null]",
        Session::both,
    );
    check_two(
        "[true,true,false,null,false]",
        "[false,null,null,true,false]",
        "[true,true,null,true,false]",
        Session::either,
    );
    check("[true,false,null]", "[false,true,null]", |session, column, bounds| session.inverse(column, bounds));
    check("[1,null]", "[false,true]", |session, column, bounds| session.is_null(column, bounds));
    let mut call = call();
    let (one, text) = (call.constant("1"), call.get(&["value"]));
    assert_eq!(refused(call.session.less(one, text, &bounds())), "row 0: a whole number and STRING have no order");
}

#[test]
fn a_choice_keeps_the_schema_of_what_was_there() {
    let of = schema(&[("a", SchemaType::Int32)]);
    let row = |number| (Some(Arc::clone(&of)), structure(&of, &[Value::Int32(number)]));
    let mut call = Call::over(&batch(&[row(1), row(2)]));
    let a = call.get(&["value", "a"]);
    let two = call.constant("2");
    let is_two = call.session.equal(a, two, &bounds()).unwrap();
    let nothing = call.constant("null");
    let chosen = call.session.choose(is_two, nothing, a, &bounds()).unwrap();
    assert_eq!(call.json(chosen), "[1,null]");
    call.set(&["value", "a"], chosen);
    let data = call.data();
    let field = &data[0].0.as_ref().expect("a schema").fields()[0].schema;
    assert_eq!((field.kind.name(), field.optional), ("INT32", true));
    check_two("[null,2]", "[3,4]", "[3,2]", |session, left, right, bounds| session.coalesce(&[left, right], bounds));
}
