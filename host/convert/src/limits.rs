//! How much a message may ask of those who read it: the worker's `converter.` keys.

use millstream_config::{ConfigMap, ParsedConfig, worker_key as keys};
use millstream_connector::{Converter, ConverterRole, Failure, HeaderConverter};

/// Limits for what converters read. Writing needs none: what is written was read or made under limits before.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct ReadLimits {
    /// `converter.nesting.max`: levels of nesting in JSON.
    pub nesting_max: usize,
    /// `converter.number.max.length`: characters of a number in JSON.
    pub number_max_length: usize,
    /// `converter.text.max.bytes`: bytes of a text in JSON.
    pub text_max_bytes: usize,
    /// `converter.filled.max.bytes`: bytes that nulls and defaults of a schema may take in one JSON message.
    pub filled_max_bytes: usize,
    /// `converter.header.nesting.max`: levels of nesting in the text of a header.
    pub header_nesting_max: usize,
}

impl ReadLimits {
    /// Connect's own limits for JSON; 64 MiB filled in; 200 levels in headers.
    pub const DEFAULT: Self = Self {
        nesting_max: 1000,
        number_max_length: 1000,
        text_max_bytes: 20_000_000,
        filled_max_bytes: 64 << 20,
        header_nesting_max: millstream_values::values::MAX_NESTING,
    };

    /// Reads the keys of a worker's configuration, which has checked their ranges.
    pub fn of(config: &ParsedConfig) -> Self {
        // The keys' validators allow no negative numbers.
        let size = |number: i32| usize::try_from(number).unwrap_or(0);
        Self {
            nesting_max: size(keys::CONVERTER_NESTING_MAX.get(config)),
            number_max_length: size(keys::CONVERTER_NUMBER_MAX_LENGTH.get(config)),
            text_max_bytes: size(keys::CONVERTER_TEXT_MAX_BYTES.get(config)),
            filled_max_bytes: size(keys::CONVERTER_FILLED_MAX_BYTES.get(config)),
            header_nesting_max: size(keys::CONVERTER_HEADER_NESTING_MAX.get(config)),
        }
    }

    /// As [`crate::native`], under these limits.
    ///
    /// # Errors
    ///
    /// The configuration is refused.
    pub fn native(
        &self,
        class: &str,
        role: ConverterRole,
        config: &ConfigMap,
    ) -> Option<Result<Box<dyn Converter>, Failure>> {
        crate::native_within(class, role, config, *self)
    }

    /// As [`crate::native_header`], under these limits.
    ///
    /// # Errors
    ///
    /// The configuration is refused.
    pub fn native_header(&self, class: &str, config: &ConfigMap) -> Option<Result<Box<dyn HeaderConverter>, Failure>> {
        crate::native_header_within(class, config, *self)
    }
}

impl Default for ReadLimits {
    fn default() -> Self {
        Self::DEFAULT
    }
}

#[cfg(test)]
mod tests {
    use millstream_config::Mode;
    use millstream_record::Value;

    use super::*;

    fn of(pairs: &[(&str, &str)]) -> ReadLimits {
        let definition = Mode::Standalone.config_def();
        let mut map: ConfigMap =
            pairs.iter().map(|(key, value)| ((*key).to_owned(), Some((*value).to_owned()))).collect();
        for key in definition.keys().iter().filter(|key| key.is_required()) {
            map.insert(key.name.clone(), Some("x".into()));
        }
        ReadLimits::of(&definition.parse(&map).unwrap())
    }

    #[test]
    fn a_workers_keys_fill_every_limit_and_their_defaults_are_ours() {
        assert_eq!(of(&[]), ReadLimits::default());
        let set = of(&[
            ("converter.nesting.max", "5"),
            ("converter.number.max.length", "6"),
            ("converter.text.max.bytes", "7"),
            ("converter.filled.max.bytes", "1024"),
            ("converter.header.nesting.max", "9"),
        ]);
        let expected = ReadLimits {
            nesting_max: 5,
            number_max_length: 6,
            text_max_bytes: 7,
            filled_max_bytes: 1024,
            header_nesting_max: 9,
        };
        assert_eq!(set, expected);
    }

    /// Reads a message with both forms of the converter, under tight limits; what refuses it.
    fn refusal(config: &[(&str, &str)], message: &str) -> Option<String> {
        let limits = ReadLimits {
            nesting_max: 3,
            number_max_length: 6,
            text_max_bytes: 8,
            filled_max_bytes: 100,
            ..ReadLimits::DEFAULT
        };
        let config = config.iter().map(|(key, value)| ((*key).to_owned(), Some((*value).to_owned()))).collect();
        let mut converter = limits.native_header("JsonConverter", &config).unwrap().unwrap();
        let failure = converter.to_connect("t", "h", Some(message.as_bytes())).err()?;
        Some(format!("{} {}", failure.message, failure.causes.join(" ")))
    }

    #[track_caller]
    fn check(config: &[(&str, &str)], fits: &str, beyond: &str, expected: &str) {
        assert_eq!(refusal(config, fits), None, "{fits}");
        let found = refusal(config, beyond).unwrap_or_else(|| panic!("{beyond} was read"));
        assert!(found.contains(expected), "{found}");
    }

    const PLAIN: &[(&str, &str)] = &[("schemas.enable", "false")];

