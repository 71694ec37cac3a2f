//! Which addresses a connection may go to. Asked with the address that is dialled, after its name was looked up.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// What kind of place an address is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Place {
    Public,
    /// Of an organisation's own network: RFC 1918, RFC 6598 and unique local addresses.
    Private,
    Loopback,
    /// Of the wire itself, where clouds answer for credentials.
    LinkLocal,
    /// Class E: 240.0.0.0/4.
    Reserved,
    /// No address of one host: unspecified, multicast, broadcast.
    Nowhere,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Public => "public",
            Self::Private => "private",
            Self::Loopback => "loopback",
            Self::LinkLocal => "link-local",
            Self::Reserved => "reserved",
            Self::Nowhere => "no host's",
        })
    }
}

impl Place {
    pub(crate) fn of(address: IpAddr) -> Self {
        match plain(address) {
            IpAddr::V4(v4) => Self::of_v4(v4),
            IpAddr::V6(v6) => Self::of_v6(v6),
        }
    }

    fn of_v4(address: Ipv4Addr) -> Self {
        let [a, b, ..] = address.octets();
        if a == 0 || address.is_multicast() || address.is_broadcast() {
            Self::Nowhere
        } else if address.is_loopback() {
            Self::Loopback
        } else if address.is_link_local() {
            Self::LinkLocal
        } else if address.is_private() || (a == 100 && (64..128).contains(&b)) {
            Self::Private
        } else if a >= 240 {
            Self::Reserved
        } else {
            Self::Public
        }
    }

    fn of_v6(address: Ipv6Addr) -> Self {
        let [first, second, ..] = address.segments();
        if address.is_unspecified() || address.is_multicast() {
            Self::Nowhere
        } else if address.is_loopback() {
            Self::Loopback
        } else if first & 0xffc0 == 0xfe80 || (first, second) == (0xfd00, 0x0ec2) {
            // The second is where Amazon's machines ask for credentials over IPv6.
            Self::LinkLocal
        } else if first & 0xfe00 == 0xfc00 || first & 0xffc0 == 0xfec0 {
            Self::Private
        } else {
            Self::Public
        }
    }
}

/// An IPv4 address that is written as IPv6, or that a gateway makes of one: mapped, compatible, NAT64, 6to4.
fn plain(address: IpAddr) -> IpAddr {
    let IpAddr::V6(v6) = address else { return address };
    let segments = v6.segments();
    let v4 = |high: u16, low: u16| IpAddr::V4(Ipv4Addr::from(u32::from(high) << 16 | u32::from(low)));
    match segments {
        [0, 0, 0, 0, 0, 0, 0, 0 | 1] => address,
        [0, 0, 0, 0, 0, 0xffff | 0, high, low] => v4(high, low),
        [0x64, 0xff9b, 0, 0, 0, 0, high, low] => v4(high, low),
        [0x2002, high, low, ..] => v4(high, low),
        _ => address,
    }
}

/// Addresses that share their first bits: `10.0.0.0/8`, `fd00::/8`, or one address.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Range {
    base: IpAddr,
    bits: u8,
}

impl Range {
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let (base, bits) = match text.trim().split_once('/') {
            Some((base, bits)) => (base, Some(bits)),
            None => (text.trim(), None),
        };
        let base: IpAddr = base.parse().ok()?;
        let all = if base.is_ipv4() { 32 } else { 128 };
        let bits = bits.map_or(Some(all), |bits| bits.parse().ok().filter(|&bits| bits <= all))?;
        Some(Self { base, bits })
    }

    pub(crate) fn contains(&self, address: IpAddr) -> bool {
        match (self.base, plain(address), address) {
            (IpAddr::V4(base), IpAddr::V4(address), _) => {
                self.bits == 0 || (u32::from(base) ^ u32::from(address)) >> (32 - self.bits) == 0
            }
            (IpAddr::V6(base), _, IpAddr::V6(address)) => {
                self.bits == 0 || (u128::from(base) ^ u128::from(address)) >> (128 - self.bits) == 0
            }
            _ => false,
        }
    }
}

