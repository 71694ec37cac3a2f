//! What anybody may send to a listener: frames, their headers, and bodies that the message types read.

use millstream_wire::{
    frame::{FrameDecoder, decode_request_header},
    guard::check_request,
    protocol::messages::RequestKind,
};

/// Streams of one or more requests, in hexadecimal.
pub const SEEDS: &[&str] = &[
    "0000000d00120000000000010003636c69",
    "0000002100120003000000020003636c69000b6c696272646b61666b6107322e31302e3000",
    "0000001600030009000000030003636c69000202740000000000",
    // Two in a row: ListOffsets and Heartbeat.
    "000000310002000100000004ffffffffffff00000001000174000000020000000000000000ffffffff00000001fffffffffffffffe00000014000c000000000005ffff0001670000000100016d",
];

/// Largest frame that is taken, in bytes.
const MOST: usize = 1 << 20;

/// Reads a stream as a connection does, in two pieces cut after as many bytes as the first byte says. True if a whole
/// request was read.
pub fn request_frames(bytes: &[u8]) -> bool {
    let Some((&cut, stream)) = bytes.split_first() else { return false };
    let (first, second) = stream.split_at(usize::from(cut).min(stream.len()));
    let (mut decoder, mut understood) = (FrameDecoder::new(MOST), false);
    for piece in [first, second] {
        decoder.push(piece);
        while let Ok(Some(mut frame)) = decoder.next_frame() {
            assert!(frame.len() <= MOST);
            let Ok((api, header)) = decode_request_header(&mut frame) else { continue };
            let version = header.request_api_version;
            if check_request(api, version, &frame).is_ok() {
                understood |= RequestKind::decode(api, &mut frame, version).is_ok();
            }
        }
        assert!(decoder.pending() <= stream.len());
    }
    understood
}