    #[test]
    fn what_exceeds_a_limit_is_refused_and_names_its_key() {
        let nesting = "nested deeper than the 3 levels that converter.nesting.max allows";
        check(PLAIN, "[[[1]]]", "[[[[1]]]]", nesting);
        check(PLAIN, "[[[]]]", "[[[[]]]]", nesting);
        check(PLAIN, r#"{"a":{"a":{}}}"#, r#"{"a":{"a":{"a":{}}}}"#, nesting);
        let lists = r#"{"type":"array","items":{"type":"array","items":{"type":"array","items":{"type":"int8"}}}}"#;
        // Three levels are the most that the schema itself may have, and one of lists more is not.
        assert!(
            ReadLimits { nesting_max: 3, ..ReadLimits::DEFAULT }
                .native(
                    "JsonConverter",
                    ConverterRole::Value,
                    &[("schema.content".to_owned(), Some(format!("[{lists}]")))].into()
                )
                .unwrap()
                .is_err()
        );
        check(&[], r#"{"schema":null,"payload":[[1]]}"#, r#"{"schema":null,"payload":[[[1]]]}"#, nesting);
        let number = "more than the 6 characters that converter.number.max.length allows";
        check(PLAIN, "-12345", "-123456", number);
        check(PLAIN, "1.2e10", "1.23e10", number);
        let text = "more than the 8 bytes that converter.text.max.bytes allows";
        check(PLAIN, r#""12345678""#, r#""123456789""#, text);
        check(PLAIN, r#""\n2345678""#, r#""\n23456789""#, text);
    }

    #[test]
    fn fields_that_messages_lack_fill_no_more_than_their_limit() {
        let content = r#"{"type":"array","items":{"type":"struct","fields":[{"type":"int8","optional":true,"field":"a"},
            {"type":"int8","optional":true,"field":"b"}]}}"#;
        let expected = "more than the 100 bytes that converter.filled.max.bytes allows";
        let relaxed = ReadLimits { filled_max_bytes: 100, ..ReadLimits::DEFAULT };
        let config: ConfigMap = [("schema.content".to_owned(), Some(content.to_owned()))].into();
        let mut converter = relaxed.native_header("JsonConverter", &config).unwrap().unwrap();
        let mut read =
            |message: &str| converter.to_connect("t", "h", Some(message.as_bytes())).map_err(|failure| failure.message);
        // Two nulls of eight bytes for each.
        assert!(read("[{},{},{},{},{},{}]").is_ok());
        assert!(
            read(
                r#"[{"a":1,"b":2},{"a":1,"b":2},{"a":1,"b":2},{"a":1,"b":2},{"a":1,"b":2},{"a":1,"b":2},{"a":1,"b":2}]"#
            )
            .is_ok()
        );
        assert!(read("[{},{},{},{},{},{},{}]").is_err_and(|message| message.contains(expected)));
        assert!(read(r#"[{"a":null},{},{},{},{},{},{}]"#).is_err_and(|message| message.contains(expected)));
        // Each message has its own.
        assert!(read("[{},{},{},{},{},{}]").is_ok());
        // A default counts with its text, a struct that is null with all its fields.
        let default = r#"{"type":"array","items":{"type":"string","default":"12345678901234567890"}}"#;
        let of_structs = content.replace(
            "int8\",\"optional\":true,\"field\":\"a",
            "struct\",\"fields\":[],\"optional\":true,\"field\":\"a",
        );
        for (content, fits, beyond) in [
            (default, "[null,null]", "[null,null,null,null]"),
            (&*of_structs, "[{\"b\":1},{\"b\":1}]", "[{},{},{},{},{},{},{},{}]"),
        ] {
            let config: ConfigMap = [("schema.content".to_owned(), Some(content.to_owned()))].into();
            let mut converter = relaxed.native_header("JsonConverter", &config).unwrap().unwrap();
            assert!(converter.to_connect("t", "h", Some(fits.as_bytes())).is_ok(), "{fits}");
            let refused = converter.to_connect("t", "h", Some(beyond.as_bytes())).expect_err(beyond);
            assert!(refused.message.contains(expected), "{}", refused.message);
        }
    }

    #[test]
    fn a_header_that_nests_too_deeply_stays_bytes() {
        let limits = ReadLimits { header_nesting_max: 2, ..ReadLimits::DEFAULT };
        let mut converter = limits.native_header("SimpleHeaderConverter", &ConfigMap::new()).unwrap().unwrap();
        let mut read = |text: &str| converter.to_connect("t", "h", Some(text.as_bytes())).unwrap().1;
        assert_eq!(read("[[1]]"), Value::List(vec![Value::List(vec![Value::Int8(1)])]));
        assert_eq!(read("[[[1]]]"), Value::Bytes(b"[[[1]]]".to_vec()));
    }

    #[test]
    fn the_deepest_that_keys_allow_fits_a_threads_stack() {
        // That of the worker's threads; frames take more where nothing is optimised.
        let stack = if cfg!(debug_assertions) { 4 << 20 } else { 2 << 20 };
        let read = || {
            let limits = ReadLimits { header_nesting_max: 400, ..ReadLimits::DEFAULT };
            let mut converter = limits.native_header("SimpleHeaderConverter", &ConfigMap::new()).unwrap().unwrap();
            let nested = |levels: usize| "[".repeat(levels) + &"]".repeat(levels);
            let (_, value) = converter.to_connect("t", "h", Some(nested(400).as_bytes())).unwrap();
            assert!(matches!(value, Value::List(_)));
            assert_eq!(refusal_of_default(&nested(1000)), None);
            assert!(refusal_of_default(&nested(1001)).is_some());
        };
        std::thread::Builder::new().stack_size(stack).spawn(read).unwrap().join().unwrap();
    }

    fn refusal_of_default(message: &str) -> Option<String> {
        let config = PLAIN.iter().map(|(key, value)| ((*key).to_owned(), Some((*value).to_owned()))).collect();
        let mut converter = crate::native_header("JsonConverter", &config).unwrap().unwrap();
        converter.to_connect("t", "h", Some(message.as_bytes())).err().map(|failure| failure.message)
    }
}
