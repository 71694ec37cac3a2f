//! Files with connectors, in every form people have them in.

use std::{
    io::{self, Read},
    path::{Path, PathBuf},
};

use millstream_config::{ConfigMap, ConnectorFile, InitialState};
use millstream_record::ErrorChain;
use serde_json::Value;

use crate::{
    exit::{Failure, USAGE},
    yaml,
};

/// Largest file.
const MAX_BYTES: u64 = 16 << 20;

/// A connector of a file.
pub struct Document {
    /// The file, and the connector's place if there are several.
    pub origin: String,
    pub name: String,
    pub config: ConfigMap,
    pub initial_state: Option<InitialState>,
}

/// All connectors of the files, in their order.
///
/// # Errors
///
/// The first file that cannot be read, with the place; or a connector that is given twice.
pub fn read_all(paths: &[PathBuf]) -> Result<Vec<Document>, Failure> {
    let mut documents: Vec<Document> = Vec::new();
    for path in paths {
        for document in read(path)? {
            if let Some(other) = documents.iter().find(|other| other.name == document.name) {
                let message = format!("connector {} is in {} and in {}", document.name, other.origin, document.origin);
                return Err(Failure::new(USAGE, message));
            }
            documents.push(document);
        }
    }
    if documents.is_empty() { Err(Failure::new(USAGE, "there is no connector in the files")) } else { Ok(documents) }
}

fn read(path: &Path) -> Result<Vec<Document>, Failure> {
    let (bytes, origin) = read_bytes(path)?;
    parse(path, &origin, &bytes).map_err(|error| Failure::new(USAGE, error))
}

/// The content of a file, or of standard input for `-`, and what to call it.
///
/// # Errors
///
/// It cannot be read, or is too large.
pub fn read_bytes(path: &Path) -> Result<(Vec<u8>, String), Failure> {
    let is_input = path == Path::new("-");
    let origin = if is_input { "standard input".to_owned() } else { path.display().to_string() };
    let mut bytes = Vec::new();
    let read = if is_input {
        io::stdin().lock().take(MAX_BYTES + 1).read_to_end(&mut bytes)
    } else {
        std::fs::File::open(path).and_then(|file| file.take(MAX_BYTES + 1).read_to_end(&mut bytes))
    };
    read.map_err(|error| Failure::new(USAGE, format!("read {origin}: {error}")))?;
    if MAX_BYTES < bytes.len() as u64 {
        return Err(Failure::new(USAGE, format!("read {origin}: it has more than {MAX_BYTES} bytes")));
    }
    Ok((bytes, origin))
}

/// The connectors of a file with this content; `origin` names it in errors.
///
/// # Errors
///
/// What is wrong, and where.
pub fn parse(path: &Path, origin: &str, bytes: &[u8]) -> Result<Vec<Document>, String> {
    let documents = match form(path, bytes) {
        Form::Properties => return Ok(vec![document(origin.to_owned(), bytes)?]),
        Form::Yaml => {
            let text = std::str::from_utf8(bytes).map_err(|error| format!("{origin} is no text in UTF-8: {error}"))?;
            let text = text.strip_prefix('\u{feff}').unwrap_or(text);
            yaml::documents(text).map_err(|error| format!("{origin}: {error}"))?
        }
        Form::Json => {
            let documents = serde_json::Deserializer::from_slice(bytes).into_iter().collect();
            match documents {
                Ok(documents) => documents,
                // Other encodings than UTF-8 are read as the worker does; then there is one document.
                Err(_) if std::str::from_utf8(bytes).is_err() => return Ok(vec![document(origin.to_owned(), bytes)?]),
                Err(error) => return Err(format!("{origin} begins like JSON but is not: {error}")),
            }
        }
    };
    let documents: Vec<Value> = documents
        .into_iter()
        .flat_map(|document| match document {
            Value::Array(items) => items,
            other => vec![other],
        })
        .collect();
    let many = documents.len() > 1;
    let place = |number: usize| if many { format!("{origin}, connector {}", number + 1) } else { origin.to_owned() };
    let read = documents.iter().enumerate().map(|(number, value)| match value {
        Value::Object(_) => document(place(number), value.to_string().as_bytes()),
        _ => Err(format!("{} is no mapping of keys to values", place(number))),
    });
    read.collect()
}

