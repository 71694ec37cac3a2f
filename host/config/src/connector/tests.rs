use super::*;
use crate::{OverridePolicy, PluginDirectory};

fn plugin(kind: PluginKind, class: &str, keys: Vec<ConfigKey>) -> PluginDef {
    PluginDef {
        kind,
        class: class.to_owned(),
        aliases: Vec::new(),
        version: Some("1".to_owned()),
        documentation: String::new(),
        location: format!("place-{class}"),
        config: ConfigDef::of(keys),
    }
}

fn plugins() -> PluginDirectory {
    let pattern = ConfigKey::new("regex", ConfigType::String).importance(Importance::High).validator(Validator::Regex);
    let converter_type = || ConfigKey::new("converter.type", ConfigType::String);
    let schemas = || {
        ConfigKey::new("schemas.enable", ConfigType::Boolean).default_text("true").placed(
            "Schemas",
            1,
            Width::Short,
            "s",
        )
    };
    PluginDirectory::new(
        [
            plugin(
                PluginKind::Source,
                "org.example.TickSourceConnector",
                vec![
                    ConfigKey::new("topic", ConfigType::String),
                    ConfigKey::new("secret", ConfigType::Password).default_null(),
                ],
            ),
            plugin(
                PluginKind::Sink,
                "org.example.FileSinkConnector",
                vec![ConfigKey::new("file", ConfigType::String).default_null()],
            ),
            plugin(
                PluginKind::Transform,
                "org.example.RegexRouter",
                vec![pattern, ConfigKey::new("predicate", ConfigType::Int)],
            ),
            plugin(PluginKind::Transform, "org.example.Cast$Key", vec![]),
            plugin(PluginKind::Transform, "org.example.Cast$Value", vec![]),
            plugin(PluginKind::Predicate, "org.example.IsTombstone", vec![]),
            plugin(PluginKind::Converter, "org.example.JsonConverter", vec![converter_type(), schemas()]),
            plugin(PluginKind::HeaderConverter, "org.example.JsonConverter", vec![converter_type(), schemas()]),
        ],
        |pattern, text| {
            if pattern == "(" { Err("Unclosed group near index 1\n(".to_owned()) } else { Ok(pattern == text) }
        },
    )
}

fn config(entries: &[(&str, &str)]) -> ConfigMap {
    entries.iter().map(|&(key, value)| (key.to_owned(), Some(value.to_owned()))).collect()
}

fn source(more: &[(&str, &str)]) -> ConfigMap {
    let mut all = config(&[("name", "c"), ("connector.class", "TickSource"), ("topic", "t")]);
    all.extend(config(more));
    all
}

fn sink(more: &[(&str, &str)]) -> ConfigMap {
    let mut all = config(&[("name", "c"), ("connector.class", "FileSink")]);
    all.extend(config(more));
    all
}

fn validate(config: &ConfigMap) -> ConfigInfos {
    validate_connector(config, &plugins(), &[], &ClientRules::alone(OverridePolicy::All)).unwrap()
}

fn errors(config: &ConfigMap) -> Vec<(String, String)> {
    let infos = validate(config);
    let errors = |info: ConfigInfo| {
        let name = info.value.name;
        info.value.errors.into_iter().map(move |error| (name.clone(), error))
    };
    infos.configs.into_iter().flat_map(errors).collect()
}

fn only_error(config: &ConfigMap) -> (String, String) {
    let mut errors = errors(config);
    assert_eq!(errors.len(), 1, "{errors:?}");
    errors.remove(0)
}

fn pair(key: &str, error: &str) -> (String, String) {
    (key.to_owned(), error.to_owned())
}

#[test]
fn a_sound_configuration_has_no_errors_and_lists_framework_keys_first() {
    let infos = validate(&source(&[]));
    assert_eq!((infos.error_count, infos.name.as_str()), (0, "TickSource"));
    let names: Vec<&str> = infos.configs.iter().map(|info| info.value.name.as_str()).collect();
    assert_eq!((names[0], names[24], names[25], names.len()), ("name", "topic", "secret", 26));
    assert_eq!(
        infos.groups,
        [
            "Common",
            "Transforms",
            "Predicates",
            "Error Handling",
            "Topic Creation",
            "Exactly Once Support",
            "offsets.topic"
        ]
    );
}

