//! Which limit is whose: users, client ids and the defaults of both, in Kafka's order of precedence.

use std::collections::BTreeMap;

/// What a limit is on.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum Kind {
    /// Bytes produced per second.
    Produce,
    /// Bytes fetched per second.
    Fetch,
    /// Time of a thread, in percent.
    Request,
    /// Partitions made and deleted per second.
    Mutation,
    /// Connections begun per second, of an address.
    Connections,
}

impl Kind {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Produce, Self::Fetch, Self::Request, Self::Mutation, Self::Connections];

    /// Kafka's name.
    pub fn key(self) -> &'static str {
        match self {
            Self::Produce => "producer_byte_rate",
            Self::Fetch => "consumer_byte_rate",
            Self::Request => "request_percentage",
            Self::Mutation => "controller_mutation_rate",
            Self::Connections => "connection_creation_rate",
        }
    }

    /// The kind of this name.
    pub fn of_key(key: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.key() == key)
    }

    /// Whether only whole numbers make sense.
    pub fn is_whole(self) -> bool {
        matches!(self, Self::Produce | Self::Fetch | Self::Connections)
    }

    /// Whether it is a limit of addresses rather than of users and clients.
    pub fn is_of_ips(self) -> bool {
        self == Self::Connections
    }
}

/// A user or client id that is named, or the default.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum Name {
    /// This very one.
    Is(String),
    /// Whoever has no limit by name.
    Default,
}

/// Whom limits are for: an address, or at least one of the other two.
#[derive(Clone, Debug, Default, Eq, Ord, PartialEq, PartialOrd)]
pub struct Entity {
    /// By user.
    pub user: Option<Name>,
    /// By client id.
    pub client_id: Option<Name>,
    /// By address.
    pub ip: Option<Name>,
}

/// Who shares one limit: requests of the same user, client id, or both.
#[derive(Clone, Debug, Default, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Sharers {
    /// `None` where users do not count.
    pub user: Option<String>,
    /// `None` where client ids do not count.
    pub client_id: Option<String>,
    /// `None` where addresses do not count.
    pub ip: Option<String>,
}

/// Longest client id by which sharers are told apart, in bytes: limits name none that is longer. Clients choose theirs, and
/// those of many are kept at once.
const LONGEST: usize = 4096;

/// All limits.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Limits {
    /// Never with an empty map.
    pub entities: BTreeMap<Entity, BTreeMap<Kind, f64>>,
}

impl Limits {
    /// The limit of a request, and who shares it.
    pub fn of(&self, kind: Kind, user: &str, client_id: &str) -> Option<(f64, Sharers)> {
        let is = |name: &str| Some(Name::Is(name.to_owned()));
        let default = || Some(Name::Default);
        let order = [
            (is(user), is(client_id)),
            (is(user), default()),
            (is(user), None),
            (default(), is(client_id)),
            (default(), default()),
            (default(), None),
            (None, is(client_id)),
            (None, default()),
        ];
        order.into_iter().find_map(|(by_user, by_client)| {
            let sharers = Sharers {
                user: by_user.is_some().then(|| user.to_owned()),
                client_id: by_client.is_some().then(|| client_id[..client_id.floor_char_boundary(LONGEST)].to_owned()),
                ip: None,
            };
            let limit = self.entities.get(&Entity { user: by_user, client_id: by_client, ip: None })?.get(&kind)?;
            Some((*limit, sharers))
        })
    }

    /// The limit of connections from an address, each of which has it to itself.
    pub fn of_ip(&self, ip: &str) -> Option<(f64, Sharers)> {
        let order = [Name::Is(ip.to_owned()), Name::Default];
        order.into_iter().find_map(|name| {
            let limit = self.entities.get(&Entity { ip: Some(name), ..Entity::default() })?.get(&Kind::Connections)?;
            Some((*limit, Sharers { ip: Some(ip.to_owned()), ..Sharers::default() }))
        })
    }

    /// Sets a limit, or removes it.
    pub fn set(&mut self, entity: &Entity, kind: Kind, limit: Option<f64>) {
        let limits = self.entities.entry(entity.clone()).or_default();
        match limit {
            Some(limit) => limits.insert(kind, limit),
            None => limits.remove(&kind),
        };
        if limits.is_empty() {
            self.entities.remove(entity);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entity(user: Option<&str>, client_id: Option<&str>) -> Entity {
        let name = |name: &str| if name == "*" { Name::Default } else { Name::Is(name.to_owned()) };
        Entity { user: user.map(name), client_id: client_id.map(name), ip: None }
    }

    #[test]
    fn the_most_particular_limit_counts() {
        let order = [
            (Some("u"), Some("c")),
            (Some("u"), Some("*")),
            (Some("u"), None),
            (Some("*"), Some("c")),
            (Some("*"), Some("*")),
            (Some("*"), None),
            (None, Some("c")),
            (None, Some("*")),
        ];
        let mut limits = Limits::default();
        for (rank, (user, client_id)) in order.iter().enumerate() {
            limits.set(&entity(*user, *client_id), Kind::Fetch, Some(rank as f64 + 1.0));
        }
        for (rank, (user, client_id)) in order.iter().enumerate() {
            let (limit, sharers) = limits.of(Kind::Fetch, "u", "c").unwrap();
            assert_eq!(limit, rank as f64 + 1.0);
            assert_eq!((sharers.user.is_some(), sharers.client_id.is_some()), (user.is_some(), client_id.is_some()));
            assert_eq!(limits.of(Kind::Produce, "u", "c"), None, "a limit is on one thing");
            limits.set(&entity(*user, *client_id), Kind::Fetch, None);
        }
        assert_eq!(limits, Limits::default());
    }

    #[test]
    fn an_address_has_its_own_limit_or_the_default() {
        let mut limits = Limits::default();
        let of = |name| Entity { ip: Some(name), ..Entity::default() };
        assert_eq!(limits.of_ip("10.0.0.1"), None);
        limits.set(&of(Name::Default), Kind::Connections, Some(5.0));
        limits.set(&of(Name::Is("10.0.0.1".to_owned())), Kind::Connections, Some(7.0));
        let sharers = |ip: &str| Sharers { ip: Some(ip.to_owned()), ..Sharers::default() };
        assert_eq!(limits.of_ip("10.0.0.1"), Some((7.0, sharers("10.0.0.1"))));
        assert_eq!(limits.of_ip("10.0.0.2"), Some((5.0, sharers("10.0.0.2"))));
    }

    #[test]
    fn others_are_not_concerned() {
        let mut limits = Limits::default();
        limits.set(&entity(Some("u"), Some("c")), Kind::Produce, Some(1.0));
        limits.set(&entity(None, Some("d")), Kind::Produce, Some(2.0));
        assert_eq!(limits.of(Kind::Produce, "u", "x"), None);
        assert_eq!(limits.of(Kind::Produce, "x", "c"), None);
        assert_eq!(limits.of(Kind::Produce, "x", "d").unwrap().0, 2.0);
    }

    #[test]
    fn of_a_long_client_id_the_beginning_is_kept() {
        let mut limits = Limits::default();
        limits.set(&entity(None, Some("*")), Kind::Fetch, Some(1.0));
        let kept = |id: &str| limits.of(Kind::Fetch, "u", id).unwrap().1.client_id.unwrap();
        assert_eq!(kept(&"x".repeat(LONGEST)).len(), LONGEST);
        assert_eq!(kept(&format!("{}é", "x".repeat(LONGEST - 1))).len(), LONGEST - 1);
        assert_eq!(kept(&"x".repeat(32_767)).len(), LONGEST);
    }
}
