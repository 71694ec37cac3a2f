//! The records of `__transaction_state`, byte for byte as Apache Kafka 4.3 writes them (TransactionLogKey,
//! TransactionLogValue). A null value deletes.

use bytes::{BufMut, Bytes, BytesMut};

use super::metadata::{Generation, Metadata, NO_EPOCH, NO_PRODUCER_ID, Partitions, TransactionState};

/// How values are laid out.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum ValueVersion {
    /// Without tagged fields, where `transaction.version` is 0.
    V0,
    /// With tagged fields, where it is 1 or more.
    V1,
}

/// Why a record of `__transaction_state` cannot be understood.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum UnreadableRecord {
    /// Written by something newer.
    #[error("a record of version {0} is not known here")]
    Version(i16),
    /// Ends early, or holds impossible numbers or text.
    #[error("a record of the transactions' topic is malformed")]
    Malformed,
}

const PREVIOUS_PRODUCER_ID: u32 = 0;
const NEXT_PRODUCER_ID: u32 = 1;
const CLIENT_VERSION: u32 = 2;

/// The key's bytes. Ids longer than a key can say are refused before one is made.
pub fn encode_key(transactional_id: &str) -> Bytes {
    let mut out = BytesMut::with_capacity(4 + transactional_id.len());
    out.put_i16(0);
    out.put_i16(i16::try_from(transactional_id.len()).unwrap_or(i16::MAX));
    out.put_slice(transactional_id.as_bytes());
    out.freeze()
}

/// Reads a key.
///
/// # Errors
///
/// Cut off, no text, or of another version.
pub fn decode_key(bytes: &[u8]) -> Result<String, UnreadableRecord> {
    let mut reader = Reader(bytes);
    let malformed = UnreadableRecord::Malformed;
    match i16::from_be_bytes(reader.take().ok_or(malformed)?) {
        0 => {
            let len = i16::from_be_bytes(reader.take().ok_or(malformed)?);
            reader.text(usize::try_from(len).map_err(|_| malformed)?).ok_or(malformed)
        }
        version => Err(UnreadableRecord::Version(version)),
    }
}

/// The value's bytes.
pub fn encode_value(metadata: &Metadata, version: ValueVersion) -> Bytes {
    let flexible = version == ValueVersion::V1;
    let mut out = BytesMut::with_capacity(128);
    out.put_i16(if flexible { 1 } else { 0 });
    out.put_i64(metadata.producer_id);
    out.put_i16(metadata.epoch);
    out.put_i32(metadata.timeout_ms);
    out.put_i8(metadata.state.id());
    put_partitions(&mut out, metadata, flexible);
    out.put_i64(metadata.updated_ms);
    out.put_i64(metadata.started_ms);
    if flexible {
        put_tagged(&mut out, metadata);
    }
    out.freeze()
}

fn put_partitions(out: &mut BytesMut, metadata: &Metadata, flexible: bool) {
    let put_count = |out: &mut BytesMut, count: Option<usize>| match (flexible, count) {
        (true, count) => put_uvarint(out, count.map_or(0, |count| count as u32 + 1)),
        (false, count) => out.put_i32(count.map_or(-1, |count| count as i32)),
    };
    if metadata.state == TransactionState::Empty {
        return put_count(out, None);
    }
    let topics = metadata.partitions.topics();
    put_count(out, Some(topics.len()));
    for (topic, partitions) in topics {
        // Names of topics have at most 249 bytes.
        if flexible {
            put_uvarint(out, topic.len() as u32 + 1);
        } else {
            out.put_i16(topic.len() as i16);
        }
        out.put_slice(topic.as_bytes());
        put_count(out, Some(partitions.len()));
        partitions.iter().for_each(|&partition| out.put_i32(partition));
        if flexible {
            put_uvarint(out, 0);
        }
    }
}

/// Tagged fields are written where they have another value than the default.
fn put_tagged(out: &mut BytesMut, metadata: &Metadata) {
    let mut fields: Vec<(u32, Bytes)> = Vec::with_capacity(3);
    let producer_ids =
        [(PREVIOUS_PRODUCER_ID, metadata.previous_producer_id), (NEXT_PRODUCER_ID, metadata.next_producer_id)];
    for (tag, producer_id) in producer_ids {
        if producer_id != NO_PRODUCER_ID {
            fields.push((tag, Bytes::copy_from_slice(&producer_id.to_be_bytes())));
        }
    }
    let level = metadata.generation.level();
    if level != 0 {
        fields.push((CLIENT_VERSION, Bytes::copy_from_slice(&level.to_be_bytes())));
    }
    put_uvarint(out, fields.len() as u32);
    for (tag, content) in fields {
        put_uvarint(out, tag);
        put_uvarint(out, content.len() as u32);
        out.put_slice(&content);
    }
}

