//! The paths of the API.

mod connectors;
mod lifecycle;
mod loggers;
mod logs;
mod metrics;
mod offsets;
mod plugins;
mod progress;
mod root;
mod tasks;
mod topics;

use std::sync::Arc;

use axum::{
    Router,
    extract::FromRef,
    http::Method,
    middleware::from_fn_with_state,
    routing::{MethodRouter, get, post, put},
};

use crate::{
    HealthCheck, Herder, WorkerVersion,
    client::HttpClient,
    forward::{self, Forward},
    negotiate,
    requests::Requests,
    signature::Signing,
};

pub use logs::{ConnectorLogs, LogLines, LogQuery, ReadLogs};
pub use metrics::MetricsPage;
pub use progress::{ConnectorProgress, ReadProgress, TaskProgress};
pub(crate) use root::is_probe;

/// What handlers share.
#[derive(Clone)]
pub(crate) struct Api {
    pub(crate) herder: Arc<dyn Herder>,
    pub(crate) version: WorkerVersion,
    pub(crate) checks: Arc<[HealthCheck]>,
    pub(crate) max_body_bytes: usize,
    pub(crate) metrics: Option<MetricsPage>,
    pub(crate) signing: Signing,
    pub(crate) client: HttpClient,
    pub(crate) logs: Option<ConnectorLogs>,
    pub(crate) progress: Option<ConnectorProgress>,
}

impl FromRef<Api> for Arc<dyn Herder> {
    fn from_ref(api: &Api) -> Self {
        Arc::clone(&api.herder)
    }
}

/// What a listener serves.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(crate) struct Part {
    /// Everything but what follows.
    pub(crate) api: bool,
    /// `/admin`.
    pub(crate) admin: bool,
    /// `/metrics`, and `/health` with what is below it.
    pub(crate) metrics: bool,
}

impl Part {
    /// All there is.
    #[cfg(test)]
    pub(crate) const ALL: Self = Self { api: true, admin: true, metrics: true };

    fn has(self, path: &str) -> bool {
        match path {
            METRICS => self.metrics,
            path if path.starts_with("/health") => self.api || self.metrics,
            path if path.starts_with("/admin/") => self.admin,
            _ => self.api,
        }
    }
}

const METRICS: &str = "/metrics";

/// Every path below the root with its methods, and who answers.
fn routes() -> Vec<(&'static str, &'static str, MethodRouter<Api>)> {
    vec![
        ("/health", GET, get(root::health)),
        (root::LIVE, GET, get(root::live)),
        (root::READY, GET, get(root::ready)),
        ("/openapi.json", GET, get(root::openapi)),
        ("/connectors", "GET,HEAD,POST,OPTIONS", get(connectors::list).post(connectors::create)),
        ("/connectors/{connector}", "GET,HEAD,DELETE,OPTIONS", get(connectors::info).delete(connectors::delete)),
        (
            "/connectors/{connector}/config",
            "GET,HEAD,PUT,PATCH,OPTIONS",
            get(connectors::config).put(connectors::put_config).patch(connectors::patch_config),
        ),
        ("/connectors/{connector}/status", GET, get(lifecycle::status)),
        ("/connectors/{connector}/restart", POST, post(lifecycle::restart)),
        ("/connectors/{connector}/pause", PUT, put(lifecycle::pause)),
        ("/connectors/{connector}/resume", PUT, put(lifecycle::resume)),
        ("/connectors/{connector}/stop", PUT, put(lifecycle::stop)),
        ("/connectors/{connector}/tasks", "GET,HEAD,POST,OPTIONS", get(tasks::tasks).post(tasks::put_task_configs)),
        (
            "/connectors/{connector}/offsets",
            "GET,HEAD,PATCH,DELETE,OPTIONS",
            get(offsets::list).patch(offsets::alter).delete(offsets::reset),
        ),
        ("/connectors/{connector}/logs", GET, get(logs::list)),
        ("/connectors/{connector}/progress", GET, get(progress::list)),
        ("/connectors/{connector}/topics", GET, get(topics::list)),
        ("/connectors/{connector}/topics/reset", PUT, put(topics::reset)),
        ("/connectors/{connector}/fence", PUT, put(tasks::fence)),
        ("/connectors/{connector}/tasks/{task}/status", GET, get(tasks::status)),
        ("/connectors/{connector}/tasks/{task}/restart", POST, post(tasks::restart)),
        ("/admin/loggers", GET, get(loggers::list)),
        ("/admin/loggers/{logger}", "GET,HEAD,PUT,OPTIONS", get(loggers::level).put(loggers::set)),
        ("/connector-plugins", GET, get(plugins::list)),
        ("/connector-plugins/{plugin}/config", GET, get(plugins::config)),
        ("/connector-plugins/{plugin}/config/validate", PUT, put(plugins::validate)),
    ]
}

/// A part of the API, whose requests are run by `requests`.
pub(crate) fn router(api: Api, requests: &Requests, part: Part) -> Router {
    let forward = Forward { client: api.client.clone(), max_body_bytes: api.max_body_bytes };
    let mut router = Router::new();
    if part.has("/") {
        router = router.route("/", guarded(GET, get(root::version), requests));
    }
    for (path, allow, methods) in routes().into_iter().filter(|(path, ..)| part.has(path)) {
        let methods = methods.route_layer(from_fn_with_state(forward.clone(), forward::pass_on));
        let methods = guarded(allow, methods, requests);
        // JAX-RS takes a path with and without a slash at its end.
        router = router.route(&format!("{path}/"), methods.clone()).route(path, methods);
    }
    if part.has(METRICS) && api.metrics.is_some() {
        // No JSON, so that what guards the others does not suit it.
        let methods = get(metrics::page)
            .route_layer(from_fn_with_state(requests.clone(), negotiate::run))
            .fallback(|method: Method| async move { negotiate::other_method(&method, GET) });
        router = router.route("/metrics/", methods.clone()).route(METRICS, methods);
    }
    router.fallback(negotiate::unknown_path).with_state(api)
}

const GET: &str = "GET,HEAD,OPTIONS";
const POST: &str = "POST,OPTIONS";
const PUT: &str = "PUT,OPTIONS";

/// Handlers behind what every request has to pass; other methods than theirs are answered with `allow`.
fn guarded(allow: &'static str, methods: MethodRouter<Api>, requests: &Requests) -> MethodRouter<Api> {
    methods
        .route_layer(from_fn_with_state(requests.clone(), negotiate::guard))
        .fallback(move |method: Method| async move { negotiate::other_method(&method, allow) })
}

#[cfg(test)]
mod openapi_tests;
#[cfg(test)]
pub(crate) mod tests;
