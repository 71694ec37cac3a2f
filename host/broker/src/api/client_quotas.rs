//! AlterClientQuotas and DescribeClientQuotas (KIP-546): limits for users, client ids and addresses.

use std::net::IpAddr;

use millstream_record::ErrorChain;
use millstream_wire::protocol::messages::{
    AlterClientQuotasRequest, AlterClientQuotasResponse, DescribeClientQuotasRequest, DescribeClientQuotasResponse,
    alter_client_quotas_request::{EntityData as WantedEntity, EntryData as WantedEntry},
    alter_client_quotas_response::{EntityData as AlteredEntity, EntryData as AlteredEntry},
    describe_client_quotas_request::ComponentData,
    describe_client_quotas_response::{EntityData, EntryData, ValueData},
};

use super::{Call, text};
use crate::{
    error_code::ErrorCode,
    quotas::limits::{Entity, Kind, Limits, Name},
};

const USER: &str = "user";
const CLIENT_ID: &str = "client-id";
const IP: &str = "ip";

// How a filter's component is meant.
const EXACTLY: i8 = 0;
const DEFAULT: i8 = 1;
const ANY: i8 = 2;

/// Most entities with limits.
const MAX_ENTITIES: usize = 100_000;

/// Longest name, in bytes.
const MAX_LEN: usize = 4096;

type Refused = (ErrorCode, String);

fn invalid(words: impl Into<String>) -> Refused {
    (ErrorCode::INVALID_REQUEST, words.into())
}

pub async fn alter(call: &Call<'_>, request: AlterClientQuotasRequest) -> AlterClientQuotasResponse {
    let read: Vec<Result<Changes, Refused>> = request.entries.iter().map(read_entry).collect();
    let changes: Vec<Changes> = read.iter().filter_map(|read| read.as_ref().ok().cloned()).collect();
    let mut failed = None;
    if !request.validate_only && !changes.is_empty() {
        let quotas = &call.node.quotas;
        if MAX_ENTITIES < quotas.limits().entities.len() + changes.len() {
            failed = Some((ErrorCode::POLICY_VIOLATION, format!("there may be {MAX_ENTITIES} entities with quotas")));
        } else if let Err(error) = quotas.change(|limits| apply(limits, changes)).await {
            failed = Some((ErrorCode::KAFKA_STORAGE_ERROR, ErrorChain(&error).to_string()));
        }
    }
    let entries = request.entries.into_iter().zip(read).map(|(entry, read)| {
        let entity = entry
            .entity
            .into_iter()
            .map(|part| AlteredEntity::default().with_entity_type(part.entity_type).with_entity_name(part.entity_name));
        let answered = AlteredEntry::default().with_entity(entity.collect()).with_error_message(None);
        match read.err().or_else(|| failed.clone()) {
            None => answered,
            Some((code, words)) => answered.with_error_code(code.get()).with_error_message(Some(text(words))),
        }
    });
    AlterClientQuotasResponse::default().with_entries(entries.collect())
}

/// What is set, and what is removed.
type Changes = (Entity, Vec<(Kind, Option<f64>)>);

fn apply(limits: &mut Limits, changes: Vec<Changes>) {
    for (entity, kinds) in changes {
        kinds.into_iter().for_each(|(kind, limit)| limits.set(&entity, kind, limit));
    }
}

fn read_entry(entry: &WantedEntry) -> Result<Changes, Refused> {
    let entity = read_entity(&entry.entity)?;
    let mut kinds: Vec<(Kind, Option<f64>)> = Vec::new();
    for op in &entry.ops {
        let key = op.key.as_str();
        let kind = Kind::of_key(key).filter(|kind| kind.is_of_ips() == entity.ip.is_some());
        let kind = kind.ok_or_else(|| invalid(format!("Invalid configuration key {key}")))?;
        if kinds.iter().any(|(other, _)| *other == kind) {
            return Err(invalid(format!("Duplicate quota key {key}")));
        }
        if !op.remove {
            // Also what is no number.
            if !(0.0 < op.value && op.value.is_finite()) {
                return Err(invalid(format!("Quota {key} must be greater than 0")));
            }
            if kind.is_whole() && (op.value.fract() != 0.0 || 9.2e18 < op.value) {
                return Err(invalid(match kind.is_of_ips() {
                    true => format!("{key} cannot be a fractional value."),
                    false => format!("Configuration {key} must be a whole number of 64 bits"),
                }));
            }
        }
        kinds.push((kind, (!op.remove).then_some(op.value)));
    }
    Ok((entity, kinds))
}

