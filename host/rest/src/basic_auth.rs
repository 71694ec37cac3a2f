//! Basic authentication, as Connect's extension has it (`BasicAuthSecurityRestExtension`): users from the file that a JAAS
//! configuration names in its section `KafkaConnect`, or from one made by `htpasswd`, which is ours.

use std::{
    collections::{BTreeMap, HashMap},
    path::{Path, PathBuf},
    sync::{Arc, Mutex},
};

use axum::{
    extract::{Request, State},
    http::{HeaderMap, Method, StatusCode, header},
    middleware::Next,
    response::{IntoResponse, Response},
};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use millstream_config::{WorkerConfig, parse_properties, worker_key as key};
use millstream_security::{
    htpasswd::{Htpasswd, InvalidHtpasswd},
    jaas::{self, InvalidJaas},
};
use sha2::{Digest as _, Sha256};
use tokio::sync::Semaphore;

use crate::routes::is_probe;

/// The extension, by which it is asked for.
const EXTENSION: &str = "BasicAuthSecurityRestExtension";
const SECTION: &str = "KafkaConnect";
const LOGIN_MODULE: &str = "PropertyFileLoginModule";

/// How a JVM is told of its JAAS configuration, in `KAFKA_OPTS`.
const JVM_PROPERTY: &str = "-Djava.security.auth.login.config=";

/// Passwords that are checked at a time: a good hash takes long, on purpose.
const CHECKED_AT_ONCE: usize = 2;

/// Passwords that are remembered as right.
const MAX_REMEMBERED: usize = 1024;

/// Why nobody could be let in.
#[expect(missing_docs, reason = "the message tells what each field is")]
#[derive(Debug, thiserror::Error)]
pub enum AuthConfigError {
    /// Another class among the extensions.
    #[error("rest.extension.classes names {class}, which is not there: there is {EXTENSION}")]
    Extension { class: String },
    /// Nothing says where the users are.
    #[error(
        "{EXTENSION} needs users: name a JAAS file in rest.basic.auth.jaas.file (or in KAFKA_OPTS, as {JVM_PROPERTY}FILE), or a file made by htpasswd -B in rest.basic.auth.htpasswd.file"
    )]
    NoUsers,
    /// A file cannot be read.
    #[error("read {path}, from which the users of the REST API are to come: see to the path and its permissions")]
    Read { path: PathBuf, source: std::io::Error },
    /// The JAAS file.
    #[error("read the JAAS file {path}")]
    Jaas { path: PathBuf, source: InvalidJaas },
    /// The JAAS file has not what is needed.
    #[error("the JAAS file {path} has no section {SECTION} with a {LOGIN_MODULE} and its option file")]
    Section { path: PathBuf },
    /// The file of users.
    #[error("read the users in {path}: {reason}")]
    Properties { path: PathBuf, reason: String },
    /// The file of users.
    #[error("read the users in {path}")]
    Htpasswd { path: PathBuf, source: InvalidHtpasswd },
}

/// Who may use the API. Read once, as in Connect.
#[derive(Clone)]
pub(crate) struct BasicAuth {
    users: Arc<Users>,
    turns: Arc<Semaphore>,
    /// By user: what was found right, hashed with a secret of this process.
    remembered: Arc<Mutex<HashMap<String, [u8; 32]>>>,
    secret: [u8; 16],
}

enum Users {
    /// An empty file lets everybody in.
    Plain(BTreeMap<String, String>),
    Hashed(Htpasswd),
}

impl std::fmt::Debug for BasicAuth {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("BasicAuth").finish_non_exhaustive()
    }
}

impl BasicAuth {
    /// What a worker's keys ask for; `None` if everybody may use the API. Reads files, and so blocks.
    pub(crate) fn of(worker: &WorkerConfig) -> Result<Option<Self>, AuthConfigError> {
        let config = worker.config();
        let classes = key::REST_EXTENSIONS.get(config);
        if let Some(class) = classes.iter().find(|class| class.rsplit('.').next() != Some(EXTENSION)) {
            return Err(AuthConfigError::Extension { class: class.clone() });
        }
        if classes.is_empty() {
            return Ok(None);
        }
        let users = if let Some(file) = set(key::BASIC_AUTH_HTPASSWD.get(config)) {
            htpasswd(&file)?
        } else {
            let options = std::env::var("KAFKA_OPTS").unwrap_or_default();
            let of_jvm = options.split_whitespace().find_map(|option| option.strip_prefix(JVM_PROPERTY));
            let file = set(key::BASIC_AUTH_JAAS.get(config)).or_else(|| of_jvm.map(PathBuf::from));
            credentials(&file.ok_or(AuthConfigError::NoUsers)?)?
        };
        Ok(Some(Self::new(users)))
    }