#[test]
fn the_catalogue_of_framework_errors() {
    for (entries, expected) in [
        (vec![("name", "")], pair("name", "Invalid value  for configuration name: String may not be empty")),
        (
            vec![("tasks.max", "0")],
            pair("tasks.max", "Invalid value 0 for configuration tasks.max: Value must be at least 1"),
        ),
        (
            vec![("errors.tolerance", "foo")],
            pair(
                "errors.tolerance",
                "Invalid value foo for configuration errors.tolerance: String must be one of: none, all",
            ),
        ),
        (
            vec![("key.converter", "foo")],
            pair("key.converter", "Invalid value foo for configuration key.converter: Class foo could not be found."),
        ),
        (
            vec![("key.converter", "RegexRouter")],
            pair("key.converter", "Class class org.example.RegexRouter does not implement the Converter interface"),
        ),
        (
            vec![("transforms.a.x", "1"), ("transforms", "a")],
            pair(
                "transforms.a.type",
                "Missing required configuration \"transforms.a.type\" which has no default value.",
            ),
        ),
        (
            vec![("transforms", "a"), ("transforms.a.type", "foo")],
            pair(
                "transforms.a.type",
                "Invalid value foo for configuration transforms.a.type: Class foo could not be found.",
            ),
        ),
        (
            vec![("transforms", "a"), ("transforms.a.type", "IsTombstone")],
            pair(
                "transforms.a.type",
                "Class class org.example.IsTombstone does not implement the Transformation interface",
            ),
        ),
        (
            vec![("transforms", "a"), ("transforms.a.type", "org.example.Cast")],
            pair(
                "transforms.a.type",
                "This class is abstract and cannot be created. Did you mean org.example.Cast$Key, org.example.Cast$Value?",
            ),
        ),
        (
            vec![("transforms", "a"), ("transforms.a.type", "RegexRouter"), ("transforms.a.regex", "(")],
            pair(
                "transforms.a.regex",
                "Invalid value ( for configuration regex: Invalid regex: Unclosed group near index 1\n(",
            ),
        ),
        (
            vec![("transforms", "a"), ("transforms.a.type", "RegexRouter")],
            pair(
                "transforms.a.regex",
                "Missing required configuration \"transforms.a.regex\" which has no default value.",
            ),
        ),
        (
            vec![
                ("transforms", "a"),
                ("transforms.a.type", "Cast"),
                ("transforms.a.negate", "true"),
                ("transforms.a.type", "org.example.Cast$Key"),
            ],
            pair(
                "transforms.a.type",
                "Config 'transforms.a.negate' was provided but there is no config 'transforms.a.predicate' defining a predicate to be negated.",
            ),
        ),
        (
            vec![("exactly.once.support", "foo")],
            pair(
                "exactly.once.support",
                "Invalid value foo for configuration exactly.once.support: String must be one of (case insensitive): REQUIRED, REQUESTED",
            ),
        ),
        (
            vec![("transaction.boundary", "x")],
            pair(
                "transaction.boundary",
                "Invalid value x for configuration transaction.boundary: String must be one of (case insensitive): INTERVAL, POLL, CONNECTOR",
            ),
        ),
        (
            vec![("offsets.storage.topic", " ")],
            pair(
                "offsets.storage.topic",
                "Invalid value  for configuration offsets.storage.topic: String must be non-empty",
            ),
        ),
        (
            vec![("header.converter", "Json"), ("header.converter.schemas.enable", "maybe")],
            pair(
                "header.converter.schemas.enable",
                "Invalid value maybe for configuration schemas.enable: Expected value to be either true or false",
            ),
        ),
    ] {
        assert_eq!(only_error(&source(&entries)), expected);
    }
}

#[test]
fn a_missing_name_gives_one_error() {
    let mut config = source(&[]);
    config.remove("name");
    assert_eq!(only_error(&config).1, "Missing required configuration \"name\" which has no default value.");
}

