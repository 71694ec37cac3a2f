//! What plugins count themselves, and how far their tasks have come.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::text::Text;
use crate::custom::{Custom, CustomKind, CustomMetric, Progress};
use crate::registry::Labels;
use crate::shown::Shown;
use crate::table::Statistic;

/// Writes the families of all that plugins count, and of what is under way.
pub(super) fn write(plugins: &[(Labels, Arc<Custom>)], text: &mut Text) {
    let mut families: BTreeMap<String, Vec<(&Labels, CustomMetric)>> = BTreeMap::new();
    let mut under_way: Vec<(Labels, Progress)> = Vec::new();
    for (labels, custom) in plugins {
        for (name, metric) in custom.metrics() {
            let name = match metric.kind {
                CustomKind::Counter => format!("millstream_plugin_counter_{name}_total"),
                CustomKind::Gauge => format!("millstream_plugin_gauge_{name}"),
            };
            families.entry(name).or_default().push((labels, metric));
        }
        for (what, progress) in custom.progress() {
            under_way.push((labels.clone().and("what", what).and("unit", progress.unit.clone()), progress));
        }
    }
    for (name, series) in &families {
        let help = series.iter().map(|(_, metric)| metric.help.as_str()).find(|help| !help.is_empty());
        let statistic = match series[0].1.kind {
            CustomKind::Counter => Statistic::Total,
            CustomKind::Gauge => Statistic::Current,
        };
        text.family(name, statistic, help.unwrap_or("Counted by a plugin"));
        series.iter().for_each(|(labels, metric)| text.series(name, name, labels, &Shown::Number(metric.value)));
    }
    let done = under_way.iter().map(|(labels, progress)| (labels, progress.done));
    family("millstream_plugin_progress_done", "How much of a piece of work is done, in units", done, text);
    let size = under_way.iter().filter_map(|(labels, progress)| Some((labels, progress.total?)));
    family("millstream_plugin_progress_size", "How much there is to do of a piece of work, in units", size, text);
}

fn family<'l>(name: &str, help: &str, series: impl Iterator<Item = (&'l Labels, f64)>, text: &mut Text) {
    let mut series = series.peekable();
    if series.peek().is_some() {
        text.family(name, Statistic::Current, help);
        series.for_each(|(labels, value)| text.series(name, name, labels, &Shown::Number(value)));
    }
}

#[cfg(test)]
mod tests {
    use crate::prometheus::{Format, limited, page};
    use crate::{CustomKind, Labels, Metrics, Progress};

    #[test]
    fn what_plugins_count_is_shown_by_name_and_whatever_two_of_them_call_by_one_name_stays_apart() {
        let metrics = Metrics::default();
        let of = |connector: &str| metrics.custom(Labels::connector(connector).and("plugin", "a.B").and("task", "0"));
        let (first, second) = (of("one"), of("two"));
        first.declare("rows", CustomKind::Counter, "Rows that \"count\"").unwrap();
        first.count("rows", 2.0).unwrap();
        second.gauge("rows", 0.5).unwrap();
        let now = Progress { done: 3.0, total: Some(9.0), unit: "rows".to_owned() };
        second.report_progress("a \"table\"", Some(now)).unwrap();
        let mut plugins = metrics.read_custom();
        let text = page(&[], &plugins, Format::OpenMetrics);
        for line in [
            "# TYPE millstream_plugin_counter_rows counter",
            "millstream_plugin_counter_rows_total{connector=\"one\",plugin=\"a.B\",task=\"0\"} 2",
            "# TYPE millstream_plugin_gauge_rows gauge",
            "millstream_plugin_gauge_rows{connector=\"two\",plugin=\"a.B\",task=\"0\"} 0.5",
            "millstream_plugin_progress_done{connector=\"two\",plugin=\"a.B\",task=\"0\",what=\"a \\\"table\\\"\",unit=\"rows\"} 3",
            "millstream_plugin_progress_size{connector=\"two\",plugin=\"a.B\",task=\"0\",what=\"a \\\"table\\\"\",unit=\"rows\"} 9",
        ] {
            assert!(text.lines().any(|found| found == line), "{line} in\n{text}");
        }
        // Beyond the limit of series a plugin's are left out whole.
        let groups = limited(Vec::new(), &mut plugins, 1);
        assert_eq!(plugins.len(), 1);
        assert!(page(&groups, &plugins, Format::Plain).contains("series_left_out 3"));
    }
}
