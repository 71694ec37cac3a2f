//! The reference page of all metrics, from the table.

use std::fmt::Write;

use crate::groups::all_groups;
use crate::prometheus::name;
use crate::table::{Attribute, Statistic, Unit};

fn statistic(attribute: &Attribute) -> String {
    match attribute.statistic {
        Statistic::Total => "total".to_owned(),
        Statistic::Rate => "per second".to_owned(),
        Statistic::RatePerHour => "per hour".to_owned(),
        Statistic::Current => "current".to_owned(),
        Statistic::Max => "largest".to_owned(),
        Statistic::Min => "smallest".to_owned(),
        Statistic::Average => "average".to_owned(),
        Statistic::ShareWith(_) => "share".to_owned(),
        Statistic::TimeIn(state) => format!("share of time {}", state.name()),
        Statistic::MillisSince | Statistic::SecondsSince => "time since".to_owned(),
        Statistic::Time => "time".to_owned(),
        Statistic::Buckets => "histogram".to_owned(),
        Statistic::Text => "text".to_owned(),
    }
}

impl Unit {
    fn name(self) -> &'static str {
        match self {
            Self::Records => "records",
            Self::Count | Self::Word => "",
            Self::Bytes => "bytes",
            Self::Millis => "ms",
            Self::Seconds => "s",
            Self::Nanos => "ns",
            Self::Time => "ms since 1970",
        }
    }
}

/// The page in Markdown, as it is committed.
pub fn reference_page() -> String {
    let mut page = String::from(
        "# Metrics\n\nGenerated from the table in `host/metrics/src/groups`. Totals count since the group exists; rates, \
         averages, the largest, the smallest and shares are those of the moving window (`metrics.num.samples` × \
         `metrics.sample.window.ms`, by Kafka's rules); without anything in it, averages and extremes are no number \
         (`NaN`).\n\n`/metrics` shows them under Prometheus' names, which follow one rule: `kafka_connect_` for what \
         Connect names, `kafka_` for what its clients name, `millstream_` for what is ours; the group without `connect-` \
         before and `-metrics` behind; the attribute; underscores for hyphens. A text is a series of value 1 with the text \
         in a label that is named like the attribute. What the JVM's own network layer counts (`select-`, `io-`, \
         `network-io-`) has no counterpart here.\n\nWhat plugins count themselves is in no table: \
         `millstream_plugin_counter_NAME_total`, `millstream_plugin_gauge_NAME`, and how far their tasks have come: \
         `millstream_plugin_progress_done` and `millstream_plugin_progress_size` (labels `what`, `unit`); all with the labels \
         connector, plugin, task.\n",
    );
    for group in all_groups() {
        let labels = if group.labels.is_empty() { "none".to_owned() } else { group.labels.join(", ") };
        let about = group.about.trim();
        write!(page, "\n## `{}`\n\n{about} Labels: {labels}.\n\n", group.name)
            .expect("writing to a string cannot fail");
        page.push_str("| attribute | in Prometheus | statistic | unit | meaning |\n|---|---|---|---|---|\n");
        for row in group.attributes {
            let (name, statistic, unit) = (name(group, row), statistic(row), row.unit.name());
            writeln!(page, "| `{}` | `{name}` | {statistic} | {unit} | {} |", row.name, row.help)
                .expect("writing to a string cannot fail");
        }
    }
    page
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The committed page is rewritten instead when `MILLSTREAM_WRITE_PAGES` is set.
    #[test]
    fn the_reference_page_is_the_one_that_is_committed() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/reference.md");
        if std::env::var_os("MILLSTREAM_WRITE_PAGES").is_some() {
            std::fs::write(path, reference_page()).unwrap();
        }
        let committed = std::fs::read_to_string(path).unwrap_or_default();
        assert!(committed == reference_page(), "reference.md is stale: run this test with MILLSTREAM_WRITE_PAGES=1");
    }
}
