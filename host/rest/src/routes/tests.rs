//! The API against a herder that remembers what it was asked.

use std::{
    collections::BTreeMap,
    pin::pin,
    sync::{
        Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Context, Waker},
};

use async_trait::async_trait;
use axum::{
    body::Body,
    http::{Method, Request, StatusCode, header},
    response::Response,
};
use millstream_config::{ConfigDef, ConfigInfos, ConfigKey, ConfigMap, ConfigType};
use millstream_connector::TaskId;
use millstream_runtime::herder::{
    ConnectorInfo, ConnectorStatus, ConnectorType, Health, HerderError, InstanceStatus, OffsetChange, OffsetEntry,
    PutConnector, RestartRequest, State, TargetState, TaskInfo,
};
use millstream_runtime::{InvalidLevel, LogLevels, LoggerLevel};
use serde_json::{Value, json};
use tower::ServiceExt;

use super::*;
use crate::PluginListing;

/// Knows the connector `c` with a task, and `no status` without one.
#[derive(Default)]
pub(crate) struct Fake {
    asked: Mutex<Vec<String>>,
    /// How often a change waits between its beginning and its end.
    waits: usize,
    ended: AtomicUsize,
    /// Where statuses are to be asked for.
    elsewhere: Option<String>,
}

impl Fake {
    /// One that says of statuses that they are to be asked for elsewhere.
    pub(crate) fn elsewhere(url: String) -> Self {
        Self { elsewhere: Some(url), ..Self::default() }
    }

    fn note(&self, text: String) {
        self.asked.lock().unwrap().push(text);
    }

    fn begun(&self) -> usize {
        self.asked.lock().unwrap().len()
    }

    fn ended(&self) -> usize {
        self.ended.load(Ordering::Relaxed)
    }

    /// A change that is torn if its future is dropped.
    async fn change(&self, text: String) {
        self.note(text);
        for _ in 0..self.waits {
            tokio::task::yield_now().await;
        }
        self.ended.fetch_add(1, Ordering::Relaxed);
    }

    fn known(name: &str) -> Result<(), HerderError> {
        match name {
            "c" | "no status" | "new/a" => Ok(()),
            _ => Err(HerderError::NotFound(format!("Connector {name} not found"))),
        }
    }
}

fn texts(entries: &[(&str, &str)]) -> ConfigMap {
    entries.iter().map(|&(key, value)| (key.to_owned(), Some(value.to_owned()))).collect()
}

fn a_status(state: State, trace: Option<&str>) -> InstanceStatus {
    InstanceStatus {
        state,
        worker_id: "w:8083".to_owned(),
        generation: 0,
        version: None,
        trace: trace.map(str::to_owned),
    }
}

fn an_info(name: &str, config: ConfigMap) -> ConnectorInfo {
    let tasks = vec![TaskId { connector: name.to_owned(), number: 0 }];
    ConnectorInfo { name: name.to_owned(), config, tasks, kind: ConnectorType::Source }
}

#[async_trait]
impl Herder for Fake {
    fn cluster_id(&self) -> String {
        "id".to_owned()
    }

    async fn health(&self) -> Health {
        Health::Starting(None)
    }

    fn is_broken(&self) -> bool {
        false
    }

    fn connectors(&self) -> Result<Vec<String>, HerderError> {
        Ok(vec!["c".to_owned(), "no status".to_owned()])
    }

    fn connector_info(&self, name: &str) -> Result<ConnectorInfo, HerderError> {
        Self::known(name)?;
        Ok(an_info(name, texts(&[("name", name), ("topic", "t")])))
    }

    fn status(&self, name: &str) -> Result<ConnectorStatus, HerderError> {
        if let Some(url) = self.elsewhere.clone() {
            return Err(HerderError::Elsewhere { url });
        }
        if name != "c" {
            return Err(HerderError::NotFound(format!("No status found for connector {name}")));
        }
        Ok(ConnectorStatus {
            name: name.to_owned(),
            connector: a_status(State::Running, None),
            tasks: vec![(0, a_status(State::Failed, Some("trace\n")))],
            kind: ConnectorType::Source,
        })
    }

    fn is_in_group(&self) -> bool {
        false
    }

    fn is_sessioned(&self) -> bool {
        false
    }

    fn session_key(&self) -> Option<millstream_runtime::config_log::SessionKey> {
        None
    }

    async fn fence(&self, name: &str) -> Result<(), HerderError> {
        Self::known(name)
    }

