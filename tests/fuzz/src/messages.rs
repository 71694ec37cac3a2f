//! Bodies of requests and responses: what the guard lets pass can be read by the message types, without more memory
//! than its size warrants, and what they write of it passes again.

use millstream_wire::{
    guard::{check_request, check_response},
    protocol::messages::{ApiKey, RequestKind, ResponseKind},
};

/// Kind (0 a request, 1 a response), API, version and body, in hexadecimal.
pub const SEEDS: &[&str] = &[
    "00120000",
    "0012030b6c696272646b61666b6107322e31302e3000",
    "0003090202740000000000",
    "000201ffffffff00000001000174000000010000000000000000ffffffffffffffff",
    "011200000000000001000000000000000b",
    "010300000000010000000100096c6f63616c686f73740000238400000000",
];

/// True if both the guard and the message types take the body.
pub fn messages(bytes: &[u8]) -> bool {
    let [kind, api, version, body @ ..] = bytes else { return false };
    let Ok(api) = ApiKey::try_from(i16::from(*api)) else { return false };
    let version = i16::from(*version);
    let mut rest = body.to_vec().into();
    let mut written = Default::default();
    if kind & 1 == 0 {
        if check_request(api, version, body).is_err() {
            return false;
        }
        let Ok(message) = RequestKind::decode(api, &mut rest, version) else { return false };
        message.encode(&mut written, version).expect("what was read of a version can be written in it");
        check_request(api, version, &written).expect("what is written passes");
    } else {
        if check_response(api, version, body).is_err() {
            return false;
        }
        let Ok(message) = ResponseKind::decode(api, &mut rest, version) else { return false };
        message.encode(&mut written, version).expect("what was read of a version can be written in it");
        check_response(api, version, &written).expect("what is written passes");
    }
    true
}
