//! The Java serialization of a `HashMap<byte[], byte[]>`: the format of Connect's offset file.
//!
//! Written exactly as Java writes it; read in any layout that Java produces for such a map, shared
//! arrays included.

use std::collections::BTreeMap;

/// Keys and values; Java allows null for both.
pub(super) type Entries = BTreeMap<Option<Vec<u8>>, Option<Vec<u8>>>;

const MAP_CLASS: &[u8] =
    b"\x72\x00\x11java.util.HashMap\x05\x07\xda\xc1\xc3\x16\x60\xd1\x03\x00\x02F\x00\x0aloadFactorI\x00\x09thresholdxp";
const ARRAY_CLASS: &[u8] = b"\x72\x00\x02[B\xac\xf3\x17\xf8\x06\x08\x54\xe0\x02\x00\x00xp";

const STREAM_HEADER: [u8; 4] = [0xac, 0xed, 0x00, 0x05];
const NULL: u8 = 0x70;
const REFERENCE: u8 = 0x71;
const OBJECT: u8 = 0x73;
const ARRAY: u8 = 0x75;
const BLOCK_DATA: u8 = 0x77;
const END_BLOCK_DATA: u8 = 0x78;
const FIRST_HANDLE: u32 = 0x007e_0000;

/// Why bytes are not such a map.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("not a serialized java.util.HashMap of byte arrays: {expected} expected at byte {at}")]
pub struct InvalidJavaMap {
    at: usize,
    /// What should have been there.
    expected: &'static str,
}

/// Writes the map.
pub(super) fn write(entries: &Entries) -> Vec<u8> {
    let size: usize = entries.iter().map(|(key, value)| 20 + len(key) + len(value)).sum();
    let mut out = Vec::with_capacity(128 + size);
    out.extend_from_slice(&STREAM_HEADER);
    out.push(OBJECT);
    out.extend_from_slice(MAP_CLASS);
    let mut buckets = 16_usize;
    while buckets / 4 * 3 < entries.len() {
        buckets *= 2;
    }
    out.extend_from_slice(&0.75_f32.to_be_bytes());
    out.extend_from_slice(&((buckets / 4 * 3) as u32).to_be_bytes());
    out.extend_from_slice(&[BLOCK_DATA, 8]);
    out.extend_from_slice(&(buckets as u32).to_be_bytes());
    out.extend_from_slice(&(entries.len() as u32).to_be_bytes());
    let mut first = true;
    for bytes in entries.iter().flat_map(|(key, value)| [key, value]) {
        match bytes {
            None => out.push(NULL),
            Some(bytes) => {
                out.push(ARRAY);
                if std::mem::take(&mut first) {
                    out.extend_from_slice(ARRAY_CLASS);
                } else {
                    out.push(REFERENCE);
                    out.extend_from_slice(&(FIRST_HANDLE + 2).to_be_bytes());
                }
                out.extend_from_slice(&(bytes.len() as u32).to_be_bytes());
                out.extend_from_slice(bytes);
            }
        }
    }
    out.push(END_BLOCK_DATA);
    out
}

fn len(bytes: &Option<Vec<u8>>) -> usize {
    bytes.as_ref().map_or(0, Vec::len)
}

/// Reads a map.
///
/// # Errors
///
/// The bytes are anything else, or end early.
pub(super) fn read(bytes: &[u8]) -> Result<Entries, InvalidJavaMap> {
    let mut reader = Reader { bytes, at: 0, handles: Vec::new() };
    reader.literal(&STREAM_HEADER, "a Java object stream")?;
    reader.literal(&[OBJECT], "an object")?;
    reader.literal(MAP_CLASS, "the class java.util.HashMap")?;
    reader.handles.extend([Handle::Other, Handle::Other]);
    reader.take(8, "load factor and threshold")?;
    reader.literal(&[BLOCK_DATA, 8], "the size of the map")?;
    reader.take(4, "the number of buckets")?;
    let count = reader.number("the number of entries")?;
    let mut entries = Entries::new();
    for _ in 0..count {
        let key = reader.byte_array()?;
        let value = reader.byte_array()?;
        entries.insert(key, value);
    }
    reader.literal(&[END_BLOCK_DATA], "the end of the map")?;
    Ok(entries)
}

/// What a handle of the stream refers to.
enum Handle {
    Other,
    ArrayClass,
    Array(Vec<u8>),
}

struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
    handles: Vec<Handle>,
}

