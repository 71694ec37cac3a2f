//! Bounds-checked reading of the protocol's primitives.

use std::ops::Range;

use super::Malformed;

/// A position in a message.
#[derive(Clone, Debug)]
pub(crate) struct Cursor<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Cursor<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0 }
    }

    pub(crate) fn position(&self) -> usize {
        self.at
    }

    pub(crate) fn remaining(&self) -> usize {
        self.bytes.len() - self.at
    }

    pub(crate) fn skip(&mut self, len: usize) -> Result<(), Malformed> {
        if self.remaining() < len {
            return Err(Malformed::new("length", self.at));
        }
        self.at += len;
        Ok(())
    }

    fn take<const N: usize>(&mut self) -> Result<[u8; N], Malformed> {
        let taken = self.bytes[self.at..].first_chunk::<N>().ok_or(Malformed::new("number", self.at))?;
        self.at += N;
        Ok(*taken)
    }

    pub(crate) fn byte(&mut self) -> Result<u8, Malformed> {
        self.take::<1>().map(|[byte]| byte)
    }

    pub(crate) fn int16(&mut self) -> Result<i16, Malformed> {
        self.take().map(i16::from_be_bytes)
    }

    pub(crate) fn int32(&mut self) -> Result<i32, Malformed> {
        self.take().map(i32::from_be_bytes)
    }

    pub(crate) fn uuid(&mut self) -> Result<[u8; 16], Malformed> {
        self.take()
    }

    /// At most five bytes, of which the last may not exceed 32 bits.
    pub(crate) fn unsigned_varint(&mut self) -> Result<u32, Malformed> {
        let start = self.at;
        let mut value = 0_u64;
        for shift in [0, 7, 14, 21, 28] {
            let byte = self.byte()?;
            value |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return u32::try_from(value).map_err(|_| Malformed::new("varint", start));
            }
        }
        Err(Malformed::new("varint", start))
    }

    /// An int16 length and so many bytes; -1 is null.
    pub(crate) fn nullable_string(&mut self) -> Result<Option<Range<usize>>, Malformed> {
        let start = self.at;
        match self.int16()? {
            -1 => Ok(None),
            len => {
                let len = usize::try_from(len).map_err(|_| Malformed::new("length", start))?;
                self.skip(len)?;
                Ok(Some(self.at - len..self.at))
            }
        }
    }

    /// A tagged-field buffer of which nothing is wanted.
    pub(crate) fn tagged_fields(&mut self) -> Result<(), Malformed> {
        for _ in 0..self.unsigned_varint()? {
            self.unsigned_varint()?;
            let size = self.unsigned_varint()? as usize;
            self.skip(size)?;
        }
        Ok(())
    }
}
