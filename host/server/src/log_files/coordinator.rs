//! Records of the coordinators' own topics as JSON: `__consumer_offsets` and `__transaction_state`, with the names and in the
//! order of Kafka's message definitions, as kafka-dump-log prints them.

use std::fmt::Write;

use millstream_values::base64;
use serde_json::{Value, json};

/// Which topic's records they are.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Decoder {
    /// `__consumer_offsets`.
    Offsets,
    /// `__transaction_state`.
    Transactions,
}

/// A kind of records: its number, and what key and value consist of.
struct Schema {
    kind: u16,
    key: &'static [Field],
    value: &'static [Field],
    /// First version of the value with compact lengths and tagged fields.
    flexible_from: u16,
    versions: u16,
}

/// A field of a key, a value, or a structure.
struct Field {
    name: &'static str,
    kind: Kind,
    from: u16,
    to: u16,
    /// Number of a tagged field, which is shown where it is there.
    tag: Option<u32>,
}

enum Kind {
    Int8,
    Int16,
    Int32,
    Int64,
    Uuid,
    Text,
    Bytes,
    /// Bytes that in groups of consumers have a version and these fields, each from a version on.
    OfConsumer(&'static [Field]),
    List(&'static Kind),
    Struct(&'static [Field]),
    /// A structure that may be missing.
    Optional(&'static [Field]),
}

const fn field(name: &'static str, kind: Kind) -> Field {
    Field { name, kind, from: 0, to: u16::MAX, tag: None }
}

const fn since(from: u16, name: &'static str, kind: Kind) -> Field {
    Field { name, kind, from, to: u16::MAX, tag: None }
}

const fn tagged(tag: u32, from: u16, name: &'static str, kind: Kind) -> Field {
    Field { name, kind, from, to: u16::MAX, tag: Some(tag) }
}

use Kind::{Bytes, Int8, Int16, Int32, Int64, List, OfConsumer, Optional, Struct, Text, Uuid};

const OFFSET_KEY: &[Field] = &[field("group", Text), field("topic", Text), field("partition", Int32)];
const OFFSET_VALUE: &[Field] = &[
    field("offset", Int64),
    since(3, "leaderEpoch", Int32),
    field("metadata", Text),
    field("commitTimestamp", Int64),
    Field { name: "expireTimestamp", kind: Int64, from: 1, to: 1, tag: None },
    tagged(0, 4, "topicId", Uuid),
];
const OWNED: &[Field] = &[field("topic", Text), field("partitions", List(&Int32))];
const SUBSCRIPTION: &[Field] = &[
    field("topics", List(&Text)),
    field("userData", Bytes),
    since(1, "ownedPartitions", List(&Struct(OWNED))),
    since(2, "generationId", Int32),
    since(3, "rackId", Text),
];
const ASSIGNMENT: &[Field] = &[field("assignedPartitions", List(&Struct(OWNED))), field("userData", Bytes)];
const GROUP_MEMBER: &[Field] = &[
    field("memberId", Text),
    since(3, "groupInstanceId", Text),
    field("clientId", Text),
    field("clientHost", Text),
    since(1, "rebalanceTimeout", Int32),
    field("sessionTimeout", Int32),
    field("subscription", OfConsumer(SUBSCRIPTION)),
    field("assignment", OfConsumer(ASSIGNMENT)),
];
const PROTOCOL_TYPE: &str = "protocolType";
const GROUP_VALUE: &[Field] = &[
    field(PROTOCOL_TYPE, Text),
    field("generation", Int32),
    field("protocol", Text),
    field("leader", Text),
    since(2, "currentStateTimestamp", Int64),
    field("members", List(&Struct(GROUP_MEMBER))),
];
const OF_GROUP: &[Field] = &[field("groupId", Text)];
const OF_MEMBER: &[Field] = &[field("groupId", Text), field("memberId", Text)];
const ASSIGNED: &[Field] = &[field("topicId", Uuid), field("partitions", List(&Int32))];
const PARTITION_RACKS: &[Field] = &[field("partition", Int32), field("racks", List(&Text))];
const TOPIC_METADATA: &[Field] = &[
    field("topicId", Uuid),
    field("topicName", Text),
    field("numPartitions", Int32),
    field("partitionMetadata", List(&Struct(PARTITION_RACKS))),
];
const CLASSIC_PROTOCOL: &[Field] = &[field("name", Text), field("metadata", Bytes)];
const CLASSIC_MEMBER: &[Field] =
    &[field("sessionTimeoutMs", Int32), field("supportedProtocols", List(&Struct(CLASSIC_PROTOCOL)))];
const CONSUMER_MEMBER: &[Field] = &[
    field("instanceId", Text),
    field("rackId", Text),
    field("clientId", Text),
    field("clientHost", Text),
    field("subscribedTopicNames", List(&Text)),
    field("subscribedTopicRegex", Text),
    field("rebalanceTimeoutMs", Int32),
    field("serverAssignor", Text),
    tagged(0, 0, "classicMemberMetadata", Optional(CLASSIC_MEMBER)),
];
const ASSIGNED_SINCE: &[Field] =
    &[field("topicId", Uuid), field("partitions", List(&Int32)), tagged(0, 0, "assignmentEpochs", List(&Int32))];
const CURRENT_ASSIGNMENT: &[Field] = &[
    field("memberEpoch", Int32),
    field("previousMemberEpoch", Int32),
    field("state", Int8),
    field("assignedPartitions", List(&Struct(ASSIGNED_SINCE))),
    field("partitionsPendingRevocation", List(&Struct(ASSIGNED_SINCE))),
];

const fn schema(kind: u16, key: &'static [Field], value: &'static [Field]) -> Schema {
    Schema { kind, key, value, flexible_from: 0, versions: 0 }
}

const OFFSETS: &[Schema] = &[
    Schema { kind: 0, key: OFFSET_KEY, value: OFFSET_VALUE, flexible_from: 4, versions: 4 },
    Schema { kind: 1, key: OFFSET_KEY, value: OFFSET_VALUE, flexible_from: 4, versions: 4 },
    Schema { kind: 2, key: &[field("group", Text)], value: GROUP_VALUE, flexible_from: 4, versions: 4 },
    schema(3, OF_GROUP, &[field("epoch", Int32), tagged(0, 0, "metadataHash", Int64)]),
    schema(4, OF_GROUP, &[field("topics", List(&Struct(TOPIC_METADATA)))]),
    schema(5, OF_MEMBER, CONSUMER_MEMBER),
    schema(6, OF_GROUP, &[field("assignmentEpoch", Int32), tagged(0, 0, "assignmentTimestamp", Int64)]),
    schema(7, OF_MEMBER, &[field("topicPartitions", List(&Struct(ASSIGNED)))]),
    schema(8, OF_MEMBER, CURRENT_ASSIGNMENT),
    schema(
        16,
        &[field("groupId", Text), field("regularExpression", Text)],
        &[field("topics", List(&Text)), field("version", Int64), field("timestamp", Int64)],
    ),
];

const TRANSACTION_PARTITIONS: &[Field] = &[field("topic", Text), field("partitionIds", List(&Int32))];
const TRANSACTION_VALUE: &[Field] = &[
    field("producerId", Int64),
    tagged(0, 1, "previousProducerId", Int64),
    tagged(1, 1, "nextProducerId", Int64),
    field("producerEpoch", Int16),
    tagged(3, 1, "nextProducerEpoch", Int16),
    field("transactionTimeoutMs", Int32),
    field("transactionStatus", Int8),
    field("transactionPartitions", List(&Struct(TRANSACTION_PARTITIONS))),
    field("transactionLastUpdateTimestampMs", Int64),
    field("transactionStartTimestampMs", Int64),
    tagged(2, 1, "clientTransactionVersion", Int16),
];

const TRANSACTIONS: &[Schema] = &[Schema {
    kind: 0,
    key: &[field("transactionalId", Text)],
    value: TRANSACTION_VALUE,
    flexible_from: 1,
    versions: 1,
}];

impl Decoder {
    /// Key and value of a record as JSON texts; `None` for the value of a tombstone.
    ///
    /// # Errors
    ///
    /// What kind or version of record is not known, or where its bytes do not fit.
    pub fn decode(self, key: Option<&[u8]>, value: Option<&[u8]>) -> Result<(String, Option<String>), String> {
        let schemas = match self {
            Self::Offsets => OFFSETS,
            Self::Transactions => TRANSACTIONS,
        };
        let key = key.ok_or("a record without a key")?;
        let mut reader = Reader { bytes: key, flexible: false, version: 0, of_consumers: false };
        let kind = reader.int16()? as u16;
        let schema = schemas.iter().find(|schema| schema.kind == kind);
        let schema = schema.ok_or_else(|| format!("unknown record type {kind}"))?;
        let mut key = format!("{{\"type\":\"{kind}\",\"data\":");
        reader.fields(schema.key, &mut key)?;
        key.push('}');
        let Some(value) = value else { return Ok((key, None)) };
        let mut reader = Reader { bytes: value, flexible: false, version: 0, of_consumers: false };
        let version = reader.int16()? as u16;
        if schema.versions < version {
            return Err(format!("unknown version {version} of record type {kind}"));
        }
        (reader.version, reader.flexible) = (version, schema.flexible_from <= version);
        let mut value = format!("{{\"version\":\"{version}\",\"data\":");
        reader.fields(schema.value, &mut value)?;
        value.push('}');
        Ok((key, Some(value)))
    }

    /// The same as values of JSON.
    pub fn decode_json(self, key: Option<&[u8]>, value: Option<&[u8]>) -> Value {
        match self.decode(key, value) {
            Ok((key, value)) => {
                let parsed = |text: &str| serde_json::from_str::<Value>(text).unwrap_or(Value::Null);
                json!({"key": parsed(&key), "value": value.as_deref().map(parsed)})
            }
            Err(error) => json!({"error": error}),
        }
    }
}

struct Reader<'a> {
    bytes: &'a [u8],
    flexible: bool,
    version: u16,
    /// Whether the group that is read is one of consumers.
    of_consumers: bool,
}

impl<'a> Reader<'a> {
    fn take(&mut self, len: usize) -> Result<&'a [u8], String> {
        let (taken, rest) = self.bytes.split_at_checked(len).ok_or("it ends inside a field")?;
        self.bytes = rest;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], String> {
        self.take(N)?.try_into().map_err(|_| "it ends inside a field".to_owned())
    }

    fn int16(&mut self) -> Result<i16, String> {
        Ok(i16::from_be_bytes(self.array()?))
    }

    fn varint(&mut self) -> Result<u32, String> {
        let mut number = 0_u32;
        for shift in (0..35).step_by(7) {
            let [byte] = self.array()?;
            number |= u32::from(byte & 0x7f).checked_shl(shift).unwrap_or(0);
            if byte & 0x80 == 0 {
                return Ok(number);
            }
        }
        Err("a number has too many bytes".to_owned())
    }

    /// A length; `None` for null.
    fn len(&mut self, is_text: bool) -> Result<Option<usize>, String> {
        if self.flexible {
            return Ok((self.varint()? as usize).checked_sub(1));
        }
        let len = if is_text { i32::from(self.int16()?) } else { i32::from_be_bytes(self.array()?) };
        Ok(usize::try_from(len).ok())
    }

    fn fields(&mut self, fields: &'static [Field], out: &mut String) -> Result<(), String> {
        let present = |field: &&Field| (field.from..=field.to).contains(&self.version);
        let shown: Vec<&'static Field> = fields.iter().filter(present).collect();
        let mut texts: Vec<Option<String>> = Vec::with_capacity(shown.len());
        for field in &shown {
            texts.push(match field.tag {
                None => Some(self.text(&field.kind)?),
                Some(_) => None,
            });
            if field.name == PROTOCOL_TYPE {
                self.of_consumers = texts.last().is_some_and(|text| text.as_deref() == Some("\"consumer\""));
            }
        }
        if self.flexible {
            for _ in 0..self.varint()? {
                let (tag, len) = (self.varint()?, self.varint()? as usize);
                let bytes = self.take(len)?;
                if let Some(at) = shown.iter().position(|field| field.tag == Some(tag)) {
                    let mut inner = Reader { bytes, ..*self };
                    texts[at] = Some(inner.text(&shown[at].kind)?);
                }
            }
        }
        out.push('{');
        let mut separator = "";
        for (field, text) in shown.iter().zip(texts) {
            if let Some(text) = text {
                // Writing to a text cannot fail.
                let _ = write!(out, "{separator}\"{}\":{text}", field.name);
                separator = ",";
            }
        }
        out.push('}');
        Ok(())
    }

    fn text(&mut self, kind: &'static Kind) -> Result<String, String> {
        Ok(match kind {
            Int8 => i8::from_be_bytes(self.array()?).to_string(),
            Int16 => self.int16()?.to_string(),
            Int32 => i32::from_be_bytes(self.array()?).to_string(),
            Int64 => i64::from_be_bytes(self.array()?).to_string(),
            Uuid => format!("\"{}\"", id_text(self.take(16)?)),
            Text => match self.len(true)? {
                Some(len) => json!(String::from_utf8_lossy(self.take(len)?)).to_string(),
                None => "null".to_owned(),
            },
            Bytes => match self.len(false)? {
                Some(len) => format!("\"{}\"", base64::encode(self.take(len)?)),
                None => "null".to_owned(),
            },
            OfConsumer(fields) => match self.len(false)? {
                Some(len) => {
                    let bytes = self.take(len)?;
                    // What is none is shown as the bytes it is.
                    let read = self.of_consumers.then(|| of_consumer(bytes, fields).ok()).flatten();
                    read.unwrap_or_else(|| format!("\"{}\"", base64::encode(bytes)))
                }
                None => "null".to_owned(),
            },
            List(element) => {
                let Some(count) = self.len(false)? else { return Ok("null".to_owned()) };
                let mut texts = Vec::new();
                for _ in 0..count {
                    texts.push(self.text(element)?);
                }
                format!("[{}]", texts.join(","))
            }
            Struct(fields) => {
                let mut text = String::new();
                self.fields(fields, &mut text)?;
                text
            }
            Optional(fields) => match self.array::<1>()? {
                [1] => {
                    let mut text = String::new();
                    self.fields(fields, &mut text)?;
                    text
                }
                _ => "null".to_owned(),
            },
        })
    }
}

/// What a consumer says of itself, or is told: a version, and fields without compact lengths.
fn of_consumer(bytes: &[u8], fields: &'static [Field]) -> Result<String, String> {
    let mut reader = Reader { bytes, flexible: false, version: 0, of_consumers: true };
    reader.version = u16::try_from(reader.int16()?).map_err(|_| "a negative version".to_owned())?;
    let mut text = String::new();
    reader.fields(fields, &mut text)?;
    Ok(text)
}

/// An id as Kafka writes it.
fn id_text(bytes: &[u8]) -> String {
    base64::encode(bytes).trim_end_matches('=').replace('+', "-").replace('/', "_")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_offset_of_each_kind_of_layout_is_shown_in_kafkas_words() {
        let key = [&[0, 1][..], b"\0\x01g", b"\0\x01t", &[0, 0, 0, 7]].concat();
        let plain =
            [&[0, 3][..], &5_i64.to_be_bytes(), &(-1_i32).to_be_bytes(), b"\0\x01m", &9_i64.to_be_bytes()].concat();
        let shown = r#"{"type":"1","data":{"group":"g","topic":"t","partition":7}}"#;
        assert_eq!(
            Decoder::Offsets.decode(Some(&key), Some(&plain)),
            Ok((
                shown.to_owned(),
                Some(
                    r#"{"version":"3","data":{"offset":5,"leaderEpoch":-1,"metadata":"m","commitTimestamp":9}}"#
                        .to_owned()
                )
            ))
        );
        let id = [&[1, 0, 16][..], &[0; 15], &[1]].concat();
        let flexible =
            [&[0, 4][..], &5_i64.to_be_bytes(), &2_i32.to_be_bytes(), b"\x02m", &9_i64.to_be_bytes(), &id].concat();
        let value = r#"{"version":"4","data":{"offset":5,"leaderEpoch":2,"metadata":"m","commitTimestamp":9,"topicId":"AAAAAAAAAAAAAAAAAAAAAQ"}}"#;
        assert_eq!(
            Decoder::Offsets.decode(Some(&key), Some(&flexible)),
            Ok((shown.to_owned(), Some(value.to_owned())))
        );
        assert_eq!(Decoder::Offsets.decode(Some(&key), None).map(|(_, value)| value), Ok(None));
    }

    #[test]
    fn what_is_not_known_or_cut_off_is_an_error_and_no_panic() {
        let key = [&[0, 1][..], b"\0\x01g", b"\0\x01t", &[0, 0, 0, 7]].concat();
        let value =
            [&[0, 4][..], &5_i64.to_be_bytes(), &2_i32.to_be_bytes(), b"\x02m", &9_i64.to_be_bytes(), &[0]].concat();
        assert!(Decoder::Offsets.decode(Some(&key), Some(&value)).is_ok());
        for len in 0..key.len() {
            assert!(Decoder::Offsets.decode(Some(&key[..len]), None).is_err());
        }
        for len in 0..value.len() {
            assert!(Decoder::Offsets.decode(Some(&key), Some(&value[..len])).is_err());
        }
        assert_eq!(Decoder::Offsets.decode(Some(&[0, 99]), None), Err("unknown record type 99".to_owned()));
        assert_eq!(Decoder::Offsets.decode(None, None), Err("a record without a key".to_owned()));
        assert!(Decoder::Transactions.decode(Some(b"\0\0\0\x01x"), Some(&[0, 9])).is_err());
    }
}
