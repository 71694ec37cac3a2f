//! The hashes that choose partitions: murmur2 for record keys, Java's string hash for groups and
//! transactional ids. And the checksum of record batches, for files that need one as well.

/// CRC-32C (Castagnoli).
pub fn crc32c(data: &[u8]) -> u32 {
    crc32c::crc32c(data)
}

/// Kafka's murmur2 (32 bit, seed `0x9747b28c`), as the Java producer's partitioner computes it.
pub fn murmur2(data: &[u8]) -> i32 {
    const SEED: u32 = 0x9747_b28c;
    const M: u32 = 0x5bd1_e995;
    const R: u32 = 24;

    // Kafka's lengths are int32, so longer inputs cannot occur on the wire; the wrap is Java's own.
    let mut hash = SEED ^ data.len() as u32;
    let mut words = data.chunks_exact(4);
    for word in &mut words {
        let mut k = u32::from_le_bytes([word[0], word[1], word[2], word[3]]);
        k = k.wrapping_mul(M);
        k ^= k >> R;
        k = k.wrapping_mul(M);
        hash = hash.wrapping_mul(M) ^ k;
    }
    let rest = words.remainder();
    if !rest.is_empty() {
        for (i, &byte) in rest.iter().enumerate() {
            hash ^= u32::from(byte) << (8 * i);
        }
        hash = hash.wrapping_mul(M);
    }
    hash ^= hash >> 13;
    hash = hash.wrapping_mul(M);
    hash ^= hash >> 15;
    hash as i32
}

/// Java's `String.hashCode`: `h = 31 * h + unit` over the UTF-16 units, wrapping.
pub fn java_string_hash(text: &str) -> i32 {
    text.encode_utf16().fold(0_i32, |hash, unit| hash.wrapping_mul(31).wrapping_add(i32::from(unit)))
}

/// The partition that Java's producer gives a record with this key.
///
/// # Panics
///
/// When `partitions` is not positive.
pub fn partition_for_key(key: &[u8], partitions: i32) -> i32 {
    assert!(0 < partitions, "a topic has at least one partition");
    (murmur2(key) & 0x7fff_ffff) % partitions
}

/// The partition of `__consumer_offsets` (or `__transaction_state`) that keeps a group (or transactional id).
///
/// The arithmetic absolute value of Java's string hash, where that of the smallest integer is 0; not a mask
/// of the sign bit.
///
/// # Panics
///
/// When `partitions` is not positive.
pub fn group_partition(group: &str, partitions: i32) -> i32 {
    assert!(0 < partitions, "a topic has at least one partition");
    java_string_hash(group).checked_abs().unwrap_or(0) % partitions
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_hash_as_in_the_java_producer() {
        for (key, hash, of_twelve) in [
            ("", 275_646_681, 9),
            ("a", -1_563_381_124, 4),
            ("21", -973_932_308, 0),
            ("foobar", -790_332_482, 6),
            ("a-little-bit-long-string", -985_981_536, 8),
            ("order-42", 501_153_024, 0),
            ("äöü€", 563_110_447, 7),
        ] {
            assert_eq!(murmur2(key.as_bytes()), hash, "{key}");
            assert_eq!(partition_for_key(key.as_bytes(), 12), of_twelve, "{key}");
        }
    }

    #[test]
    fn groups_are_spread_by_the_absolute_value_of_javas_string_hash() {
        for (group, partition) in
            [("g", 3), ("my-group", 12), ("connect-cluster", 13), ("grüppe", 12), ("orders-app", 5)]
        {
            assert_eq!(group_partition(group, 50), partition, "{group}");
        }
        assert_eq!(java_string_hash("my-group"), -1_906_497_762);
        assert_eq!(java_string_hash("grüppe"), -1_233_264_812);
        // This text is known for hashing to the smallest integer.
        assert_eq!(java_string_hash("polygenelubricants"), i32::MIN);
        assert_eq!(group_partition("polygenelubricants", 50), 0);
    }
}
