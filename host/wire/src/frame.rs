//! Frames: four bytes of size, then a header and a body.
//!
//! [`FrameDecoder`] cuts a byte stream into frames without reading from anything itself. The other
//! functions go from a frame to a message and back; every decode runs the structural check of
//! [`crate::guard`] first.

mod fetch;

use bytes::{Buf, BufMut, Bytes, BytesMut, buf::Limit};
use kafka_protocol::{
    messages::{ApiKey, RequestHeader},
    protocol::{Decodable, Encodable, StrBytes},
};

pub use self::fetch::{FetchFrame, encode_fetch_response};
use crate::{
    guard::{self, Malformed},
    layout,
};

/// Bytes of the size prefix.
const PREFIX: usize = 4;

/// Least spare room that [`FrameDecoder::spare`] offers a reader, in bytes: little, since most connections carry short
/// frames now and then, and what a longer one lacks is known from its first bytes.
const LEAST_READ: usize = 1024;

/// Least size of a frame that gets a buffer of its own, if it is alone in it, in bytes.
const LEAST_OWN: usize = 64 * 1024;

/// Most room that is made at once for a frame whose end has not arrived yet, in bytes.
const MOST_READ: usize = 256 * 1024;

/// Why a stream cannot be read as frames any further. The connection is to be closed.
#[expect(missing_docs, reason = "the message tells what each field is")]
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum FrameError {
    /// The size prefix is negative.
    #[error("a frame announces the negative size {size}")]
    Negative { size: i32 },
    /// The size prefix is above the limit.
    #[error("a frame announces {size} bytes, and at most {max_bytes} are allowed")]
    TooLarge { size: usize, max_bytes: usize },
}

/// Cuts a byte stream into frames. Holds what has arrived and nothing more.
///
/// Memory grows with the bytes that arrive, never with the size a peer announces.
#[derive(Debug)]
pub struct FrameDecoder {
    max_bytes: usize,
    arrived: BytesMut,
}

impl FrameDecoder {
    /// A decoder that refuses frames of more than `max_bytes`, the size prefix not counted.
    pub fn new(max_bytes: usize) -> Self {
        Self { max_bytes, arrived: BytesMut::new() }
    }

    /// Changes the limit, for instance once a peer has authenticated.
    pub fn set_max_bytes(&mut self, max_bytes: usize) {
        self.max_bytes = max_bytes;
    }

    /// Appends bytes that arrived.
    pub fn push(&mut self, bytes: &[u8]) {
        self.arrived.extend_from_slice(bytes);
    }

    /// The buffer, with some spare capacity, for a reader that appends to it directly (`read_buf`).
    ///
    /// The room fits what is known to be missing, within bounds, so that a large frame is neither read in
    /// crumbs nor reserved on the word of its size prefix. The caller may only append.
    pub fn spare(&mut self) -> &mut BytesMut {
        self.spare_of(LEAST_READ)
    }

    /// As [`Self::spare`], with room for at least so many bytes, for a peer that sends much.
    pub fn spare_of(&mut self, least: usize) -> &mut BytesMut {
        let missing = match self.announced() {
            Some(size) => (PREFIX + usize::try_from(size).unwrap_or(0)).saturating_sub(self.arrived.len()),
            None => 0,
        };
        // A frame that has brought much may ask for as much again.
        let most = MOST_READ.max(self.arrived.len()).max(least);
        self.arrived.reserve(missing.clamp(least, most));
        &mut self.arrived
    }

    /// As [`Self::spare`], for no more than so many bytes, for whoever has set memory aside for a part of a frame.
    pub fn spare_within(&mut self, most: usize) -> Limit<&mut BytesMut> {
        self.arrived.reserve(most);
        (&mut self.arrived).limit(most)
    }

    /// As [`Self::spare`], with room for all of the frame that has begun, however large: for whoever has set memory aside
    /// for it.
    pub fn spare_for_frame(&mut self) -> &mut BytesMut {
        let missing = self.size_ahead().map_or(0, |size| (PREFIX + size).saturating_sub(self.arrived.len()));
        if missing == 0 {
            return self.spare();
        }
        self.arrived.reserve(missing);
        &mut self.arrived
    }

