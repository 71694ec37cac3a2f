//! Settings of the broker: what is told of them, and which may be changed while it runs, with effect at once and kept over
//! restarts.
//!
//! Kafka's keys that mean nothing here are told too, as tools look for them, and may be changed where Kafka's may; that
//! has no effect.

use millstream_config::ConfigType;
use millstream_wire::protocol::{
    messages::{
        describe_configs_response::DescribeConfigsResourceResult, incremental_alter_configs_request::AlterableConfig,
    },
    protocol::StrBytes,
};
use tracing::{info, warn};

use super::{
    APPEND, BROKER, Call, DELETE, Described, Refused, SET, SUBTRACT, changed_list, entry, invalid_request, synonym,
    text,
};
use crate::{
    config::{
        dynamic_keys::is_dynamic,
        kafkas_keys::{self, KafkasKey},
        keys::{self, BROKER_KEYS, Key},
        layers::{Layers, Pairs, Source},
        topic::{Overrides, check_together},
    },
    dynamic::{Altered, MOST},
    error_code::ErrorCode,
    places::parse_overrides,
};

/// What a key that Kafka knows and this broker does not heed is documented as.
const NO_EFFECT: &str = "Accepted as by Apache Kafka; has no effect here.";

/// Longest value, in bytes.
const MOST_BYTES: usize = 64 << 10;

/// Longest key, in bytes.
const MOST_KEY_BYTES: usize = 1 << 10;

/// Whose settings are meant.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Whose {
    /// This broker's.
    Own,
    /// Those of all brokers.
    All,
}

pub(super) fn describe(
    call: &Call<'_>,
    name: &str,
    wanted: &dyn Fn(&str) -> bool,
    how: Described,
) -> Result<Vec<DescribeConfigsResourceResult>, Refused> {
    let own = call.node.config.node_id;
    let layers = call.node.topics.dynamic().layers();
    let altered = call.node.topics.dynamic().altered();
    match name.parse::<i32>() {
        _ if name.is_empty() => {
            let set = altered.all.iter().filter(|(key, _)| wanted(key));
            return Ok(set.map(|(key, value)| set_for_all(key, value, how)).collect());
        }
        Err(_) => return Err(invalid_request(format!("Broker id must be an integer, but it is: {name}"))),
        Ok(id) if id != own => {
            let words = format!("Unexpected broker id, expected {own} or empty string, but received {id}");
            return Err(invalid_request(words));
        }
        Ok(_) => {}
    }
    let ours = BROKER_KEYS.iter().filter(|key| wanted(key.name) && (!key.internal || layers.contains(key.name)));
    let ours = ours.map(|key| of_ours(key, &layers, how));
    let inert = kafkas_keys::all().filter(|key| {
        wanted(key.name) && keys::find(BROKER_KEYS, key.name).is_none() && (key.is_public || layers.contains(key.name))
    });
    let inert = inert.map(|key| of_kafkas(&key, &layers, how));
    // Of what nobody knows it is not known either whether it is a secret.
    let set = altered.own.keys().chain(altered.all.keys()).collect::<std::collections::BTreeSet<_>>();
    let custom = set.into_iter().filter(|key| wanted(key) && kind_of(key).is_none());
    let custom = custom.map(|key| {
        let source = layers.get(key).map_or(Source::Default, |(_, source)| source);
        DescribeConfigsResourceResult::default()
            .with_name(text(key.as_str()))
            .with_value(None)
            .with_is_sensitive(true)
            .with_config_source(source as i8)
    });
    Ok(ours.chain(inert).chain(custom).collect())
}

fn set_for_all(key: &str, value: &str, how: Described) -> DescribeConfigsResourceResult {
    let kind = kind_of(key);
    let shown = Some(value.to_owned()).filter(|_| kind.is_some_and(|kind| kind != ConfigType::Password));
    let described = DescribeConfigsResourceResult::default()
        .with_name(text(key))
        .with_value(shown.clone().map(text))
        .with_is_sensitive(shown.is_none())
        .with_config_source(Source::AllBrokers as i8);
    let described = how.typed(described, kind, NO_EFFECT);
    if how.synonyms { described.with_synonyms(vec![synonym(key, shown, Source::AllBrokers)]) } else { described }
}

