mod fill;
mod subject;

use bytes::Bytes;
use fill::{Count, Dice, Fill, Regular, fill, varint};
use kafka_protocol::messages::{RequestKind, ResponseKind};
use subject::Subject;

use super::*;

#[test]
fn every_message_in_every_version_that_the_message_types_know_is_in_the_tables_in_ascending_order() {
    // The message types announce more versions than they read, so that they are asked.
    let reads = |error: Option<String>| {
        error.is_none_or(|error| error != "specified version not supported by this message type")
    };
    let nothing = &mut Bytes::new();
    let (mut requests, mut responses) = (Vec::new(), Vec::new());
    for api in ApiKey::iter() {
        for version in api.valid_versions().min..=api.valid_versions().max {
            let error = RequestKind::decode(api, nothing, version).err();
            if reads(error.map(|error| error.root_cause().to_string())) {
                requests.push((api, version));
            }
            let error = ResponseKind::decode(api, nothing, version).err();
            if reads(error.map(|error| error.root_cause().to_string())) {
                responses.push((api, version));
            }
        }
    }
    let described = |requests: bool| {
        Subject::all().filter(move |subject| subject.is_request() == requests).map(|s| (s.message.api, s.version))
    };
    assert_eq!(described(true).collect::<Vec<_>>(), requests);
    assert_eq!(described(false).collect::<Vec<_>>(), responses);
}

#[test]
fn every_version_of_every_message_has_the_layout_that_the_message_types_read_and_write() {
    for subject in Subject::all() {
        for (elements, unknown_tag) in [(0, None), (1, Some(101)), (3, None)] {
            let body = fill(subject, &mut Regular(elements, unknown_tag)).out;
            assert_eq!(subject.check(&body), Ok(()), "{subject}: {body:02x?}");
            let (read, written) = subject.decode(&body).unwrap_or_else(|e| panic!("{subject}: {e}: {body:02x?}"));
            assert_eq!(read, body.len(), "{subject}: {body:02x?}");
            assert_eq!(subject.check(&written), Ok(()), "{subject}: {written:02x?}");
            assert_eq!(subject.checked_len(&written), written.len(), "{subject}: {written:02x?}");
        }
    }
}

#[test]
fn the_message_types_read_no_tagged_field_that_the_tables_do_not_know() {
    for subject in Subject::all().filter(Subject::flexible) {
        for tag in 0..=16 {
            let body = fill(subject, &mut Regular(1, Some(tag))).out;
            assert_eq!(subject.check(&body), Ok(()), "{subject}: {body:02x?}");
            match subject.decode(&body) {
                Ok((read, _)) => assert_eq!(read, body.len(), "{subject} with tag {tag}: {body:02x?}"),
                Err(error) => assert_eq!(error, format!("Tag {tag} is not valid for version {}", subject.version)),
            }
        }
    }
}

#[test]
fn whatever_values_a_message_has_guard_and_message_types_take_the_same_bytes_for_it() {
    let (mut accepted, mut null) = (0, 0);
    for subject in Subject::all() {
        let mut dice = Dice(subject.message.api as u64 * 100 + subject.version as u64);
        for _ in 0..10 {
            let body = fill(subject, &mut dice).out;
            assert_eq!(subject.check(&body), Ok(()), "{subject}: {body:02x?}");
            assert_eq!(subject.checked_len(&body), body.len(), "{subject}: {body:02x?}");
            match subject.decode(&body) {
                Ok((read, _)) => {
                    accepted += 1;
                    assert_eq!(read, body.len(), "{subject}: {body:02x?}");
                }
                // A null where none may be is the message types' business.
                Err(error) => {
                    null += 1;
                    assert!(error.ends_with("length is negative (-1)"), "{subject}: {error}: {body:02x?}");
                }
            }
            for len in 0..body.len() {
                assert!(subject.check(&body[..len]).is_err(), "{subject} cut to {len} bytes");
            }
        }
    }
    assert!(null < accepted, "{accepted} accepted, {null} with a null where none may be");
}

#[test]
fn texts_are_as_long_as_kafkas_readers_take_them_and_no_longer() {
    // ConsumerGroupHeartbeat begins with the group's id, in compact form.
    let body = |len: usize| {
        let mut body = varint(u32::try_from(len + 1).unwrap()).to_vec();
        body.resize(body.len() + len, b'g');
        body.extend([2, b'm', 0, 0, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0, 0]);
        body
    };
    let check = |len| check_request(ApiKey::ConsumerGroupHeartbeat, 0, &body(len));
    assert_eq!(check(LONGEST_TEXT), Ok(()));
    assert_eq!(check(LONGEST_TEXT + 1), Err(Malformed::new("group_id", 0)));
}