    /// Takes the next whole frame without its size prefix; `None` until more bytes arrive.
    ///
    /// # Errors
    ///
    /// The announced size is negative or above the limit; every later call answers the same.
    pub fn next_frame(&mut self) -> Result<Option<Bytes>, FrameError> {
        let Some(announced) = self.announced() else { return Ok(None) };
        let size = usize::try_from(announced).map_err(|_| FrameError::Negative { size: announced })?;
        if self.max_bytes < size {
            return Err(FrameError::TooLarge { size, max_bytes: self.max_bytes });
        }
        if self.arrived.len() - PREFIX < size {
            return Ok(None);
        }
        self.arrived.advance(PREFIX);
        if LEAST_OWN <= size && self.arrived.len() == size {
            // Nobody else has a share in it, so its owner may change it in place.
            return Ok(Some(std::mem::take(&mut self.arrived).freeze()));
        }
        Ok(Some(self.arrived.split_to(size).freeze()))
    }

    /// Size of the frame whose beginning has arrived, the prefix not counted; `None` while that is unknown or out of
    /// bounds.
    pub fn size_ahead(&self) -> Option<usize> {
        self.announced().and_then(|size| usize::try_from(size).ok()).filter(|&size| size <= self.max_bytes)
    }

    /// Number of the API that the request ahead asks for; `None` while that has not arrived.
    pub fn api_ahead(&self) -> Option<i16> {
        let key = self.arrived.get(PREFIX..PREFIX + 2)?;
        Some(i16::from_be_bytes([key[0], key[1]]))
    }

    /// What has arrived and was not taken as a frame.
    pub fn arrived(&self) -> &[u8] {
        &self.arrived
    }

    /// Bytes that have arrived and were not taken as a frame.
    pub fn pending(&self) -> usize {
        self.arrived.len()
    }

    fn announced(&self) -> Option<i32> {
        self.arrived.first_chunk::<PREFIX>().map(|prefix| i32::from_be_bytes(*prefix))
    }
}

/// Why a message could not be encoded.
#[expect(missing_docs, reason = "the message tells what each field is")]
#[derive(Debug, thiserror::Error)]
pub enum EncodeError {
    /// A field has a value that this version cannot carry.
    #[error("encode {what:?} version {version}")]
    Message { what: ApiKey, version: i16, source: ForeignError },
    /// The frame would be longer than an int32 can say.
    #[error("encode {what:?}: a frame of {size} bytes is too large")]
    TooLarge {
        what: ApiKey,
        /// The size it would have.
        size: usize,
    },
    /// The header names an API that does not exist.
    #[error("encode a request for the unknown api key {api_key}")]
    UnknownApi { api_key: i16 },
}

/// Why a frame could not be decoded.
#[expect(missing_docs, reason = "the message tells what each field is")]
#[derive(Debug, thiserror::Error)]
pub enum DecodeError {
    /// The header asks for an API that does not exist.
    #[error("decode a request for the unknown api key {api_key}")]
    UnknownApi { api_key: i16 },
    /// The header is cut off or not well-formed.
    #[error("decode a message header")]
    Header { source: Malformed },
    /// The structure contradicts the frame.
    #[error("decode {what:?} version {version}")]
    Malformed { what: ApiKey, version: i16, source: Malformed },
    /// The structure is sound but a value is not (a text that is not UTF-8, for instance).
    #[error("decode {what:?} version {version}")]
    Message { what: ApiKey, version: i16, source: ForeignError },
}

/// What the message library says, as text.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct ForeignError(String);

/// Encodes a whole request frame, size prefix included. API and version are those of `header`.
///
/// # Errors
///
/// The body has a value that the version cannot carry.
pub fn encode_request<B: Encodable>(header: &RequestHeader, body: &B) -> Result<Bytes, EncodeError> {
    let api = ApiKey::try_from(header.request_api_key)
        .map_err(|()| EncodeError::UnknownApi { api_key: header.request_api_key })?;
    let version = header.request_api_version;
    let header_version = api.request_header_version(version);
    encode_frame(api, layout::of_request(api, version), header, header_version, body)
}

