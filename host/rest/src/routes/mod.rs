//! The paths of the API.

mod connectors;
mod lifecycle;
mod plugins;
mod root;
mod tasks;

use std::sync::Arc;

use axum::{
    Router,
    extract::FromRef,
    http::Method,
    middleware::from_fn,
    routing::{MethodRouter, get, post, put},
};

use crate::{Herder, WorkerVersion, negotiate};

/// What handlers share.
#[derive(Clone)]
pub(crate) struct Api {
    pub(crate) herder: Arc<dyn Herder>,
    pub(crate) version: WorkerVersion,
    pub(crate) max_body_bytes: usize,
}

impl FromRef<Api> for Arc<dyn Herder> {
    fn from_ref(api: &Api) -> Self {
        Arc::clone(&api.herder)
    }
}

/// The whole API.
pub(crate) fn router(api: Api) -> Router {
    let routes: [(&str, &'static str, MethodRouter<Api>); 16] = [
        ("/health", GET, get(root::health)),
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
        ("/connectors/{connector}/tasks", "GET,HEAD,POST,OPTIONS", get(tasks::tasks).post(tasks::refuse_task_configs)),
        ("/connectors/{connector}/fence", PUT, put(tasks::refuse_fencing)),
        ("/connectors/{connector}/tasks/{task}/status", GET, get(tasks::status)),
        ("/connectors/{connector}/tasks/{task}/restart", POST, post(tasks::restart)),
        ("/connector-plugins", GET, get(plugins::list)),
        ("/connector-plugins/{plugin}/config", GET, get(plugins::config)),
        ("/connector-plugins/{plugin}/config/validate", PUT, put(plugins::validate)),
    ];
    let mut router = Router::new().route("/", guarded(GET, get(root::version)));
    for (path, allow, methods) in routes {
        let methods = guarded(allow, methods);
        // JAX-RS takes a path with and without a slash at its end.
        router = router.route(&format!("{path}/"), methods.clone()).route(path, methods);
    }
    router.fallback(negotiate::unknown_path).with_state(api)
}

const GET: &str = "GET,HEAD,OPTIONS";
const POST: &str = "POST,OPTIONS";
const PUT: &str = "PUT,OPTIONS";

/// Handlers behind what every request has to pass; other methods than theirs are answered with `allow`.
fn guarded(allow: &'static str, methods: MethodRouter<Api>) -> MethodRouter<Api> {
    methods
        .route_layer(from_fn(negotiate::guard))
        .fallback(move |method: Method| async move { negotiate::other_method(&method, allow) })
}

#[cfg(test)]
pub(crate) mod tests;
