//! Reads texts out of a jar, which is a zip file: no more of the format than jars of Maven's need.

use std::io::Read;

use flate2::read::DeflateDecoder;

/// The texts of those files in a jar whose name is wanted.
pub fn texts(jar: &[u8], wanted: impl Fn(&str) -> bool) -> Vec<String> {
    let end = jar.windows(4).rposition(|window| window == b"PK\x05\x06").expect("the end of a jar's directory");
    let mut entry = int32(jar, end + 16);
    let mut texts = Vec::new();
    for _ in 0..int16(jar, end + 10) {
        assert_eq!(jar[entry..entry + 4], *b"PK\x01\x02", "an entry of the jar's directory at byte {entry}");
        let (name_len, extra_len, comment_len) =
            (int16(jar, entry + 28), int16(jar, entry + 30), int16(jar, entry + 32));
        let name = std::str::from_utf8(&jar[entry + 46..][..name_len]).expect("a name in the jar is UTF-8");
        if wanted(name) {
            let local = int32(jar, entry + 42);
            let begin = local + 30 + int16(jar, local + 26) + int16(jar, local + 28);
            let packed = &jar[begin..begin + int32(jar, entry + 20)];
            let mut text = String::new();
            let read = match int16(jar, entry + 10) {
                0 => (&mut &*packed).read_to_string(&mut text),
                8 => DeflateDecoder::new(packed).read_to_string(&mut text),
                method => panic!("{name} is packed by method {method}"),
            };
            read.unwrap_or_else(|error| panic!("{name}: {error}"));
            texts.push(text);
        }
        entry += 46 + name_len + extra_len + comment_len;
    }
    texts
}

fn int16(bytes: &[u8], at: usize) -> usize {
    u16::from_le_bytes([bytes[at], bytes[at + 1]]).into()
}

fn int32(bytes: &[u8], at: usize) -> usize {
    int16(bytes, at) | int16(bytes, at + 2) << 16
}
