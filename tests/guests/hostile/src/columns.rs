//! What the host's work on columns, metrics and memory is asked for: well, and badly.

use crate::guest::millstream::connect::host_columns as columns;
use crate::guest::millstream::connect::host_metrics::{self, MetricKind, Progress};
use crate::guest::millstream::connect::types::{Error, ErrorKind};

/// Bytes that "hoard" keeps of each call.
const HOARDED: usize = 1 << 20;

fn path(steps: &[&str]) -> Vec<String> {
    steps.iter().map(|&step| step.to_owned()).collect()
}

/// What is asked of the host before anything else. False if the behaviour is another one.
pub fn counts(behaviour: &str) -> Result<bool, Error> {
    match behaviour {
        "count" => {
            host_metrics::declare("calls", MetricKind::Counter, "Calls that were counted")?;
            host_metrics::count("calls", 1.0)?;
            host_metrics::gauge("depth", 7.5)?;
        }
        "count badly" => host_metrics::count("no-name", 1.0)?,
        "progress" => {
            let rows = |done| Progress { done, total: Some(40.0), unit: "rows".into() };
            host_metrics::report_progress("orders", Some(&rows(10.0)))?;
            host_metrics::report_progress("lines", Some(&rows(20.0)))?;
            host_metrics::report_progress("lines", None)?;
        }
        "hoard" => {
            std::hint::black_box(vec![1_u8; HOARDED].leak());
        }
        _ => return Ok(false),
    }
    Ok(true)
}

/// Changes the batch of the call. False if the behaviour is another one.
pub fn change(behaviour: &str) -> Result<bool, Error> {
    let Some(what) = behaviour.strip_prefix("columns ") else { return Ok(false) };
    let value = path(&["value"]);
    match what {
        "upper" => {
            let table = columns::input()?;
            if let Some(column) = columns::get(table, &value)? {
                columns::set(table, &value, columns::upper(column)?)?;
            }
            columns::answer(table)?;
        }
        "fail b" => {
            let table = columns::input()?;
            let column = columns::get(table, &value)?.expect("there are values");
            let is_b = columns::equal(column, columns::constant_text("b")?)?;
            let messages = columns::concat(&[columns::constant_text("not")?, column], " ")?;
            let failed = columns::choose(is_b, messages, columns::absent()?)?;
            columns::fail(table, failed, 0, ErrorKind::Data, "")?;
            columns::answer(table)?;
        }
        "twice" => {
            let table = columns::input()?;
            let rows = columns::rows(table)?;
            columns::repeat(table, &vec![2; rows as usize])?;
            columns::answer(table)?;
        }
        "forget" => {
            let table = columns::input()?;
            let keep = columns::equal(columns::get(table, &value)?.expect("values"), columns::constant_text("a")?)?;
            columns::keep(table, keep)?;
        }
        "misuse" => {
            columns::upper(99)?;
        }
        "work without end" => {
            let table = columns::input()?;
            let column = columns::get(table, &value)?.expect("there are values");
            loop {
                let hashed = columns::hash(column, "sha-512")?;
                columns::release(&[hashed])?;
            }
        }
        "hold without end" => {
            let mut text = columns::constant_text("0123456789abcdef")?;
            loop {
                text = columns::concat(&[text, text], "")?;
            }
        }
        "hold many" => loop {
            columns::constant_text("x")?;
        },
        _ => return Ok(false),
    }
    Ok(true)
}

/// Makes a batch in a poll. False if the behaviour is another one.
pub fn poll(behaviour: &str) -> Result<bool, Error> {
    if behaviour != "columns poll" {
        return Ok(false);
    }
    let table = columns::make(2)?;
    columns::set(table, &path(&["topic"]), columns::constant_text("made")?)?;
    let schema = r#"{"type":"struct","optional":false,"fields":[{"type":"int32","optional":false,"field":"n"}]}"#;
    let values = columns::from_json(r#"[{"n": 1}, {"n": 2}]"#, Some(schema))?;
    columns::set(table, &path(&["value"]), values.column)?;
    let offsets = columns::from_json(r#"[{"at": 1}, {"at": 2}]"#, None)?;
    columns::set(table, &path(&["source-offset"]), offsets.column)?;
    columns::set(table, &path(&["source-partition"]), columns::constant(r#"{"file": "a"}"#)?)?;
    columns::answer(table)?;
    Ok(true)
}

/// Answers where a predicate holds. False if the behaviour is another one.
pub fn test(behaviour: &str) -> Result<bool, Error> {
    let Some(wanted) = behaviour.strip_prefix("columns is ") else { return Ok(false) };
    let table = columns::input()?;
    let column = columns::get(table, &path(&["value"]))?.expect("there are values");
    columns::answer_verdict(columns::equal(column, columns::constant_text(wanted)?)?, None)?;
    Ok(true)
}
