//! Prometheus' names for the table's.

use crate::table::{Attribute, GroupDefinition, Origin};

/// The name of a metric: `kafka_connect_` for what Connect names, `kafka_` for what its clients name, `millstream_` for
/// what is ours; the group without `connect-` before and `-metrics` behind; the attribute. Hyphens become underscores. These
/// are the names that Strimzi's rules for Connect's JMX metrics give.
pub fn name(group: &GroupDefinition, attribute: &Attribute) -> String {
    let prefix = match group.origin {
        Origin::Connect => "kafka_connect",
        Origin::Client => "kafka",
        Origin::Ours => "millstream",
    };
    let kind = group.name.strip_suffix("-metrics").unwrap_or(group.name);
    let kind = match (group.origin, kind) {
        // What is left of `connect-metrics` is nothing.
        (Origin::Connect, "connect") => "",
        (Origin::Connect, kind) => kind.strip_prefix("connect-").unwrap_or(kind),
        (_, kind) => kind,
    };
    let between = if kind.is_empty() { "" } else { "_" };
    label(&format!("{prefix}{between}{kind}_{}", attribute.name))
}

/// A name within the format's alphabet.
pub(super) fn label(name: &str) -> String {
    name.replace('-', "_")
}
