//! Appending a few bytes, which is most of what writers of records do.

/// Appends bytes. Few are moved in two overlapping moves of fixed size, which costs less than a call that copies any
/// number; in WebAssembly, where that call leaves the guest, much less.
#[inline]
pub fn append(bytes: &[u8], out: &mut Vec<u8>) {
    if !(overlapping::<8>(bytes, out) || overlapping::<16>(bytes, out)) {
        append_others(bytes, out);
    }
}

fn append_others(bytes: &[u8], out: &mut Vec<u8>) {
    if overlapping::<4>(bytes, out) || overlapping::<32>(bytes, out) || overlapping::<64>(bytes, out) {
        return;
    }
    match bytes.len() {
        0..4 => bytes.iter().for_each(|&byte| out.push(byte)),
        _ => out.extend_from_slice(bytes),
    }
}

/// Appends `N` to `2 * N` bytes; false if there are more or fewer.
#[inline]
fn overlapping<const N: usize>(bytes: &[u8], out: &mut Vec<u8>) -> bool {
    match (bytes.first_chunk::<N>(), bytes.last_chunk::<N>()) {
        (Some(first), Some(last)) if bytes.len() <= 2 * N => {
            out.extend_from_slice(first);
            out.truncate(out.len() + bytes.len() - 2 * N);
            out.extend_from_slice(last);
            true
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_number_of_bytes_is_appended() {
        let bytes: Vec<u8> = (0..200).collect();
        for len in 0..bytes.len() {
            let mut out = vec![255; 3];
            append(&bytes[..len], &mut out);
            assert_eq!(out, [&[255; 3], &bytes[..len]].concat());
        }
    }
}