#[test]
fn a_sink_names_its_topics_in_one_way() {
    assert_eq!(
        errors(&sink(&[])),
        [
            pair("topics", "Must configure one of topics or topics.regex"),
            pair("topics.regex", "Must configure one of topics or topics.regex")
        ]
    );
    let both = "topics and topics.regex are mutually exclusive options, but both are set.";
    assert_eq!(
        errors(&sink(&[("topics", "a"), ("topics.regex", "b")])),
        [pair("topics", both), pair("topics.regex", both)]
    );
    assert_eq!(errors(&sink(&[("topics", "a"), ("topics.regex", "")])), []);
    assert_eq!(errors(&sink(&[("topics", " "), ("topics.regex", "a.*")])), []);
    assert_eq!(
        only_error(&sink(&[("topics", "a, b"), ("errors.deadletterqueue.topic.name", "b ")])).1,
        "The DLQ topic 'b' may not be included in the list of topics ('topics=[a, b]') consumed by the connector"
    );
    assert_eq!(
        only_error(&sink(&[("topics.regex", "d"), ("errors.deadletterqueue.topic.name", "d")])).1,
        "The DLQ topic 'd' may not be matched by the regex for the topics ('topics.regex=d') consumed by the connector"
    );
    let config = sink(&[("topics.regex", "("), ("errors.deadletterqueue.topic.name", "d")]);
    assert!(validate_connector(&config, &plugins(), &[], &ClientRules::alone(OverridePolicy::All)).is_err());
}

#[test]
fn wrong_rules_for_topics_are_refused_unless_the_worker_makes_no_topics() {
    let wrong = source(&[("topic.creation.groups", "a"), ("topic.creation.default.partitions", "0")]);
    let rule = "Invalid value 0 for configuration partitions: Number of partitions must be positive, or -1 to use the broker's default";
    let key = "topic.creation.default.replication.factor";
    let missing = format!("Missing required configuration \"{key}\" which has no default value.");
    assert_eq!(errors(&wrong), [pair("topic.creation.default.partitions", rule), pair(key, &missing)]);
    let worker = config(&[("topic.creation.enable", " FALSE ")]);
    let infos =
        validate_connector(&wrong, &plugins().with_worker(worker), &[], &ClientRules::alone(OverridePolicy::All))
            .unwrap();
    assert_eq!(infos.error_count, 0);
    // Right ones are listed no more than by Connect.
    let right =
        [("topic.creation.default.partitions", "2"), (key, "1"), ("topic.creation.default.cleanup.policy", "x")];
    let infos = validate(&source(&right));
    assert_eq!((infos.error_count, infos.configs.len()), (0, 26));
}

#[test]
fn null_values_are_refused_and_unknown_ones_come_first() {
    let mut config = source(&[]);
    config.insert("foo".to_owned(), None);
    let infos = validate(&config);
    assert_eq!((infos.configs[0].value.name.as_str(), infos.error_count), ("foo", 1));
    assert!(infos.configs[0].definition.is_none());
    assert_eq!(infos.configs[0].value.errors, ["Null value can not be supplied as the configuration value."]);
    // Of keys that the connector declares, too, which take null by themselves.
    for key in ["topic", "secret"] {
        let mut config = source(&[]);
        config.insert(key.to_owned(), None);
        assert_eq!(only_error(&config), pair(key, "Null value can not be supplied as the configuration value."));
    }
}

#[test]
fn transforms_bring_their_keys_with_implicit_ones_hiding_the_plugins_own() {
    let infos = validate(&source(&[
        ("transforms", "a,b"),
        ("transforms.a.type", "RegexRouter"),
        ("transforms.a.regex", "x"),
        ("transforms.b.type", "nope"),
    ]));
    let a: Vec<(&str, i32, &str)> = infos
        .configs
        .iter()
        .filter_map(|info| info.definition.as_ref())
        .filter(|key| key.name.starts_with("transforms."))
        .map(|key| (key.name.as_str(), key.order, key.group.as_deref().unwrap()))
        .collect();
    assert_eq!(
        a,
        [
            ("transforms.a.type", 0, "Transforms: a"),
            ("transforms.a.plugin.version", 1, "Transforms: a"),
            ("transforms.a.regex", 2, "Transforms: a"),
            ("transforms.a.negate", 3, "Transforms: a"),
            ("transforms.a.predicate", 4, "Transforms: a"),
            ("transforms.b.type", 0, "Transforms: b"),
            ("transforms.b.plugin.version", 1, "Transforms: b"),
        ]
    );
    let type_key = infos.configs.iter().find(|info| info.value.name == "transforms.a.type").unwrap();
    assert_eq!(type_key.value.value.as_deref(), Some("org.example.RegexRouter"));
    assert_eq!(type_key.value.recommended_values.len(), 3);
    assert_eq!(type_key.definition.as_ref().unwrap().display_name, "Transformation type for a");
}

