//! One version of a request or response, asked of the guard and of the message types.

use std::fmt;

use bytes::{Bytes, BytesMut};
use harness::memory::Watched;
use kafka_protocol::messages::{RequestKind, ResponseKind};

use super::super::{Malformed, Message, Walk, check_request, check_response, requests, responses};

#[global_allocator]
static WATCHED: Watched = Watched;

#[derive(Clone, Copy)]
pub struct Subject {
    table: &'static [Message],
    pub message: &'static Message,
    pub version: i16,
}

impl Subject {
    pub fn all() -> impl Iterator<Item = Self> {
        [requests::MESSAGES, responses::MESSAGES].into_iter().flat_map(|table| {
            table.iter().flat_map(move |message| {
                (message.versions.0..=message.versions.1).map(move |version| Self { table, message, version })
            })
        })
    }

    pub fn flexible(&self) -> bool {
        self.message.flexible_from <= self.version
    }

    pub fn is_request(&self) -> bool {
        std::ptr::eq(self.table, requests::MESSAGES)
    }

    pub fn check(&self, body: &[u8]) -> Result<(), Malformed> {
        let check = if self.is_request() { check_request } else { check_response };
        check(self.message.api, self.version, body)
    }

    /// How much of the body the guard took.
    pub fn checked_len(&self, body: &[u8]) -> usize {
        let mut walk = Walk::new(self.message, self.version, body);
        walk.fields(self.message.fields).unwrap();
        walk.cursor.position()
    }

    /// How much of the body the message types took, and how they write what they read from it. They reserve no
    /// memory out of proportion to the body.
    pub fn decode(&self, body: &[u8]) -> Result<(usize, BytesMut), String> {
        let mut bytes = Bytes::copy_from_slice(body);
        let mut written = BytesMut::new();
        let (api, version) = (self.message.api, self.version);
        let (encoded, largest) = Watched::largest_block(|| {
            if self.is_request() {
                RequestKind::decode(api, &mut bytes, version).map(|read| read.encode(&mut written, version))
            } else {
                ResponseKind::decode(api, &mut bytes, version).map(|read| read.encode(&mut written, version))
            }
        });
        assert!(largest <= 4096 + 512 * body.len(), "{self}: {largest} bytes for {body:02x?}");
        encoded.map_err(|error| error.root_cause().to_string())?.unwrap_or_else(|error| panic!("{self}: {error}"));
        Ok((body.len() - bytes.len(), written))
    }
}

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let what = if self.is_request() { "request" } else { "response" };
        write!(f, "{:?} {what} version {}", self.message.api, self.version)
    }
}