    async fn put_task_configs(&self, name: &str, tasks: Vec<ConfigMap>) -> Result<(), HerderError> {
        self.change(format!("tasks of {name}: {}", tasks.len())).await;
        Ok(())
    }

    fn task_status(&self, name: &str, number: u32) -> Result<InstanceStatus, HerderError> {
        if (name, number) != ("c", 0) {
            return Err(HerderError::NotFound(format!("No status found for task {name}-{number}")));
        }
        Ok(a_status(State::Running, None))
    }

    fn tasks(&self, name: &str) -> Result<Vec<TaskInfo>, HerderError> {
        Self::known(name)?;
        let id = TaskId { connector: name.to_owned(), number: 0 };
        Ok(vec![TaskInfo { id, config: texts(&[("topic", "t")]) }])
    }

    async fn put_config(
        &self,
        name: &str,
        config: ConfigMap,
        initial: TargetState,
        replace: bool,
    ) -> Result<PutConnector, HerderError> {
        self.change(format!("put {name} {} {replace}", initial.name())).await;
        if name == "c" && !replace {
            return Err(HerderError::AlreadyExists("Connector c already exists".to_owned()));
        }
        Ok(PutConnector { created: name != "c", info: an_info(name, config) })
    }

    async fn patch_config(&self, name: &str, patch: ConfigMap) -> Result<ConnectorInfo, HerderError> {
        self.change(format!("patch {name}")).await;
        Self::known(name)?;
        Ok(an_info(name, patch))
    }

    async fn delete(&self, name: &str) -> Result<(), HerderError> {
        self.change(format!("delete {name}")).await;
        Self::known(name)
    }

    async fn pause(&self, name: &str) -> Result<(), HerderError> {
        self.change(format!("pause {name}")).await;
        Self::known(name)
    }

    async fn resume(&self, name: &str) -> Result<(), HerderError> {
        self.change(format!("resume {name}")).await;
        Self::known(name)
    }

    async fn stop(&self, name: &str) -> Result<(), HerderError> {
        self.change(format!("stop {name}")).await;
        Self::known(name)
    }

    async fn restart_connector(&self, name: &str) -> Result<(), HerderError> {
        self.change(format!("restart connector {name}")).await;
        Self::known(name)
    }

    async fn restart(&self, name: &str, request: RestartRequest) -> Result<ConnectorStatus, HerderError> {
        self.change(format!("restart {name} {} {}", request.include_tasks, request.only_failed)).await;
        self.status(name)
    }

    async fn restart_task(&self, name: &str, number: u32) -> Result<(), HerderError> {
        self.change(format!("restart task {name}-{number}")).await;
        match number {
            1 => panic!("a fault"),
            _ if self.waits == 0 => std::future::pending().await,
            _ => Ok(()),
        }
    }

    fn plugins(&self, connectors_only: bool) -> Vec<PluginListing> {
        let plugin = |class: &str, kind, version: &str, digest: &str| PluginListing {
            class: class.to_owned(),
            kind,
            version: version.to_owned(),
            location: "here".to_owned(),
            digest: digest.to_owned(),
        };
        let (sink, transform) = (plugin("a.Sink", "sink", "1", "ab12"), plugin("a.T", "transformation", "", ""));
        if connectors_only { vec![sink] } else { vec![sink, transform] }
    }

    fn plugin_config(&self, _: &str, _: Option<&str>) -> Result<ConfigDef, HerderError> {
        Ok(ConfigDef::of([ConfigKey::new("k", ConfigType::Int).default_text("1")]))
    }

    async fn validate(&self, config: &ConfigMap) -> Result<ConfigInfos, HerderError> {
        let name = config.get("connector.class").cloned().flatten();
        let name = name.ok_or_else(|| HerderError::BadRequest("no class".to_owned()))?;
        Ok(ConfigInfos { name, error_count: 0, groups: Vec::new(), configs: Vec::new() })
    }

    fn topics(&self, name: &str) -> Result<Vec<String>, HerderError> {
        if name == "forbidden" {
            return Err(HerderError::Forbidden("Topic tracking is disabled.".to_owned()));
        }
        Ok(vec!["a".to_owned(), "b".to_owned()])
    }

    fn reset_topics(&self, name: &str) -> Result<(), HerderError> {
        self.note(format!("reset topics {name}"));
        self.topics(name).map(drop)
    }

    async fn offsets(&self, name: &str) -> Result<Vec<OffsetEntry>, HerderError> {
        Self::known(name)?;
        Ok(vec![OffsetEntry { partition: json!({"file": "f"}), offset: json!({"position": 3}) }])
    }

