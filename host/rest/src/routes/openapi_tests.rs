//! Holds the committed description of the API against what is served.

use std::collections::{BTreeMap, BTreeSet};

use axum::http::{Method, header};
use serde_json::Value;

use super::{
    METRICS,
    root::OPENAPI,
    routes,
    tests::{ask, ask_with},
};

fn document() -> Value {
    serde_json::from_str(OPENAPI).expect("JSON")
}

/// The methods that a path's description has.
fn operations(path: &Value) -> BTreeMap<String, &Value> {
    let members = path.as_object().expect("an object").iter();
    members
        .filter(|(name, _)| *name != "parameters")
        .map(|(name, operation)| (name.to_uppercase(), operation))
        .collect()
}

/// HEAD follows GET, and OPTIONS is everywhere.
fn described_methods(allow: &str) -> BTreeSet<String> {
    allow.split(',').filter(|method| !["HEAD", "OPTIONS"].contains(method)).map(str::to_owned).collect()
}

#[test]
fn every_route_is_described_and_nothing_else() {
    let mut served: BTreeMap<String, BTreeSet<String>> =
        routes().into_iter().map(|(path, allow, _)| (path.to_owned(), described_methods(allow))).collect();
    for apart in ["/", METRICS] {
        served.insert(apart.to_owned(), BTreeSet::from(["GET".to_owned()]));
    }
    let document = document();
    let paths = document["paths"].as_object().expect("paths");
    let described: BTreeMap<String, BTreeSet<String>> =
        paths.iter().map(|(path, value)| (path.clone(), operations(value).into_keys().collect())).collect();
    assert_eq!(described, served);
}

#[test]
fn every_error_has_the_one_schema() {
    let document = document();
    let resolved = |response: &Value| match response["$ref"].as_str() {
        Some(place) => document.pointer(place.trim_start_matches('#')).unwrap_or_else(|| panic!("{place}")).clone(),
        None => response.clone(),
    };
    for (path, value) in document["paths"].as_object().unwrap() {
        for (method, operation) in operations(value) {
            let responses = operation["responses"].as_object().unwrap();
            assert!(responses.keys().any(|status| status.starts_with('2')), "{method} {path}");
            for (status, response) in responses.iter().filter(|(status, _)| status.starts_with(['4', '5'])) {
                let content = &resolved(response)["content"];
                let schema = &content["application/json"]["schema"]["$ref"];
                let fits = match status.as_str() {
                    "401" => content["text/plain"].is_object(),
                    _ if path == "/health" && status.starts_with('5') => schema == "#/components/schemas/Health",
                    _ if path.starts_with("/health/") && status.starts_with('5') => {
                        schema == "#/components/schemas/Probe"
                    }
                    _ => schema == "#/components/schemas/Error",
                };
                assert!(fits, "{method} {path} {status}: {schema}");
            }
        }
    }
    // Nothing is described that nobody refers to, and nothing referred to is missing.
    let text = document.to_string();
    for (kind, members) in
        document["components"].as_object().unwrap().iter().filter(|(kind, _)| *kind != "securitySchemes")
    {
        for name in members.as_object().unwrap().keys() {
            assert!(text.contains(&format!("\"#/components/{kind}/{name}\"")), "{kind} {name}");
        }
    }
    for reference in text.split("\"$ref\":\"#").skip(1) {
        let place = reference.split('"').next().unwrap();
        assert!(document.pointer(place).is_some(), "{place}");
    }
}

// What waits for a body that does not come, or for a herder that does not answer, is given up at once.
#[tokio::test(start_paused = true)]
async fn what_is_answered_is_among_what_is_described() {
    let document = document();
    for (path, value) in document["paths"].as_object().unwrap() {
        for (method, operation) in operations(value) {
            let known = operation["responses"].as_object().unwrap();
            let method: Method = method.parse().unwrap();
            for (name, body) in
                [("c", "{}"), ("none", "{}"), ("c", "{"), ("no status", r#"{"name": "c", "config": {}}"#)]
            {
                let part = name.replace(' ', "%20");
                let asked = path.replace("{task}", "0").replace("{logger}", &part).replace("{plugin}", &part);
                let asked = asked.replace("{connector}", &part);
                let answer = match operation.get("requestBody") {
                    Some(_) => ask_with(method.clone(), &asked, body).await,
                    None => ask(method.clone(), &asked).await,
                };
                let status = answer.response.status().as_u16().to_string();
                assert!(known.contains_key(&status), "{method} {asked} {body}: {status}");
                let response = &known[&status];
                let has_body = response.get("content").is_some() || response.get("$ref").is_some();
                assert_eq!(answer.response.headers().contains_key(header::CONTENT_TYPE), has_body, "{method} {asked}");
            }
        }
    }
}