    fn new(users: Users) -> Self {
        Self {
            users: Arc::new(users),
            turns: Arc::new(Semaphore::new(CHECKED_AT_ONCE)),
            remembered: Arc::default(),
            secret: *uuid::Uuid::new_v4().as_bytes(),
        }
    }

    /// Whether a request with these headers may pass.
    async fn admits(&self, headers: &HeaderMap) -> bool {
        if let Users::Plain(users) = &*self.users
            && users.is_empty()
        {
            return true;
        }
        let Some((user, password)) = credentials_of(headers) else { return false };
        match &*self.users {
            Users::Plain(users) => users.get(&user).is_some_and(|right| self.hashed(right) == self.hashed(&password)),
            Users::Hashed(_) => self.admits_hashed(user, password).await,
        }
    }

    /// Checks elsewhere, since it takes long, and remembers who was right.
    async fn admits_hashed(&self, user: String, password: String) -> bool {
        let shown = self.hashed(&password);
        if self.remembered.lock().expect("a map of copies").get(&user) == Some(&shown) {
            return true;
        }
        let turn = Arc::clone(&self.turns).acquire_owned().await.expect("the semaphore is never closed");
        let (users, asked) = (Arc::clone(&self.users), user.clone());
        let checked = tokio::task::spawn_blocking(move || {
            let _turn = turn;
            matches!(&*users, Users::Hashed(users) if users.verify(&asked, &password))
        });
        let right = checked.await.unwrap_or_else(|error| {
            tracing::error!(%error, "checking a password panicked");
            false
        });
        if right {
            let mut remembered = self.remembered.lock().expect("a map of copies");
            if remembered.len() < MAX_REMEMBERED {
                remembered.insert(user, shown);
            }
        }
        right
    }

    /// Equal for equal texts, and telling nothing of them by the time that a comparison takes.
    fn hashed(&self, text: &str) -> [u8; 32] {
        Sha256::new().chain_update(self.secret).chain_update(text).finalize().into()
    }
}

/// Lets a request through if its user is known, or if it is one of those that workers sign or that probe.
pub(crate) async fn guard(State(auth): State<BasicAuth>, request: Request, next: Next) -> Response {
    let path = request.uri().path();
    if is_internal(request.method(), path) || is_probe(path) || auth.admits(request.headers()).await {
        return next.run(request).await;
    }
    let text = [(header::CONTENT_TYPE, "text/plain")];
    (StatusCode::UNAUTHORIZED, text, "User cannot access the resource.").into_response()
}

/// Requests of workers among themselves: they are signed instead.
fn is_internal(method: &Method, path: &str) -> bool {
    let parts: Vec<&str> = path.trim_start_matches('/').split('/').collect();
    match (method, &parts[..]) {
        (&Method::POST, ["connectors", name, "tasks"] | ["connectors", name, "tasks", ""])
        | (&Method::PUT, ["connectors", name, "fence"] | ["connectors", name, "fence", ""]) => !name.is_empty(),
        _ => false,
    }
}

fn credentials_of(headers: &HeaderMap) -> Option<(String, String)> {
    let given = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, encoded) = given.split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let decoded = String::from_utf8(STANDARD.decode(encoded.trim()).ok()?).ok()?;
    let (user, password) = decoded.split_once(':')?;
    (!user.is_empty()).then(|| (user.to_owned(), password.to_owned()))
}

fn set(path: Option<String>) -> Option<PathBuf> {
    path.map(|path| path.trim().to_owned()).filter(|path| !path.is_empty()).map(PathBuf::from)
}

fn read(path: &Path) -> Result<Vec<u8>, AuthConfigError> {
    std::fs::read(path).map_err(|source| AuthConfigError::Read { path: path.to_owned(), source })
}

