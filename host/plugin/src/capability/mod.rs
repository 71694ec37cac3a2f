//! What the host offers to guests. Everything is denied that a configuration does not grant.
//!
//! One folder per capability, each with the same four steps:
//!
//! * `declare`: what a key's definition may say in `opens`, read once when a plugin is found;
//! * `check`: whether this worker may grant it to a value, asked when a configuration is validated; the answer names the
//!   key and what to do;
//! * `link`: which imports of a guest it answers;
//! * `state`: what one instance holds of it, and its limits.
//!
//! A new one is a folder, its row in [`ALL`] and its part of [`CapabilityStates`]. No capability knows a connector, the
//! contract's generated types, or another capability: between those types and a capability's functions stands
//! `contract/VERSION/host`.

mod columns;
mod files;
mod http;
pub(crate) mod lease;
mod log;
mod metrics;
mod report;
mod sockets;
mod sql;
mod wait;
mod worker;

use std::borrow::Cow;
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use millstream_columns::Session;
use millstream_config::{ConfigDef, ConfigMap, HIDDEN, Opens, config_text};
use millstream_metrics::PluginInstance;

pub use files::OpenFile;
pub(crate) use files::{FileError, Growth};
pub use http::{AllowedPlaces, HttpAllowed, OriginPattern};
pub(crate) use http::{HttpAccess, Place};
pub(crate) use log::{GuestLog, InstanceName, Level, StandardStream};
pub(crate) use metrics::CustomMetrics;
pub(crate) use report::ReportAccess;
pub(crate) use sockets::SocketAccess;
pub use sockets::{SocketPattern, SocketsAllowed};
pub(crate) use sql::SqlLimits;
pub use sql::{AllowedSql, OpenDatabase, OpenRows, OpenStatement};
pub(crate) use sql::{Parameter, SqlError};
pub(crate) use wait::{Rest, wait};
pub(crate) use worker::{Worker, WorkerAccess};

/// One capability.
pub(crate) struct Capability {
    /// Reads the definition of a key; none for what every instance has, which no key opens.
    declare: Option<Declare>,
    /// What a plugin that has no key for it says in `wants`; none for what is had otherwise.
    want: Option<Want>,
    /// Interfaces of the contract that it answers, in every version of the contract that has them.
    pub(crate) link: &'static [&'static str],
}

/// How the definition of a key opens something.
struct Declare {
    /// The member of `opens` that means this capability.
    word: &'static str,
    read: fn(&Opens, &ConfigDef) -> Option<Box<dyn Opening>>,
}

/// What plugins get that say that they want it.
struct Want {
    /// The text in `wants` that means this capability.
    word: &'static str,
    /// Whether this worker grants it; if not, why and what to do about it: the end of a sentence about the plugin.
    check: fn(&Allowed) -> Result<(), String>,
    grant: fn(&mut CapabilityStates),
}

/// Every capability there is.
pub(crate) const ALL: [&Capability; 11] = [
    &log::CAPABILITY,
    &metrics::CAPABILITY,
    &columns::CAPABILITY,
    &wait::CAPABILITY,
    &files::CAPABILITY,
    &http::CAPABILITY,
    &sockets::CAPABILITY,
    &sql::CAPABILITY,
    &lease::CAPABILITY,
    &report::CAPABILITY,
    &worker::CAPABILITY,
];

/// What one key of a plugin opens, whatever its value will be.
pub(crate) trait Opening: Send + Sync {
    /// Whether this worker may grant it to a value.
    ///
    /// # Errors
    ///
    /// Why not, and what to do about it: the end of a sentence about the key's value. Blocks: it may look at the disk.
    fn check(&self, value: &str, config: &ConfigMap, allowed: &Allowed) -> Result<(), String>;

    /// Lets an instance open what the value says; none if the key has no value.
    fn grant(&self, key: &str, value: Option<&str>, config: &ConfigMap, states: &mut CapabilityStates);

    /// Whether the value of another key is a secret that ends in the host: the guest is told [`HIDDEN`] instead.
    fn hides(&self, _key: &str) -> bool {
        false
    }

    /// What the guest and messages are told of the key's own value, which may have a secret in it.
    fn shown<'v>(&self, value: &'v str) -> Cow<'v, str> {
        Cow::Borrowed(value)
    }
}

/// The key that names a connector's plugin.
const CLASS: &str = "connector.class";