/// Reads a value of version 0 or 1.
///
/// # Errors
///
/// Other versions, states that are never written, and cut-off bytes.
pub fn decode_value(bytes: &[u8]) -> Result<Metadata, UnreadableRecord> {
    let mut reader = Reader(bytes);
    let flexible = match i16::from_be_bytes(reader.take().ok_or(UnreadableRecord::Malformed)?) {
        0 => false,
        1 => true,
        version => return Err(UnreadableRecord::Version(version)),
    };
    read_fields(&mut reader, flexible).ok_or(UnreadableRecord::Malformed)
}

fn read_fields(reader: &mut Reader<'_>, flexible: bool) -> Option<Metadata> {
    let mut metadata = Metadata {
        producer_id: i64::from_be_bytes(reader.take()?),
        previous_producer_id: NO_PRODUCER_ID,
        next_producer_id: NO_PRODUCER_ID,
        epoch: i16::from_be_bytes(reader.take()?),
        last_epoch: NO_EPOCH,
        timeout_ms: i32::from_be_bytes(reader.take()?),
        state: TransactionState::from_id(i8::from_be_bytes(reader.take()?))?,
        partitions: read_partitions(reader, flexible)?,
        updated_ms: i64::from_be_bytes(reader.take()?),
        started_ms: i64::from_be_bytes(reader.take()?),
        generation: Generation::First,
    };
    if flexible {
        for _ in 0..reader.uvarint()? {
            let (tag, size) = (reader.uvarint()?, reader.uvarint()? as usize);
            let mut field = Reader(reader.bytes(size)?);
            match tag {
                PREVIOUS_PRODUCER_ID => metadata.previous_producer_id = i64::from_be_bytes(field.take()?),
                NEXT_PRODUCER_ID => metadata.next_producer_id = i64::from_be_bytes(field.take()?),
                CLIENT_VERSION => metadata.generation = Generation::from_level(i16::from_be_bytes(field.take()?)),
                // Of a later release, which takes care that this one may pass it over.
                _ => {}
            }
        }
    }
    Some(metadata)
}

fn read_partitions(reader: &mut Reader<'_>, flexible: bool) -> Option<Partitions> {
    let mut partitions = Partitions::default();
    for _ in 0..reader.count(flexible)? {
        let len = if flexible {
            (reader.uvarint()? as usize).checked_sub(1)?
        } else {
            usize::try_from(i16::from_be_bytes(reader.take()?)).ok()?
        };
        let topic = reader.text(len)?;
        for _ in 0..reader.count(flexible)? {
            partitions.insert(&topic, i32::from_be_bytes(reader.take()?));
        }
        if flexible {
            for _ in 0..reader.uvarint()? {
                reader.uvarint()?;
                let size = reader.uvarint()? as usize;
                reader.bytes(size)?;
            }
        }
    }
    Some(partitions)
}

fn put_uvarint(out: &mut BytesMut, mut number: u32) {
    while 0x80 <= number {
        out.put_u8(number as u8 | 0x80);
        number >>= 7;
    }
    out.put_u8(number as u8);
}

