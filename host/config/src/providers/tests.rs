use std::path::Path;

use super::*;
use crate::{ConfigInfo, ConfigValue};

fn map(entries: &[(&str, &str)]) -> ConfigMap {
    entries.iter().map(|&(key, value)| (key.to_owned(), Some(value.to_owned()))).collect()
}

/// A provider `file` with further properties.
fn providers(more: &[(&str, &str)]) -> Result<Providers, ConfigError> {
    let mut properties = map(&[
        ("config.providers", "file, none"),
        ("config.providers.file.class", "org.apache.kafka.common.config.provider.FileConfigProvider"),
    ]);
    properties.extend(map(more));
    Providers::of_worker(&properties)
}

fn secrets(folder: &Path) -> String {
    let file = folder.join("s.properties");
    std::fs::write(&file, "user=scott\npassword=tiger-in-the-tank\nn=7\n").unwrap();
    file.to_str().unwrap().to_owned()
}

#[test]
fn variables_of_declared_providers_are_replaced_wherever_they_stand() {
    let folder = tempfile::tempdir().unwrap();
    let file = secrets(folder.path());
    let submitted = map(&[
        ("url", &format!("db://${{file:{file}:user}}:${{file:{file}:password}}@host")),
        ("plain", "x"),
        ("other", "${vault:a:b} ${none:a:b}"),
        ("missing", &format!("<${{file:{file}:nothing}}>")),
    ]);
    let providers = providers(&[]).unwrap();
    assert!(providers.concern(&submitted) && !providers.concern(&map(&[("a", "${vault:x}")])));
    let resolved = providers.resolve(&submitted).unwrap();
    assert_eq!(resolved.config["url"].as_deref(), Some("db://scott:tiger-in-the-tank@host"));
    for key in ["plain", "other", "missing"] {
        assert_eq!(resolved.config[key], submitted[key], "{key}");
    }
    assert_eq!(resolved.ttl, None);
}

#[test]
fn what_a_value_holds_is_not_resolved_again() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("f");
    std::fs::write(&file, format!("a=${{file:{}:b}}\nb=secret", file.display())).unwrap();
    let resolved = providers(&[]).unwrap().resolve(&map(&[("k", &format!("${{file:{}:a}}", file.display()))])).unwrap();
    assert_eq!(resolved.config["k"].as_deref(), Some(&*format!("${{file:{}:b}}", file.display())));
}

#[test]
fn a_provider_that_fails_is_named_with_the_key_that_needs_it() {
    let error = providers(&[]).unwrap().resolve(&map(&[("db.password", "${file:/no/such:p}")])).unwrap_err();
    let message = error.message();
    assert!(message.starts_with("Could not read properties from file /no/such: "), "{message}");
    assert!(message.ends_with("(config provider file, needed for configuration db.password)"), "{message}");
}

#[test]
fn what_is_declared_wrongly_is_refused() {
    let refused = |more: &[(&str, &str)]| providers(more).unwrap_err().message().to_owned();
    let unknown = refused(&[("config.providers.none.class", "com.example.VaultConfigProvider")]);
    assert!(unknown.starts_with("Invalid value com.example.VaultConfigProvider for configuration config.providers.none.class: Class com.example.VaultConfigProvider could not be found."));
    for ttl in ["0", "-1", "x"] {
        assert!(refused(&[("config.providers.file.param.ttl.ms", ttl)]).contains("config.providers.file.param.ttl.ms"));
    }
    assert!(refused(&[("config.providers.file.param.allowed.paths", "a")]).contains("Path a is not absolute"));
}

#[test]
fn the_shortest_time_to_live_of_the_providers_that_are_used_counts() {
    let folder = tempfile::tempdir().unwrap();
    let file = secrets(folder.path());
    let providers = providers(&[
        ("config.providers", "file,env"),
        ("config.providers.env.class", "EnvVar"),
        ("config.providers.env.param.ttl.ms", "10"),
        ("config.providers.file.param.ttl.ms", "20"),
    ])
    .unwrap();
    let ttl = |value: &str| providers.resolve(&map(&[("k", value)])).unwrap().ttl;
    assert_eq!(ttl("x"), None);
    assert_eq!(ttl(&format!("${{file:{file}:user}}")), Some(Duration::from_millis(20)));
    assert_eq!(ttl(&format!("${{file:{file}:user}}${{env:HOME}}")), Some(Duration::from_millis(10)));
}

#[test]
fn texts_show_nothing_that_came_from_a_provider() {
    let folder = tempfile::tempdir().unwrap();
    let file = secrets(folder.path());
    let value = format!("${{file:{file}:password}}${{file:{file}:n}}");
    let resolved = providers(&[]).unwrap().resolve(&map(&[("k", &value)])).unwrap();
    assert_eq!(resolved.hide("login with tiger-in-the-tank failed 7 times"), "login with [hidden] failed 7 times");
    assert!(!format!("{resolved:?}").contains("tiger"));
}

#[test]
fn an_answer_shows_references_and_one_sentence_for_what_is_wrong_with_them() {
    let folder = tempfile::tempdir().unwrap();
    let file = secrets(folder.path());
    let reference = format!("${{file:{file}:password}}");
    let submitted = map(&[("tasks.max", &reference), ("user", "x")]);
    let resolved = providers(&[]).unwrap().resolve(&submitted).unwrap();
    let info = |name: &str, value: &str, error: &str| {
        let value =
            ConfigValue { value: Some(value.to_owned()), errors: vec![error.to_owned()], ..ConfigValue::new(name) };
        ConfigInfo { definition: None, value }
    };
    let mut infos = ConfigInfos {
        name: "c".to_owned(),
        error_count: 2,
        groups: Vec::new(),
        configs: vec![
            info("tasks.max", "tiger-in-the-tank", "Invalid value tiger-in-the-tank for configuration tasks.max: no"),
            info("user", "x", "x may not log in with tiger-in-the-tank"),
        ],
    };
    resolved.redact(&submitted, &mut infos);
    let [first, second] = &infos.configs[..] else { panic!("two keys") };
    assert_eq!(first.value.value.as_ref(), Some(&reference));
    assert_eq!(
        first.value.errors,
        [
            "Invalid value for configuration 'tasks.max': the value resolved from the config provider reference failed validation"
        ]
    );
    assert_eq!(second.value.errors, ["x may not log in with [hidden]"]);
}

#[test]
fn what_a_connector_copied_into_its_tasks_is_stored_as_the_reference() {
    let connector = map(&[("password", "${file:f:p}"), ("plain", "x")]);
    let mut task = map(&[("password", "secret"), ("plain", "y"), ("own", "z")]);
    restore_references(&connector, &mut task);
    assert_eq!(task, map(&[("password", "${file:f:p}"), ("plain", "y"), ("own", "z")]));
}

#[test]
fn a_connector_declares_no_providers() {
    let config = map(&[("config.providers", "x"), ("config.providers.x.class", "File"), ("config.providersx", "1")]);
    assert_eq!(without_providers(&config), map(&[("config.providersx", "1")]));
}
