//! Running a transform or a predicate: each record, and what became of it.

use millstream_connector::{Condition, Link, LinkedTransforms, PluginKind, Plugins};
use millstream_record::batch::Role;
use serde_json::{Value, json};

use super::{Run, Tally, ended, error_json, failure_text, input::Input, records::Meant, show};
use crate::{
    exit::{Failure, USAGE},
    plugin::subject::{Subject, task},
};

/// Leaves out the records for which a predicate holds.
const FILTER: &str = "org.apache.kafka.connect.transforms.Filter";

pub async fn run(subject: &Subject, arguments: &Run) -> Result<(), Failure> {
    let Input { records, topic, mut notation } = Input::of(subject, arguments, Meant::Data).await?;
    let mut chain = chain(subject).await?;
    let is_predicate = subject.info.kind == PluginKind::Predicate;
    let mut tally = Tally { records: records.len() as u64, ..Tally::default() };
    let mut first = 0;
    for some in records.chunks(arguments.batch as usize) {
        let batch = notation.batch(some, &topic, first).await?;
        let before = notation.rows(&batch).await?;
        let outcome = chain.apply(&batch).await.map_err(|error| ended("run the plugin", &error))?;
        let after = notation.rows(&outcome.batch).await?;
        let table = outcome.batch.open();
        let origin = |row: usize| {
            let origin = table.get(Role::ORIGIN).and_then(|origins| origins.integer(row));
            origin.map_or(row, |origin| usize::try_from(origin).unwrap_or(usize::MAX))
        };
        let mut results: Vec<Vec<&Value>> = vec![Vec::new(); before.len()];
        for (row, result) in after.iter().enumerate().filter(|(_, result)| !result.is_null()) {
            if let Some(results) = results.get_mut(origin(row)) {
                results.push(result);
            }
        }
        for (row, (before, results)) in before.iter().zip(results).enumerate() {
            let error = outcome.errors.iter().find(|error| error.row as usize == row).map(error_json);
            let number = first + row as u64 + 1;
            let mut text = format!("{number} {before}\n");
            let mut line = json!({"record": number, "before": before});
            match (&error, is_predicate) {
                (Some(error), _) => {
                    text.push_str(&failure_text(error));
                    line["error"] = error.clone();
                    tally.count("failed");
                }
                (None, true) => {
                    let holds = results.is_empty();
                    text.push_str(&format!("  → {holds}\n"));
                    line["holds"] = json!(holds);
                    tally.count(if holds { "for which it holds" } else { "for which it does not" });
                }
                (None, false) => {
                    for result in &results {
                        let mark = if *result == before { "=" } else { "→" };
                        text.push_str(&format!("  {mark} {result}\n"));
                    }
                    if results.is_empty() {
                        text.push_str("  → left out\n");
                    }
                    tally.count(match results.as_slice() {
                        [] => "left out",
                        [result] if *result == before => "unchanged",
                        [_] => "changed",
                        _ => "multiplied",
                    });
                    line["after"] = json!(results);
                }
            }
            show(arguments.output, &line, &text)?;
        }
        first += some.len() as u64;
    }
    tally.report(arguments.output)
}

/// The plugin as a chain of its own; a predicate says which records a filter is to leave out.
pub async fn chain(subject: &Subject) -> Result<Box<dyn LinkedTransforms>, Failure> {
    let class = subject.info.class.as_str();
    let own = subject.config.clone();
    let link = match subject.info.kind {
        PluginKind::Predicate => Link {
            class: FILTER.into(),
            config: Default::default(),
            condition: Some(Condition { class: class.into(), config: own, negate: false }),
        },
        _ => Link { class: class.into(), config: own, condition: None },
    };
    let made = subject.catalogue.chain(&task(), &[link]).await;
    made.map_err(|(_, error)| Failure::new(USAGE, format!("configure {class}: {}", error.failure().message)))
}
