//! How a configuration differs from another, for people.

use std::collections::BTreeSet;

use millstream_config::{ConfigMap, HIDDEN, may_be_secret};

/// A value as it may be shown: what may be secret is not, unless it only says where the secret is. What the worker knows
/// about keys is not asked: it may be Kafka Connect, whose plugins do not all declare what is secret.
pub fn shown<'a>(key: &str, value: &'a str) -> &'a str {
    if may_be_secret(key, value) { HIDDEN } else { value }
}

/// One line per key that is removed (`-`), added (`+`) or changed (both). Empty if nothing is.
pub fn lines(from: &ConfigMap, to: &ConfigMap) -> Vec<String> {
    let keys: BTreeSet<&String> = from.keys().chain(to.keys()).collect();
    let line = |sign: char, key: &str, value: Option<&Option<String>>| {
        value.map(|value| format!("{sign} {key}={}", value.as_deref().map_or("null", |value| shown(key, value))))
    };
    let changed = keys.into_iter().filter(|key| from.get(*key) != to.get(*key));
    changed.flat_map(|key| [line('-', key, from.get(key)), line('+', key, to.get(key))]).flatten().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn map(entries: &[(&str, &str)]) -> ConfigMap {
        entries.iter().map(|&(key, value)| (key.to_owned(), Some(value.to_owned()))).collect()
    }

    #[test]
    fn only_what_differs_is_shown_and_no_secret() {
        let from = map(&[("a", "1"), ("b", "2"), ("c", "3"), ("db.password", "x"), ("api.Token", "${file:a:b}")]);
        let to = map(&[("a", "1"), ("b", "4"), ("d", "5"), ("db.password", "y"), ("api.Token", "")]);
        let expected = [
            "- api.Token=${file:a:b}",
            "+ api.Token=",
            "- b=2",
            "+ b=4",
            "- c=3",
            "+ d=5",
            "- db.password=[hidden]",
            "+ db.password=[hidden]",
        ];
        assert_eq!(lines(&from, &to), expected);
        assert!(lines(&to, &to).is_empty());
    }
}
