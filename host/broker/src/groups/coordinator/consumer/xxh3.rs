//! XXH3 with 64 bits, without a seed: the hash by which Kafka tells topics from others.
//!
//! <https://github.com/Cyan4973/xxHash/blob/dev/doc/xxhash_spec.md>

const PRIME32_1: u64 = 0x9E37_79B1;
const PRIME32_2: u64 = 0x85EB_CA77;
const PRIME32_3: u64 = 0xC2B2_AE3D;
const PRIME64_1: u64 = 0x9E37_79B1_85EB_CA87;
const PRIME64_2: u64 = 0xC2B2_AE3D_27D4_EB4F;
const PRIME64_3: u64 = 0x1656_67B1_9E37_79F9;
const PRIME64_4: u64 = 0x85EB_CA77_C2B2_AE63;
const PRIME64_5: u64 = 0x27D4_EB2F_1656_67C5;
const PRIME_MX1: u64 = 0x1656_6791_9E37_79F9;
const PRIME_MX2: u64 = 0x9FB2_1C65_1E98_DF25;

/// Bytes that are taken in at once of long inputs.
const STRIPE: usize = 64;

/// Stripes between two scrambles.
const STRIPES_OF_BLOCK: usize = (SECRET.len() - STRIPE) / 8;

/// What the algorithm mixes in where nobody gives another.
#[rustfmt::skip]
const SECRET: [u8; 192] = [
    0xb8, 0xfe, 0x6c, 0x39, 0x23, 0xa4, 0x4b, 0xbe, 0x7c, 0x01, 0x81, 0x2c, 0xf7, 0x21, 0xad, 0x1c,
    0xde, 0xd4, 0x6d, 0xe9, 0x83, 0x90, 0x97, 0xdb, 0x72, 0x40, 0xa4, 0xa4, 0xb7, 0xb3, 0x67, 0x1f,
    0xcb, 0x79, 0xe6, 0x4e, 0xcc, 0xc0, 0xe5, 0x78, 0x82, 0x5a, 0xd0, 0x7d, 0xcc, 0xff, 0x72, 0x21,
    0xb8, 0x08, 0x46, 0x74, 0xf7, 0x43, 0x24, 0x8e, 0xe0, 0x35, 0x90, 0xe6, 0x81, 0x3a, 0x26, 0x4c,
    0x3c, 0x28, 0x52, 0xbb, 0x91, 0xc3, 0x00, 0xcb, 0x88, 0xd0, 0x65, 0x8b, 0x1b, 0x53, 0x2e, 0xa3,
    0x71, 0x64, 0x48, 0x97, 0xa2, 0x0d, 0xf9, 0x4e, 0x38, 0x19, 0xef, 0x46, 0xa9, 0xde, 0xac, 0xd8,
    0xa8, 0xfa, 0x76, 0x3f, 0xe3, 0x9c, 0x34, 0x3f, 0xf9, 0xdc, 0xbb, 0xc7, 0xc7, 0x0b, 0x4f, 0x1d,
    0x8a, 0x51, 0xe0, 0x4b, 0xcd, 0xb4, 0x59, 0x31, 0xc8, 0x9f, 0x7e, 0xc9, 0xd9, 0x78, 0x73, 0x64,
    0xea, 0xc5, 0xac, 0x83, 0x34, 0xd3, 0xeb, 0xc3, 0xc5, 0x81, 0xa0, 0xff, 0xfa, 0x13, 0x63, 0xeb,
    0x17, 0x0d, 0xdd, 0x51, 0xb7, 0xf0, 0xda, 0x49, 0xd3, 0x16, 0x55, 0x26, 0x29, 0xd4, 0x68, 0x9e,
    0x2b, 0x16, 0xbe, 0x58, 0x7d, 0x47, 0xa1, 0xfc, 0x8f, 0xf8, 0xb8, 0xd1, 0x7a, 0xd0, 0x31, 0xce,
    0x45, 0xcb, 0x3a, 0x8f, 0x95, 0x16, 0x04, 0x28, 0xaf, 0xd7, 0xfb, 0xca, 0xbb, 0x4b, 0x40, 0x7e,
];

/// The hash of these bytes.
pub fn xxh3_64(input: &[u8]) -> u64 {
    match input.len() {
        0 => avalanche_64(u64_at(&SECRET, 56) ^ u64_at(&SECRET, 64)),
        1..=3 => of_few(input),
        4..=8 => of_up_to_8(input),
        9..=16 => of_up_to_16(input),
        17..=128 => of_up_to_128(input),
        129..=240 => of_up_to_240(input),
        _ => of_many(input),
    }
}

fn of_few(input: &[u8]) -> u64 {
    let len = input.len();
    let byte = |at: usize| u64::from(input[at]);
    let combined = (byte(0) << 16) | (byte(len / 2) << 24) | byte(len - 1) | ((len as u64) << 8);
    avalanche_64(combined ^ u64::from(u32_at(&SECRET, 0) ^ u32_at(&SECRET, 4)))
}

fn of_up_to_8(input: &[u8]) -> u64 {
    let len = input.len();
    let both = u64::from(u32_at(input, len - 4)).wrapping_add(u64::from(u32_at(input, 0)) << 32);
    let mut hash = both ^ u64_at(&SECRET, 8) ^ u64_at(&SECRET, 16);
    hash ^= hash.rotate_left(49) ^ hash.rotate_left(24);
    hash = hash.wrapping_mul(PRIME_MX2);
    hash ^= (hash >> 35).wrapping_add(len as u64);
    hash = hash.wrapping_mul(PRIME_MX2);
    hash ^ (hash >> 28)
}