fn document(origin: String, bytes: &[u8]) -> Result<Document, String> {
    let file = ConnectorFile::parse(&origin, bytes).map_err(|error| ErrorChain(&error).to_string())?;
    Ok(Document { name: file.name.trim().to_owned(), config: file.config, initial_state: file.initial_state, origin })
}

enum Form {
    Properties,
    Json,
    Yaml,
}

/// The ending of the name decides for YAML, otherwise the content: a worker tells JSON from properties like that, too.
fn form(path: &Path, bytes: &[u8]) -> Form {
    let extension = path.extension().and_then(|extension| extension.to_str()).map(str::to_ascii_lowercase);
    if matches!(extension.as_deref(), Some("yaml" | "yml")) {
        return Form::Yaml;
    }
    let text = String::from_utf8_lossy(bytes);
    let text = text.trim_start_matches('\u{feff}').trim_start();
    // A text in UTF-16 has its brace behind or before a zero.
    if text.starts_with(['{', '[']) || bytes.iter().take(4).any(|&byte| byte == 0) {
        return Form::Json;
    }
    if matches!(extension.as_deref(), Some("properties")) {
        return Form::Properties;
    }
    let line = text.lines().map(str::trim).find(|line| !line.is_empty() && !line.starts_with(['#', '!']));
    // A key and an equals sign is what no line of YAML for connectors begins with.
    let is_entry = |line: &str| line.find(['=', ':', ' ']).is_some_and(|at| line[at..].trim_start().starts_with('='));
    if line.is_some_and(is_entry) { Form::Properties } else { Form::Yaml }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(path: &str, text: &str, expected: &[(&str, &str)]) {
        let documents = parse(Path::new(path), path, text.as_bytes()).unwrap();
        let found: Vec<_> = documents
            .iter()
            .map(|document| (document.name.as_str(), document.config["a"].as_deref().unwrap()))
            .collect();
        assert_eq!(found, expected, "{text}");
    }

    #[test]
    fn a_connector_is_read_in_every_form() {
        check("c.properties", "name=c\na: 1.10\n", &[("c", "1.10")]);
        check("c.json", r#"{"name": "c", "a": 1.10}"#, &[("c", "1.10")]);
        check(
            "c.json",
            r#"{"name": "c", "config": {"a": true}} {"name": "d", "a": "2"}"#,
            &[("c", "true"), ("d", "2")],
        );
        check("c.json", r#"[{"name": "c", "a": "1"}, {"name": "d", "config": {"a": "2"}}]"#, &[("c", "1"), ("d", "2")]);
        check("c.yml", "name: c\na: 1.10\n---\nname: d\nconfig:\n  a: 007\n", &[("c", "1.10"), ("d", "007")]);
        // Standard input has no ending.
        check("-", "# x\nname = c\na=1\n", &[("c", "1")]);
        check("-", "name: c\nconfig:\n  a: b=c\n", &[("c", "b=c")]);
        check("-", "---\n- name: c\n  a: 1\n", &[("c", "1")]);
    }

    #[test]
    fn what_cannot_be_read_is_named_with_its_place() {
        for (path, text, expected) in [
            ("c.yaml", "name: c\n  a: 1", "c.yaml: line 2"),
            ("c.json", "{\"name\": ", "c.json begins like JSON but is not"),
            ("c.json", r#"{"name": "c"} {"a": "b"}"#, "c.json, connector 2' is missing the mandatory 'name'"),
            ("c.yaml", "name: c\ntopics: [a, b]\n", "write lists as texts with commas"),
            ("c.yaml", "- 1\n- 2\n", "c.yaml, connector 1 is no mapping"),
        ] {
            let Err(error) = parse(Path::new(path), path, text.as_bytes()) else { panic!("{text}") };
            assert!(error.contains(expected), "{error}");
        }
    }
}
