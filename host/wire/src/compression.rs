//! The four codecs of record batches, bounded against decompression bombs.
//!
//! What is written is what every Kafka client reads: gzip streams, snappy in xerial's framing, LZ4 frames of
//! independent blocks, plain zstd frames.

use std::io::{self, Read, Write};

/// How the records of a batch are compressed.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, PartialEq)]
pub enum Codec {
    /// Records as they are; attribute bits 0.
    #[default]
    None,
    /// RFC 1952.
    Gzip,
    /// Snappy blocks in xerial's framing; a lone raw block is understood too.
    Snappy,
    /// LZ4 frames.
    Lz4,
    /// Zstandard frames.
    Zstd,
}

impl Codec {
    /// From the codec bits of a batch's attributes; `None` for a number that has no codec.
    pub fn from_bits(bits: i16) -> Option<Self> {
        Some(match bits {
            0 => Self::None,
            1 => Self::Gzip,
            2 => Self::Snappy,
            3 => Self::Lz4,
            4 => Self::Zstd,
            _ => return None,
        })
    }

    /// The codec bits of a batch's attributes.
    pub fn bits(self) -> i16 {
        match self {
            Self::None => 0,
            Self::Gzip => 1,
            Self::Snappy => 2,
            Self::Lz4 => 3,
            Self::Zstd => 4,
        }
    }

    /// Kafka's name, as `compression.type` spells it.
    pub fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Gzip => "gzip",
            Self::Snappy => "snappy",
            Self::Lz4 => "lz4",
            Self::Zstd => "zstd",
        }
    }

    /// The codec with this name; also accepts Kafka's `uncompressed`.
    pub fn from_name(name: &str) -> Option<Self> {
        Some(match name {
            "none" | "uncompressed" => Self::None,
            "gzip" => Self::Gzip,
            "snappy" => Self::Snappy,
            "lz4" => Self::Lz4,
            "zstd" => Self::Zstd,
            _ => return None,
        })
    }
}

/// Why bytes could not be decompressed.
#[expect(missing_docs, reason = "the message tells what each field is")]
#[derive(Debug, thiserror::Error)]
pub enum DecompressError {
    /// More comes out than the caller allows.
    #[error("{} data expands to more than {max_bytes} bytes", codec.name())]
    TooLarge { codec: Codec, max_bytes: usize },
    /// The data is not of this codec, or is damaged.
    #[error("decompress {} data", codec.name())]
    Damaged { codec: Codec, source: io::Error },
}

/// Why bytes could not be compressed.
#[derive(Debug, thiserror::Error)]
#[error("compress {} bytes with {}", len, codec.name())]
pub struct CompressError {
    codec: Codec,
    len: usize,
    source: io::Error,
}

/// Appends the decompressed form of `data` to `out`, at most `max_bytes` of it.
///
/// Allocates in step with what comes out, never on the word of a length inside the data beyond `max_bytes`.
/// On an error `out` may end in part of the data.
///
/// # Errors
///
/// The data is damaged, or more than `max_bytes` would come out.
pub fn decompress(codec: Codec, data: &[u8], max_bytes: usize, out: &mut Vec<u8>) -> Result<(), DecompressError> {
    let start = out.len();
    let result = match codec {
        Codec::None => {
            if max_bytes < data.len() {
                return Err(DecompressError::TooLarge { codec, max_bytes });
            }
            out.extend_from_slice(data);
            Ok(())
        }
        Codec::Gzip => decompress_gzip(data, max_bytes, out),
        Codec::Snappy => decompress_snappy(data, max_bytes, out),
        Codec::Lz4 => read_bounded(lz4_flex::frame::FrameDecoder::new(data), max_bytes, out),
        Codec::Zstd => zstd_decoder(data).and_then(|decoder| read_bounded(decoder, max_bytes, out)),
    };
    match result {
        Ok(()) if out.len() - start <= max_bytes => Ok(()),
        Ok(()) => Err(DecompressError::TooLarge { codec, max_bytes }),
        Err(source) => Err(DecompressError::Damaged { codec, source }),
    }
}