/// What the worker allows its plugins: its `plugin.allow.…` keys.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Allowed {
    /// `plugin.allow.files`: folders below which files may be opened that a configuration names; none
    /// allows every file that the worker itself may open, so that Connect's configurations run unchanged.
    pub files: Option<Arc<[PathBuf]>>,
    /// `plugin.allow.lease`: whether plugins get leases that want them.
    pub lease: bool,
    /// `plugin.allow.http…` and `plugin.http.…`: where requests may go, and what they may take.
    pub http: HttpAllowed,
    /// `plugin.allow.sockets`: where connections may go that plugins open themselves.
    pub sockets: SocketsAllowed,
    /// `plugin.allow.sql`, and which parameters databases may be given.
    pub sql: AllowedSql,
}

impl Default for Allowed {
    fn default() -> Self {
        Self {
            files: None,
            lease: true,
            http: HttpAllowed::default(),
            sockets: SocketsAllowed::default(),
            sql: AllowedSql::default(),
        }
    }
}

/// What one instance holds of each capability.
pub(crate) struct CapabilityStates {
    pub(crate) log: Arc<GuestLog>,
    pub(crate) metrics: CustomMetrics,
    pub(crate) columns: Session,
    pub(crate) files: files::Files,
    pub(crate) lease: lease::LeaseAccess,
    pub(crate) report: ReportAccess,
    pub(crate) http: HttpAccess,
    pub(crate) sockets: SocketAccess,
    pub(crate) sql: sql::SqlAccess,
    pub(crate) rest: Rest,
    pub(crate) worker: WorkerAccess,
}

impl CapabilityStates {
    /// Of an instance that knows no configuration yet, and so may open nothing.
    #[expect(clippy::too_many_arguments, reason = "each capability has a part of its own")]
    pub(crate) fn new(
        name: InstanceName,
        worker: Worker,
        log_rate: u32,
        allowed: &Allowed,
        sql: SqlLimits,
        growth: &Arc<Growth>,
        columns: Session,
        metrics: Arc<PluginInstance>,
    ) -> Self {
        Self {
            http: HttpAccess::new(allowed.http.clone(), worker.clone(), Arc::clone(&metrics)),
            sockets: SocketAccess::new(allowed),
            sql: sql::SqlAccess::new(allowed, sql, Arc::clone(&metrics)),
            log: Arc::new(GuestLog::new(name, log_rate, metrics)),
            // Until somebody says whose they are.
            metrics: CustomMetrics::default(),
            columns,
            files: files::Files::new(allowed.files.clone(), Arc::clone(growth)),
            lease: lease::LeaseAccess::default(),
            report: ReportAccess::default(),
            rest: Rest::default(),
            worker: WorkerAccess::new(worker),
        }
    }

    /// Takes back what keys opened. What is open stays open.
    fn revoke_all(&mut self) {
        self.files.revoke_all();
        self.lease.revoke();
        self.report.revoke_all();
        self.http.revoke_all();
        self.sockets.revoke_all();
        self.sql.revoke_all();
    }
}

/// What the keys of one plugin open, and what else it wants.
#[derive(Default)]
pub(crate) struct Openings {
    keys: Vec<(String, Box<dyn Opening>)>,
    wants: Vec<&'static Want>,
}

impl fmt::Debug for Openings {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let keys: Vec<&str> = self.keys.iter().map(|(key, _)| key.as_str()).collect();
        formatter.debug_tuple("Openings").field(&keys).finish()
    }
}

/// A key says that it opens something that no capability of this host does.
#[derive(Debug, thiserror::Error)]
#[error("the key {key} says that it opens {opens}, which this host does not know how to do")]
pub struct UnknownOpening {
    key: String,
    opens: String,
}

impl Openings {
    /// Reads what a plugin's keys declare.
    pub(crate) fn declared(keys: &ConfigDef) -> Result<Self, UnknownOpening> {
        Self::declared_to(&ALL, keys)
    }

    fn declared_to(capabilities: &[&Capability], keys: &ConfigDef) -> Result<Self, UnknownOpening> {
        let opening = |opens: &Opens| {
            let declares = capabilities.iter().filter_map(|capability| capability.declare.as_ref());
            let declare = declares.into_iter().find(|declare| opens.members().contains_key(declare.word))?;
            (declare.read)(opens, keys)
        };
        let declared = keys.keys().iter().filter_map(|key| {
            let opens = key.opens.as_ref()?;
            Some(match opening(opens) {
                Some(opening) => Ok((key.name.clone(), opening)),
                None => {
                    let opens = serde_json::Value::Object(opens.members().clone()).to_string();
                    Err(UnknownOpening { key: key.name.clone(), opens })
                }
            })
        });
        Ok(Self { keys: declared.collect::<Result<_, _>>()?, wants: Vec::new() })
    }