/// Encodes a whole response frame, size prefix included.
///
/// # Errors
///
/// The body has a value that the version cannot carry.
pub fn encode_response<B: Encodable>(
    api: ApiKey,
    version: i16,
    correlation_id: i32,
    body: &B,
) -> Result<Bytes, EncodeError> {
    let header = kafka_protocol::messages::ResponseHeader::default().with_correlation_id(correlation_id);
    let version = layout::of_response(api, version);
    encode_frame(api, version, &header, response_header_version(api, version), body)
}

/// Version of the response header: always 0 for ApiVersions, so that a client whose version was too new can
/// read the answer.
fn response_header_version(api: ApiKey, version: i16) -> i16 {
    if api == ApiKey::ApiVersions { 0 } else { api.response_header_version(version) }
}

fn encode_frame<H: Encodable, B: Encodable>(
    api: ApiKey,
    version: i16,
    header: &H,
    header_version: i16,
    body: &B,
) -> Result<Bytes, EncodeError> {
    let failed = |error| failed_to_encode(api, version, error);
    let header_size = header.compute_size(header_version).map_err(failed)?;
    let body_size = body.compute_size(version).map_err(failed)?;
    let size = header_size + body_size;
    let prefix = i32::try_from(size).map_err(|_| EncodeError::TooLarge { what: api, size })?;
    let mut frame = BytesMut::with_capacity(PREFIX + size);
    frame.put_i32(prefix);
    header.encode(&mut frame, header_version).map_err(failed)?;
    body.encode(&mut frame, version).map_err(failed)?;
    debug_assert_eq!(frame.len(), PREFIX + size, "{api:?} version {version} has the size it computed");
    Ok(frame.freeze())
}

/// What the message library says of a value that a version cannot carry.
pub(crate) fn failed_to_encode(what: ApiKey, version: i16, error: impl std::fmt::Display) -> EncodeError {
    EncodeError::Message { what, version, source: ForeignError(error.to_string()) }
}

/// Takes the header off a request frame and leaves the body.
///
/// Whether the version is one that is served is the caller's business: only the header's own form depends on
/// it here, and an ApiVersions request of any version has a readable header.
///
/// # Errors
///
/// The API key is unknown or the header is cut off. Both mean closing the connection.
pub fn decode_request_header(frame: &mut Bytes) -> Result<(ApiKey, RequestHeader), DecodeError> {
    let header = |source| DecodeError::Header { source };
    let mut cursor = guard::Cursor::new(frame);
    let api_key = cursor.int16().map_err(header)?;
    let version = cursor.int16().map_err(header)?;
    let correlation_id = cursor.int32().map_err(header)?;
    let api = ApiKey::try_from(api_key).map_err(|()| DecodeError::UnknownApi { api_key })?;
    let header_version = api.request_header_version(version);
    let mut client_id = None;
    if 1 <= header_version {
        // An int16-length text in every header version, flexible or not.
        if let Some(range) = cursor.nullable_string().map_err(header)? {
            let text = StrBytes::from_utf8(frame.slice(range.clone()));
            client_id = Some(text.map_err(|_| header(Malformed::new("client_id", range.start)))?);
        }
    }
    if 2 <= header_version {
        cursor.tagged_fields().map_err(header)?;
    }
    let body_at = cursor.position();
    frame.advance(body_at);
    let header = RequestHeader::default()
        .with_request_api_key(api_key)
        .with_request_api_version(version)
        .with_correlation_id(correlation_id)
        .with_client_id(client_id);
    Ok((api, header))
}

/// Takes the header off a response frame, leaves the body and returns the correlation id.
///
/// # Errors
///
/// The header is cut off.
pub fn decode_response_header(api: ApiKey, version: i16, frame: &mut Bytes) -> Result<i32, DecodeError> {
    let header = |source| DecodeError::Header { source };
    let mut cursor = guard::Cursor::new(frame);
    let correlation_id = cursor.int32().map_err(header)?;
    if 1 <= response_header_version(api, version) {
        cursor.tagged_fields().map_err(header)?;
    }
    let body_at = cursor.position();
    frame.advance(body_at);
    Ok(correlation_id)
}

