//! Transforms and predicates, through the component that a worker loads.

use millstream_connector::{Condition, Link, LinkedTransforms, Plugins};
use serde_json::Value as Json;

use super::{config, reported, thrown};
use crate::Runner;
use crate::cases::Case;
use crate::record::{Ending, Record, batch, endings};

const FILTER: &str = "org.apache.kafka.connect.transforms.Filter";

/// A transform, alone.
pub async fn transform(runner: &Runner, class: &str, case: &Case) -> Result<(), String> {
    let link = Link { class: class.into(), config: config(case.get("config")), condition: None };
    let inputs = match case.get("inputs").as_array() {
        Some(inputs) => inputs.iter().map(Record::read).collect::<Result<Vec<_>, _>>()?,
        None => vec![Record::read(case.get("input"))?],
    };
    let expect = case.expect();
    if expect.get("when").and_then(Json::as_str) == Some("configure") {
        return match runner.plugins.chain(&runner.task, &[link]).await {
            Err((_, error)) => reported("configure", error)?.check(expect),
            Ok(_) => Err(format!("the configuration is accepted\nexpected {expect}")),
        };
    }
    let expected: Vec<&Json> = match expect.get("records").and_then(Json::as_array) {
        Some(records) => records.iter().collect(),
        None => vec![expect],
    };
    let links = [link];
    // One after the other through one instance, as the case has it.
    let mut chain = match chain(runner, &links).await? {
        Ok(chain) => chain,
        Err(thrown) => return thrown.check(expect),
    };
    for (input, expected) in inputs.iter().zip(&expected) {
        check_all(&mut *chain, std::slice::from_ref(input), &[expected]).await?;
    }
    // All at once, and a single one three times: records of a batch go through together.
    let Ok(mut chain) = self::chain(runner, &links).await? else { return Err("it cannot be made twice".to_owned()) };
    let (inputs, expected) = match (inputs.as_slice(), expected.as_slice()) {
        ([input], [expected]) => (vec![input.clone(); 3], vec![*expected; 3]),
        _ => (inputs, expected),
    };
    check_all(&mut *chain, &inputs, &expected).await.map_err(|difference| format!("in one batch: {difference}"))
}

async fn chain(
    runner: &Runner,
    links: &[Link],
) -> Result<Result<Box<dyn LinkedTransforms>, crate::compare::Thrown>, String> {
    match runner.plugins.chain(&runner.task, links).await {
        Ok(chain) => Ok(Ok(chain)),
        Err((_, error)) => Ok(Err(reported("configure", error)?)),
    }
}

async fn check_all(chain: &mut dyn LinkedTransforms, inputs: &[Record], expected: &[&Json]) -> Result<(), String> {
    let outcome = match chain.apply(&batch(inputs)?).await {
        Ok(outcome) => outcome,
        Err(error) => {
            let thrown = reported("apply", error)?;
            return expected.iter().try_for_each(|expected| thrown.check(expected));
        }
    };
    for (ending, expected) in endings(&outcome, inputs.len()).iter().zip(expected) {
        check(ending, expected)?;
    }
    Ok(())
}

/// Whether a record ended as expected.
pub fn check(ending: &Ending, expected: &Json) -> Result<(), String> {
    let dropped = expected.get("dropped").is_some();
    match ending {
        Ending::Failed(failure) => thrown("apply", failure).check(expected),
        Ending::Dropped if dropped => Ok(()),
        Ending::Dropped => Err(format!("the record is dropped\nexpected {expected}")),
        Ending::Record(record) if dropped || expected.get("error").is_some() => {
            Err(format!("found {record:?}\nexpected {expected}"))
        }
        Ending::Record(record) => record.check(&Record::read(expected)?),
    }
}

/// A predicate: where it holds, a filter drops the record.
pub async fn predicate(runner: &Runner, class: &str, case: &Case) -> Result<(), String> {
    let condition = Condition { class: class.into(), config: config(case.get("config")), negate: false };
    let link = Link { class: FILTER.into(), config: Default::default(), condition: Some(condition) };
    let expect = case.expect();
    let mut chain = match chain(runner, &[link]).await? {
        Ok(chain) => chain,
        Err(thrown) => return thrown.check(expect),
    };
    let input = Record::read(case.get("input"))?;
    let outcome = match chain.apply(&batch(&[input])?).await {
        Ok(outcome) => outcome,
        Err(error) => return reported("apply", error)?.check(expect),
    };
    let found = match endings(&outcome, 1).pop() {
        Some(Ending::Failed(failure)) => return thrown("apply", &failure).check(expect),
        Some(Ending::Dropped) => true,
        _ => false,
    };
    if expect.get("result").and_then(Json::as_bool) == Some(found) {
        return Ok(());
    }
    Err(format!("found {found}\nexpected {expect}"))
}
