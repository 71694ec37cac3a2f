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
    use crate::{ConfigType, Validator};

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