fn of_ours(key: &Key, layers: &Layers, how: Described) -> DescribeConfigsResourceResult {
    let (value, source) = match layers.get(key.name) {
        Some((value, source)) => (Some(key.read(value).unwrap_or_else(|_| value.to_owned())), source),
        None => (key.default.map(str::to_owned), Source::Default),
    };
    let read_only = !is_dynamic(key.name);
    let described = entry(key.name, key.kind, key.documentation, value, source, read_only, how);
    if how.synonyms { described.with_synonyms(super::broker_synonyms(key.name, layers)) } else { described }
}

fn of_kafkas(key: &KafkasKey, layers: &Layers, how: Described) -> DescribeConfigsResourceResult {
    let (value, source) = match layers.get(key.name) {
        Some((value, source)) => (Some(value.to_owned()), source),
        None => (key.default.map(str::to_owned), Source::Default),
    };
    let described = entry(key.name, key.kind, NO_EFFECT, value, source, !key.is_dynamic, how);
    if how.synonyms { described.with_synonyms(super::broker_synonyms(key.name, layers)) } else { described }
}

fn kind_of(name: &str) -> Option<ConfigType> {
    let ours = keys::find(BROKER_KEYS, name).map(|key| key.kind);
    ours.or_else(|| kafkas_keys::find(name).map(|key| key.kind))
}

fn default_of(name: &str) -> Option<&'static str> {
    keys::find(BROKER_KEYS, name).and_then(|key| key.default).or_else(|| kafkas_keys::find(name)?.default)
}

/// Whose settings a name stands for.
fn whose(call: &Call<'_>, name: &str) -> Result<Whose, Refused> {
    let own = call.node.config.node_id;
    match name.parse::<i32>() {
        _ if name.is_empty() => Ok(Whose::All),
        Ok(id) if id == own => Ok(Whose::Own),
        Ok(id) => Err(invalid_request(format!("Unexpected broker id, expected {own}, but received {id}"))),
        Err(_) => Err(invalid_request(format!("Node id must be an integer, but it is: {name}"))),
    }
}

pub(super) async fn change(
    call: &Call<'_>,
    name: &str,
    configs: Vec<AlterableConfig>,
    validate_only: bool,
) -> Result<(), Refused> {
    let whose = whose(call, name)?;
    let change = move |pairs: &mut Pairs| {
        for config in &configs {
            let key = &*config.name;
            let value = config.value.as_deref().unwrap_or_default();
            let is_list = kind_of(key) == Some(ConfigType::List);
            let current = || pairs.get(key).map(String::as_str).or(default_of(key)).unwrap_or_default();
            let new = match config.config_operation {
                DELETE => {
                    pairs.remove(key);
                    continue;
                }
                SET => value.to_owned(),
                operation @ (APPEND | SUBTRACT) => {
                    if !is_list {
                        let verb = if operation == APPEND { "append" } else { "subtract" };
                        let words = format!("Config value {verb} is not allowed for config key: {key}");
                        return Err((ErrorCode::INVALID_CONFIG, words));
                    }
                    changed_list(current(), value, operation)
                }
                other => return Err(invalid_request(format!("there is no operation {other}"))),
            };
            let new = check(key, &new)?;
            pairs.insert(key.to_owned(), new);
        }
        Ok(())
    };
    apply(call, whose, validate_only, change).await
}

/// Replaces all that was set for this broker, or for all.
pub(super) async fn replace(
    call: &Call<'_>,
    name: &str,
    configs: Vec<(StrBytes, Option<StrBytes>)>,
    validate_only: bool,
) -> Result<(), Refused> {
    let whose = whose(call, name)?;
    let mut new = Pairs::new();
    for (key, value) in configs {
        // A null value means the default, as an absent key does.
        let Some(value) = value else { continue };
        let value = check(&key, &value)?;
        if new.insert(key.to_string(), value).is_some() {
            return Err(invalid_request("Error due to duplicate config keys".to_owned()));
        }
    }
    apply(call, whose, validate_only, move |pairs| {
        *pairs = new;
        Ok(())
    })
    .await
}