    /// Adds what the plugin says that it wants.
    ///
    /// # Errors
    ///
    /// The word that no capability of this host has.
    pub(crate) fn wanting(mut self, words: &[String]) -> Result<Self, String> {
        for word in words {
            let wants = ALL.iter().filter_map(|capability| capability.want.as_ref());
            let want = wants.into_iter().find(|want| want.word == word).ok_or_else(|| word.clone())?;
            self.wants.push(want);
        }
        Ok(self)
    }

    /// Keys whose values this worker does not grant, each with the reason. Blocks: it may look at the disk.
    pub(crate) fn refused(&self, config: &ConfigMap, allowed: &Allowed) -> Vec<(String, Vec<String>)> {
        let refused = self.keys.iter().filter_map(|(key, opening)| {
            let value = value_of(config, key)?;
            let reason = opening.check(value, config, allowed).err()?;
            let value = opening.shown(value);
            Some((key.clone(), vec![format!("Invalid value {value} for configuration {key}: {reason}")]))
        });
        let class = config.get(CLASS).and_then(Option::as_deref).unwrap_or_default();
        let unwanted = self.wants.iter().filter_map(|want| {
            let reason = (want.check)(allowed).err()?;
            Some((CLASS.to_owned(), vec![format!("Invalid value {class} for configuration {CLASS}: {reason}")]))
        });
        refused.chain(unwanted).collect()
    }

    /// Lets an instance open what its configuration names, and nothing that an earlier one named.
    pub(crate) fn grant(&self, config: &ConfigMap, states: &mut CapabilityStates) {
        states.revoke_all();
        for (key, opening) in &self.keys {
            opening.grant(key, value_of(config, key), config, states);
        }
        for want in &self.wants {
            (want.grant)(states);
        }
    }

    /// The configuration as the guest gets it: what stays with the host reads [`HIDDEN`].
    pub(crate) fn masked<'c>(&self, config: &'c ConfigMap) -> Cow<'c, ConfigMap> {
        let mut masked = Cow::Borrowed(config);
        for (key, _) in config.iter().filter(|(key, value)| self.hides(key) && value.is_some()) {
            if value_of(config, key).is_some() {
                masked.to_mut().insert(key.clone(), Some(HIDDEN.to_owned()));
            }
        }
        for (key, opening) in &self.keys {
            if let Some(Some(value)) = config.get(key)
                && let Cow::Owned(shown) = opening.shown(value)
            {
                masked.to_mut().insert(key.clone(), Some(shown));
            }
        }
        masked
    }

    /// Puts back into a task's configuration, which the guest has made of what it got, what stays with the host. A key
    /// that never was hidden keeps what the guest wrote.
    pub(crate) fn restored(&self, mut task: ConfigMap, config: &ConfigMap) -> ConfigMap {
        for (key, value) in task.iter_mut() {
            if value.as_deref() == Some(HIDDEN)
                && self.hides(key)
                && let Some(original) = config.get(key)
            {
                value.clone_from(original);
            }
        }
        for (key, opening) in &self.keys {
            if let (Some(Some(value)), Some(Some(original))) = (task.get_mut(key), config.get(key))
                && *opening.shown(original) == **value
            {
                value.clone_from(original);
            }
        }
        task
    }

    fn hides(&self, key: &str) -> bool {
        self.keys.iter().any(|(_, opening)| opening.hides(key))
    }
}

/// Whether a file lies below one of the folders in which a worker lets plugins open files. Blocks.
fn files_below(path: &std::path::Path, folders: &[PathBuf]) -> bool {
    files::is_below(path, folders)
}

