//! Reference pages, printed from the definitions that the program runs on.

use std::fmt::Write;

use crate::{ConfigDef, ConfigKey, Default};

/// A Markdown page: a heading and a table of all keys in declaration order.
pub fn reference_page(title: &str, introduction: &str, def: &ConfigDef) -> String {
    let mut page = format!("# {title}\n\n");
    if !introduction.is_empty() {
        page.push_str(introduction);
        page.push_str("\n\n");
    }
    page.push_str("| Key | Type | Default | Accepted | Importance | Meaning |\n|---|---|---|---|---|---|\n");
    for key in def.keys() {
        row(&mut page, key);
    }
    page
}

fn row(page: &mut String, key: &ConfigKey) {
    let default = match &key.default {
        Default::Required => "required".to_owned(),
        Default::Null => "none".to_owned(),
        Default::Text(text) if text.is_empty() => "empty".to_owned(),
        Default::Text(text) => format!("`{}`", cell(text)),
    };
    let accepted = key.validator.as_ref().map(|rule| cell(&rule.describe())).unwrap_or_default();
    writeln!(
        page,
        "| `{}` | {} | {default} | {accepted} | {} | {} |",
        cell(&key.name),
        key.kind.as_str(),
        key.importance.as_str(),
        cell(&key.documentation),
    )
    .expect("writing to a String never fails");
}

/// Keeps a text inside its cell.
fn cell(text: &str) -> String {
    text.replace('|', "\\|").replace(['\n', '\r'], " ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{ConfigType, Mode, Validator, sink_keys, source_keys};

    /// The committed pages are rewritten instead when `MILLSTREAM_WRITE_PAGES` is set.
    #[test]
    fn the_committed_pages_are_those_of_the_program() {
        let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("reference");
        for (file, page) in [
            ("standalone.md", Mode::Standalone.reference_page()),
            ("distributed.md", Mode::Distributed.reference_page()),
            ("source.md", reference_page("Keys of every source connector", "", &source_keys())),
            (
                "restarts.md",
                reference_page(
                    "Keys of restarts",
                    "Keys of ours, for connectors and, as defaults for them, for workers. See [errors](errors.md).",
                    &crate::restart_keys(),
                ),
            ),
            (
                "transactions.md",
                reference_page(
                    "Keys of sources about transactions",
                    "Keys of ours, beside Connect's in [source.md](source.md).",
                    &crate::transaction_keys(),
                ),
            ),
            (
                "source-errors.md",
                reference_page(
                    "Keys of sources about records that fail",
                    "Keys of ours, of which nothing happens unless they are set. See [errors](errors.md).",
                    &crate::source_error_keys(),
                ),
            ),
            (
                "sink-errors.md",
                reference_page(
                    "Keys of sinks about records that fail",
                    "Keys of ours, of which nothing happens unless they are set. See [errors](errors.md).",
                    &crate::sink_error_keys(),
                ),
            ),
            ("sink.md", reference_page("Keys of every sink connector", "", &sink_keys())),
        ] {
            let path = folder.join(file);
            if std::env::var_os("MILLSTREAM_WRITE_PAGES").is_some() {
                std::fs::write(&path, &page).unwrap();
            }
            let committed = std::fs::read_to_string(&path).unwrap();
            assert!(committed == page, "reference/{file} is stale: run this test with MILLSTREAM_WRITE_PAGES=1");
        }
    }

    #[test]
    fn a_page_has_a_row_for_every_key() {
        let def = ConfigDef::of([
            ConfigKey::new("a", ConfigType::Int).default_text("1").validator(Validator::at_least(0)).doc("x | y\nz"),
            ConfigKey::new("b", ConfigType::String),
        ]);
        assert_eq!(
            reference_page("T", "Intro.", &def),
            "# T\n\nIntro.\n\n\
             | Key | Type | Default | Accepted | Importance | Meaning |\n|---|---|---|---|---|---|\n\
             | `a` | INT | `1` | at least 0 | MEDIUM | x \\| y z |\n\
             | `b` | STRING | required |  | MEDIUM |  |\n"
        );
    }
}
