//! What must come of a step, held against what came.

use serde_json::{Map, Value as Json};

use crate::page;
use crate::record::{self, Record, bytes};
use crate::written::Named;

/// What can be expected of a step, and what is found after one, by name.
pub const NAMES: [&str; 26] = [
    "records",
    "errors",
    "filtered",
    "fails",
    "complains",
    "sound",
    "log",
    "log_contains",
    "log_lacks",
    "files",
    "asked",
    "reported",
    "topics",
    "rests",
    "transactions",
    "stored",
    "configs",
    "offsets",
    "accepted",
    "support",
    "holds",
    "data",
    "bytes",
    "plugin",
    "invalid",
    "memory_growth_max_bytes",
];

/// What came of a step, by the same names.
pub type Found = Map<String, Json>;

/// Most differences of one step that are shown.
const MAX_SHOWN: usize = 12;

/// How what came differs from what was expected; nothing if it does not.
pub fn differences(expect: Option<&Map<String, Json>>, found: &Found, named: &Named) -> Vec<String> {
    let mut out = Vec::new();
    let nothing = Map::new();
    let expect = expect.unwrap_or(&nothing);
    let may_fail = ["fails", "complains", "sound"].into_iter().any(|name| expect.contains_key(name));
    if let (Some(failure), false) = (found.get("fails"), may_fail) {
        out.push(format!("it failed: {}", shown_failure(failure)));
    }
    for (name, wanted) in expect {
        let came = found.get(name).unwrap_or(&Json::Null);
        match name.as_str() {
            "fails" => match came {
                Json::Null => out.push(format!("it did not fail; expected {}", page::line(wanted))),
                came => failure(name, wanted, came, &mut out),
            },
            "sound" => {
                if let Some(failure) = found.get("fails").filter(|failure| failure["broken"] == true) {
                    out.push(format!("it broke the instance: {}", shown_failure(failure)));
                }
            }
            // Where a plugin can tell which row is at fault the row fails, else the call.
            "complains" => {
                let rows = ["errors", "reported"].into_iter().filter_map(|name| found.get(name)?.as_array());
                let complaints: Vec<&Json> = found.get("fails").into_iter().chain(rows.flatten()).collect();
                let of = |complaint: &&Json| {
                    let mut out = Vec::new();
                    failure(name, wanted, complaint, &mut out);
                    out
                };
                match complaints.first() {
                    None => out.push(format!("neither the call nor a row failed; expected {}", page::line(wanted))),
                    Some(first) if complaints.iter().all(|complaint| !of(complaint).is_empty()) => {
                        out.extend(of(first))
                    }
                    Some(_) => {}
                }
            }
            "records" => each(name, wanted, came, &mut out, |at, wanted, came, out| {
                match Record::read(wanted).map(|record| record.write(named)) {
                    Err(error) => out.push(format!("{at}: {error}")),
                    Ok(normal) => same_record(at, wanted, &normal, came, out),
                }
            }),
            "data" => each(name, wanted, came, &mut out, |at, wanted, came, out| {
                if wanted.is_null() {
                    return same(at, wanted, came, out);
                }
                match record::read_datum(wanted).map(|datum| record::write_datum(&datum, named)) {
                    Err(error) => out.push(format!("{at}: {error}")),
                    Ok(normal) => same(at, &normal, came, out),
                }
            }),
            "bytes" => each(name, wanted, came, &mut out, |at, wanted, came, out| match (bytes(wanted), bytes(came)) {
                (Err(error), _) => out.push(format!("{at}: {error}")),
                (Ok(normal), Ok(came_bytes)) if normal == came_bytes => {}
                _ => same(at, wanted, came, out),
            }),
            "errors" | "reported" => each(name, wanted, came, &mut out, failure),
            "log_contains" => {
                let lines = found.get("log").and_then(Json::as_array).map_or(&[][..], Vec::as_slice);
                for text in texts(wanted) {
                    if !lines.iter().any(|line| line.as_str().is_some_and(|line| line.contains(text))) {
                        out.push(format!("no line of the log contains {text:?}; there are {}", listed(lines)));
                    }
                }
            }
            "log_lacks" => {
                let lines = found.get("log").and_then(Json::as_array).map_or(&[][..], Vec::as_slice);
                for text in texts(wanted) {
                    if let Some(line) = lines.iter().find(|line| line.as_str().is_some_and(|line| line.contains(text)))
                    {
                        out.push(format!("a line of the log contains {text:?}: {line}"));
                    }
                }
            }
            "memory_growth_max_bytes" => {
                let grown = found.get("memory_growth").and_then(Json::as_i64).unwrap_or(0);
                if wanted.as_i64().is_none_or(|wanted| wanted < grown) {
                    out.push(format!("the plugin's memory grew by {grown} bytes; at most {wanted} were expected"));
                }
            }
            "plugin" | "files" => contains(name, wanted, came, &mut out),
            _ => same(name, wanted, came, &mut out),
        }
    }
    if MAX_SHOWN < out.len() {
        let more = out.len() - MAX_SHOWN;
        out.truncate(MAX_SHOWN);
        out.push(format!("… and {more} more"));
    }
    out
}