/// Appends the compressed form of `data` to `out`.
///
/// `level` is the codec's own (gzip 1 to 9, zstd -131072 to 22, both cut to their range); `None` is the codec's
/// default, and snappy and LZ4 have none.
///
/// # Errors
///
/// The codec fails, which no input is known to cause.
pub fn compress(codec: Codec, level: Option<i32>, data: &[u8], out: &mut Vec<u8>) -> Result<(), CompressError> {
    let result = match codec {
        Codec::None => {
            out.extend_from_slice(data);
            Ok(())
        }
        Codec::Gzip => compress_gzip(level, data, out),
        Codec::Snappy => compress_snappy(data, out),
        Codec::Lz4 => compress_lz4(data, out),
        Codec::Zstd => compress_zstd(level, data, out),
    };
    result.map_err(|source| CompressError { codec, len: data.len(), source })
}

/// Reads to the end, or to one byte past the limit, which tells the caller that it was passed.
fn read_bounded(reader: impl Read, max_bytes: usize, out: &mut Vec<u8>) -> io::Result<()> {
    let limit = u64::try_from(max_bytes).unwrap_or(u64::MAX).saturating_add(1);
    reader.take(limit).read_to_end(out).map(drop)
}

/// Reads one member after another; what follows the last and does not begin one is ignored, as Java's reader does.
fn decompress_gzip(data: &[u8], max_bytes: usize, out: &mut Vec<u8>) -> io::Result<()> {
    const MAGIC: [u8; 2] = [0x1f, 0x8b];
    let (start, mut rest) = (out.len(), data);
    loop {
        let mut member = flate2::bufread::GzDecoder::new(rest);
        read_bounded(&mut member, max_bytes - (out.len() - start), out)?;
        if max_bytes < out.len() - start {
            return Ok(());
        }
        rest = member.into_inner();
        if !rest.starts_with(&MAGIC) {
            return Ok(());
        }
    }
}

/// Frames with a window above this many bits (128 MiB) are refused, as zstd itself does by default.
const ZSTD_WINDOW_BITS: u32 = 27;

fn zstd_decoder(data: &[u8]) -> io::Result<zstd::stream::read::Decoder<'static, &[u8]>> {
    let mut decoder = zstd::stream::read::Decoder::with_buffer(data)?;
    decoder.window_log_max(ZSTD_WINDOW_BITS)?;
    Ok(decoder)
}

fn compress_gzip(level: Option<i32>, data: &[u8], out: &mut Vec<u8>) -> io::Result<()> {
    let level = match level {
        Some(level) => flate2::Compression::new(level.clamp(1, 9) as u32),
        None => flate2::Compression::default(),
    };
    let mut encoder = flate2::write::GzEncoder::new(out, level);
    encoder.write_all(data)?;
    encoder.finish().map(drop)
}

fn compress_lz4(data: &[u8], out: &mut Vec<u8>) -> io::Result<()> {
    // Kafka's readers know independent blocks of up to 4 MiB without checksums; 64 KiB is Kafka's own size.
    let info = lz4_flex::frame::FrameInfo::new()
        .block_mode(lz4_flex::frame::BlockMode::Independent)
        .block_size(lz4_flex::frame::BlockSize::Max64KB);
    let mut encoder = lz4_flex::frame::FrameEncoder::with_frame_info(info, out);
    encoder.write_all(data)?;
    encoder.finish().map(drop).map_err(io::Error::other)
}

fn compress_zstd(level: Option<i32>, data: &[u8], out: &mut Vec<u8>) -> io::Result<()> {
    let range = zstd::compression_level_range();
    let level = level.unwrap_or(zstd::DEFAULT_COMPRESSION_LEVEL).clamp(*range.start(), *range.end());
    zstd::stream::copy_encode(data, out, level)
}

/// What xerial's framing begins with, before its version and the oldest version that reads it.
const XERIAL_MAGIC: [u8; 8] = [0x82, b'S', b'N', b'A', b'P', b'P', b'Y', 0];
/// Magic, version 1, compatible with version 1.
const XERIAL_HEADER: [u8; 16] = [0x82, b'S', b'N', b'A', b'P', b'P', b'Y', 0, 0, 0, 0, 1, 0, 0, 0, 1];
/// Uncompressed bytes per block: xerial's own size.
const XERIAL_BLOCK: usize = 32 * 1024;

