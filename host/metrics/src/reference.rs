//! The reference page of all metrics, from the table.

use std::fmt::Write;

use crate::groups::all_groups;
use crate::table::{Statistic, Unit};

impl Statistic {
    fn name(self) -> &'static str {
        match self {
            Self::Total => "total",
            Self::Rate => "per second",
            Self::Current => "current",
            Self::Max => "largest",
            Self::Average => "average",
            Self::ShareWith(_) => "share",
        }
    }
}

impl Unit {
    fn name(self) -> &'static str {
        match self {
            Self::Records => "records",
            Self::Count => "",
            Self::Bytes => "bytes",
            Self::Millis => "ms",
            Self::Nanos => "ns",
            Self::Time => "ms since 1970",
        }
    }
}

/// The page in Markdown, as it is committed.
pub fn reference_page() -> String {
    let mut page = String::from(
        "# Metrics\n\nGenerated from the table in `host/metrics/src/groups.rs`. Totals count since the group exists; rates, \
         averages, the largest and shares are those of the moving window (`metrics.num.samples` × \
         `metrics.sample.window.ms`).\n",
    );
    for group in all_groups() {
        let labels = if group.labels.is_empty() { "none".to_owned() } else { group.labels.join(", ") };
        let about = group.about.trim();
        write!(page, "\n## `{}`\n\n{about} Labels: {labels}.\n\n", group.name)
            .expect("writing to a string cannot fail");
        page.push_str("| metric | statistic | unit | meaning |\n|---|---|---|---|\n");
        for row in group.attributes {
            let (statistic, unit) = (row.statistic.name(), row.unit.name());
            writeln!(page, "| `{}` | {statistic} | {unit} | {} |", row.name, row.help)
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
