//! What must not be shown: values of passwords and those that came from config providers, and texts without them.
//!
//! Whoever runs a part of a connector keeps its secrets here for as long as it runs, so that whoever shows something of
//! that connector (log, statuses, dead letters) can leave them out, wherever the text comes from. Where nobody has
//! secrets, texts are not looked at.

use std::{
    borrow::Cow,
    collections::{BTreeMap, BTreeSet},
    sync::{
        Arc, RwLock,
        atomic::{AtomicUsize, Ordering},
    },
};

use crate::{ConfigDef, ConfigMap, ConfigType, HIDDEN};

/// A secret shorter than this is not looked for in texts: what is hidden would say little, and hide too much.
const SHORTEST: usize = 4;

/// Most secrets of one part of a connector that are looked for, the longest of them: a configuration has few, and each
/// costs a look through every line.
const MOST: usize = 256;

/// Ends of names of client settings whose values are secret. They stand beneath prefixes such as `producer.override.`,
/// where nothing declares them.
const OF_CLIENTS: [&str; 5] = [".password", ".passphrase", "sasl.jaas.config", "ssl.keystore.key", "client.secret"];

/// Beneath these stand settings of clients.
const CLIENTS: [&str; 3] = ["producer.override.", "consumer.override.", "admin.override."];

/// Texts that must not be shown. Cheap to clone.
#[derive(Clone, Default, Eq, PartialEq)]
pub struct Secrets(Arc<[String]>);

impl std::fmt::Debug for Secrets {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Secrets({})", self.0.len())
    }
}

impl Secrets {
    /// Secrets with these values, each also as a log would quote it, and each line of one that has several. Values of less
    /// than four bytes are left out.
    pub fn of<'a>(values: impl IntoIterator<Item = &'a str>) -> Self {
        let mut forms = BTreeSet::new();
        for value in values {
            let lines = value.lines().filter(|line| line.trim().len() != value.trim().len());
            for text in std::iter::once(value).chain(lines).chain(quoted_within(value)) {
                let text = text.trim();
                if SHORTEST <= text.len() {
                    let debug = format!("{text:?}");
                    forms.insert(debug[1..debug.len() - 1].to_owned());
                    let json = serde_json::Value::from(text).to_string();
                    forms.insert(json[1..json.len() - 1].to_owned());
                    forms.insert(text.to_owned());
                }
            }
        }
        let mut forms: Vec<String> = forms.into_iter().collect();
        // Of two secrets one may be part of the other.
        forms.sort_by_key(|form| std::cmp::Reverse(form.len()));
        forms.truncate(MOST);
        Self(forms.into())
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// A text in which `[hidden]` stands in place of each secret.
    pub fn hide<'a>(&self, text: &'a str) -> Cow<'a, str> {
        let mut shown = Cow::Borrowed(text);
        for secret in self.0.iter() {
            if shown.contains(secret.as_str()) {
                shown = Cow::Owned(shown.replace(secret.as_str(), HIDDEN));
            }
        }
        shown
    }

    /// [`Secrets::hide`] of a text that was cut off, which may have left the beginning of a secret at its end.
    fn hide_cut<'a>(&self, text: &'a str) -> Cow<'a, str> {
        let shown = self.hide(text);
        let begin = |secret: &String| {
            let longest = secret.len().min(shown.len() + 1).saturating_sub(1);
            let ends = (SHORTEST..=longest).rev().filter(|&len| secret.is_char_boundary(len));
            ends.filter(|&len| shown.ends_with(&secret[..len])).max()
        };
        match self.0.iter().filter_map(begin).max() {
            Some(len) => Cow::Owned(format!("{}{HIDDEN}", &shown[..shown.len() - len])),
            None => shown,
        }
    }
}

/// Passwords within the value of `sasl.jaas.config`: `password="…"`.
fn quoted_within(value: &str) -> impl Iterator<Item = &str> {
    let after = value.split(['p', 'P']).filter_map(|rest| rest.strip_prefix("assword")).map(str::trim_start);
    after.filter_map(|rest| rest.strip_prefix('=')?.trim_start().strip_prefix('"')?.split('"').next())
}

/// Values that a configuration gives to keys which `def` declares as passwords; the keys stand beneath `prefix`.
pub fn passwords<'a>(config: &'a ConfigMap, def: &ConfigDef, prefix: &str) -> impl Iterator<Item = &'a str> {
    let names = def.keys().iter().filter(|key| key.kind == ConfigType::Password);
    let names: Vec<String> = names.map(|key| format!("{prefix}{}", key.name)).collect();
    names.into_iter().filter_map(|name| config.get(&name)?.as_deref())
}

