//! Headers as a record carries them: a count, then each one's key and value with lengths, all numbers
//! as zig-zag varints.

/// Appends a number.
pub(crate) fn push_varint(out: &mut Vec<u8>, number: i32) {
    let mut rest = ((number << 1) ^ (number >> 31)) as u32;
    while 0x80 <= rest {
        out.push(rest as u8 | 0x80);
        rest >>= 7;
    }
    out.push(rest as u8);
}

/// Appends one header. Keys and values come out of buffers far below 2 GiB.
pub(crate) fn push_header(out: &mut Vec<u8>, key: &[u8], value: Option<&[u8]>) {
    push_varint(out, key.len() as i32);
    out.extend_from_slice(key);
    match value {
        None => push_varint(out, -1),
        Some(value) => {
            push_varint(out, value.len() as i32);
            out.extend_from_slice(value);
        }
    }
}

/// Takes a number off the front.
fn take_varint(bytes: &mut &[u8]) -> Option<i32> {
    let mut value = 0_u64;
    for (at, byte) in bytes.iter().take(5).enumerate() {
        value |= u64::from(byte & 0x7f) << (7 * at);
        if byte & 0x80 == 0 {
            *bytes = &bytes[at + 1..];
            let value = value as u32;
            return Some((value >> 1) as i32 ^ -((value & 1) as i32));
        }
    }
    None
}

fn take<'a>(bytes: &mut &'a [u8], len: i32) -> Option<&'a [u8]> {
    let (taken, rest) = bytes.split_at_checked(usize::try_from(len).ok()?)?;
    *bytes = rest;
    Some(taken)
}

/// Reads headers without their count; ends early where they are damaged, which those that a client
/// hands out never are.
pub(crate) fn read_headers(mut bytes: &[u8]) -> impl Iterator<Item = (&[u8], Option<&[u8]>)> {
    std::iter::from_fn(move || {
        if bytes.is_empty() {
            return None;
        }
        let len = take_varint(&mut bytes)?;
        let key = take(&mut bytes, len)?;
        match take_varint(&mut bytes)? {
            -1 => Some((key, None)),
            len => take(&mut bytes, len).map(|value| (key, Some(value))),
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_have_kafkas_bytes() {
        let mut out = Vec::new();
        push_varint(&mut out, 2);
        push_header(&mut out, b"k", Some(b"v"));
        push_header(&mut out, b"n", None);
        assert_eq!(out, [4, 2, b'k', 2, b'v', 2, b'n', 1]);
        let read: Vec<_> = read_headers(&out[1..]).collect();
        assert_eq!(read, [(&b"k"[..], Some(&b"v"[..])), (&b"n"[..], None)]);
    }

    #[test]
    fn varints_are_zig_zag() {
        for (number, bytes) in
            [(0, vec![0]), (-1, vec![1]), (64, vec![0x80, 1]), (i32::MIN, vec![255, 255, 255, 255, 15])]
        {
            let mut out = Vec::new();
            push_varint(&mut out, number);
            assert_eq!(out, bytes);
        }
    }
}