impl<'a> Reader<'a> {
    fn take(&mut self, len: usize, expected: &'static str) -> Result<&'a [u8], InvalidJavaMap> {
        let end = self.at.checked_add(len).filter(|end| *end <= self.bytes.len());
        let end = end.ok_or(InvalidJavaMap { at: self.at, expected })?;
        let taken = &self.bytes[self.at..end];
        self.at = end;
        Ok(taken)
    }

    fn literal(&mut self, literal: &[u8], expected: &'static str) -> Result<(), InvalidJavaMap> {
        let at = self.at;
        if self.take(literal.len(), expected)? == literal { Ok(()) } else { Err(InvalidJavaMap { at, expected }) }
    }

    fn byte(&mut self, expected: &'static str) -> Result<u8, InvalidJavaMap> {
        self.take(1, expected).map(|bytes| bytes[0])
    }

    fn number(&mut self, expected: &'static str) -> Result<u32, InvalidJavaMap> {
        let bytes = self.take(4, expected)?;
        Ok(u32::from_be_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]))
    }

    fn reference(&mut self) -> Result<&Handle, InvalidJavaMap> {
        let (at, expected) = (self.at, "a reference to something before");
        let handle = self.number(expected)?.checked_sub(FIRST_HANDLE);
        let known = handle.and_then(|handle| self.handles.get(handle as usize));
        known.ok_or(InvalidJavaMap { at, expected })
    }

    fn byte_array(&mut self) -> Result<Option<Vec<u8>>, InvalidJavaMap> {
        const EXPECTED: &str = "a byte array or null";
        let at = self.at;
        match self.byte(EXPECTED)? {
            NULL => Ok(None),
            REFERENCE => match self.reference()? {
                Handle::Array(bytes) => Ok(Some(bytes.clone())),
                _ => Err(InvalidJavaMap { at, expected: EXPECTED }),
            },
            ARRAY => {
                let at = self.at;
                if self.bytes.get(at) == Some(&REFERENCE) {
                    self.at += 1;
                    if !matches!(self.reference()?, Handle::ArrayClass) {
                        return Err(InvalidJavaMap { at, expected: EXPECTED });
                    }
                } else {
                    self.literal(ARRAY_CLASS, EXPECTED)?;
                    self.handles.push(Handle::ArrayClass);
                }
                let len = self.number(EXPECTED)? as usize;
                let bytes = self.take(len, "the bytes of an array")?.to_vec();
                self.handles.push(Handle::Array(bytes.clone()));
                Ok(Some(bytes))
            }
            _ => Err(InvalidJavaMap { at, expected: EXPECTED }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const EXAMPLE: &str = "aced0005737200116a6176612e7574696c2e486173684d61700507dac1c31660d103000246000a6c6f6164466163746f724900097468726573686f6c6478703f4000000000000c77080000001000000002757200025b42acf317f8060854e002000078700000000d5b2263222c7b2266223a317d5d7571007e0002000000077b2270223a317d7571007e0002000000026b327078";

    fn example() -> Vec<u8> {
        (0..EXAMPLE.len()).step_by(2).map(|at| u8::from_str_radix(&EXAMPLE[at..at + 2], 16).unwrap()).collect()
    }

    fn entries() -> Entries {
        let bytes = |text: &str| Some(text.as_bytes().to_vec());
        Entries::from([(bytes(r#"["c",{"f":1}]"#), bytes(r#"{"p":1}"#)), (bytes("k2"), None)])
    }

    #[test]
    fn a_file_written_by_connect_is_read_and_written_byte_for_byte() {
        assert_eq!(read(&example()), Ok(entries()));
        assert_eq!(write(&entries()), example());
    }

    #[test]
    fn other_numbers_of_buckets_shared_arrays_and_null_keys_are_read() {
        let mut bytes = example();
        // The value of the first entry stands for that of the second one too.
        bytes.truncate(bytes.len() - 2);
        bytes.extend_from_slice(&[REFERENCE, 0, 0x7e, 0, 4, END_BLOCK_DATA]);
        let buckets = bytes.windows(2).position(|pair| pair == [BLOCK_DATA, 8]).unwrap() + 2;
        bytes[buckets..buckets + 4].copy_from_slice(&64_u32.to_be_bytes());
        let mut expected = entries();
        expected.insert(Some(b"k2".to_vec()), Some(br#"{"p":1}"#.to_vec()));
        assert_eq!(read(&bytes), Ok(expected));
        let with_null = Entries::from([(None, Some(vec![1])), (Some(vec![2]), None)]);
        assert_eq!(read(&write(&with_null)), Ok(with_null));
    }

    #[test]
    fn buckets_grow_with_the_entries_as_javas_do() {
        let many: Entries = (0..13_u8).map(|at| (Some(vec![at]), None)).collect();
        let bytes = write(&many);
        let at = bytes.windows(2).position(|pair| pair == [BLOCK_DATA, 8]).unwrap();
        assert_eq!(bytes[at - 4..at], 24_u32.to_be_bytes());
        assert_eq!(bytes[at + 2..at + 6], 32_u32.to_be_bytes());
    }

    #[test]
    fn no_damaged_byte_is_read_as_something_it_is_not_without_notice_of_its_place() {
        let bytes = example();
        for end in 0..bytes.len() {
            assert!(read(&bytes[..end]).is_err(), "{end}");
        }
        for at in 0..bytes.len() {
            let mut damaged = bytes.clone();
            damaged[at] ^= 0xff;
            // Either refused or read; never a panic.
            let _ = read(&damaged);
        }
        assert_eq!(
            read(b"[]").unwrap_err().to_string(),
            "not a serialized java.util.HashMap of byte arrays: a Java object stream expected at byte 0"
        );
    }
}
