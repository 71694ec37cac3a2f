//! What must not be shown: values of passwords and those that came from config providers, and texts without them.
//!
//! Whoever runs a part of a connector keeps its secrets here for as long as it runs, and a worker those of its own file, so
//! that whoever shows something of a connector (log, statuses, dead letters) can leave them out, wherever the text comes
//! from. Where nobody has secrets, texts are not looked at; where somebody has, each is looked through once for all of them.

mod forms;
mod search;

use std::{
    borrow::Cow,
    collections::{BTreeMap, BTreeSet},
    sync::{
        Arc, LazyLock, RwLock,
        atomic::{AtomicUsize, Ordering},
    },
};

use self::search::{Search, Steps};
use crate::{ConfigDef, ConfigMap, ConfigType, HIDDEN};

/// Most secrets of one part of a connector that are looked for, the longest of them: a configuration has few, and each costs
/// memory for as long as the part runs.
const MOST: usize = 256;

/// Ends of names of settings whose values are secret, where nothing declares them: beneath prefixes such as
/// `producer.override.` and `broker.`.
const SECRET_ENDS: [&str; 5] = [".password", ".passphrase", "sasl.jaas.config", "ssl.keystore.key", "client.secret"];

/// Beneath these stand settings of a connector's clients.
const CLIENTS: [&str; 3] = ["producer.override.", "consumer.override.", "admin.override."];

/// Texts that must not be shown. Cheap to clone.
#[derive(Clone, Default)]
pub struct Secrets(Arc<Forms>);

#[derive(Default)]
struct Forms {
    /// In order.
    all: Vec<Arc<str>>,
    search: Search,
}

impl std::fmt::Debug for Secrets {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Secrets({})", self.0.all.len())
    }
}

impl PartialEq for Secrets {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0) || self.0.all == other.0.all
    }
}

impl Eq for Secrets {}

impl Secrets {
    /// Secrets with these values, and of a login entry for JAAS the passwords in it: each as it is, as a log would quote it,
    /// in JSON, URLs and base64, and each line of one that has several but the frame of PEM. What has less than four bytes
    /// is left out: that it is hidden would say little, and hide too much.
    pub fn of<'a>(values: impl IntoIterator<Item = &'a str>) -> Self {
        let (mut texts, mut lines) = (BTreeSet::new(), BTreeSet::new());
        for value in values {
            texts.extend(forms::within_jaas(value).chain([value]).map(str::trim));
            let of_several = value.lines().map(str::trim).filter(|line| line.len() != value.trim().len());
            lines.extend(of_several.filter(|line| !line.starts_with("-----")));
        }
        let mut all: Vec<(&str, bool)> = texts.into_iter().map(|text| (text, true)).collect();
        all.extend(lines.into_iter().map(|line| (line, false)));
        all.sort_by_key(|(text, _)| std::cmp::Reverse(text.len()));
        all.truncate(MOST);
        let mut found = BTreeSet::new();
        for (text, is_whole) in all {
            if is_whole { forms::add(text, &mut found) } else { forms::add_quoted(text, &mut found) }
        }
        let all: Vec<Arc<str>> = found.into_iter().map(Arc::from).collect();
        let mut search = Search::default();
        all.iter().for_each(|form| search.add(form));
        Self(Arc::new(Forms { all, search }))
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.all.is_empty()
    }

    /// A text in which `[hidden]` stands in place of each secret.
    pub fn hide<'a>(&self, text: &'a str) -> Cow<'a, str> {
        self.0.search.hide(text, &mut Steps::default())
    }
}

/// [`Search::hide`] of a text that was cut off, which may have left the beginning of a secret at its end.
fn hide_with_end<'a>(search: &Search, text: &'a str) -> Cow<'a, str> {
    let shown = search.hide(text, &mut Steps::default());
    match search.begun_at_end(&shown, &mut Steps::default()) {
        Some(at) => Cow::Owned(format!("{}{HIDDEN}", &shown[..at])),
        None => shown,
    }
}

