use super::*;

fn config(more: &[(&str, &str)]) -> ConfigMap {
    let default = [("default.partitions", "3"), ("default.replication.factor", "-1")];
    let all = default.iter().chain(more).map(|(key, value)| (format!("{PREFIX}{key}"), Some((*value).to_owned())));
    all.collect()
}

fn rules(more: &[(&str, &str)]) -> TopicRules {
    TopicRules::read(&config(more)).unwrap_or_else(|errors| panic!("{errors:?}")).expect("there are rules")
}

fn group_of(rules: &TopicRules, topic: &str) -> String {
    rules.group_of(topic).expect("few steps").name.clone()
}

#[track_caller]
fn check_errors(config: &ConfigMap, expected: &[(&str, &str)]) {
    let errors = TopicRules::read(config).expect_err("wrong");
    let errors: Vec<(&str, &str)> = errors.iter().map(|(key, error)| (key.as_str(), error.message())).collect();
    assert_eq!(errors, expected);
}

#[test]
fn a_connector_without_any_such_key_has_no_rules() {
    let other = ConfigMap::from([("topic".to_owned(), None), ("topics".to_owned(), None)]);
    assert!(TopicRules::read(&other).is_ok_and(|rules| rules.is_none()));
}

#[test]
fn the_first_group_in_the_list_that_matches_counts_and_else_the_default_one() {
    let rules = rules(&[
        ("groups", "b, a, nothing"),
        ("a.include", "orders.*, .*audit"),
        ("b.include", "orders-[0-9]+"),
        ("b.exclude", ".*-0, .*-1"),
        ("nothing.partitions", "9"),
        ("default.exclude", ".*"),
        ("default.include", "("),
    ]);
    for (topic, group) in [
        ("orders-7", "b"),
        ("orders-1", "a"),
        ("orders", "a"),
        ("an-audit", "a"),
        // Names match as a whole.
        ("an-audit-2", "default"),
        ("my-orders", "default"),
        ("anything", "default"),
    ] {
        assert_eq!(group_of(&rules, topic), group, "{topic}");
    }
}

#[test]
fn groups_have_the_default_groups_numbers_unless_they_say_otherwise_and_their_own_settings() {
    let rules = rules(&[
        ("groups", "a,b"),
        ("a.include", "a"),
        ("a.partitions", "-1"),
        ("a.cleanup.policy", "compact"),
        ("b.include", "b"),
        ("b.replication.factor", "2"),
        ("default.retention.ms", "1000"),
    ]);
    let of = |topic: &str| {
        let group = rules.group_of(topic).expect("few steps");
        let configs: Vec<String> = group.configs.iter().map(|(key, value)| format!("{key}={value}")).collect();
        (group.partitions, group.replication_factor, configs.join(","))
    };
    assert_eq!(of("a"), (-1, -1, "cleanup.policy=compact".to_owned()));
    assert_eq!(of("b"), (3, 2, String::new()));
    assert_eq!(of("other"), (3, -1, "retention.ms=1000".to_owned()));
}

#[test]
fn patterns_of_a_group_are_alternatives_of_one_pattern() {
    let rules = rules(&[("groups", "a"), ("a.include", "(?i)x, y")]);
    assert_eq!(group_of(&rules, "Y"), "a");
}

#[test]
fn the_default_group_may_be_listed_and_a_group_listed_twice_counts_once() {
    let rules = rules(&[("groups", "default,a,a"), ("a.include", "a")]);
    assert!(rules.lists_default);
    assert_eq!(group_of(&rules, "a"), "a");
    assert_eq!(rules.groups.len(), 1);
}

#[test]
fn what_is_wrong_is_told_in_connects_words_key_by_key() {
    check_errors(
        &ConfigMap::from([("topic.creation.groups".to_owned(), Some("a".to_owned()))]),
        &[
            (
                "topic.creation.default.partitions",
                "Missing required configuration \"topic.creation.default.partitions\" which has no default value.",
            ),
            (
                "topic.creation.default.replication.factor",
                "Missing required configuration \"topic.creation.default.replication.factor\" which has no default value.",
            ),
        ],
    );
    let partitions = "Number of partitions must be positive, or -1 to use the broker's default";
    for (key, value, error) in [
        ("g.partitions", "0", format!("Invalid value 0 for configuration partitions: {partitions}")),
        (
            "g.partitions",
            "",
            "Invalid value  for configuration topic.creation.g.partitions: Not a number of type INT".to_owned(),
        ),
        (
            "default.replication.factor",
            "70000",
            "Invalid value 70000 for configuration topic.creation.default.replication.factor: Not a number of type SHORT"
                .to_owned(),
        ),
        (
            "g.replication.factor",
            "-2",
            "Invalid value -2 for configuration replication.factor: Replication factor must be positive and not larger than the number of brokers in the Kafka cluster, or -1 to use the broker's default"
                .to_owned(),
        ),
        (
            "g.include",
            "a,(",
            "Invalid value [a, (] for configuration include: Syntax error in regular expression: Unclosed group near index 1\n("
                .to_owned(),
        ),
        (
            "g.exclude",
            "*",
            "Invalid value [*] for configuration exclude: Syntax error in regular expression: Dangling meta character '*' near index 0\n*\n^"
                .to_owned(),
        ),
    ] {
        let mut entries = config(&[("groups", "g")]);
        entries.insert(format!("{PREFIX}{key}"), Some(value.to_owned()));
        check_errors(&entries, &[(&format!("{PREFIX}{key}"), &error)]);
    }
}