    /// Keeps offsets elsewhere, which it can reset itself.
    async fn change_offsets(&self, name: &str, change: OffsetChange) -> Result<bool, HerderError> {
        self.change(format!("change {name} {change:?}")).await;
        Self::known(name).map(|()| change == OffsetChange::Reset)
    }

    fn log_levels(&self) -> Arc<dyn LogLevels> {
        Arc::new(FakeLevels)
    }

    async fn set_cluster_log_level(&self, logger: &str, level: &str) -> Result<(), HerderError> {
        self.change(format!("level {logger} {level}")).await;
        Ok(())
    }
}

/// Knows `root` and `a`, and the level `DEBUG`.
struct FakeLevels;

impl LogLevels for FakeLevels {
    fn list(&self) -> BTreeMap<String, LoggerLevel> {
        let changed = LoggerLevel { level: "DEBUG", modified_ms: Some(7) };
        let root = LoggerLevel { level: "INFO", modified_ms: None };
        BTreeMap::from([("a".to_owned(), changed), ("root".to_owned(), root)])
    }

    fn get(&self, logger: &str) -> Option<LoggerLevel> {
        self.list().get(logger).copied()
    }

    fn check(&self, level: &str) -> Result<(), InvalidLevel> {
        if level == "DEBUG" { Ok(()) } else { Err(InvalidLevel(level.to_owned())) }
    }

    fn set(&self, logger: &str, level: &str) -> Result<Vec<String>, InvalidLevel> {
        self.check(level).map(|()| vec![logger.to_owned(), format!("{logger}.b")])
    }
}

pub(super) struct Answered {
    pub(super) response: Response,
    herder: Arc<Fake>,
}

impl Answered {
    fn status(&self) -> u16 {
        self.response.status().as_u16()
    }

    fn header(&self, name: header::HeaderName) -> &str {
        self.response.headers().get(name).map_or("", |value| value.to_str().unwrap())
    }

    async fn text(self) -> String {
        let bytes = axum::body::to_bytes(self.response.into_body(), 1 << 20).await.unwrap();
        String::from_utf8(bytes.to_vec()).unwrap()
    }

    async fn json(self) -> Value {
        serde_json::from_str(&self.text().await).unwrap()
    }
}

fn api(herder: &Arc<Fake>, checks: Vec<HealthCheck>) -> Api {
    let version = WorkerVersion { version: "4.3.0".to_owned(), commit: "abc".to_owned() };
    let page: MetricsPage = Arc::new(|accepted: &[&str]| ("text/plain; version=0.0.4", format!("for {accepted:?}\n")));
    Api {
        herder: Arc::clone(herder) as Arc<dyn Herder>,
        version,
        checks: checks.into(),
        max_body_bytes: 1000,
        metrics: Some(page),
        signing: Signing::default(),
        client: HttpClient::new(crate::client::ClientSettings::default()),
        logs: Some(ConnectorLogs {
            worker_id: "w:8083".to_owned(),
            read: Arc::new(|connector: &str, query: &LogQuery| LogLines {
                lines: vec![json!({"message": format!("{connector} {query:?}")})],
                next: 7,
            }),
        }),
        progress: Some(ConnectorProgress {
            worker_id: "w:8083".to_owned(),
            read: Arc::new(|connector: &str| {
                vec![TaskProgress {
                    task: 2,
                    plugin: "a.Source".to_owned(),
                    what: format!("table of {connector}"),
                    done: 10.0,
                    total: None,
                    unit: "rows".to_owned(),
                }]
            }),
        }),
    }
}

async fn send(request: Request<Body>) -> Answered {
    let herder = Arc::new(Fake::default());
    let response = router(api(&herder, Vec::new()), &Requests::new(1000), Part::ALL).oneshot(request).await.unwrap();
    Answered { response, herder }
}

pub(super) async fn ask(method: Method, path: &str) -> Answered {
    send(Request::builder().method(method).uri(path).body(Body::empty()).unwrap()).await
}

async fn ask_get(path: &str) -> Answered {
    ask(Method::GET, path).await
}

pub(super) async fn ask_with(method: Method, path: &str, body: &str) -> Answered {
    let request = Request::builder()
        .method(method)
        .uri(path)
        .header(header::HOST, "h:1")
        .header(header::CONTENT_TYPE, "application/json")
        .header(header::CONTENT_LENGTH, body.len())
        .body(Body::from(body.to_owned()));
    send(request.unwrap()).await
}

