//! Makes the guard's tables from the message definitions in Apache Kafka's client jar, and holds the committed
//! ones against them. No text of the definitions is kept, only what they say about the layout of bytes.
//!
//! To make them anew, for a newer Kafka or newer message types:
//! `MILLSTREAM_WRITE_PAGES=1 cargo test -p millstream-wire --test guard_tables`.

mod definition;
mod jar;
mod table;

use std::{fs, path::Path};

use bytes::Bytes;
use definition::{Direction, Message, Versions};
use millstream_wire::protocol::messages::{ApiKey, RequestKind, ResponseKind};

const JAR: &str = "kafka-clients-4.3.0.jar";

/// The committed tables are rewritten instead when `MILLSTREAM_WRITE_PAGES` is set.
#[test]
fn the_committed_tables_are_those_of_kafkas_definitions() {
    let Some(libs) = harness::peers::kafka_libs() else { return };
    let messages = messages(&libs.join(JAR));
    let (requests, responses): (Vec<_>, Vec<_>) =
        messages.into_iter().partition(|(_, message)| message.direction == Direction::Request);
    for (what, messages) in [("request", requests), ("response", responses)] {
        let table = table::print(what, &messages);
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("src/guard/{what}s.rs"));
        if std::env::var_os("MILLSTREAM_WRITE_PAGES").is_some() {
            fs::write(&path, &table).unwrap();
        }
        let committed = fs::read_to_string(&path).unwrap();
        assert!(committed == table, "guard/{what}s.rs is stale: run this test with MILLSTREAM_WRITE_PAGES=1");
    }
}

/// The definitions in the jar, in the versions that the message types read, in ascending order of the API keys.
fn messages(jar: &Path) -> Vec<(ApiKey, Message)> {
    let jar = fs::read(jar).unwrap_or_else(|error| panic!("{}: {error}", jar.display()));
    let texts = jar::texts(&jar, |name| name.starts_with("common/message/") && name.ends_with(".json"));
    let parsed = texts.iter().filter_map(|text| definition::parse(text, versions));
    let mut messages: Vec<_> =
        parsed.map(|message| (ApiKey::try_from(message.api_key).expect("it has versions"), message)).collect();
    messages.sort_by_key(|(_, message)| message.api_key);
    messages
}

/// The versions that the message types read. They announce more than that in places, so that they are asked.
fn versions(api_key: i16, direction: Direction) -> Option<Versions> {
    let api = ApiKey::try_from(api_key).ok()?;
    let announced = api.valid_versions();
    let is_read = |version: &i16| {
        let nothing = &mut Bytes::new();
        let error = match direction {
            Direction::Request => RequestKind::decode(api, nothing, *version).err(),
            Direction::Response => ResponseKind::decode(api, nothing, *version).err(),
        };
        error.is_none_or(|error| {
            error.root_cause().to_string() != "specified version not supported by this message type"
        })
    };
    let first = (announced.min..=announced.max).find(is_read)?;
    let last = (first..=announced.max).rfind(is_read)?;
    assert!((first..=last).all(|version| is_read(&version)), "{api:?} is read with a gap in its versions");
    Some(Versions(first, last))
}