/// Decodes a request's body after checking its structure. Byte fields share the frame's memory.
///
/// Bytes after the body are ignored, as Kafka does.
///
/// # Errors
///
/// The body is not one of this API and version. The connection is to be closed.
pub fn decode_request<B: Decodable>(api: ApiKey, version: i16, mut body: Bytes) -> Result<B, DecodeError> {
    guard::check_request(api, version, &body).map_err(|source| DecodeError::Malformed {
        what: api,
        version,
        source,
    })?;
    B::decode(&mut body, layout::of_request(api, version)).map_err(|error| DecodeError::Message {
        what: api,
        version,
        source: ForeignError(error.to_string()),
    })
}

/// Decodes a response's body after checking its structure. Byte fields share the frame's memory.
///
/// # Errors
///
/// The body is not one of this API and version.
pub fn decode_response<B: Decodable>(api: ApiKey, version: i16, mut body: Bytes) -> Result<B, DecodeError> {
    guard::check_response(api, version, &body).map_err(|source| DecodeError::Malformed {
        what: api,
        version,
        source,
    })?;
    B::decode(&mut body, layout::of_response(api, version)).map_err(|error| DecodeError::Message {
        what: api,
        version,
        source: ForeignError(error.to_string()),
    })
}

#[cfg(test)]
mod tests {
    use kafka_protocol::messages::{
        ApiVersionsRequest, ApiVersionsResponse, MetadataRequest, MetadataResponse,
        metadata_request::MetadataRequestTopic,
    };

    use super::*;