/// A failure in a line: class, message and what stands beside them.
pub fn shown_failure(failure: &Json) -> String {
    let text = |name: &str| failure.get(name).and_then(Json::as_str).unwrap_or_default();
    let causes = failure.get("causes").and_then(Json::as_array).map_or(&[][..], Vec::as_slice);
    let causes: String = causes.iter().filter_map(Json::as_str).map(|cause| format!("\n  caused by {cause}")).collect();
    let class = if text("class").is_empty() { String::new() } else { format!("{}: ", text("class")) };
    format!("{class}{}{causes}", text("message"))
}

fn listed(lines: &[Json]) -> String {
    match lines {
        [] => "none".to_owned(),
        lines => lines.iter().map(|line| format!("\n  {line}")).collect(),
    }
}

/// One text, or several.
fn texts(json: &Json) -> Vec<&str> {
    match json {
        Json::Array(texts) => texts.iter().filter_map(Json::as_str).collect(),
        json => json.as_str().into_iter().collect(),
    }
}

type Compare<'c> = &'c mut Vec<String>;

/// Lists, item by item.
fn each(name: &str, wanted: &Json, came: &Json, out: Compare<'_>, compare: impl Fn(&str, &Json, &Json, Compare<'_>)) {
    let Some(wanted) = wanted.as_array() else {
        out.push(format!("{name}: what is expected has to be a list, and is {wanted}"));
        return;
    };
    let came = came.as_array().map_or(&[][..], Vec::as_slice);
    for (at, (wanted, came)) in wanted.iter().zip(came).enumerate() {
        compare(&format!("{name}[{at}]"), wanted, came, out);
    }
    let beyond = |list: &[Json], from: usize| {
        list.iter().skip(from).take(3).map(|item| format!("\n    {}", page::line(item))).collect::<String>()
    };
    if wanted.len() < came.len() {
        out.push(format!(
            "{name}: expected {}, found {}; too many:{}",
            wanted.len(),
            came.len(),
            beyond(came, wanted.len())
        ));
    }
    if came.len() < wanted.len() {
        out.push(format!(
            "{name}: expected {}, found {}; missing:{}",
            wanted.len(),
            came.len(),
            beyond(wanted, came.len())
        ));
    }
}

/// Records agree in all members; where they came from counts if it is written down.
fn same_record(at: &str, written: &Json, wanted: &Json, came: &Json, out: Compare<'_>) {
    for name in record::MEMBERS {
        let is_source = name.starts_with("source_");
        if is_source && written.get(name).is_none() {
            continue;
        }
        let of = |json: &Json| json.get(name).cloned().unwrap_or(Json::Null);
        same(&format!("{at}.{name}"), &of(wanted), &of(came), out);
    }
}