/// Big-endian fields one after another; every method is `None` at the end of the bytes.
struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn take<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (field, rest) = self.0.split_first_chunk::<N>()?;
        self.0 = rest;
        Some(*field)
    }

    fn bytes(&mut self, len: usize) -> Option<&'a [u8]> {
        let (bytes, rest) = self.0.split_at_checked(len)?;
        self.0 = rest;
        Some(bytes)
    }

    fn text(&mut self, len: usize) -> Option<String> {
        std::str::from_utf8(self.bytes(len)?).ok().map(str::to_owned)
    }

    fn uvarint(&mut self) -> Option<u32> {
        let mut number = 0_u32;
        for shift in (0..35).step_by(7) {
            let [byte] = self.take()?;
            number |= u32::from(byte & 0x7f).checked_shl(shift)?;
            if byte & 0x80 == 0 {
                return Some(number);
            }
        }
        None
    }

    /// Length of an array, null as none. Whoever goes through it stops where the bytes end.
    fn count(&mut self, flexible: bool) -> Option<u32> {
        if flexible {
            return Some(self.uvarint()?.saturating_sub(1));
        }
        match i32::from_be_bytes(self.take()?) {
            -1 => Some(0),
            count => u32::try_from(count).ok(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ongoing() -> Metadata {
        Metadata {
            producer_id: 4711,
            previous_producer_id: 4711,
            next_producer_id: NO_PRODUCER_ID,
            epoch: 3,
            last_epoch: NO_EPOCH,
            timeout_ms: 60_000,
            state: TransactionState::Ongoing,
            partitions: [("a", 0), ("a", 2), ("b", 1)].into_iter().collect(),
            started_ms: 1_700_000_000_000,
            updated_ms: 1_700_000_000_005,
            generation: Generation::Second,
        }
    }

    fn hex(text: &str) -> Vec<u8> {
        let digits: String = text.split_whitespace().collect();
        (0..digits.len()).step_by(2).map(|at| u8::from_str_radix(&digits[at..at + 2], 16).unwrap()).collect()
    }

    #[test]
    fn keys_and_values_have_kafkas_bytes() {
        assert_eq!(encode_key("tx-1")[..], hex("0000 0004 74782d31"));
        let v1 = "0001 0000000000001267 0003 0000ea60 01
                  03 0261 03 00000000 00000002 00  0262 02 00000001 00
                  0000018bcfe5680 5 0000018bcfe56800
                  02 00 08 0000000000001267 02 02 0002";
        assert_eq!(encode_value(&ongoing(), ValueVersion::V1)[..], hex(v1));
        let v0 = "0000 0000000000001267 0003 0000ea60 01
                  00000002 0001 61 00000002 00000000 00000002 0001 62 00000001 00000001
                  0000018bcfe56805 0000018bcfe56800";
        assert_eq!(encode_value(&ongoing(), ValueVersion::V0)[..], hex(v0));
        let empty = Metadata {
            state: TransactionState::Empty,
            partitions: Partitions::default(),
            started_ms: -1,
            generation: Generation::First,
            ..ongoing()
        };
        let v1 =
            "0001 0000000000001267 0003 0000ea60 00 00 0000018bcfe56805 ffffffffffffffff 01 00 08 0000000000001267";
        assert_eq!(encode_value(&empty, ValueVersion::V1)[..], hex(v1));
        let v0 = "0000 0000000000001267 0003 0000ea60 00 ffffffff 0000018bcfe56805 ffffffffffffffff";
        assert_eq!(encode_value(&empty, ValueVersion::V0)[..], hex(v0));
    }

    #[test]
    fn what_is_written_is_read_again() {
        assert_eq!(decode_key(&encode_key("größe")).as_deref(), Ok("größe"));
        for state in TransactionState::ALL {
            let partitions =
                if state == TransactionState::Empty { Partitions::default() } else { ongoing().partitions };
            let metadata = Metadata { state, partitions, next_producer_id: 5000, ..ongoing() };
            assert_eq!(decode_value(&encode_value(&metadata, ValueVersion::V1)).as_ref(), Ok(&metadata));
            let without_tags = Metadata {
                previous_producer_id: NO_PRODUCER_ID,
                next_producer_id: NO_PRODUCER_ID,
                generation: Generation::First,
                ..metadata.clone()
            };
            assert_eq!(decode_value(&encode_value(&metadata, ValueVersion::V0)).as_ref(), Ok(&without_tags));
        }
    }

    #[test]
    fn cut_off_and_foreign_bytes_are_errors() {
        for version in [ValueVersion::V0, ValueVersion::V1] {
            let whole = encode_value(&ongoing(), version);
            for len in 0..whole.len() {
                assert_eq!(decode_value(&whole[..len]), Err(UnreadableRecord::Malformed), "{version:?} cut to {len}");
            }
        }
        assert_eq!(decode_value(&[0, 2]), Err(UnreadableRecord::Version(2)));
        assert_eq!(decode_key(&[0, 1]), Err(UnreadableRecord::Version(1)));
        assert_eq!(decode_key(&[0, 0, 0, 1, 0xff]), Err(UnreadableRecord::Malformed));
        // A count that the bytes behind it cannot hold ends with them, without memory for it.
        let many = hex("0000 0000000000001267 0003 0000ea60 01 7fffffff");
        assert_eq!(decode_value(&many), Err(UnreadableRecord::Malformed));
    }
}
