//! Reads Kafka's message definitions: JSON with `//` comments, in the form that their own README describes.
//!
//! Only what says how bytes are laid out is kept. A word that is not known here is refused, since it might say
//! just that.

use serde_json::{Map, Value};

/// One request or response, in the versions that were asked for.
#[derive(Debug, PartialEq)]
pub struct Message {
    pub api_key: i16,
    pub direction: Direction,
    pub versions: Versions,
    /// First version with compact lengths and tagged fields.
    pub flexible_from: Option<i16>,
    pub fields: Vec<Field>,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Direction {
    Request,
    Response,
}

#[derive(Debug, PartialEq)]
pub struct Field {
    /// As Rust spells it.
    pub name: String,
    pub layout: Layout,
    pub versions: Versions,
    /// Its number, if it stands among the tagged fields.
    pub tag: Option<u32>,
}

#[derive(Debug, PartialEq)]
pub enum Layout {
    /// One of a plain type, by the guard's word for it.
    Plain(&'static str),
    /// A list of a plain type.
    Plains(&'static str),
    Struct(Vec<Field>),
    /// A struct that may be null.
    Optional(Vec<Field>),
    /// A list of structs.
    Structs(Vec<Field>),
}

/// First and last version.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Versions(pub i16, pub i16);

impl Versions {
    /// Reads `3`, `3-5` or `3+`; `none` is nothing.
    fn parse(text: &str) -> Option<Self> {
        let number = |text: &str| text.parse().unwrap_or_else(|error| panic!("version {text}: {error}"));
        match (text, text.split_once('-'), text.strip_suffix('+')) {
            ("none", ..) => None,
            (_, Some((first, last)), _) => Some(Self(number(first), number(last))),
            (.., Some(first)) => Some(Self(number(first), i16::MAX)),
            _ => Some(Self(number(text), number(text))),
        }
    }

    fn and(self, other: Self) -> Option<Self> {
        let both = Self(self.0.max(other.0), self.1.min(other.1));
        (both.0 <= both.1).then_some(both)
    }
}

/// Reads a definition for the versions that `wanted` gives for it. Nothing is left of what is neither a
/// request nor a response, and of what exists in none of these versions.
pub fn parse(text: &str, wanted: impl Fn(i16, Direction) -> Option<Versions>) -> Option<Message> {
    let json: Value = serde_json::from_str(&without_comments(text)).expect("a definition is JSON");
    let message = json.as_object().expect("a definition is an object");
    let direction = match word(message, "type") {
        "request" => Direction::Request,
        "response" => Direction::Response,
        _ => return None,
    };
    let known = [
        "apiKey",
        "commonStructs",
        "fields",
        "flexibleVersions",
        "latestVersionUnstable",
        "listeners",
        "name",
        "type",
        "validVersions",
    ];
    refuse_others(message, &known);
    let api_key = message["apiKey"].as_i64().and_then(|key| key.try_into().ok()).expect("an API key is an int16");
    let versions = Versions::parse(word(message, "validVersions"))?.and(wanted(api_key, direction)?)?;
    let flexible = Versions::parse(word(message, "flexibleVersions")).and_then(|flexible| flexible.and(versions));
    assert!(flexible.is_none_or(|flexible| flexible.1 == versions.1), "{}: flexible only for a while", message["name"]);
    let common = message.get("commonStructs").map_or(&[][..], list);
    Some(Message {
        api_key,
        direction,
        versions,
        flexible_from: flexible.map(|flexible| flexible.0),
        fields: fields(list(&message["fields"]), versions, common),
    })
}

/// The fields that exist in some of these versions of what they stand in.
fn fields(definitions: &[Value], within: Versions, common: &[Value]) -> Vec<Field> {
    definitions.iter().flat_map(|field| pieces(field.as_object().expect("a field"), within, common)).collect()
}

/// One field, or several that follow each other where it moves among the tagged ones or learns to be null.
fn pieces(field: &Map<String, Value>, within: Versions, common: &[Value]) -> Vec<Field> {
    let known = [
        "about",
        "default",
        "entityType",
        "fields",
        "ignorable",
        "mapKey",
        "name",
        "nullableVersions",
        "tag",
        "taggedVersions",
        "type",
        "versions",
        "zeroCopy",
    ];
    refuse_others(field, &known);
    let range = |key| field.get(key).and_then(|text| Versions::parse(text.as_str()?)).and_then(|all| all.and(within));
    let Some(present) = range("versions") else { return Vec::new() };
    let (tagged, nullable) = (range("taggedVersions"), range("nullableVersions"));
    let kind = word(field, "type");
    let struct_may_be_null = nullable.filter(|_| kind.starts_with(char::is_uppercase));

    let changes = [tagged, struct_may_be_null].into_iter().flatten();
    let mut starts: Vec<i16> = changes.flat_map(|range| [range.0, range.1.saturating_add(1)]).collect();
    starts.retain(|start| present.0 < *start && *start <= present.1);
    starts.push(present.0);
    starts.sort_unstable();
    starts.dedup();
    let ends = starts[1..].iter().map(|next| next - 1).chain([present.1]);

    let is_in = |range: Option<Versions>, version| range.is_some_and(|range| range.0 <= version && version <= range.1);
    let piece = |(start, end)| {
        let versions = Versions(start, end);
        let structure = |name: &str| {
            let shared = || common.iter().find(|shared| shared["name"] == name).map(|shared| &shared["fields"]);
            let own = field.get("fields").or_else(shared).unwrap_or_else(|| panic!("type {name} is not known"));
            fields(list(own), versions, common)
        };
        let layout = match kind.strip_prefix("[]") {
            Some(element) => plain(element).map_or_else(|| Layout::Structs(structure(element)), Layout::Plains),
            None if is_in(struct_may_be_null, start) => Layout::Optional(structure(kind)),
            None => plain(kind).map_or_else(|| Layout::Struct(structure(kind)), Layout::Plain),
        };
        let number = || field["tag"].as_u64().and_then(|tag| tag.try_into().ok()).expect("a tag is a number");
        Field { name: snake(word(field, "name")), layout, versions, tag: is_in(tagged, start).then(number) }
    };
    starts.iter().copied().zip(ends).map(piece).collect()
}

fn plain(kind: &str) -> Option<&'static str> {
    Some(match kind {
        "bool" | "int8" => "int8",
        "int16" | "uint16" => "int16",
        "int32" | "uint32" => "int32",
        "int64" | "float64" => "int64",
        "uuid" => "uuid",
        "string" => "text",
        "bytes" | "records" => "bytes",
        _ => return None,
    })
}

fn word<'a>(object: &'a Map<String, Value>, key: &str) -> &'a str {
    object.get(key).and_then(Value::as_str).unwrap_or_else(|| panic!("{key} is missing in {object:?}"))
}

