//! Whether a record ends the same alone and in a batch with others.

use millstream_connector::{Link, Plugins};

use super::config;
use crate::Runner;
use crate::cases::File;
use crate::record::{Ending, Record, batch, endings};

/// Most configurations of a file that are tried, so that long files do not take all the time.
const MAX_CONFIGS: usize = 60;
/// Most records in the batch.
const MAX_RECORDS: usize = 60;

/// Cases whose outcome hangs on the order of a map's entries, which maps without a schema do not keep: members of all maps
/// of a batch stand in one order.
const ORDER_COUNTS: [&str; 1] = ["name-collision-schemaless"];

/// Where records of a file end otherwise in a batch than alone.
pub async fn alone_and_together(runner: &Runner, file: &File) -> Result<Vec<String>, String> {
    let mut records = Vec::new();
    let mut configs = Vec::new();
    for case in file.cases.iter().filter(|case| !ORDER_COUNTS.contains(&case.name.as_str())) {
        let inputs = case.get("inputs").as_array().map_or(std::slice::from_ref(case.get("input")), Vec::as_slice);
        records.extend(inputs.iter().map(Record::read).collect::<Result<Vec<_>, _>>()?);
        let config = config(case.get("config"));
        if !configs.contains(&config) {
            configs.push(config);
        }
    }
    records.dedup_by_key(|record| format!("{record:?}"));
    let records = spread(records, MAX_RECORDS);
    let mut differences = Vec::new();
    for config in spread(configs, MAX_CONFIGS) {
        let link = Link { class: file.subject.as_str().into(), config, condition: None };
        let Ok(mut chain) = runner.plugins.chain(&runner.task, std::slice::from_ref(&link)).await else { continue };
        let mut alone = Vec::with_capacity(records.len());
        for record in &records {
            let outcome =
                chain.apply(&batch(std::slice::from_ref(record))?).await.map_err(|error| error.to_string())?;
            alone.push(endings(&outcome, 1).pop().unwrap_or(Ending::Dropped));
        }
        let outcome = chain.apply(&batch(&records)?).await.map_err(|error| error.to_string())?;
        for (at, (together, alone)) in endings(&outcome, records.len()).iter().zip(&alone).enumerate() {
            if let Err(difference) = together.check(alone) {
                differences.push(format!("{} {:?}, record {at}: {difference}", file.name, link.config));
            }
        }
    }
    Ok(differences)
}

/// So many of them, from all places of the list.
fn spread<T>(all: Vec<T>, most: usize) -> Vec<T> {
    let step = all.len().div_ceil(most).max(1);
    all.into_iter().step_by(step).collect()
}
