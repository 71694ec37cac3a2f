//! What sends the requests that one key allows.

use std::sync::Arc;
use std::time::Duration;

use hyper::header::HeaderMap;
use millstream_metrics::PluginInstance;

use super::HttpAllowed;
use super::auth::Auth;
use super::dial::Dialer;
use super::pool::Pool;
use super::settings::Settings;
use super::token::{SharedTokens, Tokens};

/// Settings, connections and token of one key of one instance.
pub(super) struct Client {
    pub(super) auth: Auth,
    pub(super) headers: HeaderMap,
    pub(super) dialer: Dialer,
    pub(super) pool: Arc<Pool>,
    pub(super) tokens: SharedTokens,
    pub(super) redirects: bool,
    pub(super) request_timeout: Duration,
    pub(super) connect_timeout: Duration,
    pub(super) request_max: u64,
    pub(super) response_max: u64,
    pub(super) metrics: Arc<PluginInstance>,
}

impl Client {
    pub(super) fn new(settings: Settings, allowed: &HttpAllowed, metrics: Arc<PluginInstance>) -> Self {
        let limited = |own: Option<u64>, most: u64| own.filter(|&own| own != 0).map_or(most, |own| own.min(most));
        Self {
            dialer: Dialer::new(&settings, allowed.places.clone()),
            pool: Arc::new(Pool::new(settings.connections, settings.idle_timeout)),
            tokens: Arc::new(Tokens::new()),
            redirects: settings.redirects,
            request_timeout: settings.request_timeout,
            connect_timeout: settings.connect_timeout,
            request_max: limited(settings.request_max, allowed.request_max),
            response_max: limited(settings.response_max, allowed.response_max),
            auth: settings.auth,
            headers: settings.headers,
            metrics,
        }
    }
}