/// Values that a configuration gives to keys which `def` declares as passwords; the keys stand beneath `prefix`.
pub fn passwords<'a>(config: &'a ConfigMap, def: &ConfigDef, prefix: &str) -> impl Iterator<Item = &'a str> {
    let names = def.keys().iter().filter(|key| key.kind == ConfigType::Password);
    let names: Vec<String> = names.map(|key| format!("{prefix}{}", key.name)).collect();
    names.into_iter().filter_map(|name| config.get(&name)?.as_deref())
}

/// Values that a connector's configuration gives to settings of clients that are passwords.
pub fn client_passwords(config: &ConfigMap) -> impl Iterator<Item = &str> {
    let is_secret = |key: &str| CLIENTS.iter().any(|prefix| key.starts_with(prefix)) && has_secret_end(key);
    config.iter().filter(move |(key, _)| is_secret(key)).filter_map(|(_, value)| value.as_deref())
}

/// Values of a worker's properties that are secret: of declared passwords, and of settings of clients, listeners and the
/// built-in broker beneath whatever prefix.
pub fn worker_passwords<'a>(properties: &'a ConfigMap, def: &ConfigDef) -> impl Iterator<Item = &'a str> {
    let others = properties.iter().filter(|(key, _)| has_secret_end(key)).filter_map(|(_, value)| value.as_deref());
    passwords(properties, def, "").chain(others)
}

fn has_secret_end(key: &str) -> bool {
    SECRET_ENDS.iter().any(|end| key.ends_with(end))
}

/// What is kept, of whom.
#[derive(Default)]
struct Registry {
    /// Of each connector, a part each.
    connectors: BTreeMap<String, Vec<(usize, Secrets)>>,
    /// Of workers.
    workers: Vec<(usize, Secrets)>,
    /// All of them together.
    all: Search,
}

static KEPT: LazyLock<RwLock<Registry>> = LazyLock::new(RwLock::default);

/// How many have secrets: where there are none, nothing is locked.
static HOLDERS: AtomicUsize = AtomicUsize::new(0);

/// Tells the parts apart.
static NEXT: AtomicUsize = AtomicUsize::new(0);

/// Secrets are left out of what is shown until this is dropped.
#[derive(Debug)]
#[must_use = "secrets are hidden until this is dropped"]
pub struct Kept {
    /// `None` for a worker's.
    connector: Option<String>,
    number: Option<usize>,
}

/// Has the secrets of a part of a connector left out of what is shown.
pub fn keep(connector: &str, secrets: &Secrets) -> Kept {
    keep_of(Some(connector.to_owned()), secrets)
}

/// Has the secrets of a worker left out of what is shown of any connector.
pub fn keep_of_worker(secrets: &Secrets) -> Kept {
    keep_of(None, secrets)
}

fn keep_of(connector: Option<String>, secrets: &Secrets) -> Kept {
    if secrets.is_empty() {
        return Kept { connector, number: None };
    }
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    let mut kept = KEPT.write().unwrap_or_else(std::sync::PoisonError::into_inner);
    let Registry { connectors, workers, all } = &mut *kept;
    let parts = match &connector {
        Some(connector) => connectors.entry(connector.clone()).or_default(),
        None => workers,
    };
    // The tasks of a connector mostly have the same, which need not be there twice.
    let same = parts.iter().map(|(_, known)| known).find(|known| *known == secrets).unwrap_or(secrets).clone();
    same.0.all.iter().for_each(|form| all.add(form));
    parts.push((number, same));
    kept.count();
    Kept { connector, number: Some(number) }
}

impl Registry {
    fn count(&self) {
        HOLDERS.store(self.connectors.len() + self.workers.len(), Ordering::Release);
    }
}

