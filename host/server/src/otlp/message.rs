//! Metrics as OTLP has them, in its JSON encoding: `ExportMetricsServiceRequest`.
//!
//! 64-bit numbers are texts there, and enumerations numbers. Points that are no number, or infinite, are left out.

use std::collections::BTreeMap;

use millstream_metrics::{Attribute, BOUNDS, Labels, Shown, ShownGroup, Statistic, Unit, prometheus::name};
use serde_json::{Value, json};

/// `AGGREGATION_TEMPORALITY_CUMULATIVE`.
const CUMULATIVE: u8 = 2;

/// Who sends, and since when.
#[derive(Clone, Debug)]
pub(super) struct Sender {
    pub(super) instance: String,
    /// Nanoseconds since 1970.
    pub(super) started: u128,
}

fn attribute(key: &str, text: &str) -> Value {
    json!({"key": key, "value": {"stringValue": text}})
}

fn unit(unit: Unit) -> &'static str {
    match unit {
        Unit::Records => "{record}",
        Unit::Count | Unit::Word => "1",
        Unit::Bytes => "By",
        Unit::Millis | Unit::Time => "ms",
        Unit::Seconds => "s",
        Unit::Nanos => "ns",
    }
}

/// The request for what is shown at `now`, in nanoseconds since 1970.
pub(super) fn request(sender: &Sender, shown: &[ShownGroup], now: u128) -> Value {
    // A metric has all its points in one place; the order is that of their first appearance.
    let mut metrics: Vec<(&str, Value)> = Vec::new();
    let mut places: BTreeMap<String, usize> = BTreeMap::new();
    for group in shown {
        for (row, value) in &group.attributes {
            let Some(point) = point(sender, row, &group.labels, value, now) else { continue };
            let name = name(group.definition, row);
            let place = *places.entry(name).or_insert_with_key(|name| {
                metrics.push((kind(row), metric(name, row)));
                metrics.len() - 1
            });
            let (kind, metric) = &mut metrics[place];
            if let Some(points) = metric[*kind]["dataPoints"].as_array_mut() {
                points.push(point);
            }
        }
    }
    let metrics: Vec<Value> = metrics.into_iter().map(|(_, metric)| metric).collect();
    let version = env!("CARGO_PKG_VERSION");
    let resource = [
        attribute("service.name", "millstream"),
        attribute("service.version", version),
        attribute("service.instance.id", &sender.instance),
    ];
    json!({"resourceMetrics": [{
        "resource": {"attributes": resource},
        "scopeMetrics": [{"scope": {"name": "millstream", "version": version}, "metrics": metrics}],
    }]})
}

/// The field of a metric that has its points.
fn kind(row: &Attribute) -> &'static str {
    match row.statistic {
        Statistic::Total => "sum",
        Statistic::Buckets => "histogram",
        _ => "gauge",
    }
}

fn metric(name: &str, row: &Attribute) -> Value {
    let points = match row.statistic {
        Statistic::Total => json!({"aggregationTemporality": CUMULATIVE, "isMonotonic": true, "dataPoints": []}),
        Statistic::Buckets => json!({"aggregationTemporality": CUMULATIVE, "dataPoints": []}),
        _ => json!({"dataPoints": []}),
    };
    let mut metric = json!({"name": name, "description": row.help, "unit": unit(row.unit)});
    metric[kind(row)] = points;
    metric
}

fn point(sender: &Sender, row: &Attribute, labels: &Labels, shown: &Shown, now: u128) -> Option<Value> {
    let mut attributes: Vec<Value> = labels.pairs().iter().map(|(key, text)| attribute(key, text)).collect();
    let mut point = match shown {
        Shown::Number(number) => json!({"asDouble": number.is_finite().then_some(*number)?}),
        Shown::Whole(whole) => json!({"asInt": whole.to_string()}),
        Shown::Text(text) => {
            attributes.push(attribute(row.name, text));
            json!({"asInt": "1"})
        }
        Shown::Buckets { up_to, count, sum } => {
            let mut below = 0;
            let mut counts: Vec<String> = Vec::with_capacity(BOUNDS.len() + 1);
            for (_, to_here) in up_to {
                counts.push((to_here - below).to_string());
                below = *to_here;
            }
            counts.push((count - below).to_string());
            let bounds: Vec<f64> = up_to.iter().map(|(bound, _)| *bound).collect();
            json!({"count": count.to_string(), "sum": sum, "bucketCounts": counts, "explicitBounds": bounds})
        }
    };
    point["attributes"] = attributes.into();
    point["timeUnixNano"] = now.to_string().into();
    if kind(row) != "gauge" {
        point["startTimeUnixNano"] = sender.started.to_string().into();
    }
    Some(point)
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use millstream_metrics::{Metrics, SourceTask, TaskStage, Watch};

    use super::*;

    fn sent() -> Value {
        let metrics = Metrics::default();
        let sources: Vec<_> = (0..2).map(|task| metrics.group::<SourceTask>(Labels::task("c", task))).collect();
        let stage = metrics.group::<TaskStage>(Labels::task("c", 0).and("stage", "poll"));
        sources.iter().for_each(|source| source.polled.add(7));
        stage.time.record(Duration::from_millis(7));
        let shown = Watch::new(metrics.clone(), Default::default()).show(Instant::now());
        request(&Sender { instance: "w:1".to_owned(), started: 5 }, &shown, 9)
    }

    fn find<'a>(sent: &'a Value, name: &str) -> Vec<&'a Value> {
        let metrics = sent["resourceMetrics"][0]["scopeMetrics"][0]["metrics"].as_array().unwrap();
        metrics.iter().filter(|metric| metric["name"] == name).collect()
    }

    #[test]
    fn a_sum_has_the_points_of_all_tasks_in_one_place() {
        let sent = sent();
        let found = find(&sent, "kafka_connect_source_task_source_record_poll_total");
        let of = |task: &str| {
            json!({
                "asInt": "7",
                "attributes": [attribute("connector", "c"), attribute("task", task)],
                "timeUnixNano": "9",
                "startTimeUnixNano": "5",
            })
        };
        let expected = json!({
            "name": "kafka_connect_source_task_source_record_poll_total",
            "description": "Records that the plugin returned",
            "unit": "{record}",
            "sum": {"aggregationTemporality": 2, "isMonotonic": true, "dataPoints": [of("0"), of("1")]},
        });
        assert_eq!(found, [&expected]);
    }

    #[test]
    fn buckets_are_counted_each_by_itself_and_what_is_no_number_is_left_out() {
        let sent = sent();
        let found = find(&sent, "millstream_task_stage_duration_seconds");
        let point = &found[0]["histogram"]["dataPoints"][0];
        assert_eq!(point["bucketCounts"], json!(["0", "0", "0", "0", "1", "0", "0", "0", "0", "0", "0", "0"]));
        assert_eq!(point["explicitBounds"].as_array().map(Vec::len), Some(11));
        assert_eq!((&point["count"], &point["sum"]), (&json!("1"), &json!(0.007)));
        assert!(find(&sent, "kafka_connect_source_task_poll_batch_max_time_ms").is_empty());
    }
}