/// A value as it is kept.
///
/// # Errors
///
/// It is none, or the key cannot be changed while the broker runs.
fn check(key: &str, value: &str) -> Result<String, Refused> {
    let fixed = || invalid_request(format!("Cannot update these configs dynamically: [{key}]"));
    if MOST_KEY_BYTES < key.len() {
        return Err(invalid_request(format!("a key has more than {MOST_KEY_BYTES} bytes")));
    }
    if MOST_BYTES < value.len() {
        return Err(invalid_request(format!("the value of {key} has more than {MOST_BYTES} bytes")));
    }
    if key.starts_with("ssl.") && kafkas_keys::find(key).is_some_and(|known| known.is_dynamic) {
        let words = "These security configs can be dynamically updated only per-listener using the listener prefix";
        return Err(invalid_request(format!("{words}: [{key}]")));
    }
    if keys::is_of_listener(key) {
        // Files that are named there are read again when they change.
        return Err(fixed());
    }
    if let Some(declared) = keys::find(BROKER_KEYS, key) {
        let read = declared.read(value).map_err(|error| invalid_request(error.message().to_owned()))?;
        if key == "log.retention.ms" && read == "0" {
            // Kafka checks it apart from its definition, as the start does here: all records would go.
            let words = format!("{key} must be unlimited (-1) or, equal or greater than 1");
            return Err(invalid_request(words));
        }
        if key == "max.connections.per.ip.overrides" {
            parse_overrides(&read)
                .map_err(|reason| invalid_request(format!("{key} contains invalid addresses: {reason}")))?;
        }
        return if is_dynamic(key) { Ok(read) } else { Err(fixed()) };
    }
    match kafkas_keys::find(key) {
        Some(known) if !known.is_dynamic => Err(fixed()),
        Some(known) => {
            let is_number = match known.kind {
                ConfigType::Int => value.trim().parse::<i32>().is_ok(),
                ConfigType::Long => value.trim().parse::<i64>().is_ok(),
                ConfigType::Double => value.trim().parse::<f64>().is_ok(),
                _ => true,
            };
            if is_number {
                return Ok(value.to_owned());
            }
            let kind = known.kind.as_str();
            Err(invalid_request(format!("Invalid value {value} for configuration {key}: Not a number of type {kind}")))
        }
        None => {
            warn!(key, "a setting of the broker that nobody knows is kept; it has no effect");
            Ok(value.to_owned())
        }
    }
}

async fn apply(
    call: &Call<'_>,
    whose: Whose,
    validate_only: bool,
    change: impl FnOnce(&mut Pairs) -> Result<(), Refused>,
) -> Result<(), Refused> {
    let given = call.node.config.given.clone();
    let changed = move |altered: &mut Altered| {
        change(match whose {
            Whose::Own => &mut altered.own,
            Whose::All => &mut altered.all,
        })?;
        if MOST < altered.len() {
            return Err((ErrorCode::POLICY_VIOLATION, format!("there may be {MOST} settings at most")));
        }
        let layers = Layers::new(altered.own.clone(), altered.all.clone(), given);
        check_together(&Overrides::new(), &layers).map_err(invalid_request)
    };
    let dynamic = call.node.topics.dynamic();
    if validate_only {
        return changed(&mut Altered::clone(&dynamic.altered()));
    }
    super::stored(dynamic.change(changed).await)?;
    // Those that topics do not set by themselves are theirs from now on.
    call.node.topics.reconfigure().await;
    info!(resource_type = BROKER, "settings of the broker were changed");
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_start_refuses_and_what_takes_too_much_room_cannot_be_set_either() {
        for (key, value) in [
            ("log.retention.ms", "0".to_owned()),
            ("log.cleaner.dedupe.buffer.size", "-1".to_owned()),
            ("message.max.bytes", "-1".to_owned()),
            ("max.connections.per.ip.overrides", "nobody".to_owned()),
            (&"k".repeat(MOST_KEY_BYTES + 1), "v".to_owned()),
            ("k", "v".repeat(MOST_BYTES + 1)),
        ] {
            assert_eq!(check(key, &value).map_err(|(code, _)| code), Err(ErrorCode::INVALID_REQUEST), "{key:.40}");
        }
        for (key, value) in [("log.retention.ms", "-1"), ("log.retention.ms", "1"), ("k", "v")] {
            assert_eq!(check(key, value).as_deref(), Ok(value));
        }
    }
}
