//! Tables of databases as topics, and topics as tables: what Connect's JDBC connectors do, with their names and keys.
//!
//! The host reaches the databases and moves the rows, as columns; what is decided here is what to ask for and where to go
//! on ([`source`]), and what to write and how ([`sink`]).

mod dialect;
mod family;
mod keys;
mod session;
mod sink;
mod source;
mod table_name;

pub use family::{Aiven, Confluent, Ours};
pub use sink::connector::SqlSink;
pub use source::connector::SqlSource;

millstream_sdk::plugin! {
    sources: [SqlSource<Ours>, SqlSource<Confluent>, SqlSource<Aiven>],
    sinks: [SqlSink<Ours>, SqlSink<Confluent>, SqlSink<Aiven>],
}

#[cfg(test)]
mod tests {
    use std::{fs, path::Path};

    use serde_json::Value as Json;

    use super::MillstreamComponent;

    fn plugins() -> Vec<Json> {
        let described = millstream_sdk::describe::<MillstreamComponent>();
        let described: Json = serde_json::from_str(&described).expect("JSON");
        described["plugins"].as_array().expect("a list").clone()
    }

    fn text<'j>(json: &'j Json, member: &str) -> &'j str {
        json[member].as_str().unwrap_or_default()
    }

    fn key_line(key: &Json) -> String {
        let default = match (key["required"].as_bool(), &key["default"]) {
            (Some(true), _) => "required".to_owned(),
            (_, Json::Null) => String::new(),
            (_, Json::String(empty)) if empty.is_empty() => "empty".to_owned(),
            (_, default) => format!("`{}`", default.as_str().unwrap_or_default()),
        };
        let allowed = key["validator"].get("one_of").or_else(|| key["validator"]["null_or"].get("one_of"));
        let allowed: Vec<&str> =
            allowed.and_then(Json::as_array).into_iter().flatten().filter_map(Json::as_str).collect();
        let allowed = match allowed
            .iter()
            .filter(|value| !value.is_empty())
            .map(|value| format!("`{value}`"))
            .collect::<Vec<_>>()
        {
            none if none.is_empty() => String::new(),
            some => format!(" One of {}.", some.join(", ")),
        };
        let doc = format!("{}{allowed}", text(key, "documentation")).replace('|', "\\|");
        format!(
            "| `{}` | {} | {default} | {} | {doc} |\n",
            text(key, "name"),
            text(key, "type"),
            text(key, "importance")
        )
    }

    fn page() -> String {
        let mut page = "# Keys of the SQL connectors\n\nGenerated from their definitions; `MILLSTREAM_WRITE_PAGES=1 cargo test -p millstream-plugin-sql` writes it anew. What is not\nsaid here is in [README](README.md). Keys of the worker for every connector come on top.\n".to_owned();
        for plugin in plugins() {
            let class = text(&plugin, "class");
            page.push_str(&format!("\n## {class}\n\n"));
            if class.starts_with("io.confluent") {
                page.push_str("The keys of ours, above.\n");
                continue;
            }
            page.push_str("| key | type | default | importance | |\n|---|---|---|---|---|\n");
            plugin["config"].as_array().expect("keys").iter().for_each(|key| page.push_str(&key_line(key)));
        }
        page
    }

    #[test]
    fn the_page_of_keys_says_what_the_definitions_say() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("reference.md");
        if std::env::var_os("MILLSTREAM_WRITE_PAGES").is_some() {
            fs::write(&path, page()).expect("written");
        }
        let written = fs::read_to_string(&path).unwrap_or_default();
        assert!(written == page(), "reference.md is stale: MILLSTREAM_WRITE_PAGES=1 writes it anew");
    }

    #[test]
    fn ours_and_confluents_connectors_have_the_same_keys() {
        let plugins = plugins();
        let keys =
            |class: &str| plugins.iter().find(|plugin| plugin["class"] == class).map(|plugin| plugin["config"].clone());
        assert_eq!(keys("io.millstream.SqlSourceConnector"), keys("io.confluent.connect.jdbc.JdbcSourceConnector"));
        assert_eq!(keys("io.millstream.SqlSinkConnector"), keys("io.confluent.connect.jdbc.JdbcSinkConnector"));
        assert_eq!(plugins.len(), 6);
        let secret = |key: &Json| key["name"] == "connection.password" && key["type"] == "PASSWORD";
        assert!(plugins.iter().all(|plugin| plugin["config"].as_array().is_some_and(|keys| keys.iter().any(secret))));
    }
}