/// A key's value as its definition reads it, which is the text that the plugin sees; none if it is empty.
pub(crate) fn value_of<'c>(config: &'c ConfigMap, key: &str) -> Option<&'c str> {
    config.get(key).and_then(Option::as_deref).map(config_text::text).filter(|value| !value.is_empty())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// A door that opens where its number is even.
    struct Door {
        wide: bool,
    }

    impl Opening for Door {
        fn check(&self, value: &str, _config: &ConfigMap, _allowed: &Allowed) -> Result<(), String> {
            match value.parse::<u32>() {
                Ok(number) if number.is_multiple_of(2) || self.wide => Ok(()),
                _ => Err("only even doors are open here (plugin.allow.doors)".to_owned()),
            }
        }

        fn grant(&self, key: &str, value: Option<&str>, _config: &ConfigMap, states: &mut CapabilityStates) {
            states.log.log(Level::Error, &format!("{key} opens {value:?}"));
        }

        fn hides(&self, key: &str) -> bool {
            key == "door.code"
        }
    }

    const DOORS: Capability = Capability {
        declare: Some(Declare {
            word: "door",
            read: |opens, _keys| match opens.members()["door"].as_str()? {
                how @ ("ajar" | "wide") => Some(Box::new(Door { wide: how == "wide" })),
                _ => None,
            },
        }),
        want: None,
        link: &["host-doors"],
    };

    fn keys(door: serde_json::Value) -> ConfigDef {
        ConfigDef::from_json(&json!([{"name": "entry", "type": "STRING", "opens": door}, {"name": "n", "type": "INT"}]))
            .unwrap()
    }

    #[test]
    fn a_capability_is_a_row_that_reads_definitions_checks_values_and_grants_them() {
        let openings = Openings::declared_to(&[&wait::CAPABILITY, &DOORS], &keys(json!({"door": "ajar"}))).unwrap();
        let config = |value: &str| ConfigMap::from([("entry".into(), Some(value.to_owned())), ("n".into(), None)]);
        let allowed = Allowed::default();
        assert!(openings.refused(&config("12"), &allowed).is_empty());
        assert!(openings.refused(&config("  "), &allowed).is_empty(), "no value, nothing to open");
        let text = "Invalid value 7 for configuration entry: only even doors are open here (plugin.allow.doors)";
        assert_eq!(openings.refused(&config(" 7\t"), &allowed), [("entry".to_owned(), vec![text.to_owned()])]);
        let mut states = CapabilityStates::new(
            InstanceName::default(),
            Worker::Nobody,
            100,
            &allowed,
            SqlLimits::default(),
            &Arc::default(),
            Session::default(),
            Arc::default(),
        );
        openings.grant(&config(" 12 "), &mut states);
        assert_eq!(states.log.last_words().as_deref(), Some("entry opens Some(\"12\")"));
    }

    #[test]
    fn a_secret_stays_with_the_host_and_comes_back_into_what_a_guest_makes_of_it() {
        let openings = Openings::declared_to(&[&DOORS], &keys(json!({"door": "ajar"}))).unwrap();
        let map = |pairs: &[(&str, &str)]| -> ConfigMap {
            pairs.iter().map(|(key, value)| ((*key).to_owned(), Some((*value).to_owned()))).collect()
        };
        let config = map(&[("entry", "12"), ("door.code", "4711"), ("other", "[hidden]")]);
        let masked = openings.masked(&config);
        assert_eq!(*masked, map(&[("entry", "12"), ("door.code", "[hidden]"), ("other", "[hidden]")]));
        let task = map(&[("door.code", "[hidden]"), ("other", "[hidden]"), ("stolen", "[hidden]")]);
        let restored = openings.restored(task, &config);
        assert_eq!(restored, map(&[("door.code", "4711"), ("other", "[hidden]"), ("stolen", "[hidden]")]));
        let own = map(&[("door.code", "0815")]);
        assert_eq!(openings.restored(own.clone(), &config), own);
        let open = map(&[("entry", "12"), ("door.code", "  ")]);
        assert!(matches!(openings.masked(&open), Cow::Borrowed(_)), "nothing to hide");
    }

    #[test]
    fn what_a_plugin_wants_is_granted_if_the_worker_allows_it_and_unknown_if_no_capability_is_called_so() {
        let openings = || Openings::declared(&ConfigDef::new()).unwrap();
        assert_eq!(openings().wanting(&["lease".to_owned(), "moon".to_owned()]).err().as_deref(), Some("moon"));
        let wanting = openings().wanting(&["lease".to_owned()]).unwrap();
        let config = ConfigMap::from([("connector.class".to_owned(), Some("Odd".to_owned()))]);
        assert!(wanting.refused(&config, &Allowed::default()).is_empty());
        let text = "Invalid value Odd for configuration connector.class: the plugin wants a lease, which this worker \
                    grants to none (plugin.allow.lease=false)";
        let denied = Allowed { lease: false, ..Allowed::default() };
        assert_eq!(wanting.refused(&config, &denied), [("connector.class".to_owned(), vec![text.to_owned()])]);
        assert!(openings().refused(&config, &denied).is_empty());
    }

    #[test]
    fn a_definition_that_no_capability_understands_is_refused_with_its_key() {
        for opens in [json!({"window": "wide"}), json!({"door": "shut"}), json!({"door": 7})] {
            let refused = Openings::declared_to(&[&files::CAPABILITY, &DOORS], &keys(opens.clone()));
            let expected = format!("the key entry says that it opens {opens}, which this host does not know how to do");
            assert_eq!(refused.err().map(|error| error.to_string()), Some(expected));
        }
    }
}
