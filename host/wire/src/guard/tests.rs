use bytes::Bytes;
use kafka_protocol::messages::{RequestKind, ResponseKind};

use super::*;

/// Fills a message of one version with small values, so that the message types can be asked what they read.
struct Fill {
    out: Vec<u8>,
    version: i16,
    flexible: bool,
    /// Where counts and lengths stand: they are forged in turn.
    counts: Vec<usize>,
    elements: usize,
    unknown_tags: bool,
}

impl Fill {
    fn of(message: &Message, version: i16, elements: usize, unknown_tags: bool) -> Self {
        let flexible = message.flexible_from <= version;
        let mut fill = Self { out: Vec::new(), version, flexible, counts: Vec::new(), elements, unknown_tags };
        fill.fields(message.fields);
        fill
    }

    fn fields(&mut self, fields: &'static [Field]) {
        let version = self.version;
        for field in fields.iter().filter(|field| field.tag.is_none() && field.is_in(version)) {
            self.value(&field.kind);
        }
        if self.flexible {
            let known: Vec<&Field> =
                fields.iter().filter(|field| field.tag.is_some() && field.is_in(self.version)).collect();
            self.out.push(known.len() as u8 + u8::from(self.unknown_tags));
            for field in known {
                self.out.push(field.tag.unwrap() as u8);
                let rest = std::mem::take(&mut self.out);
                let counts = self.counts.len();
                self.value(&field.kind);
                let value = std::mem::replace(&mut self.out, rest);
                // Two bytes always, so that the values may be of any size.
                self.out.extend([value.len() as u8 | 0x80, (value.len() >> 7) as u8]);
                for count in &mut self.counts[counts..] {
                    *count += self.out.len();
                }
                self.out.extend(value);
            }
            if self.unknown_tags {
                self.out.extend([101, 2, 7, 7]);
            }
        }
    }

    fn value(&mut self, kind: &Kind) {
        match *kind {
            Kind::Fixed(size) => self.out.extend(std::iter::repeat_n(0, size)),
            Kind::Text => {
                self.count(2, if self.flexible { 1 } else { 2 });
                self.out.extend(b"ab");
            }
            Kind::Bytes => {
                self.count(3, if self.flexible { 1 } else { 4 });
                self.out.extend(b"xyz");
            }
            Kind::List(element) => {
                self.count(self.elements, if self.flexible { 1 } else { 4 });
                (0..self.elements).for_each(|_| self.value(element));
            }
            Kind::Struct(fields) => self.fields(fields),
            Kind::Optional(fields) => {
                self.out.push(1);
                self.fields(fields);
            }
        }
    }

    fn count(&mut self, count: usize, width: usize) {
        self.counts.push(self.out.len());
        match width {
            1 => self.out.push(count as u8 + 1),
            2 => self.out.extend((count as i16).to_be_bytes()),
            _ => self.out.extend((count as i32).to_be_bytes()),
        }
    }
}

fn versions(messages: &'static [Message]) -> impl Iterator<Item = (&'static Message, i16)> {
    messages.iter().flat_map(|message| (message.versions.0..=message.versions.1).map(move |version| (message, version)))
}

#[test]
fn the_table_lists_each_api_once_in_ascending_order() {
    for messages in [requests::MESSAGES, responses::MESSAGES] {
        assert!(messages.is_sorted_by(|a, b| (a.api as i16) < (b.api as i16)));
    }
}

#[test]
fn every_version_of_every_request_has_the_layout_that_the_message_types_read() {
    for (message, version) in versions(requests::MESSAGES) {
        for (elements, unknown_tags) in [(0, false), (1, true), (3, false)] {
            let fill = Fill::of(message, version, elements, unknown_tags);
            let what = format!("{:?} version {version}: {:02x?}", message.api, fill.out);
            assert_eq!(check_request(message.api, version, &fill.out), Ok(()), "{what}");
            let mut bytes = Bytes::from(fill.out);
            RequestKind::decode(message.api, &mut bytes, version).unwrap_or_else(|error| panic!("{what}: {error}"));
            assert!(bytes.is_empty(), "{what}: {} bytes are left", bytes.len());
        }
    }
}

#[test]
fn every_version_of_every_response_has_the_layout_that_the_message_types_read() {
    for (message, version) in versions(responses::MESSAGES) {
        for (elements, unknown_tags) in [(0, false), (1, true), (3, false)] {
            let fill = Fill::of(message, version, elements, unknown_tags);
            let what = format!("{:?} version {version}: {:02x?}", message.api, fill.out);
            assert_eq!(check_response(message.api, version, &fill.out), Ok(()), "{what}");
            let mut bytes = Bytes::from(fill.out);
            ResponseKind::decode(message.api, &mut bytes, version).unwrap_or_else(|error| panic!("{what}: {error}"));
            assert!(bytes.is_empty(), "{what}: {} bytes are left", bytes.len());
        }
    }
}

