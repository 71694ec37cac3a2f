//! Why a task has failed, read out of the trace in its status: the record, the stage, the cause, what to do.

/// What a trace says.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Diagnosis {
    /// What went wrong, outermost first; each with its class where it has one.
    pub causes: Vec<String>,
    /// The stage, by whom it is carried out.
    pub stage: Option<String>,
    /// Which record it was.
    pub record: Option<String>,
    /// The field or header at fault.
    pub place: Option<String>,
    /// What to do.
    pub fix: Option<&'static str>,
}

/// Stages that a task can fail at without a record in its hands.
const STAGES: [&str; 2] = ["TASK_POLL", "TASK_PUT"];

/// Methods in the frames of Connect's own code, and the stages that they carry out.
const FRAMES: [(&str, &str); 14] = [
    // 4.3 has these conversions in lambdas, which are numbered in their order.
    ("WorkerSinkTask.lambda$convertAndTransformRecord$0", "KEY_CONVERTER"),
    ("WorkerSinkTask.lambda$convertAndTransformRecord$1", "VALUE_CONVERTER"),
    ("WorkerSinkTask.lambda$convertAndTransformRecord$2", "HEADER_CONVERTER"),
    ("AbstractWorkerSourceTask.lambda$convertTransformedRecord$0", "HEADER_CONVERTER"),
    ("AbstractWorkerSourceTask.lambda$convertTransformedRecord$1", "KEY_CONVERTER"),
    ("AbstractWorkerSourceTask.lambda$convertTransformedRecord$2", "VALUE_CONVERTER"),
    ("convertHeadersFor", "HEADER_CONVERTER"),
    ("convertHeaderFor", "HEADER_CONVERTER"),
    ("WorkerSinkTask.convertKey", "KEY_CONVERTER"),
    ("WorkerSinkTask.convertValue", "VALUE_CONVERTER"),
    ("TransformationStage.apply", "TRANSFORMATION"),
    ("TransformationChain.", "TRANSFORMATION"),
    ("WorkerSinkTask.deliverMessages", "TASK_PUT"),
    ("AbstractWorkerSourceTask.sendRecords", "KAFKA_PRODUCE"),
];

/// Reads a trace of Millstream's or of Kafka Connect's.
pub fn read(trace: &str) -> Diagnosis {
    let mut found = Diagnosis::default();
    let mut framed = None;
    for line in trace.lines() {
        let Some(at) = line.strip_prefix("\tat ") else {
            let trimmed = line.strip_prefix("Caused by: ").unwrap_or(line);
            let continued = !found.causes.is_empty() && !line.starts_with("Caused by: ");
            // How many frames are the same as before is of no interest.
            if !trimmed.trim_start().starts_with("... ") && !trimmed.trim().is_empty() {
                match found.causes.last_mut() {
                    // A message of several lines.
                    Some(last) if continued => last.push_str(&format!("\n{trimmed}")),
                    _ => found.causes.push(trimmed.to_owned()),
                }
            }
            continue;
        };
        if let Some((stage, rest)) = at.split_once(", record ").or_else(|| at.split_once(", records ")) {
            found.stage.get_or_insert_with(|| stage.to_owned());
            // What follows says what might be done, or why nothing was.
            let more = ["; with errors.tolerance", "; before it "].iter().find_map(|more| rest.split_once(more));
            let record = more.map_or(rest, |(record, _)| record);
            found.record.get_or_insert_with(|| record.to_owned());
        } else if STAGES.iter().any(|stage| at.strip_prefix(stage).is_some_and(|rest| rest.starts_with(" by "))) {
            found.stage.get_or_insert_with(|| at.to_owned());
        } else if let Some(records) = at.strip_prefix("the work on ") {
            found.record.get_or_insert_with(|| records.to_owned());
        } else if at.contains('(') && at.ends_with(')') {
            // A frame of Java.
            let stage = FRAMES.iter().find(|(frame, _)| at.contains(frame)).map(|(_, stage)| *stage);
            framed = framed.or(stage);
        } else {
            found.place.get_or_insert_with(|| at.to_owned());
        }
    }
    // Java shows the frames of every cause; the first that is known is the innermost.
    found.stage = found.stage.or_else(|| framed.map(str::to_owned));
    found.fix = fix(&found);
    found
}