fn htpasswd(path: &Path) -> Result<Users, AuthConfigError> {
    let text = String::from_utf8_lossy(&read(path)?).into_owned();
    let users = Htpasswd::parse(&text);
    let users = users.map_err(|source| AuthConfigError::Htpasswd { path: path.to_owned(), source })?;
    if users.is_empty() {
        let reason = "nobody is named in it, so that nobody could be let in".to_owned();
        return Err(AuthConfigError::Properties { path: path.to_owned(), reason });
    }
    Ok(Users::Hashed(users))
}

/// The users of the file that a JAAS file names.
fn credentials(jaas_file: &Path) -> Result<Users, AuthConfigError> {
    let text = String::from_utf8_lossy(&read(jaas_file)?).into_owned();
    let sections = jaas::parse_file(&text);
    let sections = sections.map_err(|source| AuthConfigError::Jaas { path: jaas_file.to_owned(), source })?;
    let entries = sections.get(SECTION).map(Vec::as_slice).unwrap_or_default();
    let entry = entries.iter().find(|entry| entry.login_module.rsplit('.').next() == Some(LOGIN_MODULE));
    let file = entry.and_then(|entry| entry.options.get("file")).filter(|file| !file.is_empty());
    let file = Path::new(file.ok_or_else(|| AuthConfigError::Section { path: jaas_file.to_owned() })?);
    let users = parse_properties(&read(file)?);
    let invalid = |error: millstream_config::PropertiesError| AuthConfigError::Properties {
        path: file.to_owned(),
        reason: error.to_string(),
    };
    let users: BTreeMap<String, String> = users.map_err(invalid)?.into_iter().collect();
    if users.is_empty() {
        tracing::warn!("{} names nobody: everybody may use the REST API", file.display());
    }
    Ok(Users::Plain(users))
}

#[cfg(test)]
mod tests {
    use axum::{Router, body::Body, middleware::from_fn_with_state, routing::any};
    use millstream_config::{ConfigMap, Mode};
    use tower::ServiceExt;

    use super::*;

    fn worker(entries: &[(&str, &str)]) -> WorkerConfig {
        let class = "org.apache.kafka.connect.rest.basic.auth.extension.BasicAuthSecurityRestExtension";
        let base = [
            ("key.converter", "J"),
            ("value.converter", "J"),
            ("offset.storage.file.filename", "o"),
            ("rest.extension.classes", class),
        ];
        let properties: ConfigMap =
            base.iter().chain(entries).map(|&(key, value)| (key.to_owned(), Some(value.to_owned()))).collect();
        WorkerConfig::parse(Mode::Standalone, &properties).unwrap()
    }

    async fn status(auth: &BasicAuth, method: Method, path: &str, credentials: Option<&str>) -> u16 {
        let router = Router::new().fallback(any(|| async { "in" })).layer(from_fn_with_state(auth.clone(), guard));
        let mut request = Request::builder().method(method).uri(path);
        if let Some(credentials) = credentials {
            request = request.header(header::AUTHORIZATION, format!("Basic {}", STANDARD.encode(credentials)));
        }
        router.oneshot(request.body(Body::empty()).unwrap()).await.unwrap().status().as_u16()
    }

    fn jaas(folder: &Path, users: &str) -> String {
        let (jaas, file) = (folder.join("jaas.conf"), folder.join("credentials.properties"));
        std::fs::write(&file, users).unwrap();
        let class = "org.apache.kafka.connect.rest.basic.auth.extension.PropertyFileLoginModule";
        std::fs::write(&jaas, format!("KafkaConnect {{ {class} required file=\"{}\"; }};", file.display())).unwrap();
        jaas.to_str().unwrap().to_owned()
    }