    fn hex(text: &str) -> Vec<u8> {
        (0..text.len()).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap()).collect()
    }

    fn request_header(api: ApiKey, version: i16, correlation_id: i32) -> RequestHeader {
        RequestHeader::default()
            .with_request_api_key(api as i16)
            .with_request_api_version(version)
            .with_correlation_id(correlation_id)
            .with_client_id(Some(StrBytes::from_static_str("cli")))
    }

    #[test]
    fn requests_have_kafkas_bytes() {
        let frame = encode_request(&request_header(ApiKey::ApiVersions, 0, 1), &ApiVersionsRequest::default());
        assert_eq!(frame.unwrap(), hex("0000000d00120000000000010003636c69"));

        let body = ApiVersionsRequest::default()
            .with_client_software_name(StrBytes::from_static_str("librdkafka"))
            .with_client_software_version(StrBytes::from_static_str("2.10.0"));
        let frame = encode_request(&request_header(ApiKey::ApiVersions, 3, 2), &body).unwrap();
        assert_eq!(frame, hex("0000002100120003000000020003636c69000b6c696272646b61666b6107322e31302e3000"));

        let topic = MetadataRequestTopic::default().with_name(Some(StrBytes::from_static_str("t").into()));
        let body = MetadataRequest::default().with_topics(Some(vec![topic])).with_allow_auto_topic_creation(false);
        let frame = encode_request(&request_header(ApiKey::Metadata, 9, 3), &body).unwrap();
        assert_eq!(frame, hex("0000001600030009000000030003636c69000202740000000000"));

        let mut decoder = FrameDecoder::new(1024);
        decoder.push(&frame);
        let mut frame = decoder.next_frame().unwrap().unwrap();
        let (api, header) = decode_request_header(&mut frame).unwrap();
        assert_eq!((api, header), (ApiKey::Metadata, request_header(ApiKey::Metadata, 9, 3)));
        assert_eq!(decode_request::<MetadataRequest>(api, 9, frame).unwrap(), body);
    }

    #[test]
    fn the_answer_to_api_versions_has_the_old_header_in_every_version() {
        for version in 0..=4 {
            let frame = encode_response(ApiKey::ApiVersions, version, 7, &ApiVersionsResponse::default()).unwrap();
            let mut rest = frame.slice(4..);
            assert_eq!(decode_response_header(ApiKey::ApiVersions, version, &mut rest).unwrap(), 7);
            assert_eq!(frame.len() - rest.len(), 8, "size and correlation id only");
            decode_response::<ApiVersionsResponse>(ApiKey::ApiVersions, version, rest).unwrap();
        }
        let frame = encode_response(ApiKey::Metadata, 9, -7, &MetadataResponse::default()).unwrap();
        let mut rest = frame.slice(4..);
        assert_eq!(decode_response_header(ApiKey::Metadata, 9, &mut rest).unwrap(), -7);
        assert_eq!(frame.len() - rest.len(), 9, "a flexible header has tagged fields");
    }

    #[test]
    fn a_large_frame_that_comes_alone_is_its_owners_alone() {
        let size = 1 << 20;
        let mut stream = vec![7; 4 + size];
        stream[..4].copy_from_slice(&(size as u32).to_be_bytes());
        let mut decoder = FrameDecoder::new(size);
        decoder.push(&stream[..100]);
        let room = decoder.spare_for_frame();
        assert!(4 + size - 100 <= room.capacity() - room.len());
        let begin = room.as_ptr();
        decoder.push(&stream[100..]);
        assert_eq!(decoder.arrived().as_ptr(), begin, "nothing was moved");
        let frame = decoder.next_frame().unwrap().unwrap();
        assert_eq!(frame.len(), size);
        assert!(frame.try_into_mut().is_ok());
        // The next one shares its buffer with what follows it.
        decoder.push(&stream);
        decoder.push(&stream[..10]);
        assert!(decoder.next_frame().unwrap().unwrap().try_into_mut().is_err());
        assert_eq!(decoder.pending(), 10);
    }

    #[test]
    fn a_stream_is_cut_into_frames_wherever_it_is_split() {
        let stream = [&[0, 0, 0, 3, b'a', b'b', b'c'][..], &[0, 0, 0, 0], &[0, 0, 0, 1, b'd']].concat();
        for split in 0..=stream.len() {
            let mut decoder = FrameDecoder::new(3);
            let mut frames = Vec::new();
            for part in [&stream[..split], &stream[split..]] {
                decoder.push(part);
                while let Some(frame) = decoder.next_frame().unwrap() {
                    frames.push(frame);
                }
            }
            assert_eq!(frames, [&b"abc"[..], b"", b"d"], "split at {split}");
            assert_eq!(decoder.pending(), 0);
        }
    }

    #[test]
    fn an_impossible_size_is_refused_and_reserves_nothing() {
        for (prefix, expected) in [
            (-1_i32, FrameError::Negative { size: -1 }),
            (i32::MAX, FrameError::TooLarge { size: i32::MAX as usize, max_bytes: 100 }),
            (101, FrameError::TooLarge { size: 101, max_bytes: 100 }),
        ] {
            let mut decoder = FrameDecoder::new(100);
            decoder.push(&prefix.to_be_bytes());
            assert_eq!(decoder.next_frame(), Err(expected));
            assert!(decoder.spare().capacity() <= MOST_READ + PREFIX);
        }
    }

    #[test]
    fn no_cut_off_header_is_read() {
        let frame = encode_request(&request_header(ApiKey::Metadata, 9, 3), &MetadataRequest::default()).unwrap();
        for len in 4..4 + 14 {
            assert!(decode_request_header(&mut frame.slice(4..len)).is_err(), "{len} bytes");
        }
        assert!(matches!(
            decode_request_header(&mut Bytes::from_static(&[0x7f, 0, 0, 0, 0, 0, 0, 1, 0xff, 0xff])),
            Err(DecodeError::UnknownApi { api_key: 0x7f00 })
        ));
    }

    #[test]
    fn a_version_out_of_reach_still_has_a_readable_header() {
        let bytes = [0, 18, 0, 99, 0, 0, 0, 5, 0, 1, b'c', 0];
        let (api, header) = decode_request_header(&mut Bytes::copy_from_slice(&bytes)).unwrap();
        assert_eq!((api, header.request_api_version, header.correlation_id), (ApiKey::ApiVersions, 99, 5));
    }
}
