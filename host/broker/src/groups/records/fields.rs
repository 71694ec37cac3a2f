//! The primitive types that records are made of.

use bytes::{BufMut, Bytes, BytesMut};
use uuid::Uuid;

pub(super) fn put_string(out: &mut BytesMut, text: &str) {
    put_nullable_string(out, Some(text));
}

/// Texts here came through int16-length fields or are cut: ids and metadata are checked on arrival.
pub(super) fn put_nullable_string(out: &mut BytesMut, text: Option<&str>) {
    match text {
        None => out.put_i16(-1),
        Some(text) => {
            let mut end = text.len().min(i16::MAX as usize);
            while !text.is_char_boundary(end) {
                end -= 1;
            }
            out.put_i16(i16::try_from(end).unwrap_or(i16::MAX));
            out.put_slice(&text.as_bytes()[..end]);
        }
    }
}

pub(super) fn put_bytes(out: &mut BytesMut, bytes: &[u8]) {
    out.put_i32(i32::try_from(bytes.len()).unwrap_or(i32::MAX));
    out.put_slice(bytes);
}

pub(super) fn put_unsigned_varint(out: &mut BytesMut, mut value: u32) {
    while 0x80 <= value {
        out.put_u8((value & 0x7f) as u8 | 0x80);
        value >>= 7;
    }
    out.put_u8(value as u8);
}

/// The length of a compact array, text or bytes.
pub(super) fn put_compact_len(out: &mut BytesMut, len: usize) {
    put_unsigned_varint(out, u32::try_from(len).unwrap_or(u32::MAX - 1) + 1);
}

pub(super) fn put_compact_string(out: &mut BytesMut, text: &str) {
    put_compact_len(out, text.len());
    out.put_slice(text.as_bytes());
}

pub(super) fn put_compact_nullable_string(out: &mut BytesMut, text: Option<&str>) {
    match text {
        Some(text) => put_compact_string(out, text),
        None => put_unsigned_varint(out, 0),
    }
}

pub(super) fn put_compact_bytes(out: &mut BytesMut, bytes: &[u8]) {
    put_compact_len(out, bytes.len());
    out.put_slice(bytes);
}

/// The end of a struct without tagged fields.
pub(super) fn put_no_tags(out: &mut BytesMut) {
    put_unsigned_varint(out, 0);
}

/// Tagged fields, to be added in ascending order of their tags.
#[derive(Default)]
pub(super) struct Tags {
    count: u32,
    fields: BytesMut,
}

impl Tags {
    pub fn add(&mut self, tag: u32, field: &[u8]) {
        self.count += 1;
        put_unsigned_varint(&mut self.fields, tag);
        put_unsigned_varint(&mut self.fields, u32::try_from(field.len()).unwrap_or(u32::MAX));
        self.fields.put_slice(field);
    }

    pub fn put(self, out: &mut BytesMut) {
        put_unsigned_varint(out, self.count);
        out.put_slice(&self.fields);
    }
}

/// Reads Kafka's primitive types; every method is `None` at the end of the bytes.
pub struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    /// Starts at the first byte.
    pub fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    fn take(&mut self, len: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.rest.split_at_checked(len)?;
        self.rest = rest;
        Some(taken)
    }

    /// INT16.
    pub fn int16(&mut self) -> Option<i16> {
        Some(i16::from_be_bytes(self.take(2)?.try_into().ok()?))
    }

    /// INT32.
    pub fn int32(&mut self) -> Option<i32> {
        Some(i32::from_be_bytes(self.take(4)?.try_into().ok()?))
    }

    /// INT64.
    pub fn int64(&mut self) -> Option<i64> {
        Some(i64::from_be_bytes(self.take(8)?.try_into().ok()?))
    }

    /// An array's length, refused when that many elements of `smallest` bytes do not fit.
    pub fn count(&mut self, smallest: usize) -> Option<usize> {
        let count = usize::try_from(self.int32()?).ok()?;
        (count.checked_mul(smallest)? <= self.rest.len()).then_some(count)
    }

    /// STRING.
    pub fn string(&mut self) -> Option<String> {
        self.nullable_string()?
    }

    /// NULLABLE_STRING.
    pub fn nullable_string(&mut self) -> Option<Option<String>> {
        let len = self.int16()?;
        if len == -1 {
            return Some(None);
        }
        let bytes = self.take(usize::try_from(len).ok()?)?;
        Some(Some(String::from_utf8(bytes.to_vec()).ok()?))
    }

    /// UUID.
    pub fn uuid(&mut self) -> Option<Uuid> {
        Some(Uuid::from_bytes(self.take(16)?.try_into().ok()?))
    }

    /// UNSIGNED_VARINT of at most 32 bits.
    pub fn unsigned_varint(&mut self) -> Option<u32> {
        let mut value = 0_u64;
        for shift in (0..35).step_by(7) {
            let byte = self.take(1)?[0];
            value |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return u32::try_from(value).ok();
            }
        }
        None
    }

    /// A compact array's length, refused when that many elements of `smallest` bytes do not fit; null counts as empty.
    pub fn compact_count(&mut self, smallest: usize) -> Option<usize> {
        let count = usize::try_from(self.unsigned_varint()?.saturating_sub(1)).ok()?;
        (count.checked_mul(smallest)? <= self.rest.len()).then_some(count)
    }

    /// INT8.
    pub fn int8(&mut self) -> Option<i8> {
        Some(i8::from_be_bytes(self.take(1)?.try_into().ok()?))
    }

    /// COMPACT_BYTES.
    pub fn compact_bytes(&mut self) -> Option<Bytes> {
        let len = self.unsigned_varint()?.checked_sub(1)?;
        Some(Bytes::copy_from_slice(self.take(usize::try_from(len).ok()?)?))
    }

    /// COMPACT_STRING.
    pub fn compact_string(&mut self) -> Option<String> {
        self.compact_nullable_string()?
    }

    /// COMPACT_NULLABLE_STRING.
    pub fn compact_nullable_string(&mut self) -> Option<Option<String>> {
        let Some(len) = self.unsigned_varint()?.checked_sub(1) else { return Some(None) };
        let bytes = self.take(usize::try_from(len).ok()?)?;
        Some(Some(String::from_utf8(bytes.to_vec()).ok()?))
    }

    /// A buffer of tagged fields: `each` is given every field, and passes over those that it does not know.
    pub fn tags(&mut self, mut each: impl FnMut(u32, &mut Reader<'_>) -> Option<()>) -> Option<()> {
        for _ in 0..self.unsigned_varint()? {
            let tag = self.unsigned_varint()?;
            let len = usize::try_from(self.unsigned_varint()?).ok()?;
            each(tag, &mut Reader::new(self.take(len)?))?;
        }
        Some(())
    }

    /// BYTES; null counts as empty.
    pub fn bytes(&mut self) -> Option<Bytes> {
        let len = self.int32()?;
        if len == -1 {
            return Some(Bytes::new());
        }
        Some(Bytes::copy_from_slice(self.take(usize::try_from(len).ok()?)?))
    }
}