/// JSON that is to be the same, member by member.
fn same(at: &str, wanted: &Json, came: &Json, out: Compare<'_>) {
    match (wanted, came) {
        _ if wanted == came => {}
        (Json::Object(wanted), Json::Object(came)) => {
            let names = wanted.keys().chain(came.keys().filter(|name| !wanted.contains_key(*name)));
            for name in names {
                let of = |object: &Map<String, Json>| object.get(name).cloned();
                match (of(wanted), of(came)) {
                    (Some(wanted), Some(came)) => same(&format!("{at}.{name}"), &wanted, &came, out),
                    (Some(wanted), None) => {
                        out.push(format!("{at}.{name}: expected {}, and it is not there", page::line(&wanted)))
                    }
                    (None, Some(came)) => out.push(format!("{at}.{name}: not expected, found {}", page::line(&came))),
                    (None, None) => {}
                }
            }
        }
        (Json::Array(wanted_items), Json::Array(came_items)) if wanted_items.len() == came_items.len() => {
            for (index, (wanted, came)) in wanted_items.iter().zip(came_items).enumerate() {
                same(&format!("{at}[{index}]"), wanted, came, out);
            }
        }
        _ => out.push(format!("{at}:\n    expected {}\n    found    {}", page::line(wanted), page::line(came))),
    }
}

/// JSON of which only what is written down counts.
fn contains(at: &str, wanted: &Json, came: &Json, out: Compare<'_>) {
    match (wanted, came) {
        (Json::Object(wanted), Json::Object(came)) => {
            for (name, wanted) in wanted {
                contains(&format!("{at}.{name}"), wanted, came.get(name).unwrap_or(&Json::Null), out);
            }
        }
        (Json::Array(wanted_items), Json::Array(came_items)) if wanted_items.len() == came_items.len() => {
            for (index, (wanted, came)) in wanted_items.iter().zip(came_items).enumerate() {
                contains(&format!("{at}[{index}]"), wanted, came, out);
            }
        }
        _ => same(at, wanted, came, out),
    }
}

/// A failure: only what is written down counts. `contains` names texts that stand somewhere in it, `contains_any` texts of
/// which one does, in any case of letters.
fn failure(at: &str, wanted: &Json, came: &Json, out: Compare<'_>) {
    let Json::Object(wanted) = wanted else {
        out.push(format!("{at}: what is expected of a failure has to be an object, and is {wanted}"));
        return;
    };
    let all = format!("{}\n{}", shown_failure(came), came.get("at").and_then(Json::as_str).unwrap_or_default());
    for (name, wanted) in wanted {
        match name.as_str() {
            "contains" => {
                let missing = texts(wanted).into_iter().filter(|text| !all.contains(text));
                out.extend(missing.map(|text| format!("{at}: {text:?} does not stand in\n    {all}")));
            }
            "contains_any" => {
                let lower = all.to_lowercase();
                if !texts(wanted).iter().any(|text| lower.contains(&text.to_lowercase())) {
                    out.push(format!("{at}: none of {} stands in\n    {all}", page::line(wanted)));
                }
            }
            "kind" | "class" | "message" | "causes" | "broken" | "row" | "link" | "field" | "at" => {
                same(&format!("{at}.{name}"), wanted, came.get(name).unwrap_or(&Json::Null), out);
            }
            other => out.push(format!("{at}: a failure has no {other:?}; there are kind, class, message, causes, broken, row, link, field, at, contains and contains_any")),
        }
    }
}