fn of_up_to_16(input: &[u8]) -> u64 {
    let len = input.len();
    let low = u64_at(input, 0) ^ u64_at(&SECRET, 24) ^ u64_at(&SECRET, 32);
    let high = u64_at(input, len - 8) ^ u64_at(&SECRET, 40) ^ u64_at(&SECRET, 48);
    let parts = [low.swap_bytes(), high, folded_product(low, high)];
    avalanche(parts.into_iter().fold(len as u64, u64::wrapping_add))
}

fn of_up_to_128(input: &[u8]) -> u64 {
    let len = input.len();
    let mut sum = (len as u64).wrapping_mul(PRIME64_1);
    for pair in (0..=(len - 1) / 32).rev() {
        sum = sum.wrapping_add(mixed(input, 16 * pair, 32 * pair));
        sum = sum.wrapping_add(mixed(input, len - 16 * (pair + 1), 32 * pair + 16));
    }
    avalanche(sum)
}

fn of_up_to_240(input: &[u8]) -> u64 {
    let len = input.len();
    let mut sum = (len as u64).wrapping_mul(PRIME64_1);
    for round in 0..8 {
        sum = sum.wrapping_add(mixed(input, 16 * round, 16 * round));
    }
    sum = avalanche(sum);
    for round in 8..len / 16 {
        sum = sum.wrapping_add(mixed(input, 16 * round, 16 * (round - 8) + 3));
    }
    avalanche(sum.wrapping_add(mixed(input, len - 16, 136 - 17)))
}

fn of_many(input: &[u8]) -> u64 {
    let mut lanes = [PRIME32_3, PRIME64_1, PRIME64_2, PRIME64_3, PRIME64_4, PRIME32_2, PRIME64_5, PRIME32_1];
    // The last byte is left to the last stripe, which may overlap those before.
    let stripes = (input.len() - 1) / STRIPE;
    for stripe in 0..stripes {
        take_in(&mut lanes, input, STRIPE * stripe, 8 * (stripe % STRIPES_OF_BLOCK));
        if stripe % STRIPES_OF_BLOCK == STRIPES_OF_BLOCK - 1 {
            scramble(&mut lanes);
        }
    }
    take_in(&mut lanes, input, input.len() - STRIPE, SECRET.len() - STRIPE - 7);
    let mut sum = (input.len() as u64).wrapping_mul(PRIME64_1);
    for (number, pair) in lanes.chunks_exact(2).enumerate() {
        let secret = 11 + 16 * number;
        let product = folded_product(pair[0] ^ u64_at(&SECRET, secret), pair[1] ^ u64_at(&SECRET, secret + 8));
        sum = sum.wrapping_add(product);
    }
    avalanche(sum)
}

fn take_in(lanes: &mut [u64; 8], input: &[u8], at: usize, secret: usize) {
    for lane in 0..8 {
        let value = u64_at(input, at + 8 * lane);
        let keyed = value ^ u64_at(&SECRET, secret + 8 * lane);
        lanes[lane ^ 1] = lanes[lane ^ 1].wrapping_add(value);
        lanes[lane] = lanes[lane].wrapping_add((keyed & 0xffff_ffff).wrapping_mul(keyed >> 32));
    }
}

fn scramble(lanes: &mut [u64; 8]) {
    for (number, lane) in lanes.iter_mut().enumerate() {
        *lane ^= *lane >> 47;
        *lane ^= u64_at(&SECRET, SECRET.len() - STRIPE + 8 * number);
        *lane = lane.wrapping_mul(PRIME32_1);
    }
}

/// Sixteen bytes of the input with as many of the secret.
fn mixed(input: &[u8], at: usize, secret: usize) -> u64 {
    let low = u64_at(input, at) ^ u64_at(&SECRET, secret);
    let high = u64_at(input, at + 8) ^ u64_at(&SECRET, secret + 8);
    folded_product(low, high)
}

fn folded_product(a: u64, b: u64) -> u64 {
    let product = u128::from(a) * u128::from(b);
    product as u64 ^ (product >> 64) as u64
}

fn avalanche(mut hash: u64) -> u64 {
    hash ^= hash >> 37;
    hash = hash.wrapping_mul(PRIME_MX1);
    hash ^ (hash >> 32)
}

fn avalanche_64(mut hash: u64) -> u64 {
    hash ^= hash >> 33;
    hash = hash.wrapping_mul(PRIME64_2);
    hash ^= hash >> 29;
    hash = hash.wrapping_mul(PRIME64_3);
    hash ^ (hash >> 32)
}

fn u64_at(bytes: &[u8], at: usize) -> u64 {
    bytes[at..].first_chunk().copied().map_or(0, u64::from_le_bytes)
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    bytes[at..].first_chunk().copied().map_or(0, u32::from_le_bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn inputs_of_every_length_have_the_hash_that_the_library_of_kafka_gives_them() {
        for line in include_str!("xxh3.txt").lines() {
            let (len, hash) = line.split_once(' ').unwrap();
            let input: Vec<u8> = (0..len.parse().unwrap()).map(|at: u32| (at * 7 + 3) as u8).collect();
            assert_eq!(xxh3_64(&input).cast_signed(), hash.parse::<i64>().unwrap(), "{len} bytes");
        }
    }
}