#[test]
fn overrides_and_converters_follow_the_main_part() {
    let config =
        source(&[("producer.override.linger.ms", "5"), ("consumer.override.x", "1"), ("key.converter", "Json")]);
    let infos = validate_connector(&config, &plugins(), &[], &ClientRules::alone(OverridePolicy::None)).unwrap();
    let tail: Vec<&str> = infos.configs[26..].iter().map(|info| info.value.name.as_str()).collect();
    assert_eq!(tail, ["producer.override.linger.ms", "key.converter.converter.type", "key.converter.schemas.enable"]);
    assert_eq!((infos.error_count, infos.groups.last().map(String::as_str)), (1, Some("Schemas")));
    let converter_type = &infos.configs[27];
    assert_eq!(converter_type.value.value.as_deref(), Some("key"));
    assert_eq!(converter_type.definition.as_ref().unwrap().name, "key.converter.converter.type");
}

#[test]
fn the_policy_is_asked_about_every_client_that_dead_letters_or_own_offsets_of_a_source_need() {
    let overrides = [("consumer.override.fetch.max.bytes", "1"), ("admin.override.retries", "1")];
    let refused = |rules: &ClientRules, more: &[(&str, &str)]| {
        let infos = validate_connector(&source(&[&overrides[..], more].concat()), &plugins(), &[], rules).unwrap();
        let wrong = infos.configs.iter().filter(|info| !info.value.errors.is_empty());
        wrong.map(|info| info.value.name.clone()).collect::<Vec<_>>()
    };
    let alone = ClientRules::alone(OverridePolicy::None);
    let grouped = ClientRules { group: Some("workers".to_owned()), ..alone.clone() };
    let exactly_once = ClientRules { exactly_once: true, ..grouped.clone() };
    let letters = [("errors.deadletterqueue.topic.name", "letters")];
    let offsets = [("offsets.storage.topic", "own")];
    assert_eq!(refused(&alone, &[]), [""; 0]);
    assert_eq!(refused(&alone, &letters), ["admin.override.retries"]);
    assert_eq!(refused(&alone, &offsets), [""; 0]);
    assert_eq!(refused(&grouped, &offsets), ["consumer.override.fetch.max.bytes", "admin.override.retries"]);
    assert_eq!(refused(&exactly_once, &[]), ["consumer.override.fetch.max.bytes", "admin.override.retries"]);
}

#[test]
fn a_sink_whose_consumers_would_be_in_the_workers_group_is_refused() {
    let grouped = ClientRules { group: Some("connect-c".to_owned()), ..ClientRules::alone(OverridePolicy::All) };
    let refused = |config: ConfigMap, rules: &ClientRules| {
        let infos = validate_connector(&config, &plugins(), &[], rules).unwrap();
        let errors =
            infos.configs.iter().flat_map(|info| info.value.errors.iter().map(|error| (&info.value.name, error)));
        errors.map(|(name, error)| pair(name, error)).collect::<Vec<_>>()
    };
    let topics = ("topics", "t");
    let by_name = "Consumer group for sink connector named c conflicts with Connect worker group connect-c";
    assert_eq!(refused(sink(&[topics]), &grouped), [pair("name", by_name)]);
    assert_eq!(refused(sink(&[topics]), &ClientRules::alone(OverridePolicy::All)), []);
    assert_eq!(refused(source(&[]), &grouped), []);
    let key = "consumer.override.group.id";
    assert_eq!(refused(sink(&[topics, (key, "readers")]), &grouped), []);
    let by_override = "Consumer group connect-c conflicts with Connect worker group connect-c";
    assert_eq!(refused(sink(&[topics, (key, "connect-c")]), &grouped), [pair(key, by_override)]);
    // It is listed twice, as by Connect: by itself, and among the overrides.
    let infos = validate_connector(&sink(&[topics, (key, "readers")]), &plugins(), &[], &grouped).unwrap();
    let places: Vec<usize> = (0..infos.configs.len()).filter(|&at| infos.configs[at].value.name == key).collect();
    assert_eq!(places, [0, infos.configs.len() - 1]);
}