/// Which places names may lead to: `plugin.allow.http.addresses`. Public ones always.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct AllowedPlaces {
    private: bool,
    loopback: bool,
    link_local: bool,
    ranges: Vec<Range>,
}

impl AllowedPlaces {
    /// The default of the key: private networks.
    pub fn private() -> Self {
        Self { private: true, ..Self::default() }
    }

    /// Reads the items of the key's list.
    ///
    /// # Errors
    ///
    /// The item that is neither a word nor a range.
    pub fn parse<'t>(items: impl IntoIterator<Item = &'t str>) -> Result<Self, String> {
        let mut places = Self::default();
        for item in items {
            match item {
                "private" => places.private = true,
                "loopback" => places.loopback = true,
                "link-local" => places.link_local = true,
                item => places.ranges.push(Range::parse(item).ok_or_else(|| item.to_owned())?),
            }
        }
        Ok(places)
    }

    fn contains(&self, address: IpAddr) -> bool {
        let by_word = match Place::of(address) {
            Place::Public => true,
            Place::Private => self.private,
            Place::Loopback => self.loopback,
            Place::LinkLocal => self.link_local,
            Place::Reserved | Place::Nowhere => false,
        };
        by_word || self.ranges.iter().any(|range| range.contains(address))
    }
}

/// What a connector's own configuration says of addresses: `connection.disallow.…`, `connection.allow.cidr.ranges`.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(super) struct OwnRules {
    pub(super) no_local: bool,
    pub(super) no_private: bool,
    pub(super) no_class_e: bool,
    pub(super) disallowed: Vec<Range>,
    /// Exceptions from what the others forbid.
    pub(super) allowed: Vec<Range>,
}

impl OwnRules {
    /// The rule that forbids an address.
    fn forbids(&self, address: IpAddr) -> Option<&'static str> {
        let any = |ranges: &[Range]| ranges.iter().any(|range| range.contains(address));
        if any(&self.allowed) {
            return None;
        }
        let place = Place::of(address);
        if self.no_local && matches!(place, Place::Loopback | Place::LinkLocal) {
            Some("local addresses are disallowed")
        } else if self.no_private && place == Place::Private {
            Some("private addresses are disallowed")
        } else if self.no_class_e && place == Place::Reserved {
            Some("class E addresses are disallowed")
        } else if any(&self.disallowed) {
            Some("it lies in a disallowed range")
        } else {
            None
        }
    }
}