#[test]
fn a_body_that_is_cut_off_anywhere_is_refused() {
    for subject in Subject::all() {
        let whole = fill(subject, &mut Regular(2, Some(101))).out;
        for len in 0..whole.len() {
            assert!(subject.check(&whole[..len]).is_err(), "{subject} cut to {len} bytes");
        }
    }
}

#[test]
fn a_count_that_the_body_cannot_hold_is_refused_wherever_it_stands() {
    for subject in Subject::all() {
        let Fill { out: body, counts, .. } = fill(subject, &mut Regular(1, None));
        for Count { field, at, len, compact } in counts {
            let rest = &body[at + len..];
            for count in [rest.len() + 1, MOST_ELEMENTS, i32::MAX as usize] {
                let forged = match (compact, len) {
                    (true, _) => varint(count as u32 + 1),
                    (false, 2) => i16::try_from(count).unwrap_or(i16::MAX).to_be_bytes().to_vec(),
                    (false, _) => (count as i32).to_be_bytes().to_vec(),
                };
                let body = [&body[..at], &forged, rest].concat();
                assert_eq!(subject.check(&body), Err(Malformed::new(field, at)), "{subject}: {body:02x?}");
            }
        }
    }
}

#[test]
fn what_is_accepted_of_damaged_bodies_is_decoded_in_proportion_to_its_bytes() {
    let (mut accepted, mut refused) = (0, 0);
    for subject in Subject::all() {
        let mut dice = Dice(subject.message.api as u64 * 100 + subject.version as u64);
        for _ in 0..30 {
            let Fill { out: mut body, counts, .. } = fill(subject, &mut Regular(2, Some(101)));
            body.extend([0; 64]);
            for _ in 0..1 + dice.below(3) {
                let anywhere = dice.below(body.len() - 4);
                let at = if counts.is_empty() { anywhere } else { counts[dice.below(counts.len())].at };
                match dice.below(4) {
                    0 => body[anywhere] = dice.below(256) as u8,
                    1 => body[at] = dice.below(256) as u8,
                    2 => body[at..at + 4].copy_from_slice(&[0xff, 0xff, 0xff, dice.below(256) as u8]),
                    _ => drop(body.splice(at..at + 1, [0x80 | dice.below(256) as u8, dice.below(4) as u8])),
                }
            }
            if subject.check(&body).is_err() {
                refused += 1;
            } else if let Ok((read, _)) = subject.decode(&body) {
                accepted += 1;
                assert_eq!(subject.checked_len(&body), read, "{subject}: {body:02x?}");
            }
        }
    }
    assert!(1000 < accepted && 1000 < refused, "{accepted} accepted, {refused} refused");
}

#[test]
fn every_list_element_takes_a_byte_at_least() {
    fn least(fields: &[Field], version: i16, flexible: bool) -> usize {
        let present = fields.iter().filter(|field| field.tag.is_none() && field.is_in(version));
        let lens = present.map(|field| match field.kind {
            Kind::Fixed(size) => size.into(),
            Kind::Struct(fields) => least(fields, version, flexible),
            Kind::Optional(fields) => {
                least(fields, version, flexible);
                1
            }
            Kind::StructList(fields) => {
                assert!(1 <= least(fields, version, flexible), "{}", field.name);
                1
            }
            Kind::Text | Kind::Bytes | Kind::FixedList(_) | Kind::TextList => 1,
        });
        lens.sum::<usize>() + usize::from(flexible)
    }
    for subject in Subject::all() {
        least(subject.message.fields, subject.version, subject.flexible());
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

#[test]
fn a_tag_that_the_message_types_take_for_a_negative_one_is_refused() {
    // Metadata 9 without topics, and one unknown tag: the largest, and one more.
    let body = |tag: &[u8]| [&[0, 0, 0, 0, 1][..], tag, &[0]].concat();
    let check = |tag: &[u8]| check_request(ApiKey::Metadata, 9, &body(tag)).is_ok();
    assert!(check(&[0xff, 0xff, 0xff, 0xff, 0x07]));
    assert!(!check(&[0x80, 0x80, 0x80, 0x80, 0x08]));
}
