//! One input, several parts.

/// The parts of an input, each ended by two bytes that no text has. There may be fewer than `N`: the rest is empty.
pub fn parts<const N: usize>(mut bytes: &[u8]) -> [&[u8]; N] {
    std::array::from_fn(|part| {
        let end = bytes.windows(2).position(|pair| pair == [0xff, 0xff]).filter(|_| part + 1 < N);
        let (found, rest) = match end {
            Some(end) => (&bytes[..end], &bytes[end + 2..]),
            None => (bytes, &bytes[bytes.len()..]),
        };
        bytes = rest;
        found
    })
}