#[test]
fn what_the_connector_itself_finds_is_added() {
    let own = [OwnErrors { name: "topic".to_owned(), errors: vec!["taken".to_owned()] }];
    let infos = validate_connector(&source(&[]), &plugins(), &own, &ClientRules::alone(OverridePolicy::All)).unwrap();
    assert_eq!(infos.error_count, 1);
    assert_eq!(
        invalid_config_message(&infos).unwrap(),
        "Connector configuration is invalid and contains the following 1 error(s):\ntaken\nYou can also find the above list of errors at the endpoint `/connector-plugins/{connectorType}/config/validate`"
    );
}

#[test]
fn a_configuration_without_a_known_connector_cannot_be_validated() {
    let validate = |config| {
        validate_connector(&config, &plugins(), &[], &ClientRules::alone(OverridePolicy::All)).unwrap_err().to_string()
    };
    assert_eq!(validate(config(&[("a", "b"), ("c", "d")])), "Connector config contains no connector type");
    assert!(validate(config(&[("connector.class", "X")])).starts_with("Failed to find any class"));
}

#[test]
fn a_result_is_shown_with_connects_member_order() {
    let infos = validate(&source(&[("secret", "s")]));
    let json = infos.to_json();
    let members: Vec<&str> = json.as_object().unwrap().keys().map(String::as_str).collect();
    assert_eq!(members, ["name", "error_count", "groups", "configs"]);
    assert!(!json.to_string().contains("\"s\""));
    assert_eq!(
        json["configs"][24]["value"].to_string(),
        r#"{"name":"topic","value":"t","recommended_values":[],"errors":[],"visible":true}"#
    );
}

fn versions() -> PluginDirectory {
    let of = |kind, class: &str, version: &str| PluginDef {
        version: Some(version.to_owned()),
        location: format!("place-{version}"),
        ..plugin(kind, class, vec![ConfigKey::new(format!("in-{version}"), ConfigType::String).default_text("x")])
    };
    let kinds = [
        (PluginKind::Source, "p.TickSource"),
        (PluginKind::Transform, "p.Shout"),
        (PluginKind::Predicate, "p.Holds"),
        (PluginKind::Converter, "p.MyConverter"),
        (PluginKind::HeaderConverter, "p.MyConverter"),
    ];
    let all =
        kinds.iter().flat_map(|(kind, class)| ["1.10", "2.0-SNAPSHOT", "1.0", "1.9"].map(|v| of(*kind, class, v)));
    PluginDirectory::new(all, |pattern, text| Ok(pattern == text)).with_worker(config(&[
        ("key.converter", "MyConverter"),
        ("value.converter", "p.MyConverter"),
        ("value.converter.plugin.version", "1.9"),
    ]))
}

/// Default, value, recommendations and errors of a key.
type Shown = (Option<String>, Option<String>, Vec<String>, Vec<String>);

fn shown(more: &[(&str, &str)], key: &str) -> (usize, Option<Shown>) {
    let mut all = config(&[("name", "c"), ("connector.class", "p.TickSource")]);
    all.extend(config(more));
    let infos = validate_connector(&all, &versions(), &[], &ClientRules::alone(OverridePolicy::All)).unwrap();
    let found =
        infos.to_json()["configs"].as_array().unwrap().iter().find(|info| info["value"]["name"] == key).cloned();
    let shown = found.map(|info| {
        let text = |value: &serde_json::Value| value.as_str().map(str::to_owned);
        let texts = |value: &serde_json::Value| value.as_array().unwrap().iter().filter_map(text).collect();
        let value = &info["value"];
        let default = text(&info["definition"]["default_value"]);
        (default, text(&value["value"]), texts(&value["recommended_values"]), texts(&value["errors"]))
    });
    (infos.error_count, shown)
}