fn list(value: &Value) -> &[Value] {
    value.as_array().unwrap_or_else(|| panic!("not a list: {value}"))
}

fn refuse_others(object: &Map<String, Value>, known: &[&str]) {
    let other = object.keys().find(|key| !known.contains(&key.as_str()));
    assert_eq!(other, None, "a word of the definition {} is not understood", object["name"]);
}

/// `ThrottleTimeMs` as `throttle_time_ms`.
fn snake(name: &str) -> String {
    let mut snake = String::new();
    for c in name.chars() {
        if c.is_ascii_uppercase() && !snake.is_empty() {
            snake.push('_');
        }
        snake.push(c.to_ascii_lowercase());
    }
    snake
}

/// Without `//` to the end of a line, except inside of strings.
fn without_comments(text: &str) -> String {
    let mut kept = String::with_capacity(text.len());
    let (mut quoted, mut escaped) = (false, false);
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        if !quoted && rest.starts_with("//") {
            rest = &rest[rest.find('\n').unwrap_or(rest.len())..];
            continue;
        }
        quoted ^= c == '"' && !escaped;
        escaped = c == '\\' && !escaped;
        kept.push(c);
        rest = &rest[c.len_utf8()..];
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: fn(i16, Direction) -> Option<Versions> = |_, _| Some(Versions(0, 9));

    fn one_field(field: &str) -> Vec<Field> {
        let text = format!(
            r#"{{"apiKey": 1, "type": "request", "name": "R", "validVersions": "0-9", "flexibleVersions": "4+",
            "commonStructs": [{{"name": "Shared", "versions": "0+", "fields": [
                {{"name": "Old", "type": "bool", "versions": "0-3"}}, {{"name": "New", "type": "uuid", "versions": "5+"}}
            ]}}],
            "fields": [{field}]}}"#
        );
        parse(&text, ALL).unwrap().fields
    }

    fn field(name: &str, layout: Layout, versions: (i16, i16), tag: Option<u32>) -> Field {
        Field { name: name.to_owned(), layout, versions: Versions(versions.0, versions.1), tag }
    }

    #[test]
    fn a_message_is_cut_to_the_versions_that_are_wanted() {
        let text = r#"// A comment, "quoted".
            {"apiKey": 7, "type": "response", "name": "R", "validVersions": "2-8", "flexibleVersions": "4+",
             "fields": [ // {
                {"name": "ThrottleTimeMs", "type": "int32", "versions": "0+", "about": "see http://x \"//\""},
                {"name": "Gone", "type": "string", "versions": "0-2"}]}"#;
        let message = parse(text, |key, _| (key == 7).then_some(Versions(3, 99))).unwrap();
        let fields = vec![field("throttle_time_ms", Layout::Plain("int32"), (3, 8), None)];
        let versions = Versions(3, 8);
        let expected = Message { api_key: 7, direction: Direction::Response, versions, flexible_from: Some(4), fields };
        assert_eq!(message, expected);
        assert_eq!(parse(text, |_, _| Some(Versions(9, 9))), None);
        assert_eq!(parse(text, |_, _| None), None);
    }

    #[test]
    fn removed_messages_and_what_is_no_message_are_left_out() {
        let removed = r#"{"apiKey": 4, "type": "request", "name": "R", "validVersions": "none"}"#;
        assert_eq!(parse(removed, ALL), None);
        assert_eq!(parse(r#"{"type": "header", "name": "H", "validVersions": "0", "fields": []}"#, ALL), None);
    }

    #[test]
    fn a_message_without_flexible_versions_has_none() {
        let text = r#"{"apiKey": 1, "type": "request", "name": "R", "validVersions": "0", "flexibleVersions": "none",
            "fields": []}"#;
        assert_eq!(parse(text, ALL).unwrap().flexible_from, None);
    }

    #[test]
    fn lists_and_shared_structs_are_laid_out_within_the_versions_of_their_field() {
        let shared = |first| match first {
            0 => vec![
                field("old", Layout::Plain("int8"), (0, 3), None),
                field("new", Layout::Plain("uuid"), (5, 9), None),
            ],
            _ => vec![field("new", Layout::Plain("uuid"), (first, 9), None)],
        };
        assert_eq!(
            one_field(
                r#"{"name": "A", "type": "[]Shared", "versions": "0+", "nullableVersions": "2+"},
                   {"name": "B", "type": "Shared", "versions": "7+"},
                   {"name": "C", "type": "[]string", "versions": "1-2"}"#
            ),
            [
                field("a", Layout::Structs(shared(0)), (0, 9), None),
                field("b", Layout::Struct(shared(7)), (7, 9), None),
                field("c", Layout::Plains("text"), (1, 2), None),
            ]
        );
    }

    #[test]
    fn a_field_that_moves_among_the_tagged_ones_or_learns_to_be_null_is_several() {
        let own = r#""fields": [{"name": "N", "type": "int16", "versions": "0+"}]"#;
        let inner = |first, last| vec![field("n", Layout::Plain("int16"), (first, last), None)];
        assert_eq!(
            one_field(&format!(
                r#"{{"name": "S", "type": "S", "versions": "1+", "nullableVersions": "3-6", "taggedVersions": "5+",
                     "tag": 2, {own}}}"#
            )),
            [
                field("s", Layout::Struct(inner(1, 2)), (1, 2), None),
                field("s", Layout::Optional(inner(3, 4)), (3, 4), None),
                field("s", Layout::Optional(inner(5, 6)), (5, 6), Some(2)),
                field("s", Layout::Struct(inner(7, 9)), (7, 9), Some(2)),
            ]
        );
    }

    #[test]
    #[should_panic(expected = "is not understood")]
    fn a_word_that_is_not_known_is_refused() {
        one_field(r#"{"name": "A", "type": "string", "versions": "0+", "flexibleVersions": "none"}"#);
    }

    #[test]
    #[should_panic(expected = "type varint is not known")]
    fn a_type_that_is_not_known_is_refused() {
        one_field(r#"{"name": "A", "type": "varint", "versions": "0+"}"#);
    }
}