    #[tokio::test]
    async fn known_users_pass_and_signed_requests_and_probes_need_no_user() {
        let folder = tempfile::tempdir().unwrap();
        let file = jaas(folder.path(), "alice=won:der\nbob=\n");
        let auth = BasicAuth::of(&worker(&[("rest.basic.auth.jaas.file", &file)])).unwrap().unwrap();
        for (credentials, expected) in [
            (Some("alice:won:der"), 200),
            (Some("bob:"), 200),
            (Some("alice:won"), 401),
            (Some("carol:x"), 401),
            (Some(":x"), 401),
            (Some("alice"), 401),
            (None, 401),
        ] {
            assert_eq!(status(&auth, Method::GET, "/connectors", credentials).await, expected, "{credentials:?}");
        }
        for (method, path, expected) in [
            (Method::POST, "/connectors/c/tasks", 200),
            (Method::POST, "/connectors/c/tasks/", 200),
            (Method::PUT, "/connectors/c/fence", 200),
            (Method::GET, "/connectors/c/tasks", 401),
            (Method::POST, "/connectors//tasks", 401),
            (Method::POST, "/connectors/c/tasks/0/restart", 401),
            (Method::PUT, "/connectors/c/fence/x", 401),
            (Method::GET, "/health/live", 200),
            (Method::GET, "/health/ready/", 200),
            (Method::GET, "/health", 401),
            (Method::GET, "/health/live/x", 401),
            (Method::GET, "/metrics", 401),
        ] {
            assert_eq!(status(&auth, method.clone(), path, None).await, expected, "{method} {path}");
        }
    }

    #[tokio::test]
    async fn a_refusal_looks_like_connects() {
        let auth = BasicAuth::new(Users::Plain(BTreeMap::from([("a".to_owned(), "b".to_owned())])));
        let router = Router::new().fallback(any(|| async { "in" })).layer(from_fn_with_state(auth, guard));
        let answer = router.oneshot(Request::builder().uri("/").body(Body::empty()).unwrap()).await.unwrap();
        assert_eq!(answer.headers()[header::CONTENT_TYPE], "text/plain");
        assert!(!answer.headers().contains_key(header::WWW_AUTHENTICATE));
        let body = axum::body::to_bytes(answer.into_body(), 1000).await.unwrap();
        assert_eq!(&body[..], b"User cannot access the resource.");
    }

    #[tokio::test]
    async fn an_empty_file_lets_everybody_in() {
        let folder = tempfile::tempdir().unwrap();
        let file = jaas(folder.path(), "");
        let auth = BasicAuth::of(&worker(&[("rest.basic.auth.jaas.file", &file)])).unwrap().unwrap();
        assert_eq!(status(&auth, Method::GET, "/", None).await, 200);
    }

    #[tokio::test]
    async fn hashed_passwords_are_checked_each_time_anew_but_for_right_ones() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("users");
        // The password is secret, hashed by SHA-1.
        std::fs::write(&file, "alice:{SHA}5en6G6MezRroT3XKqkdPOmY/BfQ=\n").unwrap();
        let keys = [("rest.basic.auth.htpasswd.file", file.to_str().unwrap())];
        let auth = BasicAuth::of(&worker(&keys)).unwrap().unwrap();
        for (credentials, expected) in
            [("alice:secret", 200), ("alice:secret", 200), ("alice:other", 401), ("bob:secret", 401)]
        {
            assert_eq!(status(&auth, Method::GET, "/", Some(credentials)).await, expected, "{credentials}");
        }
        assert_eq!(auth.remembered.lock().unwrap().len(), 1);
    }

    #[test]
    fn what_is_missing_or_wrong_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let refused = |entries: &[(&str, &str)]| BasicAuth::of(&worker(entries)).unwrap_err();
        assert!(matches!(refused(&[("rest.extension.classes", "a.B")]), AuthConfigError::Extension { .. }));
        assert!(matches!(refused(&[("rest.basic.auth.jaas.file", "/no/such")]), AuthConfigError::Read { .. }));
        let file = folder.path().join("f");
        let path = file.to_str().unwrap();
        std::fs::write(&file, "Other { a.B required; };").unwrap();
        assert!(matches!(refused(&[("rest.basic.auth.jaas.file", path)]), AuthConfigError::Section { .. }));
        std::fs::write(&file, "alice:plain").unwrap();
        assert!(matches!(refused(&[("rest.basic.auth.jaas.file", path)]), AuthConfigError::Jaas { .. }));
        assert!(matches!(refused(&[("rest.basic.auth.htpasswd.file", path)]), AuthConfigError::Htpasswd { .. }));
        std::fs::write(&file, "").unwrap();
        assert!(matches!(refused(&[("rest.basic.auth.htpasswd.file", path)]), AuthConfigError::Properties { .. }));
    }
}