#[test]
fn versions_are_offered_chosen_and_refused_as_connect_does() {
    const ALL: [&str; 4] = ["1.0", "1.9", "1.10", "2.0-SNAPSHOT"];
    let missing = |class: &str, range: &str, twice: bool| {
        let all: Vec<&str> = ALL.iter().flat_map(|v| std::iter::repeat_n(*v, 1 + usize::from(twice))).collect();
        format!(
            "Plugin {class} not found that matches the version range {range}, available versions: [{}]",
            all.join(", ")
        )
    };
    let check = |more: &[(&str, &str)], count: usize, key: &str, default: &str, value: &str, errors: &[String]| {
        let (found_count, found) = shown(more, key);
        let all = ALL.map(str::to_owned).to_vec();
        let expected = (Some(default.to_owned()), Some(value.to_owned()), all, errors.to_vec());
        assert_eq!((found_count, found), (count, Some(expected)), "{more:?}");
    };
    let has = |more: &[(&str, &str)], key: &str| shown(more, key).1.is_some();
    let (of_connector, newest) = ("connector.plugin.version", "2.0-SNAPSHOT");
    check(&[], 0, of_connector, newest, newest, &[]);
    for (asked, used) in
        [("1.9", "1.9"), (" 1.9 ", "1.9"), ("latest", newest), ("[1.0,1.10)", "1.9"), ("[1,2)", newest)]
    {
        check(&[(of_connector, asked)], 0, of_connector, newest, asked.trim(), &[]);
        assert!(has(&[(of_connector, asked)], &format!("in-{used}")), "{asked}");
    }
    check(&[(of_connector, "3")], 2, of_connector, newest, "3", &[missing("p.TickSource", "[3,3]", false)]);
    let (_, class) = shown(&[(of_connector, "3")], "connector.class");
    assert_eq!(class.unwrap().3, [missing("p.TickSource", "[3,3]", false)]);
    assert!(!has(&[(of_connector, "3")], "topic.creation.groups"), "what kind of connector it is is not known");

    let key = ("key.converter", "p.MyConverter");
    let of_key = "key.converter.plugin.version";
    check(&[key], 0, of_key, newest, newest, &[]);
    check(&[key, (of_connector, "1.9")], 0, of_key, "1.9", "1.9", &[]);
    check(&[key, (of_key, "5")], 2, of_key, newest, "5", &[missing("p.MyConverter", "[5,5]", true)]);
    check(&[key, (of_key, "[5")], 1, of_key, newest, "[5", &["Unbounded range: [5".to_owned()]);
    assert!(has(&[key, (of_key, "1.0")], "key.converter.in-1.0"));
    // Without a class of the connector's own, the worker's counts.
    check(&[(of_key, "5")], 0, of_key, newest, "5", &[]);
    check(&[], 0, "value.converter.plugin.version", "1.9", "1.9", &[]);

    let shout = [("transforms", "a"), ("transforms.a.type", "Shout")];
    let with = |more: &[(&'static str, &'static str)]| [&shout[..], more].concat();
    let of_shout = "transforms.a.plugin.version";
    check(&with(&[]), 0, of_shout, newest, newest, &[]);
    check(&with(&[(of_connector, "1.0")]), 0, of_shout, "1.0", "1.0", &[]);
    check(&with(&[(of_shout, "(,1.10)")]), 0, of_shout, newest, "(,1.10)", &[]);
    assert!(has(&with(&[(of_shout, "(,1.10)")]), "transforms.a.in-1.9"));
    check(&with(&[(of_shout, "5")]), 2, of_shout, newest, "5", &[missing("p.Shout", "[5,5]", false)]);
    check(&with(&[(of_shout, "[5")]), 2, of_shout, newest, "[5", &["Unbounded range: [5".to_owned()]);
    let holds = [("predicates", "a"), ("predicates.a.type", "Holds"), ("predicates.a.plugin.version", "7")];
    check(&holds, 2, "predicates.a.plugin.version", newest, "7", &[missing("p.Holds", "[7,7]", false)]);

    let mut odd = config(&[("name", "c"), ("connector.class", "p.TickSource"), (of_connector, "[1")]);
    let refused = |config: &ConfigMap| {
        validate_connector(config, &versions(), &[], &ClientRules::alone(OverridePolicy::All)).unwrap_err()
    };
    assert_eq!(refused(&odd).to_string(), "Unbounded range: [1");
    odd.insert("connector.class".to_owned(), Some("Nope".to_owned()));
    odd.insert(of_connector.to_owned(), Some("1".to_owned()));
    assert!(matches!(refused(&odd), ConnectorConfigError::Unknown(UnknownConnector::NotFound { .. })));
}
