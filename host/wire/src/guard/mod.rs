//! The check of a message's structure that comes before its decoding.
//!
//! The message types reserve memory for as many elements as an array announces; fourteen hostile bytes would
//! make them ask for 154 GB, and the allocator ends the process. So each body is walked first, along a table of
//! what each version of each API consists of: every length and count is held against the bytes that are there,
//! and the number of elements has a bound. What passes can be decoded with memory in proportion to its size.
//! The tables are generated from Kafka's message definitions, for every message and version that the message
//! types read.
//!
//! Values (texts that are not UTF-8, nulls where none may be) are left to the message types.

mod cursor;
#[rustfmt::skip]
mod requests;
#[rustfmt::skip]
mod responses;
mod schema;

use kafka_protocol::messages::ApiKey;

pub(crate) use cursor::Cursor;
use schema::{Field, Kind, Message};

use crate::layout;

/// Most array elements and unknown tagged fields of one message, nested ones counted.
///
/// An element may take a hundred times the memory of its bytes on the wire, so a bound on the frame alone
/// would let one frame of the largest size ask for gigabytes. A million is a consumer of a hundred thousand
/// partitions ten times over.
pub const MOST_ELEMENTS: usize = 1 << 20;

/// Most bytes of a text.
pub const LONGEST_TEXT: usize = i16::MAX as usize;

/// A body whose structure contradicts its bytes.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("field {field} does not fit at byte {position}")]
pub struct Malformed {
    /// The field that does not fit.
    pub field: &'static str,
    /// Where in the body it begins.
    pub position: usize,
}

impl Malformed {
    pub(crate) fn new(field: &'static str, position: usize) -> Self {
        Self { field, position }
    }
}

/// Checks the body of a request of this API and version. Allocates nothing.
///
/// # Errors
///
/// Names the first field that does not fit; `version` where the API is not known in that version.
pub fn check_request(api: ApiKey, version: i16, body: &[u8]) -> Result<(), Malformed> {
    check(requests::MESSAGES, api, layout::of_request(api, version), body)
}

/// Checks the body of a response of this API and version. Allocates nothing.
///
/// # Errors
///
/// Names the first field that does not fit; `version` where the API is not known in that version.
pub fn check_response(api: ApiKey, version: i16, body: &[u8]) -> Result<(), Malformed> {
    check(responses::MESSAGES, api, layout::of_response(api, version), body)
}

fn check(messages: &[Message], api: ApiKey, version: i16, body: &[u8]) -> Result<(), Malformed> {
    let unknown = Malformed::new("version", 0);
    let at = messages.binary_search_by_key(&(api as i16), |message| message.api as i16).map_err(|_| unknown)?;
    let message = &messages[at];
    if version < message.versions.0 || message.versions.1 < version {
        return Err(unknown);
    }
    Walk::new(message, version, body).fields(message.fields)
}

struct Walk<'a> {
    cursor: Cursor<'a>,
    version: i16,
    flexible: bool,
    elements_left: usize,
}

impl<'a> Walk<'a> {
    fn new(message: &Message, version: i16, body: &'a [u8]) -> Self {
        Self {
            cursor: Cursor::new(body),
            version,
            flexible: message.flexible_from <= version,
            elements_left: MOST_ELEMENTS,
        }
    }

    fn fields(&mut self, fields: &'static [Field]) -> Result<(), Malformed> {
        for field in fields {
            if field.tag.is_none() && field.is_in(self.version) {
                self.value(field)?;
            }
        }
        if self.flexible { self.tagged(fields) } else { Ok(()) }
    }

    fn value(&mut self, field: &'static Field) -> Result<(), Malformed> {
        let position = self.cursor.position();
        let misfit = |_| Malformed::new(field.name, position);
        match field.kind {
            Kind::Fixed(size) => self.cursor.skip(usize::from(size)).map_err(misfit),
            Kind::Text => self.text(field),
            Kind::Bytes => self.count().and_then(|len| self.cursor.skip(len)).map_err(misfit),
            Kind::Struct(fields) => self.fields(fields),
            Kind::Optional(fields) => match self.cursor.byte().map_err(misfit)? {
                1 => self.fields(fields),
                _ => Ok(()),
            },
            Kind::FixedList(size) => {
                let count = self.elements(field)?;
                // No overflow: there are at most `MOST_ELEMENTS`.
                self.cursor.skip(count * usize::from(size)).map_err(misfit)
            }
            Kind::TextList => (0..self.elements(field)?).try_for_each(|_| self.text(field)),
            Kind::StructList(fields) => (0..self.elements(field)?).try_for_each(|_| self.fields(fields)),
        }
    }

    fn text(&mut self, field: &'static Field) -> Result<(), Malformed> {
        let position = self.cursor.position();
        let skipped = if self.flexible {
            // The compact form could be longer; Kafka's readers take no text that the other form could not hold.
            let fits = |len: usize| if len <= LONGEST_TEXT { Ok(len) } else { Err(Malformed::new("length", position)) };
            self.count().and_then(fits).and_then(|len| self.cursor.skip(len))
        } else {
            self.cursor.nullable_string().map(drop)
        };
        skipped.map_err(|_| Malformed::new(field.name, position))
    }

    /// The count of a list, within what the bytes can hold and a message may have.
    fn elements(&mut self, field: &'static Field) -> Result<usize, Malformed> {
        let position = self.cursor.position();
        let misfit = || Malformed::new(field.name, position);
        let count = self.count().map_err(|_| misfit())?;
        // Every element has a byte at least, so that this bounds the loop as well.
        if self.cursor.remaining() < count || self.elements_left < count {
            return Err(misfit());
        }
        self.elements_left -= count;
        Ok(count)
    }

    /// A length or count; null counts as nothing.
    fn count(&mut self) -> Result<usize, Malformed> {
        if self.flexible {
            let raw = self.cursor.unsigned_varint()?;
            return Ok(raw.saturating_sub(1) as usize);
        }
        let position = self.cursor.position();
        match self.cursor.int32()? {
            -1 => Ok(0),
            count => usize::try_from(count).map_err(|_| Malformed::new("length", position)),
        }
    }

    /// The tagged-field buffer at the end of a struct.
    fn tagged(&mut self, fields: &'static [Field]) -> Result<(), Malformed> {
        let count = self.cursor.unsigned_varint()?;
        let mut least_tag = 0_u64;
        for _ in 0..count {
            let position = self.cursor.position();
            let misfit = || Malformed::new("tagged field", position);
            let tag = self.cursor.unsigned_varint()?;
            let size = self.cursor.unsigned_varint()? as usize;
            // Tags ascend, so that none comes twice; the message types take one above an int32 for a negative one.
            if i32::try_from(tag).is_err() || u64::from(tag) < least_tag || self.elements_left == 0 {
                return Err(misfit());
            }
            least_tag = u64::from(tag) + 1;
            self.elements_left -= 1;
            let start = self.cursor.position();
            match fields.iter().find(|field| field.tag.map(u32::from) == Some(tag) && field.is_in(self.version)) {
                // The message types read a field they know by its own kind, whatever size was announced.
                Some(field) => {
                    self.value(field)?;
                    if self.cursor.position() - start != size {
                        return Err(misfit());
                    }
                }
                None => self.cursor.skip(size)?,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
