//! `offsets show|set|reset`: KIP-875's endpoints.

use std::path::Path;

use serde_json::{Value, json};

use super::{
    args::{Form, OffsetsCommand},
    documents, print_form,
};
use crate::{
    exit::{Failure, USAGE},
    output::{print, table},
    worker_api::WorkerApi,
};

pub async fn run(worker: &WorkerApi, command: OffsetsCommand) -> Result<(), Failure> {
    match command {
        OffsetsCommand::Show { name, output } => {
            let path = ["connectors", &name, "offsets"];
            let answer = worker.get(&format!("read the offsets of connector {name}"), &path).await?;
            if output != Form::Text {
                return print_form(&answer, output);
            }
            let entries = answer["offsets"].as_array().into_iter().flatten();
            let mut rows: Vec<Vec<String>> =
                entries.map(|entry| vec![place(&entry["partition"]), place(&entry["offset"])]).collect();
            rows.sort();
            print(&table(&["PARTITION", "OFFSET"], &rows))
        }
        OffsetsCommand::Set { name, at, partition, offset, file } => {
            let body = match file {
                Some(file) => of_file(&file)?,
                None => of_arguments(&at, &partition, &offset).map_err(|error| Failure::new(USAGE, error))?,
            };
            change(worker, &name, "PATCH", Some(&body)).await
        }
        OffsetsCommand::Reset { name, partition } if partition.is_empty() => {
            change(worker, &name, "DELETE", None).await
        }
        OffsetsCommand::Reset { name, partition } => {
            let nothing: Vec<String> = partition.iter().map(|_| "null".to_owned()).collect();
            let body = of_arguments(&[], &partition, &nothing).map_err(|error| Failure::new(USAGE, error))?;
            change(worker, &name, "PATCH", Some(&body)).await
        }
    }
}

async fn change(worker: &WorkerApi, name: &str, method: &str, body: Option<&Value>) -> Result<(), Failure> {
    let what = format!("change the offsets of connector {name}");
    let answer = worker.try_ask(method, &["connectors", name, "offsets"], &[], body).await?;
    let answer = answer.map_err(|refusal| {
        let mut failure = refusal.failure(&what);
        if refusal.message.contains("STOPPED state") {
            failure.message.push_str(&format!(" (here: millstream connector stop {name} --wait)"));
        }
        failure
    })?;
    print(&format!("{}\n", answer["message"].as_str().unwrap_or("Done.")))
}

/// What Kafka calls a place, or the JSON itself.
fn place(value: &Value) -> String {
    match (&value["kafka_topic"], &value["kafka_partition"], &value["kafka_offset"]) {
        (Value::String(topic), partition, _) if !partition.is_null() => format!("{topic}:{partition}"),
        (_, _, offset) if !offset.is_null() => offset.to_string(),
        _ => value.to_string(),
    }
}

fn of_file(path: &Path) -> Result<Value, Failure> {
    let (bytes, origin) = documents::read_bytes(path)?;
    let value: Value =
        serde_json::from_slice(&bytes).map_err(|error| Failure::new(USAGE, format!("{origin} is no JSON: {error}")))?;
    match value.get("offsets") {
        Some(Value::Array(_)) => Ok(value),
        _ => Err(Failure::new(
            USAGE,
            format!("{origin} has no list \"offsets\": write it as `offsets show --output json` does"),
        )),
    }
}

fn of_arguments(at: &[String], partitions: &[String], offsets: &[String]) -> Result<Value, String> {
    let mut entries = Vec::new();
    for text in at {
        let parsed = text.rsplit_once('=').and_then(|(place, offset)| {
            let (topic, partition) = place.rsplit_once(':')?;
            Some((topic, partition.parse::<u32>().ok()?, offset.parse::<u64>().ok()?))
        });
        let (topic, partition, offset) =
            parsed.ok_or_else(|| format!("--at {text}: write it as TOPIC:PARTITION=OFFSET"))?;
        entries.push(json!({"partition": {"kafka_topic": topic, "kafka_partition": partition}, "offset": {"kafka_offset": offset}}));
    }
    if partitions.len() != offsets.len() {
        return Err(format!("there are {} --partition and {} --offset", partitions.len(), offsets.len()));
    }
    for (partition, offset) in partitions.iter().zip(offsets) {
        let read = |option: &str, text: &str| {
            serde_json::from_str::<Value>(text).map_err(|error| format!("{option} {text} is no JSON: {error}"))
        };
        entries.push(json!({"partition": read("--partition", partition)?, "offset": read("--offset", offset)?}));
    }
    Ok(json!({ "offsets": entries }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn offsets_are_read_from_arguments() {
        let texts = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>();
        let body = of_arguments(&texts(&["a:b:0=5"]), &texts(&[r#"{"f":"x"}"#]), &texts(&["null"])).unwrap();
        let expected = json!({"offsets": [{"partition": {"kafka_topic": "a:b", "kafka_partition": 0}, "offset": {"kafka_offset": 5}},
            {"partition": {"f": "x"}, "offset": null}]});
        assert_eq!(body, expected);
        for (at, partition, offset) in
            [("a=5", "{}", "{}"), ("a:x=5", "{}", "{}"), ("a:0=-1", "{}", "{}"), ("a:0=1", "{", "{}")]
        {
            assert!(of_arguments(&texts(&[at]), &texts(&[partition]), &texts(&[offset])).is_err(), "{at} {partition}");
        }
        assert_eq!(place(&expected["offsets"][0]["partition"]), "a:b:0");
        assert_eq!(place(&expected["offsets"][0]["offset"]), "5");
        assert_eq!(place(&json!({"f": "x"})), r#"{"f":"x"}"#);
    }
}