/// Values that a connector's configuration gives to settings of clients that are passwords.
pub fn client_passwords(config: &ConfigMap) -> impl Iterator<Item = &str> {
    let is_secret = |key: &str| {
        CLIENTS.iter().any(|prefix| key.starts_with(prefix)) && OF_CLIENTS.iter().any(|end| key.ends_with(end))
    };
    config.iter().filter(move |(key, _)| is_secret(key)).filter_map(|(_, value)| value.as_deref())
}

/// Secrets by connector, a part each.
static KEPT: RwLock<BTreeMap<String, Vec<(usize, Secrets)>>> = RwLock::new(BTreeMap::new());

/// How many connectors have secrets: where there are none, nothing is locked.
static CONNECTORS: AtomicUsize = AtomicUsize::new(0);

/// Tells the parts apart.
static NEXT: AtomicUsize = AtomicUsize::new(0);

/// Secrets are left out of what is shown until this is dropped.
#[derive(Debug)]
#[must_use = "secrets are hidden until this is dropped"]
pub struct Kept {
    connector: String,
    number: Option<usize>,
}

/// Has the secrets of a part of a connector left out of what is shown.
pub fn keep(connector: &str, secrets: &Secrets) -> Kept {
    let connector = connector.to_owned();
    if secrets.is_empty() {
        return Kept { connector, number: None };
    }
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    let mut kept = KEPT.write().unwrap_or_else(std::sync::PoisonError::into_inner);
    kept.entry(connector.clone()).or_default().push((number, secrets.clone()));
    CONNECTORS.store(kept.len(), Ordering::Release);
    Kept { connector, number: Some(number) }
}

impl Drop for Kept {
    fn drop(&mut self) {
        let Some(number) = self.number else { return };
        let mut kept = KEPT.write().unwrap_or_else(std::sync::PoisonError::into_inner);
        if let Some(parts) = kept.get_mut(&self.connector) {
            parts.retain(|(part, _)| *part != number);
            if parts.is_empty() {
                kept.remove(&self.connector);
            }
        }
        CONNECTORS.store(kept.len(), Ordering::Release);
    }
}

/// A text about a connector without the secrets of its parts; about nobody in particular, without anybody's.
pub fn hide<'a>(connector: Option<&str>, text: &'a str) -> Cow<'a, str> {
    with_each(connector, text, Secrets::hide)
}

/// [`hide`] of a text that was cut off: the beginning of a secret at its end is hidden, too.
pub fn hide_cut<'a>(connector: Option<&str>, text: &'a str) -> Cow<'a, str> {
    with_each(connector, text, Secrets::hide_cut)
}

fn with_each<'a>(
    connector: Option<&str>,
    text: &'a str,
    hide: for<'b> fn(&Secrets, &'b str) -> Cow<'b, str>,
) -> Cow<'a, str> {
    if CONNECTORS.load(Ordering::Acquire) == 0 {
        return Cow::Borrowed(text);
    }
    let kept = KEPT.read().unwrap_or_else(std::sync::PoisonError::into_inner);
    let parts: Vec<&Secrets> = match connector {
        Some(connector) => kept.get(connector).into_iter().flatten().map(|(_, secrets)| secrets).collect(),
        None => kept.values().flatten().map(|(_, secrets)| secrets).collect(),
    };
    // The tasks of a connector mostly have the same.
    let mut shown = Cow::Borrowed(text);
    let mut last: Option<&Secrets> = None;
    for secrets in parts {
        if last.is_none_or(|last| last != secrets) {
            if let Cow::Owned(hidden) = hide(secrets, &shown) {
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
    fn a_secret_is_hidden_as_it_is_quoted_and_line_by_line() {
        let secrets = Secrets::of(["abcd", "abcdef", "abc", "a\"b\\c", "-----BEGIN-----\nMIIB\n"]);
        for (text, expected) in [
            ("x abcdef abcd abc", "x [hidden] [hidden] abc"),
            (r#"{"k":"a\"b\\c"} a"b\c"#, r#"{"k":"[hidden]"} [hidden]"#),
            ("line: MIIB", "line: [hidden]"),
            ("nothing", "nothing"),
        ] {
            assert_eq!(secrets.hide(text), expected);
        }
        let jaas = r#"org.apache.kafka.PlainLoginModule required username="u" password="hunter2";"#;
        assert_eq!(Secrets::of([jaas]).hide("login with hunter2"), "login with [hidden]");
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
        let task = keep("of c", &Secrets::of(["hunter2"]));
        let connector = keep("of c", &Secrets::of(["hunter2", "other-secret"]));
        let text = "hunter2 other-secret";
        assert_eq!(hide(Some("of c"), text), "[hidden] [hidden]");
        assert_eq!(hide(Some("of d"), text), text);
        assert_eq!(hide(None, text), "[hidden] [hidden]");
        drop(connector);
        assert_eq!(hide(Some("of c"), text), "[hidden] other-secret");
        drop(task);
        assert_eq!(hide(Some("of c"), text), text);
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
    }
}