#[tokio::test]
async fn the_worker_says_who_it_is_and_how() {
    let root = ask_get("/").await;
    assert_eq!(root.header(header::CONTENT_TYPE), "application/json");
    assert_eq!(root.text().await, r#"{"version":"4.3.0","commit":"abc","kafka_cluster_id":"id"}"#);
    let health = ask_get("/health").await;
    assert_eq!(health.status(), 503);
    assert_eq!(health.text().await, r#"{"status":"starting","message":"Worker is still starting up."}"#);
}

#[tokio::test]
async fn connectors_are_listed_with_what_is_asked_for() {
    assert_eq!(ask_get("/connectors").await.json().await, json!(["c", "no status"]));
    assert_eq!(ask_get("/connectors/").await.status(), 200);
    let both = ask_get("/connectors?expand=status&expand=info").await.json().await;
    assert!(both["c"]["status"].is_object() && both["c"]["info"].is_object());
    assert!(both.get("no status").is_none());
    assert_eq!(ask_get("/connectors?expand=info").await.json().await.as_object().unwrap().len(), 2);
    assert_eq!(ask_get("/connectors?expand=x").await.json().await, json!({"c": {}, "no status": {}}));
}

#[tokio::test]
async fn offsets_are_shown_altered_and_reset() {
    let path = "/connectors/c/offsets";
    let shown = ask_get(path).await;
    assert_eq!(shown.text().await, r#"{"offsets":[{"partition":{"file":"f"},"offset":{"position":3}}]}"#);
    assert_eq!(ask_get("/connectors/x/offsets").await.status(), 404);
    let altered = ask_with(Method::PATCH, path, r#"{"offsets": [{"partition": {"file": "f"}, "offset": null}]}"#).await;
    let message = "The Connect framework-managed offsets for this connector have been altered successfully. However, if \
                   this connector manages offsets externally, they will need to be manually altered in the system that \
                   the connector uses.";
    assert_eq!((altered.status(), altered.json().await), (200, json!({ "message": message })));
    let reset = ask(Method::DELETE, path).await;
    assert_eq!(reset.text().await, r#"{"message":"The offsets for this connector have been reset successfully"}"#);
    let none = ask_with(Method::PATCH, path, r#"{"offsets": []}"#).await;
    assert_eq!(none.status(), 400);
    assert_eq!(none.herder.begun(), 0);
    assert_eq!(ask_with(Method::PATCH, path, "{").await.status(), 400);
}

#[tokio::test]
async fn topics_are_shown_and_forgotten_where_they_are_noted() {
    assert_eq!(ask_get("/connectors/c/topics").await.text().await, r#"{"c":{"topics":["a","b"]}}"#);
    let reset = ask(Method::PUT, "/connectors/c/topics/reset").await;
    assert_eq!((reset.status(), reset.herder.begun()), (202, 1));
    let body = r#"{"error_code":403,"message":"Topic tracking is disabled."}"#;
    for (method, path) in
        [(Method::GET, "/connectors/forbidden/topics"), (Method::PUT, "/connectors/forbidden/topics/reset")]
    {
        let refused = ask(method, path).await;
        assert_eq!((refused.status(), refused.text().await.as_str()), (403, body));
    }
}

#[tokio::test]
async fn loggers_have_levels_that_can_be_set_for_one_worker_or_all() {
    let all = ask_get("/admin/loggers").await;
    assert_eq!(
        all.text().await,
        r#"{"a":{"level":"DEBUG","last_modified":7},"root":{"level":"INFO","last_modified":null}}"#
    );
    assert_eq!(ask_get("/admin/loggers/a").await.text().await, r#"{"level":"DEBUG","last_modified":7}"#);
    let unknown = ask_get("/admin/loggers/x").await;
    assert_eq!(unknown.text().await, r#"{"error_code":404,"message":"Logger x not found."}"#);

    let debug = r#"{"level": "DEBUG"}"#;
    for path in ["/admin/loggers/a", "/admin/loggers/a?scope=Worker", "/admin/loggers/a?scope=galaxy"] {
        let set = ask_with(Method::PUT, path, debug).await;
        assert_eq!((set.status(), set.text().await.as_str()), (200, r#"["a","a.b"]"#), "{path}");
    }
    let set = ask_with(Method::PUT, "/admin/loggers/a?scope=CLUSTER", debug).await;
    assert_eq!(set.status(), 204);
    assert_eq!(*set.herder.asked.lock().unwrap(), ["level a DEBUG"]);

    for (body, status, message) in [
        ("{}", 400, "Desired 'level' parameter was not specified in request."),
        (r#"{"level": null}"#, 400, "Desired 'level' parameter was not specified in request."),
        (r#"{"level": "LOUD"}"#, 404, "invalid log level 'LOUD'."),
    ] {
        for scope in ["worker", "cluster"] {
            let refused = ask_with(Method::PUT, &format!("/admin/loggers/a?scope={scope}"), body).await;
            assert_eq!(*refused.herder.asked.lock().unwrap(), [""; 0]);
            assert_eq!(refused.json().await, json!({"error_code": status, "message": message}));
        }
    }
}

#[tokio::test]
async fn a_connector_is_created_at_its_own_place() {
    let body = r#"{"name": " new/a ", "config": {"tasks.max": 1}, "initial_state": "stopped"}"#;
    let created = ask_with(Method::POST, "/connectors", body).await;
    assert_eq!(created.status(), 201);
    assert_eq!(created.header(header::LOCATION), "http://h:1/connectors/new%2Fa");
    assert_eq!(*created.herder.asked.lock().unwrap(), ["put new/a STOPPED false"]);
    assert_eq!(
        created.text().await,
        r#"{"name":"new/a","config":{"name":"new/a","tasks.max":"1"},"tasks":[{"connector":"new/a","task":0}],"type":"source"}"#
    );
    let exists = ask_with(Method::POST, "/connectors", r#"{"name": "c", "config": {}}"#).await;
    assert_eq!(exists.status(), 409);
    assert_eq!(exists.text().await, r#"{"error_code":409,"message":"Connector c already exists"}"#);
    let other = ask_with(Method::POST, "/connectors", r#"{"name": "a", "config": {"name": "b"}}"#).await;
    assert_eq!(other.status(), 400);
    assert_eq!(
        other.json().await["message"],
        "Connector name configuration (b) doesn't match connector name in the URL (a)"
    );
}

#[tokio::test]
async fn a_configuration_is_put_and_patched() {
    let replaced = ask_with(Method::PUT, "/connectors/c/config", r#"{"x": true}"#).await;
    assert_eq!((replaced.status(), replaced.header(header::LOCATION)), (200, ""));
    let created = ask_with(Method::PUT, "/connectors/new%2Fa/config", "{}").await;
    assert_eq!(created.status(), 201);
    assert_eq!(*created.herder.asked.lock().unwrap(), ["put new/a STARTED true"]);
    let patched = ask_with(Method::PATCH, "/connectors/c/config", r#"{"x": null}"#).await;
    assert_eq!((patched.status(), patched.json().await["config"].clone()), (200, json!({"x": null})));
    assert_eq!(ask_get("/connectors/c/config").await.json().await, json!({"name": "c", "topic": "t"}));
}

#[tokio::test]
async fn a_body_that_cannot_be_read_is_the_clients_mistake() {
    for body in ["", "{", "[]", r#"{"a": {}}"#] {
        assert_eq!(ask_with(Method::PUT, "/connectors/c/config", body).await.status(), 400, "{body}");
    }
    let unknown = ask_with(Method::POST, "/connectors", r#"{"nam": "c"}"#).await;
    assert_eq!(unknown.status(), 400);
    assert!(unknown.json().await["message"].as_str().unwrap().starts_with("Unrecognized field \"nam\""));
}

#[tokio::test]
async fn a_body_over_the_limit_is_refused_by_name_of_the_key() {
    let body = format!("{{\"a\": \"{}\"}}", "x".repeat(1000));
    let refused = ask_with(Method::PUT, "/connectors/c/config", &body).await;
    assert_eq!(refused.status(), 413);
    assert!(refused.json().await["message"].as_str().unwrap().contains("rest.request.max.bytes"));
}

#[tokio::test]
async fn unknown_things_are_not_found_in_connects_words() {
    for (path, message) in [
        ("/connectors/x", "Connector x not found"),
        ("/connectors/x%20y/status", "No status found for connector x y"),
        ("/connectors/c/tasks/7/status", "No status found for task c-7"),
        ("/connectors/c/tasks/seven/status", "HTTP 404 Not Found"),
        ("/nothing", "HTTP 404 Not Found"),
        ("/connectors/%ff", "HTTP 404 Not Found"),
    ] {
        let asked = ask_get(path).await;
        assert_eq!(asked.status(), 404, "{path}");
        assert_eq!(asked.json().await, json!({"error_code": 404, "message": message}));
    }
}

#[tokio::test]
async fn what_allow_promises_is_served() {
    for path in ["/connectors", "/connectors/c/config", "/connectors/c/pause", "/connectors/c/tasks", "/health"] {
        let options = ask(Method::OPTIONS, path).await;
        for method in ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"] {
            let promised = options.header(header::ALLOW).split(',').any(|allowed| allowed == method);
            let status = ask(method.parse().unwrap(), path).await.status();
            assert_eq!(status != 405, promised, "{method} {path}");
        }
    }
}

#[tokio::test]
async fn methods_and_media_types_are_refused_as_jax_rs_does() {
    let method = ask(Method::DELETE, "/connectors").await;
    assert_eq!((method.status(), method.header(header::ALLOW)), (405, "GET,HEAD,POST,OPTIONS"));
    assert_eq!(method.json().await["message"], "HTTP 405 Method Not Allowed");
    let options = ask(Method::OPTIONS, "/connectors/c").await;
    assert_eq!((options.status(), options.header(header::ALLOW)), (200, "GET,HEAD,DELETE,OPTIONS"));
    assert_eq!(ask(Method::HEAD, "/connectors/c").await.status(), 200);

    let accept = |accept| Request::get("/connectors").header(header::ACCEPT, accept).body(Body::empty()).unwrap();
    let refused = send(accept("text/plain")).await;
    assert_eq!(refused.status(), 406);
    assert_eq!(refused.json().await, json!({"error_code": 406, "message": "HTTP 406 Not Acceptable"}));
    assert_eq!(send(accept("text/plain, */*")).await.status(), 200);

    let form = Request::put("/connectors/c/config")
        .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
        .header(header::CONTENT_LENGTH, 2)
        .body(Body::from("{}"));
    let refused = send(form.unwrap()).await;
    assert_eq!(refused.status(), 415);
    assert_eq!(refused.json().await["message"], "HTTP 415 Unsupported Media Type");
}

#[tokio::test]
async fn metrics_are_a_text_whatever_the_caller_takes() {
    let request = Request::builder().uri("/metrics").header("accept", "text/plain").header("accept", "x/y;q=0.1");
    let asked = send(request.body(Body::empty()).unwrap()).await;
    assert_eq!(asked.response.headers()[header::CONTENT_TYPE], "text/plain; version=0.0.4");
    assert_eq!(asked.text().await, "for [\"text/plain\", \"x/y;q=0.1\"]\n");
    assert_eq!(ask_get("/metrics/").await.text().await, "for []\n");
    assert_eq!(ask(Method::POST, "/metrics").await.status(), 405);
}

#[tokio::test]
async fn probes_say_one_word() {
    assert_eq!(ask_get("/health/live").await.text().await, r#"{"status":"live"}"#);
    let ready = ask_get("/health/ready").await;
    assert_eq!(ready.status(), 503);
    assert_eq!(ready.text().await, r#"{"status":"starting"}"#);
}

#[tokio::test]
async fn each_listener_has_its_part() {
    let metrics = Part { metrics: true, ..Part::default() };
    let without = Part { api: true, admin: true, metrics: false };
    let admin = Part { admin: true, ..Part::default() };
    for (part, found, missing) in [
        (metrics, &["/metrics", "/health", "/health/live"][..], &["/", "/connectors", "/admin/loggers"][..]),
        (without, &["/", "/connectors", "/health/ready", "/admin/loggers"], &["/metrics"]),
        (admin, &["/admin/loggers"], &["/metrics", "/health", "/"]),
    ] {
        let router = router(api(&Arc::new(Fake::default()), Vec::new()), &Requests::new(1000), part);
        for (path, is_there) in found.iter().map(|path| (path, true)).chain(missing.iter().map(|path| (path, false))) {
            let request = Request::builder().uri(*path).body(Body::empty()).unwrap();
            let status = router.clone().oneshot(request).await.unwrap().status();
            assert_eq!(status != StatusCode::NOT_FOUND, is_there, "{path} of {part:?}");
        }
    }
}

#[tokio::test]
async fn states_are_shown_and_changed() {
    assert_eq!(
        ask_get("/connectors/c/status").await.text().await,
        r#"{"name":"c","connector":{"state":"RUNNING","worker_id":"w:8083"},"tasks":[{"id":0,"state":"FAILED","worker_id":"w:8083","trace":"trace\n"}],"type":"source"}"#
    );
    assert_eq!(
        ask_get("/connectors/c/tasks/0/status").await.text().await,
        r#"{"id":0,"state":"RUNNING","worker_id":"w:8083"}"#
    );
    for (path, status) in [("pause", 202), ("resume", 202), ("stop", 204)] {
        let asked = ask(Method::PUT, &format!("/connectors/c/{path}")).await;
        assert_eq!(asked.status(), status);
        assert_eq!(asked.text().await, "");
    }
    assert_eq!(ask(Method::DELETE, "/connectors/c").await.status(), 204);
    assert_eq!(ask(Method::DELETE, "/connectors/x").await.status(), 404);
}

#[tokio::test]
async fn a_restart_without_flags_is_of_the_connector_alone() {
    let alone = ask(Method::POST, "/connectors/c/restart").await;
    assert_eq!(alone.status(), 204);
    assert_eq!(*alone.herder.asked.lock().unwrap(), ["restart connector c"]);
    let planned = ask(Method::POST, "/connectors/c/restart?includeTasks=True&onlyFailed=no").await;
    assert_eq!(planned.status(), 202);
    assert_eq!(*planned.herder.asked.lock().unwrap(), ["restart c true false"]);
    assert_eq!(planned.json().await["name"], "c");
}

#[tokio::test(start_paused = true)]
async fn a_request_that_takes_too_long_is_given_up() {
    let asked = ask(Method::POST, "/connectors/c/tasks/0/restart").await;
    assert_eq!(asked.status(), 500);
    assert_eq!(*asked.herder.asked.lock().unwrap(), ["restart task c-0"]);
    assert_eq!(asked.text().await, r#"{"error_code":500,"message":"Request timed out"}"#);
}

#[tokio::test(start_paused = true)]
async fn questions_are_answered_while_changes_pile_up() {
    let herder = Arc::new(Fake::default());
    let router = router(api(&herder, Vec::new()), &Requests::new(1000), Part::ALL);
    let request = |method, path| Request::builder().method(method).uri(path).body(Body::empty()).unwrap();
    let mut changes = tokio::task::JoinSet::new();
    for _ in 0..2000 {
        changes.spawn(router.clone().oneshot(request(Method::POST, "/connectors/c/tasks/0/restart")));
    }
    while let Some(answer) = changes.join_next().await {
        assert_eq!(answer.unwrap().unwrap().status(), 500);
    }
    assert!(herder.begun() < 2000, "the callers are gone, and the rest was not begun");
    for (path, status) in [("/health", 503), ("/connectors/c/status", 200)] {
        assert_eq!(router.clone().oneshot(request(Method::GET, path)).await.unwrap().status(), status, "{path}");
    }
}

#[tokio::test]
async fn a_change_that_has_begun_ends_whenever_its_caller_hangs_up() {
    let changes = [
        (Method::POST, "/connectors", r#"{"name": "new/a", "config": {}}"#),
        (Method::PUT, "/connectors/c/config", "{}"),
        (Method::PATCH, "/connectors/c/config", "{}"),
        (Method::DELETE, "/connectors/c", ""),
        (Method::PUT, "/connectors/c/pause", ""),
        (Method::PUT, "/connectors/c/resume", ""),
        (Method::PUT, "/connectors/c/stop", ""),
        (Method::POST, "/connectors/c/restart", ""),
        (Method::POST, "/connectors/c/restart?includeTasks=true", ""),
        (Method::POST, "/connectors/c/tasks/0/restart", ""),
    ];
    for (method, path, body) in changes {
        let mut cut_short = 0;
        for polls in 0.. {
            let herder = Arc::new(Fake { waits: 3, ..Fake::default() });
            let requests = Requests::new(1000);
            let request = Request::builder()
                .method(method.clone())
                .uri(path)
                .header(header::CONTENT_TYPE, "application/json")
                .body(Body::from(body));
            let answered = {
                let mut asked = pin!(router(api(&herder, Vec::new()), &requests, Part::ALL).oneshot(request.unwrap()));
                let mut answered = false;
                for _ in 0..polls {
                    answered = asked.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_ready();
                    if answered {
                        break;
                    }
                    tokio::task::yield_now().await;
                }
                answered
                // The caller hangs up here.
            };
            cut_short += usize::from(herder.ended() < herder.begun());
            requests.ended().await;
            assert_eq!(herder.ended(), herder.begun(), "{method} {path} given up after {polls} polls");
            if answered {
                assert_eq!(herder.begun(), 1);
                break;
            }
        }
        assert_ne!(cut_short, 0, "{method} {path} was never given up between its beginning and its end");
    }
}

#[tokio::test]
async fn a_request_that_panics_is_answered() {
    let asked = ask(Method::POST, "/connectors/c/tasks/1/restart").await;
    assert_eq!(asked.status(), 500);
    let message = asked.json().await["message"].as_str().unwrap().to_owned();
    assert!(message.contains("a fault in the worker"), "{message}");
}

#[tokio::test]
async fn what_is_broken_beside_the_herder_makes_the_worker_unhealthy() {
    let checks: Vec<HealthCheck> =
        vec![Arc::new(Vec::new), Arc::new(|| vec!["partition a-0 is offline".to_owned(), "a timer died".to_owned()])];
    let request = Request::get("/health").body(Body::empty()).unwrap();
    let herder = Arc::new(Fake::default());
    let response = router(api(&herder, checks), &Requests::new(1000), Part::ALL).oneshot(request).await.unwrap();
    let asked = Answered { response, herder };
    assert_eq!(asked.status(), 500);
    assert_eq!(
        asked.json().await,
        json!({"status": "unhealthy", "message": "Worker was unable to handle this request and may be unable to handle other requests. partition a-0 is offline; a timer died"})
    );
}

#[tokio::test]
async fn tasks_are_shown_with_their_configurations() {
    assert_eq!(
        ask_get("/connectors/c/tasks").await.text().await,
        r#"[{"id":{"connector":"c","task":0},"config":{"topic":"t"}}]"#
    );
    assert_eq!(ask(Method::PUT, "/connectors/c/fence").await.status(), 400);
}

#[tokio::test]
async fn plugins_are_listed_described_and_validated() {
    assert_eq!(ask_get("/connector-plugins").await.text().await, r#"[{"class":"a.Sink","type":"sink","version":"1"}]"#);
    let all = ask_get("/connector-plugins?connectorsOnly=false").await.json().await;
    assert_eq!(all[1], json!({"class": "a.T", "type": "transformation"}));
    let config = ask_get("/connector-plugins/a.Sink/config").await.json().await;
    assert_eq!(config[0]["default_value"], "1");

    let validate = |path: &'static str, body: &'static str| ask_with(Method::PUT, path, body);
    let path = "/connector-plugins/Sink/config/validate";
    let result = validate(path, r#"{"connector.class": "a.SinkConnector"}"#).await;
    assert_eq!(
        (result.status(), result.text().await.as_str()),
        (200, r#"{"name":"a.SinkConnector","error_count":0,"groups":[],"configs":[]}"#)
    );
    let other = validate(path, r#"{"connector.class": "a.Source"}"#).await;
    assert_eq!(other.status(), StatusCode::BAD_REQUEST.as_u16());
    assert_eq!(other.json().await["message"], "Included connector type a.Source does not match request type Sink");
    assert_eq!(validate(path, "{}").await.status(), 400);
}

#[tokio::test]
async fn progress_is_that_of_this_workers_tasks() {
    let answer = ask_get("/connectors/c/progress").await;
    assert_eq!(answer.response.status(), StatusCode::OK);
    let work =
        json!({"task": 2, "plugin": "a.Source", "what": "table of c", "done": 10.0, "total": null, "unit": "rows"});
    assert_eq!(answer.json().await, json!({"worker_id": "w:8083", "progress": [work]}));
    assert_eq!(ask_get("/connectors/none/progress").await.response.status(), StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn lines_of_the_log_are_asked_for_by_task_level_time_and_number() {
    let answer = ask_get("/connectors/c/logs?task=3&level=warn&since=5&after=6&limit=2").await;
    assert_eq!(answer.response.status(), StatusCode::OK);
    let query = LogQuery { task: Some(3), level: tracing::Level::WARN, since_ms: Some(5), after: 6, limit: 2 };
    let line = json!({"message": format!("c {query:?}")});
    assert_eq!(answer.json().await, json!({"worker_id": "w:8083", "next": 7, "lines": [line]}));
    let all = LogQuery { task: None, level: tracing::Level::TRACE, since_ms: None, after: 0, limit: 1000 };
    let answer = ask_get("/connectors/c/logs?limit=99999").await.json().await;
    assert_eq!(answer["lines"][0]["message"], format!("c {all:?}"));
    assert_eq!(ask_get("/connectors/none/logs").await.response.status(), StatusCode::NOT_FOUND);
    for (query, expected) in [
        ("task=-1", "task=-1: the number of a task is expected"),
        ("level=loud", "level=loud: TRACE, DEBUG, INFO, WARN or ERROR is expected"),
        ("since=yesterday", "since=yesterday: milliseconds of Unix time is expected"),
    ] {
        let answer = ask_get(&format!("/connectors/c/logs?{query}")).await;
        assert_eq!(answer.response.status(), StatusCode::BAD_REQUEST, "{query}");
        assert_eq!(answer.json().await["message"], expected);
    }
}