fn compress_snappy(data: &[u8], out: &mut Vec<u8>) -> io::Result<()> {
    out.extend_from_slice(&XERIAL_HEADER);
    let mut encoder = snap::raw::Encoder::new();
    for block in data.chunks(XERIAL_BLOCK) {
        let prefix_at = out.len();
        let block_at = prefix_at + 4;
        out.resize(block_at + snap::raw::max_compress_len(block.len()), 0);
        let len = encoder.compress(block, &mut out[block_at..]).map_err(io::Error::other)?;
        out.truncate(block_at + len);
        let prefix = u32::try_from(len).map_err(io::Error::other)?;
        out[prefix_at..block_at].copy_from_slice(&prefix.to_be_bytes());
    }
    Ok(())
}

/// Appends what a snappy payload holds; past `max_bytes` it appends one byte too many and stops, from which the
/// caller makes its error.
fn decompress_snappy(data: &[u8], max_bytes: usize, out: &mut Vec<u8>) -> io::Result<()> {
    let start = out.len();
    if !data.starts_with(&XERIAL_MAGIC) {
        return decompress_snappy_block(data, max_bytes, out);
    }
    let cut_off = || io::Error::from(io::ErrorKind::UnexpectedEof);
    let mut rest = data.get(XERIAL_HEADER.len()..).ok_or_else(cut_off)?;
    while !rest.is_empty() {
        let (prefix, after) = rest.split_first_chunk::<4>().ok_or_else(cut_off)?;
        let len = usize::try_from(u32::from_be_bytes(*prefix)).map_err(io::Error::other)?;
        let (block, after) = after.split_at_checked(len).ok_or_else(cut_off)?;
        let done = out.len() - start;
        if max_bytes < done {
            return Ok(());
        }
        decompress_snappy_block(block, max_bytes - done, out)?;
        rest = after;
    }
    Ok(())
}

