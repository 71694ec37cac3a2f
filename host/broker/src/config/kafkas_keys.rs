//! Every key that Apache Kafka 4.3 declares for a broker, so that those which mean nothing here are known, told and
//! accepted all the same.

use millstream_config::ConfigType;

/// One of them.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct KafkasKey {
    /// Its name.
    pub name: &'static str,
    /// How its value is read.
    pub kind: ConfigType,
    /// `None` for null.
    pub default: Option<&'static str>,
    /// Whether it can be changed while a broker runs.
    pub is_dynamic: bool,
    /// Whether DescribeConfigs tells it; others are internal.
    pub is_public: bool,
}

/// Lines `name|type|default|how`, in the order of names: `dynamic`, `fixed` or `internal`; a default of null is `\N`.
const TABLE: &str = include_str!("kafkas_broker_keys.txt");

/// All of them, in the order of names.
pub fn all() -> impl Iterator<Item = KafkasKey> {
    TABLE.lines().filter_map(parse)
}

/// The one of this name.
pub fn find(name: &str) -> Option<KafkasKey> {
    let line = TABLE.lines().find(|line| line.strip_prefix(name).is_some_and(|rest| rest.starts_with('|')))?;
    parse(line)
}

fn parse(line: &'static str) -> Option<KafkasKey> {
    let [name, kind, default, how] = line.split('|').collect::<Vec<_>>()[..] else { return None };
    Some(KafkasKey {
        name,
        kind: kind_of(kind)?,
        default: Some(default).filter(|default| *default != "\\N"),
        is_dynamic: how == "dynamic",
        is_public: how != "internal",
    })
}

fn kind_of(word: &str) -> Option<ConfigType> {
    use ConfigType::{Boolean, Class, Double, Int, List, Long, Password, Short, String as Text};
    let kinds = [Boolean, Class, Double, Int, List, Long, Password, Short, Text];
    kinds.into_iter().find(|kind| kind.as_str() == word)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::keys::{self, BROKER_KEYS};

    #[test]
    fn every_line_of_the_table_is_a_key() {
        assert_eq!(all().count(), TABLE.lines().count());
        let names: Vec<_> = all().map(|key| key.name).collect();
        assert!(names.is_sorted());
        assert_eq!(find("log.retention.ms").map(|key| (key.default, key.is_dynamic)), Some((None, true)));
        assert_eq!(find("log.retention"), None);
    }

    #[test]
    fn keys_that_mean_nothing_here_stand_on_their_page() {
        let inert = all().filter(|key| key.is_public && keys::find(BROKER_KEYS, key.name).is_none());
        let lines: Vec<_> = inert
            .map(|key| {
                let default = key.default.map_or("null".to_owned(), |default| format!("`{default}`"));
                format!("| `{}` | {} | {default} |\n", key.name, key.kind.as_str().to_lowercase())
            })
            .collect();
        let page = format!(
            "# Keys of Apache Kafka's broker that have no effect here\n\nThey are accepted in the configuration, with one \
             warning, and DescribeConfigs tells them with Kafka's defaults, since tools look for them; those that Kafka \
             lets change while a broker runs can be changed here, too.\n\n| key | type | default |\n|---|---|---|\n{}",
            lines.concat()
        );
        let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("reference/inert.md");
        if std::env::var_os("MILLSTREAM_WRITE_PAGES").is_some() {
            std::fs::write(&path, &page).unwrap();
        }
        let committed = std::fs::read_to_string(&path).unwrap_or_default();
        assert!(committed == page, "reference/inert.md is stale: run this test with MILLSTREAM_WRITE_PAGES=1");
    }
}