/// Whether a connection to `host` may go to an address that the host's name led to.
///
/// What the configuration names itself, as an address or as `localhost`, its user has chosen; a name may be led anywhere
/// by whoever answers for it.
///
/// # Errors
///
/// Why not and what to do: the end of a sentence about the address.
pub(super) fn check(host: &str, address: IpAddr, own: &OwnRules, places: &AllowedPlaces) -> Result<(), String> {
    if let Some(rule) = own.forbids(address) {
        return Err(format!("the connector's configuration does not allow it: {rule}"));
    }
    let place = Place::of(address);
    let named = host.parse() == Ok(address) || (host == "localhost" && place == Place::Loopback);
    if (named && place != Place::Nowhere) || places.contains(address) {
        return Ok(());
    }
    Err(format!(
        "it is {place}, where names do not lead plugins on this worker: write the address into the configuration itself, \
         or add it to plugin.allow.http.addresses"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(address: &str) -> Place {
        Place::of(address.parse().expect("an address"))
    }

    #[test]
    fn addresses_have_places_however_they_are_written() {
        let expected = [
            (Place::Public, &["8.8.8.8", "2001:4860::8", "172.32.0.1", "100.128.0.1"][..]),
            (Place::Private, &["10.1.2.3", "172.16.0.1", "192.168.0.1", "100.64.0.1", "fd12::1", "::ffff:10.0.0.1"]),
            (Place::Loopback, &["127.0.0.1", "127.9.9.9", "::1", "::ffff:127.0.0.1", "64:ff9b::7f00:1", "::127.0.0.1"]),
            (Place::LinkLocal, &["169.254.169.254", "fe80::1", "fd00:ec2::254", "2002:a9fe:a9fe::"]),
            (Place::Reserved, &["240.0.0.1", "254.1.1.1"]),
            (Place::Nowhere, &["0.0.0.0", "0.1.2.3", "::", "224.0.0.1", "255.255.255.255", "ff02::1"]),
        ];
        for (expected, addresses) in expected {
            for address in addresses {
                assert_eq!(place(address), expected, "{address}");
            }
        }
    }

    #[test]
    fn a_range_contains_what_shares_its_bits() {
        let contains = |range: &str, address: &str| Range::parse(range).unwrap().contains(address.parse().unwrap());
        assert!(contains("10.0.0.0/8", "10.255.0.1") && !contains("10.0.0.0/8", "11.0.0.1"));
        assert!(contains("10.0.0.0/8", "::ffff:10.0.0.1") && contains("0.0.0.0/0", "1.2.3.4"));
        assert!(contains("1.2.3.4", "1.2.3.4") && !contains("1.2.3.4", "1.2.3.5"));
        assert!(contains("fd00::/8", "fd12::1") && !contains("fd00::/8", "10.0.0.1"));
        for odd in ["", "x", "10.0.0.0/33", "10.0.0.0/-1", "10/8"] {
            assert_eq!(Range::parse(odd), None, "{odd}");
        }
    }

    #[track_caller]
    fn check_dialled(host: &str, address: &str, own: &OwnRules, places: &AllowedPlaces, expected: bool) {
        let checked = check(host, address.parse().unwrap(), own, places);
        assert_eq!(checked.is_ok(), expected, "{host} at {address}: {checked:?}");
    }

    #[test]
    fn what_a_name_leads_to_is_allowed_by_the_worker_and_what_is_written_out_by_its_user() {
        let (own, usual) = (OwnRules::default(), AllowedPlaces::private());
        check_dialled("api.example.com", "8.8.8.8", &own, &usual, true);
        check_dialled("orders.internal", "10.0.0.7", &own, &usual, true);
        check_dialled("orders.internal", "10.0.0.7", &own, &AllowedPlaces::default(), false);
        check_dialled("evil.example.com", "127.0.0.1", &own, &usual, false);
        check_dialled("evil.example.com", "::ffff:127.0.0.1", &own, &usual, false);
        check_dialled("evil.example.com", "169.254.169.254", &own, &usual, false);
        check_dialled("127.0.0.1", "127.0.0.1", &own, &usual, true);
        check_dialled("localhost", "::1", &own, &usual, true);
        check_dialled("localhost", "10.0.0.1", &own, &AllowedPlaces::default(), false);
        check_dialled("169.254.169.254", "169.254.169.254", &own, &usual, true);
        check_dialled("0.0.0.0", "0.0.0.0", &own, &usual, false);
        let granted = AllowedPlaces::parse(["loopback", "240.0.0.0/4"]).unwrap();
        check_dialled("node.example.com", "127.0.0.1", &own, &granted, true);
        check_dialled("node.example.com", "240.0.0.1", &own, &granted, true);
        check_dialled("node.example.com", "10.0.0.1", &own, &granted, false);
        assert_eq!(AllowedPlaces::parse(["private", "lan"]), Err("lan".to_owned()));
    }

    #[test]
    fn a_configuration_may_be_stricter_than_its_worker() {
        let usual = AllowedPlaces::private();
        let strict = OwnRules {
            no_local: true,
            no_private: true,
            no_class_e: true,
            disallowed: vec![Range::parse("8.8.0.0/16").unwrap()],
            allowed: vec![Range::parse("10.1.0.0/16").unwrap()],
        };
        check_dialled("127.0.0.1", "127.0.0.1", &strict, &usual, false);
        check_dialled("h", "10.0.0.1", &strict, &usual, false);
        check_dialled("h", "10.1.0.1", &strict, &usual, true);
        check_dialled("h", "8.8.8.8", &strict, &usual, false);
        check_dialled("h", "9.9.9.9", &strict, &usual, true);
        check_dialled("240.0.0.1", "240.0.0.1", &strict, &usual, false);
    }
}