impl Drop for Kept {
    fn drop(&mut self) {
        let Some(number) = self.number else { return };
        let mut kept = KEPT.write().unwrap_or_else(std::sync::PoisonError::into_inner);
        let Registry { connectors, workers, all } = &mut *kept;
        let parts = match &self.connector {
            Some(connector) => connectors.get_mut(connector),
            None => Some(workers),
        };
        let Some(parts) = parts else { return };
        if let Some(at) = parts.iter().position(|(part, _)| *part == number) {
            let (_, secrets) = parts.remove(at);
            secrets.0.all.iter().for_each(|form| all.remove(form));
        }
        if let Some(connector) = &self.connector
            && parts.is_empty()
        {
            connectors.remove(connector);
        }
        kept.count();
    }
}

/// A text about a connector without the secrets of its parts and of the worker; about nobody in particular, without
/// anybody's.
pub fn hide<'a>(connector: Option<&str>, text: &'a str) -> Cow<'a, str> {
    with_each(connector, text, |search, text| search.hide(text, &mut Steps::default()))
}

/// [`hide`] of a text that was cut off: the beginning of a secret at its end is hidden, too.
pub fn hide_cut<'a>(connector: Option<&str>, text: &'a str) -> Cow<'a, str> {
    with_each(connector, text, hide_with_end)
}