/// What a step is to expect from now on: what it expected, as it came, or what usually matters of such a step.
pub fn updated(word: &str, expect: Option<&Map<String, Json>>, found: &Found) -> Map<String, Json> {
    let usual: &[&str] = match word {
        "describe" => &["plugin"],
        "validate" => &["invalid"],
        "task-configs" => &["configs"],
        "exactly-once" | "boundaries" => &["support"],
        "alter-offsets" => &["accepted"],
        "poll" => &["records"],
        "deliver" => &["stored"],
        "put" => &["reported"],
        "pre-commit" => &["offsets"],
        "apply" => &["records", "errors", "filtered"],
        "test" => &["holds", "errors"],
        "to-connect" => &["data", "records", "errors"],
        "from-connect" => &["bytes", "records", "errors"],
        _ => &[],
    };
    let mut new = Map::new();
    let before = expect.cloned().unwrap_or_default();
    if let Some(failure) = found.get("fails") {
        new.insert("fails".to_owned(), before.get("fails").cloned().unwrap_or_else(|| failure.clone()));
        let mut complaints = Vec::new();
        self::failure("fails", &new["fails"], failure, &mut complaints);
        if !complaints.is_empty() {
            new.insert("fails".to_owned(), failure.clone());
        }
    }
    let had_failed = before.contains_key("fails") && !found.contains_key("fails");
    for name in usual {
        let is_new = expect.is_none() || had_failed;
        if let Some(came) = found.get(*name).filter(|came| is_new && !is_nothing(came)) {
            new.insert((*name).to_owned(), came.clone());
        }
    }
    for (name, wanted) in before {
        match (name.as_str(), found.get(&name)) {
            ("fails", _) => {}
            ("complains" | "sound" | "log_contains" | "log_lacks" | "memory_growth_max_bytes", _) => {
                new.insert(name, wanted);
            }
            (_, came) => {
                let empty = if wanted.is_array() { Json::Array(Vec::new()) } else { Json::Null };
                new.insert(name, came.cloned().unwrap_or(empty));
            }
        }
    }
    new
}

fn is_nothing(json: &Json) -> bool {
    json.as_array().is_some_and(Vec::is_empty)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn compared(expect: Json, found: Json) -> Vec<String> {
        let found = found.as_object().unwrap();
        differences(expect.as_object(), found, &[])
    }

    #[test]
    fn a_difference_says_where_it_is_and_what_stands_there() {
        let found = json!({"records": [{"topic": "t", "value": {"a": 1, "b": [1, 2]}}, {"topic": "u"}]});
        assert_eq!(
            compared(json!({"records": [{"topic": "t", "value": {"a": 2, "c": 3}}]}), found.clone()),
            [
                "records[0].value.a:\n    expected 2\n    found    1",
                "records[0].value.c: expected 3, and it is not there",
                "records[0].value.b: not expected, found [1, 2]",
                "records: expected 1, found 2; too many:\n    {\"topic\": \"u\"}",
            ]
        );
        let expect =
            json!({"records": [{"topic": "t", "value": {"b": [1, 2], "a": 1}}, {"topic": "u", "headers": []}]});
        assert_eq!(compared(expect, found), Vec::<String>::new());
    }

    #[test]
    fn a_failure_that_nobody_expects_is_a_difference_and_one_that_does_not_come_too() {
        let failed = json!({"fails": {"kind": "data", "class": "X", "message": "no number", "causes": ["deeper"]}});
        assert_eq!(compared(json!({}), failed.clone()), ["it failed: X: no number\n  caused by deeper"]);
        let good = json!({"fails": {"contains": ["number", "deeper"], "contains_any": ["NO NUM"], "kind": "data"}});
        assert_eq!(compared(good.clone(), failed), Vec::<String>::new());
        assert!(compared(good, json!({}))[0].starts_with("it did not fail; expected {"));
    }

    #[test]
    fn an_update_keeps_what_still_holds_and_takes_over_the_rest() {
        let found = json!({"records": [1], "log": ["a"], "errors": []});
        let found = found.as_object().unwrap();
        assert_eq!(Json::Object(updated("apply", None, found)), json!({"records": [1]}));
        let before = json!({"log": ["b"], "log_contains": "a", "fails": {"kind": "data"}});
        let expected = json!({"records": [1], "log": ["a"], "log_contains": "a"});
        assert_eq!(Json::Object(updated("apply", before.as_object(), found)), expected);
    }
}