#[test]
fn a_body_that_is_cut_off_anywhere_is_refused() {
    for messages in [requests::MESSAGES, responses::MESSAGES] {
        for (message, version) in versions(messages) {
            let whole = Fill::of(message, version, 2, true).out;
            for len in 0..whole.len() {
                let checked = check(messages, message.api, version, &whole[..len]);
                assert!(checked.is_err(), "{:?} version {version} cut to {len} bytes", message.api);
            }
        }
    }
}

#[test]
fn a_count_that_the_body_cannot_hold_is_refused_wherever_it_stands() {
    for messages in [requests::MESSAGES, responses::MESSAGES] {
        for (message, version) in versions(messages) {
            let fill = Fill::of(message, version, 1, false);
            for &at in &fill.counts {
                for forged in [&[0x7f, 0xff, 0xff, 0xff][..], &[0xff, 0xff, 0xff, 0xff, 0x0f], &[0x80, 0, 0, 0]] {
                    let mut body = fill.out[..at].to_vec();
                    body.extend(forged);
                    body.extend([0; 64]);
                    // Some of these are sound in another reading (-1 is null, 0x80 0x00 a long zero), and then
                    // what the message types make of them must stay within the bytes.
                    if check(messages, message.api, version, &body).is_ok() {
                        let mut bytes = Bytes::from(body);
                        if std::ptr::eq(messages, requests::MESSAGES) {
                            drop(RequestKind::decode(message.api, &mut bytes, version));
                        } else {
                            drop(ResponseKind::decode(message.api, &mut bytes, version));
                        }
                    }
                }
            }
        }
    }
}

#[test]
fn every_list_element_takes_a_byte_at_least() {
    fn least(kind: &Kind, version: i16, flexible: bool) -> usize {
        match *kind {
            Kind::Fixed(size) => size,
            Kind::Text | Kind::Bytes | Kind::Optional(_) => 1,
            Kind::List(element) => {
                assert!(1 <= least(element, version, flexible));
                1
            }
            Kind::Struct(fields) => {
                let present = fields.iter().filter(|field| field.is_in(version));
                present.map(|field| least(&field.kind, version, flexible)).sum::<usize>() + usize::from(flexible)
            }
        }
    }
    for messages in [requests::MESSAGES, responses::MESSAGES] {
        for (message, version) in versions(messages) {
            for field in message.fields.iter().filter(|field| field.is_in(version)) {
                least(&field.kind, version, message.flexible_from <= version);
            }
        }
    }
}

#[test]
fn fourteen_bytes_cannot_ask_for_gigabytes() {
    let body = 0x7fff_ffff_i32.to_be_bytes();
    assert_eq!(check_request(ApiKey::Metadata, 0, &body), Err(Malformed::new("topics", 0)));
    // Compact: 2^32 - 2 topics.
    let body = [0xff, 0xff, 0xff, 0xff, 0x0f];
    assert_eq!(check_request(ApiKey::Metadata, 12, &body), Err(Malformed::new("topics", 0)));
}

#[test]
fn many_small_elements_are_refused_although_they_are_there() {
    let mut body = (MOST_ELEMENTS as i32 + 1).to_be_bytes().to_vec();
    body.resize(4 + 2 * (MOST_ELEMENTS + 1), 0);
    assert_eq!(check_request(ApiKey::Metadata, 1, &body), Err(Malformed::new("topics", 0)));
}

#[test]
fn tags_ascend_and_known_ones_have_their_size() {
    // ApiVersions 3 response: no error, no keys, no throttling, then its tags.
    let body = |tags: &[u8]| [&[0, 0, 1, 0, 0, 0, 0][..], tags].concat();
    let check = |tags: &[u8]| check_response(ApiKey::ApiVersions, 3, &body(tags)).is_ok();
    assert!(check(&[0]));
    assert!(check(&[2, 3, 1, 1, 9, 0]), "a known and an unknown tag");
    assert!(!check(&[2, 9, 0, 3, 1, 1]), "descending");
    assert!(!check(&[2, 9, 0, 9, 0]), "twice");
    assert!(!check(&[1, 3, 2, 1, 1]), "the size is not that of the field");
    assert!(!check(&[1, 9, 5, 1]), "longer than the body");
}

#[test]
fn a_version_that_nobody_knows_is_refused() {
    assert_eq!(check_request(ApiKey::Metadata, 99, &[]), Err(Malformed::new("version", 0)));
    assert_eq!(check_request(ApiKey::Metadata, -1, &[]), Err(Malformed::new("version", 0)));
}
