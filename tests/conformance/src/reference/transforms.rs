//! Examples of transforms and predicates: whole configurations, as a connector has them, on single records.

use millstream_connector::LinkedTransforms;
use serde_json::{Map, Value as Json};

use super::examples::{Example, Examples};
use super::show::{self, code_cell};
use super::{error_head, failure_cell, head, line, lines_set};
use crate::Runner;
use crate::record::{Ending, Record, batch, endings};
use crate::subjects::chain::{Built, build};

/// Parts of a record, in the order they are shown.
const PARTS: [&str; 7] = ["topic", "partition", "offset", "timestamp", "key", "value", "headers"];

/// Runs the examples of a class and appends them. For predicates: whether they hold.
pub async fn section(
    page: &mut String,
    runner: &Runner,
    examples: &Examples,
    is_predicate: bool,
) -> Result<(), String> {
    let mut shown = None;
    for example in &examples.examples {
        let config = examples.config(example);
        head(page, examples, example, &mut shown);
        let inputs = example.all("input", "inputs");
        let mut chain = None;
        let mut ended = Vec::new();
        for json in &inputs {
            let input = Record::read(json)?;
            if chain.is_none() {
                chain = Some(started(runner, &config, input.is_sink()).await?);
            }
            let chain = chain.as_deref_mut().ok_or("the example has no transforms")?;
            let ending = run(chain, &input).await?;
            if let Ending::Failed(failure) = &ending {
                return Err(format!("{:?} fails: {}", example.text("title"), failure.trace()));
            }
            ended.push((*json, input, ending));
        }
        match ended.as_slice() {
            [] => return Err(format!("{:?} has no input", example.text("title"))),
            rows if is_predicate => {
                page.push_str("\n| Record | The predicate |\n|---|---|\n");
                for (json, input, ending) in rows {
                    let holds = if matches!(ending, Ending::Dropped) { "holds" } else { "does not hold" };
                    line(page, format_args!("| {} | {holds} |", code_cell(&given(json, input))));
                }
            }
            [(json, input, ending)] => blocks(page, json, input, ending),
            rows => {
                page.push_str("\n| Before | After |\n|---|---|\n");
                for (json, input, ending) in rows {
                    let after = match ending {
                        Ending::Record(after) => match changed(input, after) {
                            parts if parts.is_empty() => "unchanged".to_owned(),
                            parts => code_cell(&show::record(after, |part| parts.contains(&part)).line()),
                        },
                        _ => "dropped".to_owned(),
                    };
                    line(page, format_args!("| {} | {after} |", code_cell(&given(json, input))));
                }
            }
        }
    }
    if !examples.errors.is_empty() {
        error_head(page);
    }
    for example in &examples.errors {
        error(page, runner, examples, example).await?;
    }
    Ok(())
}

async fn started(runner: &Runner, config: &Map<String, Json>, sink: bool) -> Result<Box<dyn LinkedTransforms>, String> {
    match build(runner, crate::subjects::config(&Json::Object(config.clone())), sink).await? {
        Built::Chain(Some(chain), _) => Ok(chain),
        Built::Chain(None, _) => Err("the example has no transforms".to_owned()),
        Built::Refused(errors) => Err(format!("the configuration of an example is refused: {errors:?}")),
        Built::Failed(failure) => Err(format!("the task of an example does not start: {}", failure.trace())),
    }
}

async fn run(chain: &mut dyn LinkedTransforms, input: &Record) -> Result<Ending, String> {
    let outcome = chain.apply(&batch(std::slice::from_ref(input))?).await.map_err(|error| error.to_string())?;
    endings(&outcome, 1).pop().ok_or_else(|| "a record has no ending".to_owned())
}

/// A record on a line: the parts that the example gives.
fn given(json: &Json, input: &Record) -> String {
    show::record(input, |part| json.get(part).is_some()).line()
}

/// Parts that are not what they were.
fn changed(before: &Record, after: &Record) -> Vec<&'static str> {
    let differs = |part: &&str| show::record(before, |name| name == *part) != show::record(after, |name| name == *part);
    PARTS.into_iter().filter(differs).collect()
}

fn blocks(page: &mut String, json: &Json, input: &Record, ending: &Ending) {
    let changed = match ending {
        Ending::Record(after) => changed(input, after),
        _ => return line(page, format_args!("\n{} is dropped.", code_cell(&given(json, input)))),
    };
    let shown = |part: &str| json.get(part).is_some() || changed.contains(&part);
    match ending {
        Ending::Record(after) if !changed.is_empty() => line(
            page,
            format_args!(
                "\nBefore:\n\n```json\n{}\n```\n\nAfter:\n\n```json\n{}\n```",
                show::record(input, shown).block(),
                show::record(after, shown).block()
            ),
        ),
        _ => line(page, format_args!("\n{} passes unchanged.", code_cell(&given(json, input)))),
    }
}

async fn error(page: &mut String, runner: &Runner, examples: &Examples, example: &Example) -> Result<(), String> {
    let config = examples.config(example);
    let when = example.text("when").ok_or("an error has no text \"when\"")?;
    let json = example.get("input");
    let input = Record::read(json)?;
    let built = build(runner, crate::subjects::config(&Json::Object(config)), input.is_sink()).await?;
    let mut with: Vec<String> = lines_set(example).into_iter().collect();
    let (seen, message) = match built {
        Built::Refused(errors) => {
            let errors: Vec<String> = errors.iter().map(|error| code_cell(error)).collect();
            ("connector refused", errors.join("<br>"))
        }
        Built::Failed(failure) => ("connector refused", code_cell(&failure.message)),
        Built::Chain(chain, _) => {
            with.push(code_cell(&given(json, &input)));
            match run(&mut *chain.ok_or("the example has no transforms")?, &input).await? {
                Ending::Failed(failure) => ("record fails", failure_cell(&failure)),
                ending => return Err(format!("the error {when:?} does not happen: {ending:?}")),
            }
        }
    };
    line(page, format_args!("| {when} | {} | {seen} | {message} |", with.join("<br>")));
    Ok(())
}
