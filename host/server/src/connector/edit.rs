//! `edit`: a connector's configuration in the user's editor.

use std::{fs, io::Write, path::Path, process::Command};

use millstream_config::{ConfigMap, ConnectorFile};
use millstream_record::ErrorChain;
use serde_json::json;

use super::{
    args::Wait,
    change,
    state::{self, Goal},
};
use crate::{
    exit::{Failure, NOT_FOUND, REFUSED, USAGE},
    output::print,
    worker_api::WorkerApi,
    yaml,
};

pub async fn run(worker: &WorkerApi, name: &str, wait: Wait) -> Result<(), Failure> {
    let current = change::current(worker, name).await?;
    let current = current.ok_or_else(|| Failure::new(NOT_FOUND, format!("there is no connector {name}")))?;
    // It may hold secrets: only its owner may read it, and it is gone afterwards.
    let file = tempfile::Builder::new().prefix("millstream-").suffix(".yaml").tempfile();
    let file = file.map_err(|error| Failure::new(USAGE, format!("make a file for the editor: {error}")))?;
    let mut last = current.clone();
    let mut errors = Vec::new();
    let mut text = yaml::to_yaml(&json!(current));
    loop {
        write(file.path(), name, &errors, &text)?;
        edit(file.path()).await?;
        text = body(
            &fs::read_to_string(file.path())
                .map_err(|error| Failure::new(USAGE, format!("read what was edited: {error}")))?,
        );
        let (edited, wrong) = match parse(name, &text) {
            Ok(edited) => {
                if edited == current {
                    return print(&format!("Connector {name} is left as it is.\n"));
                }
                let wrong = change::validate(worker, name, &edited).await?;
                (Some(edited), wrong)
            }
            Err(error) => (None, vec![error]),
        };
        let unchanged = !errors.is_empty() && edited.as_ref().is_none_or(|edited| *edited == last);
        errors = wrong;
        match edited {
            Some(edited) if errors.is_empty() => {
                change::put(worker, name, &edited).await?;
                print(&format!("Changed connector {name}.\n"))?;
                break;
            }
            edited => last = edited.unwrap_or(last),
        }
        if unchanged {
            return Err(Failure::new(
                REFUSED,
                format!(
                    "connector {name} is left as it was; the edited configuration is not valid: {}",
                    errors.join("; ")
                ),
            ));
        }
    }
    match wait.bound() {
        Some(bound) => state::wait(worker, name, Goal::Running, bound).await,
        None => Ok(()),
    }
}

fn write(path: &Path, name: &str, errors: &[String], text: &str) -> Result<(), Failure> {
    let mut head = format!("#: Connector {name}. Saved unchanged, nothing happens.\n");
    for line in errors.iter().flat_map(|error| error.lines()) {
        head.push_str(&format!("#: NOT VALID: {line}\n"));
    }
    let written = fs::File::create(path).and_then(|mut file| file.write_all(format!("{head}{text}").as_bytes()));
    written.map_err(|error| Failure::new(USAGE, format!("write a file for the editor: {error}")))
}

/// The text without our own lines.
fn body(text: &str) -> String {
    text.lines().filter(|line| !line.starts_with("#:")).map(|line| format!("{line}\n")).collect()
}

fn parse(name: &str, text: &str) -> Result<ConfigMap, String> {
    let mut documents = yaml::documents(text).map_err(|error| error.to_string())?;
    if documents.len() != 1 {
        return Err(format!("there are {} documents, not one", documents.len()));
    }
    let mut config = documents.remove(0);
    if let Some(members) = config.as_object_mut() {
        members.entry("name").or_insert_with(|| json!(name));
    }
    let file = ConnectorFile::parse("the edited file", config.to_string().as_bytes());
    let file = file.map_err(|error| ErrorChain(&error).to_string())?;
    if file.name != name {
        return Err(format!(
            "the name cannot be changed (from {name} to {}): apply it as another connector",
            file.name
        ));
    }
    Ok(file.config)
}

/// Runs the editor, whose name may have arguments, in the terminal.
async fn edit(path: &Path) -> Result<(), Failure> {
    let set = |name: &str| std::env::var(name).ok().filter(|value| !value.trim().is_empty());
    let editor = set("VISUAL").or_else(|| set("EDITOR")).unwrap_or_else(|| "vi".to_owned());
    let mut command = Command::new("sh");
    command.arg("-c").arg(format!("{editor} \"$1\"")).arg("sh").arg(path);
    // The terminal belongs to the editor: nothing else is done here meanwhile.
    let ended = tokio::task::spawn_blocking(move || command.status()).await;
    let failed = |what: String| Failure::new(USAGE, format!("edit with {editor} ($VISUAL, $EDITOR): {what}"));
    match ended.map_err(|error| failed(error.to_string()))? {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => Err(failed(status.to_string())),
        Err(error) => Err(failed(error.to_string())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_edited_is_read_without_our_own_lines() {
        let text = body("#: NOT VALID: x\na: 1.10\n# mine\n");
        assert_eq!(text, "a: 1.10\n# mine\n");
        let config = parse("c", &text).unwrap();
        assert_eq!(config["a"].as_deref(), Some("1.10"));
        assert_eq!(config["name"].as_deref(), Some("c"));
        assert!(parse("c", "name: d\n").unwrap_err().contains("cannot be changed"));
        assert!(parse("c", "").is_err() && parse("c", "a: b\n---\nc: d\n").is_err());
    }
}
