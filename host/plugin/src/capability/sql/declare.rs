//! `"opens": {"sql": {"user": "connection.user", "password": "connection.password", "properties": "connection."}}`.

use std::borrow::Cow;
use std::collections::BTreeSet;

use millstream_config::{ConfigDef, ConfigMap, ConfigType, Opens};
use serde_json::Value;

use super::url::{Target, is_secret, masked};
use super::{check, state::Grant};
use crate::capability::{Allowed, CapabilityStates, Opening, value_of};

/// The member of `opens` that means a database.
pub(super) const WORD: &str = "sql";

/// A key whose value is a JDBC URL, and the keys that belong to it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct NamesDatabase {
    user: Option<String>,
    password: Option<String>,
    /// What keys begin with whose rest is the name of a driver's property.
    properties: Option<String>,
    /// Keys below it that mean something to the plugin itself.
    defined: BTreeSet<String>,
    /// Those of them whose values are passwords.
    passwords: BTreeSet<String>,
}

pub(super) fn read(opens: &Opens, keys: &ConfigDef) -> Option<Box<dyn Opening>> {
    Some(Box::new(names_database(opens, keys)?))
}

fn names_database(opens: &Opens, keys: &ConfigDef) -> Option<NamesDatabase> {
    let members = opens.members().get(WORD)?.as_object()?;
    let text = |name: &str| match members.get(name) {
        None | Some(Value::Null) => Some(None),
        Some(value) => Some(Some(value.as_str()?.to_owned())),
    };
    let (user, password, properties) = (text("user")?, text("password")?, text("properties")?);
    let below = |name: &str| properties.as_deref().is_some_and(|prefix| name.starts_with(prefix));
    let defined = keys.keys().iter().filter(|key| below(&key.name));
    let passwords = defined.clone().filter(|key| key.kind == ConfigType::Password);
    let names = |keys: Vec<&str>| keys.into_iter().map(str::to_owned).collect();
    Some(NamesDatabase {
        defined: names(defined.map(|key| key.name.as_str()).collect()),
        passwords: names(passwords.map(|key| key.name.as_str()).collect()),
        user,
        password,
        properties,
    })
}

impl NamesDatabase {
    /// The driver's properties that have keys of their own.
    fn properties<'c>(&'c self, config: &'c ConfigMap) -> impl Iterator<Item = (&'c str, &'c str)> {
        let prefix = self.properties.as_deref();
        config.iter().filter_map(move |(key, value)| {
            let name = key.strip_prefix(prefix?).filter(|name| !name.is_empty())?;
            if self.defined.contains(key) { None } else { Some((name, value.as_deref()?)) }
        })
    }

    fn grant_of(&self, url: &str, config: &ConfigMap) -> Grant {
        let value = |key: &Option<String>| Some(value_of(config, key.as_deref()?)?.to_owned());
        let properties = self.properties(config).map(|(name, value)| (name.to_owned(), value.to_owned()));
        Grant {
            url: url.to_owned(),
            properties: properties.collect(),
            user: value(&self.user),
            // A password may begin or end with blanks.
            password: self.password.as_ref().and_then(|key| config.get(key)?.clone()),
        }
    }
}

impl Opening for NamesDatabase {
    fn check(&self, value: &str, config: &ConfigMap, allowed: &Allowed) -> Result<(), String> {
        let mut target = Target::parse(value).map_err(|error| error.to_string())?;
        check::check_parameters(&target, self.properties(config), &allowed.sql)?;
        target.parameters.extend(self.properties(config).map(|(name, value)| (name.to_owned(), value.to_owned())));
        check::check(&target, allowed)
    }

    fn grant(&self, key: &str, value: Option<&str>, config: &ConfigMap, states: &mut CapabilityStates) {
        let grant = value.map(|url| self.grant_of(url, config));
        states.sql.grant(key, grant);
    }

    fn hides(&self, key: &str) -> bool {
        if self.password.as_deref() == Some(key) || self.passwords.contains(key) {
            return true;
        }
        let name = self.properties.as_deref().and_then(|prefix| key.strip_prefix(prefix));
        !self.defined.contains(key) && name.is_some_and(is_secret)
    }

    fn shown<'v>(&self, value: &'v str) -> Cow<'v, str> {
        let shown = masked(value);
        if shown == value { Cow::Borrowed(value) } else { Cow::Owned(shown) }
    }
}

#[cfg(test)]
mod tests {
    use millstream_config::ConfigDef;
    use serde_json::json;

    use super::*;

    fn keys() -> ConfigDef {
        ConfigDef::from_json(&json!([
            {"name": "connection.url", "type": "STRING"},
            {"name": "connection.user", "type": "STRING"},
            {"name": "connection.password", "type": "PASSWORD"},
            {"name": "connection.attempts", "type": "INT"},
        ]))
        .unwrap()
    }

    fn declared() -> NamesDatabase {
        let opens =
            json!({"sql": {"user": "connection.user", "password": "connection.password", "properties": "connection."}});
        names_database(&Opens::from_json(&opens).unwrap(), &keys()).unwrap()
    }

    fn config(pairs: &[(&str, &str)]) -> ConfigMap {
        pairs.iter().map(|(key, value)| ((*key).to_owned(), Some((*value).to_owned()))).collect()
    }

    #[test]
    fn keys_that_the_plugin_does_not_define_are_the_drivers() {
        let config = config(&[
            ("connection.url", "jdbc:postgresql://db/x"),
            ("connection.user", " me "),
            ("connection.password", " secret "),
            ("connection.attempts", "3"),
            ("connection.ssl", "true"),
            ("connection.sslpassword", "hush"),
        ]);
        let grant = declared().grant_of("jdbc:postgresql://db/x", &config);
        let properties = [("ssl", "true"), ("sslpassword", "hush")];
        assert_eq!(grant.properties, properties.map(|(name, value)| (name.to_owned(), value.to_owned())));
        assert_eq!((grant.user.as_deref(), grant.password.as_deref()), (Some("me"), Some(" secret ")));
        let hidden: Vec<&str> = config.keys().map(String::as_str).filter(|key| declared().hides(key)).collect();
        assert_eq!(hidden, ["connection.password", "connection.sslpassword"]);
    }

    #[test]
    fn a_url_is_shown_without_its_secrets_and_one_without_any_as_it_is() {
        assert!(matches!(declared().shown("jdbc:sqlite:a"), Cow::Borrowed("jdbc:sqlite:a")));
        assert_eq!(declared().shown("jdbc:sqlite:a?password=x"), "jdbc:sqlite:a?password=[hidden]");
    }

    #[test]
    fn a_definition_that_is_none_is_not_understood() {
        for odd in [json!({"sql": "yes"}), json!({"sql": {"user": 7}})] {
            assert_eq!(names_database(&Opens::from_json(&odd).unwrap(), &keys()), None);
        }
    }
}