fn with_each<'a>(
    connector: Option<&str>,
    text: &'a str,
    hide: for<'b> fn(&Search, &'b str) -> Cow<'b, str>,
) -> Cow<'a, str> {
    if HOLDERS.load(Ordering::Acquire) == 0 {
        return Cow::Borrowed(text);
    }
    let kept = KEPT.read().unwrap_or_else(std::sync::PoisonError::into_inner);
    let Some(connector) = connector else { return hide(&kept.all, text) };
    let mut shown = Cow::Borrowed(text);
    let mut last: Option<&Secrets> = None;
    for (_, secrets) in kept.connectors.get(connector).into_iter().flatten().chain(&kept.workers) {
        if last.is_none_or(|last| last != secrets) {
            if let Cow::Owned(hidden) = hide(&secrets.0.search, &shown) {
                shown = Cow::Owned(hidden);
            }
            last = Some(secrets);
        }
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ConfigKey;

    #[test]
    fn a_secret_is_hidden_as_it_is_quoted_encoded_and_line_by_line() {
        let pem = "-----BEGIN KEY-----\nMIIB\nAAAA\n-----END KEY-----\n";
        let secrets = Secrets::of(["abcd", "abcdef", "abc", "a\"b\\c", pem, "w/x y?"]);
        for (text, expected) in [
            ("x abcdef abcd abc", "x [hidden] [hidden] abc"),
            (r#"{"k":"a\"b\\c"} a"b\c"#, r#"{"k":"[hidden]"} [hidden]"#),
            ("line: MIIB", "line: [hidden]"),
            ("key: -----BEGIN KEY-----\\nMIIB\\nAAAA\\n-----END KEY-----.", "key: [hidden]."),
            ("-----BEGIN KEY-----", "-----BEGIN KEY-----"),
            (r#"{"k":"w\/x y?"}"#, r#"{"k":"[hidden]"}"#),
            ("http://u:w%2Fx%20y%3F@h/?p=w%2fx+y%3f", "http://u:[hidden]@h/?p=[hidden]"),
            ("Basic dTp3L3ggeT8=", "Basic dTp[hidden]8="),
            ("dy94IHk/ dy94IHk_", "[hidden] [hidden]"),
            ("nothing", "nothing"),
        ] {
            assert_eq!(secrets.hide(text), expected);
        }
        let jaas = r#"org.apache.kafka.PlainLoginModule required username="u" password="hunter2";"#;
        assert_eq!(Secrets::of([jaas]).hide("login with hunter2"), "login with [hidden]");
    }

    #[test]
    fn of_too_many_secrets_the_longest_are_hidden_in_all_their_forms() {
        let many: Vec<String> = (0..MOST + 1).map(|n| format!("secret-{n:04}")).chain(["short/".to_owned()]).collect();
        let secrets = Secrets::of(many.iter().map(String::as_str));
        assert_eq!(secrets.hide("secret-0000 short/"), "[hidden] short/");
        let few = Secrets::of(many[..MOST - 1].iter().map(String::as_str).chain(["short/"]));
        assert_eq!(few.hide("secret-0000 short%2F"), "[hidden] [hidden]");
    }

    #[test]
    fn of_a_text_that_was_cut_off_the_beginning_of_a_secret_is_hidden() {
        let kept = keep("cut", &Secrets::of(["hunter2"]));
        for (text, expected) in [
            ("hunter2 and hunt", "[hidden] and [hidden]"),
            ("ends with hunter", "ends with [hidden]"),
            ("ends with hun", "ends with hun"),
            ("hunter, the end", "hunter, the end"),
        ] {
            assert_eq!(hide_cut(Some("cut"), text), expected);
        }
        drop(kept);
    }

    #[test]
    fn a_connectors_secrets_are_hidden_in_what_is_said_of_it_as_long_as_they_are_kept() {
        let task = keep("of c", &Secrets::of(["of-c-hunter"]));
        let connector = keep("of c", &Secrets::of(["of-c-hunter", "other-secret"]));
        let again = keep("of c", &Secrets::of(["of-c-hunter"]));
        let text = "of-c-hunter other-secret";
        assert_eq!(hide(Some("of c"), text), "[hidden] [hidden]");
        assert_eq!(hide(Some("of d"), text), text);
        assert_eq!(hide(None, text), "[hidden] [hidden]");
        drop(connector);
        assert_eq!(hide(Some("of c"), text), "[hidden] other-secret");
        assert_eq!(hide(None, text), "[hidden] other-secret");
        drop(task);
        assert_eq!(hide(Some("of c"), text), "[hidden] other-secret");
        drop(again);
        assert_eq!(hide(Some("of c"), text), text);
        assert_eq!(hide(None, text), text);
    }

    #[test]
    fn a_workers_secrets_are_hidden_in_what_is_said_of_any_connector() {
        let worker = keep_of_worker(&Secrets::of(["of-the-worker"]));
        let connector = keep("of e", &Secrets::of(["of-the-connector"]));
        let text = "of-the-worker of-the-connector";
        assert_eq!(hide(Some("of e"), text), "[hidden] [hidden]");
        assert_eq!(hide(Some("of f"), text), "[hidden] of-the-connector");
        assert_eq!(hide(None, text), "[hidden] [hidden]");
        assert_eq!(hide_cut(Some("of f"), "of-the-work"), "[hidden]");
        drop(worker);
        assert_eq!(hide(Some("of e"), text), "of-the-worker [hidden]");
        drop(connector);
    }

    #[test]
    fn passwords_are_what_is_declared_so_and_what_clients_take_for_one() {
        let def = ConfigDef::of([
            ConfigKey::new("db.password", ConfigType::Password),
            ConfigKey::new("user", ConfigType::String),
        ]);
        let config = [
            ("db.password", "one"),
            ("user", "two"),
            ("t.db.password", "three"),
            ("producer.override.ssl.key.password", "four"),
            ("producer.override.client.id", "five"),
        ];
        let config: ConfigMap =
            config.iter().map(|(key, value)| ((*key).to_owned(), Some((*value).to_owned()))).collect();
        assert_eq!(passwords(&config, &def, "").collect::<Vec<_>>(), ["one"]);
        assert_eq!(passwords(&config, &def, "t.").collect::<Vec<_>>(), ["three"]);
        assert_eq!(client_passwords(&config).collect::<Vec<_>>(), ["four"]);
        let found: BTreeSet<&str> = worker_passwords(&config, &def).collect();
        assert_eq!(found, BTreeSet::from(["one", "three", "four"]));
    }
}