fn read_entity(parts: &[WantedEntity]) -> Result<Entity, Refused> {
    if parts.is_empty() {
        return Err(invalid("Invalid empty client quota entity"));
    }
    let mut entity = Entity::default();
    for part in parts {
        let place = match part.entity_type.as_str() {
            USER => &mut entity.user,
            CLIENT_ID => &mut entity.client_id,
            IP => &mut entity.ip,
            other => return Err(invalid(format!("Unhandled client quota entity type: {other}"))),
        };
        let name = match part.entity_name.as_deref() {
            None => Name::Default,
            Some("") => return Err(invalid(format!("Empty {} not supported", part.entity_type))),
            Some(name) if MAX_LEN < name.len() => return Err(invalid("The name is too long")),
            // Kafka also looks names of hosts up, once; here an address is meant that clients have.
            Some(name) if part.entity_type.as_str() == IP => match name.parse::<IpAddr>() {
                Ok(ip) => Name::Is(ip.to_canonical().to_string()),
                Err(_) => return Err(invalid(format!("{name} is not a valid IP or resolvable host."))),
            },
            Some(name) => Name::Is(name.to_owned()),
        };
        if place.replace(name).is_some() {
            return Err(invalid(format!("Duplicate {} in a client quota entity", part.entity_type)));
        }
    }
    if entity.ip.is_some() && (entity.user.is_some() || entity.client_id.is_some()) {
        let words = "Invalid quota entity combination, IP entity shouldnot be combined with User or ClientId";
        return Err(invalid(words));
    }
    Ok(entity)
}

pub fn describe(call: &Call<'_>, request: &DescribeClientQuotasRequest) -> DescribeClientQuotasResponse {
    let filter = match Filter::read(&request.components, request.strict) {
        Ok(filter) => filter,
        Err((code, words)) => {
            return DescribeClientQuotasResponse::default()
                .with_error_code(code.get())
                .with_error_message(Some(text(words)))
                .with_entries(None);
        }
    };
    let limits = call.node.quotas.limits();
    let found = limits.entities.iter().filter(|(entity, _)| filter.fits(entity));
    let entries = found.map(|(entity, limits)| {
        let names = [(USER, &entity.user), (CLIENT_ID, &entity.client_id), (IP, &entity.ip)];
        let parts = names.into_iter().filter_map(|(kind, name)| {
            let name = match name.as_ref()? {
                Name::Default => None,
                Name::Is(name) => Some(text(name.as_str())),
            };
            Some(EntityData::default().with_entity_type(text(kind)).with_entity_name(name))
        });
        let values =
            limits.iter().map(|(kind, limit)| ValueData::default().with_key(text(kind.key())).with_value(*limit));
        EntryData::default().with_entity(parts.collect()).with_values(values.collect())
    });
    DescribeClientQuotasResponse::default().with_error_message(Some(text(""))).with_entries(Some(entries.collect()))
}

/// What a part of an entity has to be.
enum Wanted {
    /// Not there at all.
    Absent,
    /// There or not.
    Either,
    Exactly(Name),
    Any,
}

impl Wanted {
    fn fits(&self, own: Option<&Name>) -> bool {
        match (self, own) {
            (Self::Either, _) | (Self::Absent, None) | (Self::Any, Some(_)) => true,
            (Self::Exactly(wanted), Some(own)) => wanted == own,
            _ => false,
        }
    }
}

struct Filter {
    user: Wanted,
    client_id: Wanted,
    ip: Wanted,
    nothing: bool,
}

impl Filter {
    fn read(components: &[ComponentData], strict: bool) -> Result<Self, Refused> {
        let unnamed = || if strict { Wanted::Absent } else { Wanted::Either };
        let (mut user, mut client_id, mut ip) = (None, None, None);
        let nothing = strict && components.is_empty();
        for component in components {
            let wanted = match (component.match_type, component._match.as_deref()) {
                (EXACTLY, Some(name)) => Wanted::Exactly(Name::Is(name.to_owned())),
                (DEFAULT, None) => Wanted::Exactly(Name::Default),
                (ANY, None) => Wanted::Any,
                (ANY, Some(_)) => {
                    let words = "Request specified MATCH_TYPE_SPECIFIED, but also specified a match string.";
                    return Err(invalid(words));
                }
                _ => return Err(invalid("Unexpected match of a filter component")),
            };
            let place = match component.entity_type.as_str() {
                USER => &mut user,
                CLIENT_ID => &mut client_id,
                IP => &mut ip,
                "" => return Err(invalid("Unexpected empty filter component entity type")),
                other => {
                    let words = format!("Custom entity type '{other}' not supported");
                    return Err((ErrorCode::UNSUPPORTED_VERSION, words));
                }
            };
            if place.replace(wanted).is_some() {
                return Err(invalid("Duplicate filter component entity type"));
            }
        }
        if ip.is_some() && (user.is_some() || client_id.is_some()) {
            let words = "Invalid entity filter component combination. IP filter component should not be used with user or \
                         clientId filter component.";
            return Err(invalid(words));
        }
        let [user, client_id, ip] = [user, client_id, ip].map(|wanted| wanted.unwrap_or_else(unnamed));
        Ok(Self { user, client_id, ip, nothing })
    }