fn decompress_snappy_block(block: &[u8], max_bytes: usize, out: &mut Vec<u8>) -> io::Result<()> {
    let len = snap::raw::decompress_len(block).map_err(io::Error::other)?;
    let at = out.len();
    if max_bytes < len {
        // Not worth filling: the length alone says that the limit is passed.
        out.resize(at + max_bytes.saturating_add(1), 0);
        return Ok(());
    }
    // The room is filled with zeros before anything is decompressed, so the announced length must be one that
    // the block can reach: three bytes of snappy yield at most 64.
    if block.len() < len / 22 {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "a block announces more than it can hold"));
    }
    out.resize(at + len, 0);
    snap::raw::Decoder::new().decompress(block, &mut out[at..]).map_err(io::Error::other).map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: [Codec; 5] = [Codec::None, Codec::Gzip, Codec::Snappy, Codec::Lz4, Codec::Zstd];

    fn round_trip(codec: Codec, data: &[u8]) {
        let (mut packed, mut out) = (Vec::new(), b"kept".to_vec());
        compress(codec, None, data, &mut packed).unwrap();
        decompress(codec, &packed, data.len(), &mut out).unwrap();
        assert_eq!(out, [b"kept", data].concat(), "{codec:?} of {} bytes", data.len());
    }

    #[test]
    fn every_codec_reads_what_it_wrote() {
        let long: Vec<u8> = (0..200_000_u32).flat_map(|n| (n % 1000).to_le_bytes()).collect();
        for codec in ALL {
            for data in [&b""[..], b"a", &long] {
                round_trip(codec, data);
            }
            assert_eq!(Codec::from_bits(codec.bits()), Some(codec));
            assert_eq!(Codec::from_name(codec.name()), Some(codec));
        }
    }

    #[test]
    fn nothing_expands_beyond_the_bound() {
        let zeros = vec![0; 10 << 20];
        for codec in ALL {
            let (mut packed, mut out) = (Vec::new(), Vec::new());
            compress(codec, None, &zeros, &mut packed).unwrap();
            let result = decompress(codec, &packed, 100_000, &mut out);
            assert!(matches!(result, Err(DecompressError::TooLarge { .. })), "{codec:?}");
            assert!(out.capacity() <= 300_000, "{codec:?} took {} bytes", out.capacity());
            assert!(decompress(codec, &packed, zeros.len(), &mut Vec::new()).is_ok(), "{codec:?}");
        }
    }

    #[test]
    fn snappy_is_read_raw_and_in_xerials_framing() {
        let raw = [5, 16, b'h', b'e', b'l', b'l', b'o'];
        let framed = [&XERIAL_HEADER[..], &[0, 0, 0, 7], &raw, &[0, 0, 0, 7], &raw].concat();
        let mut out = Vec::new();
        decompress(Codec::Snappy, &raw, 5, &mut out).unwrap();
        assert_eq!(out, b"hello");
        out.clear();
        decompress(Codec::Snappy, &framed, 10, &mut out).unwrap();
        assert_eq!(out, b"hellohello");
        let mut packed = Vec::new();
        compress(Codec::Snappy, None, b"hello", &mut packed).unwrap();
        assert_eq!(packed, framed[..27]);
    }

    #[test]
    fn a_snappy_block_that_lies_about_its_length_reserves_nothing() {
        // A varint of 2^31 - 1 and no data.
        let lie = [0xff, 0xff, 0xff, 0xff, 0x07];
        let mut out = Vec::new();
        assert!(matches!(decompress(Codec::Snappy, &lie, usize::MAX, &mut out), Err(DecompressError::Damaged { .. })));
        assert_eq!(out.capacity(), 0);
    }

    #[test]
    fn frames_of_other_writers_are_read() {
        // "hello" as the command lines of gzip, lz4 (with a content checksum) and zstd (likewise) write it.
        let gzip = hex("1f8b0800000000000203cb48cdc9c9070086a6103605000000");
        let lz4 = hex("04224d186440a70500008068656c6c6f00000000f97700fb");
        let zstd = hex("28b52ffd240529000068656c6c6fa36d9f88");
        for (codec, data) in [(Codec::Gzip, gzip), (Codec::Lz4, lz4), (Codec::Zstd, zstd)] {
            let mut out = Vec::new();
            decompress(codec, &data, 5, &mut out).unwrap();
            assert_eq!(out, b"hello", "{codec:?}");
        }
    }

    #[test]
    fn what_follows_the_last_member_of_gzip_is_ignored() {
        let member = hex("1f8b0800000000000203cb48cdc9c9070086a6103605000000");
        for (data, expected) in
            [([&member[..], &member].concat(), "hellohello"), ([&member[..], b"xyz"].concat(), "hello")]
        {
            let mut out = Vec::new();
            decompress(Codec::Gzip, &data, 10, &mut out).unwrap();
            assert_eq!(out, expected.as_bytes());
            let short = decompress(Codec::Gzip, &data, expected.len() - 1, &mut Vec::new());
            assert!(matches!(short, Err(DecompressError::TooLarge { .. })));
        }
    }

    #[test]
    fn lz4_frames_have_the_descriptor_that_kafkas_readers_expect() {
        let mut packed = Vec::new();
        compress(Codec::Lz4, None, b"hello", &mut packed).unwrap();
        // Magic, version 1 with independent blocks and nothing else, 64 KiB blocks, header checksum; one stored block.
        assert_eq!(
            packed,
            hex("04224d1860408205000080").into_iter().chain(*b"hello").chain([0; 4]).collect::<Vec<_>>()
        );
    }

    #[test]
    fn damaged_data_is_an_error_and_never_a_panic() {
        let data: Vec<u8> = (0..3000_u32).flat_map(|n| (n * n % 251).to_le_bytes()).collect();
        for codec in [Codec::Gzip, Codec::Snappy, Codec::Lz4, Codec::Zstd] {
            let mut packed = Vec::new();
            compress(codec, None, &data, &mut packed).unwrap();
            for at in 0..packed.len() {
                for flip in [0x01, 0x80, 0xff] {
                    let mut damaged = packed.clone();
                    damaged[at] ^= flip;
                    drop(decompress(codec, &damaged, 100_000, &mut Vec::new()));
                }
            }
            for len in 1..packed.len() {
                drop(decompress(codec, &packed[..len], 100_000, &mut Vec::new()));
            }
        }
    }

    fn hex(text: &str) -> Vec<u8> {
        (0..text.len()).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap()).collect()
    }
}
