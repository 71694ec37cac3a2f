//! How many connections there may be at once: in all, and from one address (`max.connections`, `max.connections.per.ip`
//! and its overrides), as Kafka counts them. Connections within the process are not counted.

use std::{
    collections::HashMap,
    net::{IpAddr, ToSocketAddrs},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

/// What may be open at once.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Limits {
    /// Connections in all.
    pub most: usize,
    /// From each address.
    pub per_address: usize,
    /// From these addresses instead.
    pub overrides: Arc<HashMap<IpAddr, usize>>,
}

/// Why there is no place.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Full {
    /// All are taken.
    All,
    /// All of this address are taken.
    OfAddress {
        /// How many it may have.
        most: usize,
    },
}

/// The connections that are open.
#[derive(Debug, Default)]
pub struct Places {
    open: Mutex<Open>,
}

#[derive(Debug, Default)]
struct Open {
    all: usize,
    of: HashMap<IpAddr, usize>,
}

/// A connection's place, given up on drop.
#[derive(Debug)]
pub struct Place {
    places: Arc<Places>,
    address: IpAddr,
}

impl Places {
    /// Whether no further connection may be open, from wherever.
    pub fn is_full(&self, limits: &Limits) -> bool {
        limits.most <= self.lock().all
    }

    /// A place for a connection from an address.
    ///
    /// # Errors
    ///
    /// There is none.
    pub fn take(self: &Arc<Self>, address: IpAddr, limits: &Limits) -> Result<Place, Full> {
        let mut open = self.lock();
        if limits.most <= open.all {
            return Err(Full::All);
        }
        let most = limits.overrides.get(&address).copied().unwrap_or(limits.per_address);
        if most <= open.of.get(&address).copied().unwrap_or(0) {
            return Err(Full::OfAddress { most });
        }
        open.all += 1;
        *open.of.entry(address).or_default() += 1;
        Ok(Place { places: Arc::clone(self), address })
    }

    fn lock(&self) -> MutexGuard<'_, Open> {
        // Nothing under it can panic.
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut open = self.places.lock();
        open.all -= 1;
        if let Some(of) = open.of.get_mut(&self.address) {
            *of -= 1;
            if *of == 0 {
                open.of.remove(&self.address);
            }
        }
    }
}

/// Reads `max.connections.per.ip.overrides`: hosts and their numbers, `host:number,…`.
///
/// # Errors
///
/// What is wrong with it.
pub fn parse_overrides(text: &str) -> Result<Vec<(String, usize)>, String> {
    let entries = text.split(',').map(str::trim).filter(|entry| !entry.is_empty());
    let parsed = entries.map(|entry| {
        let (host, most) = entry.rsplit_once(':').ok_or_else(|| format!("'{entry}' is not host:number"))?;
        let (host, most) = (host.trim().trim_start_matches('[').trim_end_matches(']'), most.trim());
        let is_host = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_' | ':' | '%');
        if host.is_empty() || !host.chars().all(is_host) {
            return Err(format!("'{host}' is no address and no name of a host"));
        }
        let most = most.parse::<u32>().map_err(|_| format!("'{most}' is no number of connections"))?;
        Ok((host.to_owned(), usize::try_from(most).unwrap_or(usize::MAX)))
    });
    parsed.collect()
}

/// The addresses of those hosts; and the names that stand for none. Blocks for names.
pub fn resolve(overrides: Vec<(String, usize)>) -> (HashMap<IpAddr, usize>, Vec<String>) {
    let (mut found, mut unknown) = (HashMap::new(), Vec::new());
    for (host, most) in overrides {
        match host.parse::<IpAddr>() {
            Ok(address) => drop(found.insert(address.to_canonical(), most)),
            Err(_) => match (host.as_str(), 0).to_socket_addrs() {
                Ok(addresses) => found.extend(addresses.map(|address| (address.ip().to_canonical(), most))),
                Err(_) => unknown.push(host),
            },
        }
    }
    (found, unknown)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(last: u8) -> IpAddr {
        IpAddr::from([10, 0, 0, last])
    }

    #[test]
    fn connections_are_counted_in_all_and_by_address_until_they_end() {
        let overrides = Arc::new(HashMap::from([(ip(2), 3), (ip(3), 0)]));
        let (places, limits) = (Arc::<Places>::default(), Limits { most: 5, per_address: 1, overrides });
        let first = places.take(ip(1), &limits).unwrap();
        assert_eq!(places.take(ip(1), &limits).unwrap_err(), Full::OfAddress { most: 1 });
        assert_eq!(places.take(ip(3), &limits).unwrap_err(), Full::OfAddress { most: 0 });
        let others: Vec<_> = (0..3).map(|_| places.take(ip(2), &limits).unwrap()).collect();
        assert_eq!(places.take(ip(2), &limits).unwrap_err(), Full::OfAddress { most: 3 });
        assert!(!places.is_full(&limits));
        let last = places.take(ip(4), &limits).unwrap();
        assert_eq!(places.take(ip(5), &limits).unwrap_err(), Full::All);
        assert!(places.is_full(&limits));
        drop((first, others, last));
        let open = places.lock();
        assert!(open.all == 0 && open.of.is_empty(), "of who is gone nothing is kept");
    }

    #[test]
    fn overrides_are_read_as_kafka_writes_them() {
        let parsed = parse_overrides(" 127.0.0.1:5, [::1]:7 ,host-a:0").unwrap();
        assert_eq!(parsed, [("127.0.0.1".to_owned(), 5), ("::1".to_owned(), 7), ("host-a".to_owned(), 0)]);
        assert_eq!(parse_overrides(""), Ok(Vec::new()));
        for wrong in ["127.0.0.1", "a:b", ":5", "a b:5", "a:-1"] {
            assert!(parse_overrides(wrong).is_err(), "{wrong}");
        }
        let (found, unknown) = resolve(parse_overrides("::ffff:127.0.0.1:5").unwrap());
        assert_eq!((found, unknown), (HashMap::from([(IpAddr::from([127, 0, 0, 1]), 5)]), Vec::new()));
    }
}