    fn fits(&self, entity: &Entity) -> bool {
        let Entity { user, client_id, ip } = entity;
        !self.nothing
            && self.user.fits(user.as_ref())
            && self.client_id.fits(client_id.as_ref())
            && self.ip.fits(ip.as_ref())
    }
}

#[cfg(test)]
mod tests {
    use millstream_wire::protocol::{messages::alter_client_quotas_request::OpData, protocol::StrBytes};

    use super::*;

    fn named(kind: &str, name: Option<&str>) -> WantedEntity {
        WantedEntity::default().with_entity_type(text(kind)).with_entity_name(name.map(text))
    }

    fn entry(entity: Vec<WantedEntity>, key: &str, value: f64) -> WantedEntry {
        WantedEntry::default()
            .with_entity(entity)
            .with_ops(vec![OpData::default().with_key(text(key)).with_value(value)])
    }

    #[test]
    fn what_is_no_quota_is_refused_in_kafkas_words() {
        let user = || vec![named("user", Some("u"))];
        for (entry, words) in [
            (entry(vec![], "producer_byte_rate", 1.0), "Invalid empty client quota entity"),
            (entry(vec![named("x", None)], "producer_byte_rate", 1.0), "Unhandled client quota entity type: x"),
            (entry(vec![named("user", Some(""))], "producer_byte_rate", 1.0), "Empty user not supported"),
            (entry(vec![named("ip", Some("x"))], "connection_creation_rate", 1.0), "x is not a valid IP"),
            (entry(vec![named("ip", None)], "connection_creation_rate", 1.5), "connection_creation_rate cannot be"),
            (entry(vec![named("ip", None)], "producer_byte_rate", 1.0), "Invalid configuration key producer_byte_rate"),
            (entry(user(), "connection_creation_rate", 1.0), "Invalid configuration key connection_creation_rate"),
            (entry([vec![named("ip", None)], user()].concat(), "x", 1.0), "Invalid quota entity combination"),
            (entry([user(), user()].concat(), "producer_byte_rate", 1.0), "Duplicate user"),
            (entry(user(), "bytes", 1.0), "Invalid configuration key bytes"),
            (entry(user(), "producer_byte_rate", 0.0), "Quota producer_byte_rate must be greater than 0"),
            (entry(user(), "request_percentage", f64::NAN), "Quota request_percentage must be greater than 0"),
            (entry(user(), "consumer_byte_rate", 1.5), "Configuration consumer_byte_rate must be a whole number"),
        ] {
            let (code, found) = read_entry(&entry).unwrap_err();
            assert_eq!(code, ErrorCode::INVALID_REQUEST);
            assert!(found.starts_with(words), "{found}");
        }
        assert!(read_entry(&entry(user(), "request_percentage", 1.5)).is_ok());
    }

    #[test]
    fn filters_mean_names_defaults_and_what_is_not_there() {
        let component = |kind: &str, how: i8, name: Option<&str>| {
            ComponentData::default().with_entity_type(text(kind)).with_match_type(how)._with(name.map(text))
        };
        let is = |name: &str| Some(Name::Is(name.to_owned()));
        let entities = [
            Entity { user: is("u"), ..Entity::default() },
            Entity { user: is("u"), client_id: is("c"), ip: None },
            Entity { user: Some(Name::Default), ..Entity::default() },
            Entity { client_id: is("c"), ..Entity::default() },
            Entity { ip: is("10.0.0.1"), ..Entity::default() },
        ];
        let found = |components: &[ComponentData], strict: bool| {
            let filter = Filter::read(components, strict).unwrap();
            let places = (0..entities.len()).filter(|at| filter.fits(&entities[*at]));
            places.collect::<Vec<_>>()
        };
        assert_eq!(found(&[], false), [0, 1, 2, 3, 4]);
        assert_eq!(found(&[], true), [0; 0]);
        assert_eq!(found(&[component("user", EXACTLY, Some("u"))], false), [0, 1]);
        assert_eq!(found(&[component("user", EXACTLY, Some("u"))], true), [0]);
        assert_eq!(found(&[component("user", DEFAULT, None)], true), [2]);
        assert_eq!(found(&[component("user", ANY, None)], false), [0, 1, 2]);
        assert_eq!(found(&[component("ip", ANY, None)], false), [4]);
        assert!(Filter::read(&[component("ip", ANY, None), component("user", ANY, None)], false).is_err());
        assert!(Filter::read(&[component("user", 7, None)], false).is_err());
    }

    /// The message's own method has the name of a keyword.
    trait With {
        fn _with(self, name: Option<StrBytes>) -> Self;
    }

    impl With for ComponentData {
        fn _with(mut self, name: Option<StrBytes>) -> Self {
            self._match = name;
            self
        }
    }
}