fn fix(found: &Diagnosis) -> Option<&'static str> {
    let all = found.causes.join("\n");
    let stage = found.stage.as_deref().unwrap_or_default();
    if all.contains("schemas.enable") {
        return Some(
            "the JSON has no schema in it: set key.converter.schemas.enable or value.converter.schemas.enable to false",
        );
    }
    let fixes = [
        (
            "KEY_CONVERTER",
            "name the converter the keys were written with (key.converter), or keep such records apart: errors.tolerance=all with errors.deadletterqueue.topic.name (in Kafka Connect only of sinks)",
        ),
        (
            "VALUE_CONVERTER",
            "name the converter the values were written with (value.converter), or keep such records apart: errors.tolerance=all with errors.deadletterqueue.topic.name (in Kafka Connect only of sinks)",
        ),
        (
            "HEADER_CONVERTER",
            "name the converter the headers were written with (header.converter), or let such records go by: errors.tolerance=all",
        ),
        (
            "TRANSFORMATION",
            "correct the transform (transforms.*), or keep such records from it by a predicate, or let them go by: errors.tolerance=all",
        ),
        (
            "KAFKA_PRODUCE",
            "see to the brokers and the topic: does it exist, may it be written, is the record too large (max.message.bytes, producer.override.max.request.size)",
        ),
        (
            "TASK_PUT",
            "see to what the connector writes to: the cause above is its own. If one record is at fault, errors.put.isolate=true finds it, and keeps it as a dead letter with errors.tolerance=all and errors.deadletterqueue.topic.name (not in Kafka Connect)",
        ),
        ("TASK_POLL", "see to what the connector reads from: the cause above is its own"),
    ];
    if let Some((_, fix)) = fixes.iter().find(|(known, _)| stage.starts_with(known)) {
        return Some(fix);
    }
    for (words, fix) in [
        (
            &["ConfigException", "Missing required configuration", "Invalid value"][..],
            "correct the configuration: millstream connector edit",
        ),
        (
            &["AuthorizationException", "AuthenticationException", "not authorized", "Access denied"],
            "see to the user's rights and password",
        ),
        (
            &["TimeoutException", "Connection refused", "connection refused", "UnknownHost", "timed out"],
            "see that the other side runs and can be reached from the worker",
        ),
        (&["OutOfMemory", "memory"], "give the task more memory, or let it read less at a time"),
    ] {
        if words.iter().any(|word| all.contains(word)) {
            return Some(fix);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_trace_of_ours_names_record_stage_cause_and_what_to_do() {
        let found = read(
            "org.apache.kafka.connect.errors.ConnectException: Tolerance exceeded in error handler\n\
             \tat VALUE_CONVERTER by value.converter (J), record {topic='t', offset=3}; with errors.tolerance=all it would be skipped\n\
             Caused by: org.apache.kafka.connect.errors.DataException: null is not allowed\n\
             \tat header customer, field age\n\
             Caused by: found null, wanted INT32\n",
        );
        assert_eq!(found.stage.as_deref(), Some("VALUE_CONVERTER by value.converter (J)"));
        assert_eq!(found.record.as_deref(), Some("{topic='t', offset=3}"));
        assert_eq!(found.place.as_deref(), Some("header customer, field age"));
        assert_eq!(found.causes.len(), 3);
        assert_eq!(found.causes[2], "found null, wanted INT32");
        assert!(found.fix.unwrap().contains("value.converter"));
    }

    #[test]
    fn every_stage_of_ours_is_named_with_what_it_worked_on() {
        let read = |at: &str| {
            let Diagnosis { stage, record, fix, .. } = read(&format!("C: failed\n\tat {at}\nCaused by: D: why\n"));
            (stage, record, fix.is_some())
        };
        let some = |text: &str| Some(text.to_owned());
        for (at, stage, record) in [
            ("TASK_PUT by S, records t-0 offsets 3 to 9", some("TASK_PUT by S"), some("t-0 offsets 3 to 9")),
            (
                "TASK_PUT by S, record {topic='t'}; before it 3 in a row were found at fault",
                some("TASK_PUT by S"),
                some("{topic='t'}"),
            ),
            ("TASK_POLL by S", some("TASK_POLL by S"), None),
            ("KAFKA_PRODUCE by W, record {topic='t'}", some("KAFKA_PRODUCE by W"), some("{topic='t'}")),
        ] {
            assert_eq!(read(at), (stage, record, true), "{at}");
        }
        assert_eq!(read("the work on 3 records from a to b").1, some("3 records from a to b"));
    }

    #[test]
    fn a_trace_of_javas_names_its_stage_by_its_frames() {
        let found = read(
            "org.apache.kafka.connect.errors.ConnectException: Tolerance exceeded in error handler\n\
             \tat org.apache.kafka.connect.runtime.errors.RetryWithToleranceOperator.execAndHandleError(RetryWithToleranceOperator.java:259)\n\
             \tat org.apache.kafka.connect.runtime.WorkerSinkTask.convertValue(WorkerSinkTask.java:563)\n\
             Caused by: org.apache.kafka.connect.errors.DataException: Converting byte[] to Kafka Connect data failed due to serialization error: \n\
             second line\n\
             \tat org.apache.kafka.connect.json.JsonConverter.toConnectData(JsonConverter.java:333)\n\
             \t... 13 more\n",
        );
        assert_eq!((found.stage.as_deref(), found.record), (Some("VALUE_CONVERTER"), None));
        assert_eq!(found.causes.len(), 2);
        assert!(found.causes[1].ends_with("\nsecond line"), "{:?}", found.causes);
        assert!(found.fix.is_some());
        let lambda = "a.DataException: no\n\tat org.apache.kafka.connect.runtime.WorkerSinkTask.lambda$convertAndTransformRecord$1(WorkerSinkTask.java:539)\n";
        assert_eq!(read(lambda).stage.as_deref(), Some("VALUE_CONVERTER"));
        assert_eq!(read(""), Diagnosis::default());
        assert!(read("a.ConfigException: Invalid value x for configuration y\n").fix.unwrap().contains("edit"));
    }
}
