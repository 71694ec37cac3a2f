//! Writes a first corpus for each fuzz target: its seeds, and what the conformance vectors hold of its kind.
//!
//!     cargo run --bin corpus

use std::{error::Error, fs, path::Path};

use millstream_fuzz::{
    date_patterns, field_paths, group_records, header_grammar, hex::unhex, java_regex, json_decode, messages,
    record_batches, request_frames, segment_recovery,
};
use millstream_values::base64;
use serde_json::Value as Json;

/// Ends a part of an input.
const END: &[u8] = b"\xff\xff";

fn main() -> Result<(), Box<dyn Error>> {
    let vectors = Path::new(env!("CARGO_MANIFEST_DIR")).join("../conformance/vectors");
    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../host/record/tests/golden");
    let cases = |file: &str| -> Result<Vec<Json>, Box<dyn Error>> {
        let file: Json = serde_json::from_str(&fs::read_to_string(vectors.join(file))?)?;
        Ok(file["cases"].as_array().cloned().unwrap_or_default())
    };

    let mut json = seeds(json_decode::SEEDS);
    for case in cases("converters/JsonConverter.json")? {
        let config = &case["config"];
        let enabled = config["schemas.enable"].as_str() != Some("false");
        for bytes in [&case["bytes"], &case["expect"]["bytes"]] {
            let Some(bytes) = raw_bytes(bytes) else { continue };
            match config["schema.content"].as_str() {
                Some(content) => json.push([b"\x05", content.as_bytes(), END, &bytes].concat()),
                None => json.push([if enabled { b"\x02" } else { b"\x00" }, &*bytes].concat()),
            }
        }
    }
    write("json_decode", &json)?;

    let mut headers = seeds(header_grammar::SEEDS);
    for case in cases("converters/SimpleHeaderConverter.json")? {
        headers.extend([&case["bytes"], &case["expect"]["bytes"]].into_iter().filter_map(raw_bytes));
    }
    for case in cases("data/Values.json")? {
        headers.extend(case["input"].as_str().map(|text| text.as_bytes().to_vec()));
    }
    write("header_grammar", &headers)?;

    let mut paths = seeds(field_paths::SEEDS);
    for case in cases("data/SingleFieldPath.json")? {
        let shape = b"\x0b\x03\x02\x0b\x02\x03\x07\x01\x00\x05\x01\x02\x03";
        paths.extend(case["path"].as_str().map(|path| [path.as_bytes(), END, shape].concat()));
    }
    write("field_paths", &paths)?;

    let mut dates = seeds(date_patterns::SEEDS);
    for case in cases("transforms/TimestampConverter.Value.json")? {
        let text = case["input"]["value"]["payload"].as_str().unwrap_or("2024-02-29 12:00:00.123");
        dates
            .extend(case["config"]["format"].as_str().map(|format| [format.as_bytes(), END, text.as_bytes()].concat()));
    }
    for case in cases("transforms/TimestampRouter.json")? {
        let format = case["config"]["timestamp.format"].as_str();
        dates.extend(format.map(|format| [format.as_bytes(), END, END, &[1; 6]].concat()));
    }
    write("date_patterns", &dates)?;

    let mut patterns = seeds(java_regex::SEEDS);
    for case in cases("transforms/RegexRouter.json")?.into_iter().chain(cases("predicates/TopicNameMatches.json")?) {
        let text = |json: &Json| json.as_str().unwrap_or_default().as_bytes().to_vec();
        let config = &case["config"];
        let (regex, pattern, replacement) =
            (text(&config["regex"]), text(&config["pattern"]), text(&config["replacement"]));
        patterns.push([&*regex, &*pattern, END, &*text(&case["input"]["topic"]), END, &*replacement].concat());
    }
    write("java_regex", &patterns)?;

    write("group_records", &unhexed(group_records::SEEDS))?;
    write("messages", &unhexed(messages::SEEDS))?;
    write(
        "request_frames",
        &unhexed(request_frames::SEEDS).iter().map(|stream| [&[3], &**stream].concat()).collect::<Vec<_>>(),
    )?;
    let mut produced = unhexed(record_batches::SEEDS);
    let recorded = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../host/broker/tests/recorded/produce-4.3.txt");
    for line in fs::read_to_string(recorded)?.lines().filter(|line| !line.starts_with('#')) {
        let sent = line.split('|').nth(3).unwrap_or_default().split(',');
        let sent = sent.filter(|batch| batch.bytes().all(|byte| byte.is_ascii_hexdigit()));
        produced.extend(sent.map(|batch| [&[0x80], &*unhex(batch)].concat()));
    }
    write("record_batches", &produced)?;
    write("segment_recovery", &segment_recovery::seeds())?;

    let mut batches = Vec::new();
    for entry in fs::read_dir(golden)? {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "batch") {
            batches.push(fs::read(path)?);
        }
    }
    write("batch", &batches)
}

fn unhexed(seeds: &[&str]) -> Vec<Vec<u8>> {
    seeds.iter().map(|seed| unhex(seed)).collect()
}

fn seeds(seeds: &[&[u8]]) -> Vec<Vec<u8>> {
    seeds.iter().map(|seed| seed.to_vec()).collect()
}

/// Bytes in the vectors' notation.
fn raw_bytes(json: &Json) -> Option<Vec<u8>> {
    match (json["utf8"].as_str(), json["base64"].as_str()) {
        (Some(text), _) => Some(text.as_bytes().to_vec()),
        (_, Some(text)) => base64::decode(text),
        _ => None,
    }
}

fn write(target: &str, inputs: &[Vec<u8>]) -> Result<(), Box<dyn Error>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus").join(target);
    fs::create_dir_all(&folder)?;
    for (number, input) in inputs.iter().enumerate() {
        fs::write(folder.join(format!("seed-{number:04}")), input)?;
    }
    println!("{target}: {} inputs", inputs.len());
    Ok(())
}
