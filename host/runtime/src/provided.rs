//! Configurations whose variables are resolved, by the worker's config providers, for what is about to use them.

use std::{sync::Arc, time::Duration};

use millstream_config::{ConfigMap, Providers, Resolved, config_text, secrets};
use millstream_connector::{ErrorKind, Failure, PluginInfo, PluginKind, Plugins};
use tokio::sync::Semaphore;

/// Longest wait for all values of a configuration: files may lie on disks that have gone away.
const TIMEOUT: Duration = Duration::from_secs(30);

/// Configurations that are looked up at a time; each has a thread that a disk may hold for good.
const AT_ONCE: usize = 8;

static TURNS: Semaphore = Semaphore::const_new(AT_ONCE);

/// Puts values in place of a configuration's variables. Cancelled by dropping; a lookup under way ends by itself.
///
/// # Errors
///
/// A provider that fails, or has not answered within 30 seconds.
pub(crate) async fn resolve(providers: &Arc<Providers>, config: &ConfigMap) -> Result<Resolved, Failure> {
    if !providers.concern(config) {
        return Ok(Resolved::plain(config.clone()));
    }
    let failed = |message: &str| Failure::new(ErrorKind::Config, "", message);
    let looked_up = tokio::time::timeout(TIMEOUT, async {
        let turn = TURNS.acquire().await.expect("the semaphore is never closed");
        let (providers, config) = (Arc::clone(providers), config.clone());
        tokio::task::spawn_blocking(move || {
            // Held until the disk has answered, so that disks that do not answer use up turns and not threads.
            let _turn = turn;
            providers.resolve(&config)
        })
        .await
    });
    match looked_up.await {
        Ok(Ok(resolved)) => resolved.map_err(|error| failed(error.message())),
        Ok(Err(_)) => Err(failed("The config providers broke while they looked up values")),
        Err(_) => Err(failed(&format!(
            "The config providers have not answered within {} seconds: check the disks that their files lie on",
            TIMEOUT.as_secs()
        ))),
    }
}

/// The same, with all that connector, transforms, predicates, converters and clients declare as passwords among its
/// secrets.
pub(crate) fn with_passwords(plugins: &dyn Plugins, resolved: Resolved) -> Resolved {
    let config = resolved.config.clone();
    let text = |key: &str| config.get(key).and_then(Option::as_deref).map(config_text::text);
    let mut found: Vec<&str> = secrets::client_passwords(&config).collect();
    let class = text("connector.class").unwrap_or_default();
    let mut parts = vec![(PluginKind::Source, String::new(), class), (PluginKind::Sink, String::new(), class)];
    for (stage, kind) in [("transforms", PluginKind::Transform), ("predicates", PluginKind::Predicate)] {
        for alias in config_text::list(text(stage).unwrap_or_default()) {
            let prefix = format!("{stage}.{alias}.");
            let class = text(&format!("{prefix}type"));
            parts.extend(class.map(|class| (kind, prefix, class)));
        }
    }
    for (key, kind) in [
        ("key.converter", PluginKind::Converter),
        ("value.converter", PluginKind::Converter),
        ("header.converter", PluginKind::HeaderConverter),
    ] {
        parts.extend(text(key).map(|class| (kind, format!("{key}."), class)));
    }
    let all = plugins.list();
    for (kind, prefix, class) in &parts {
        // Of several versions each says which of its keys are passwords.
        let named = |plugin: &PluginInfo| plugin.class == *class || plugin.aliases.iter().any(|alias| alias == class);
        for plugin in all.iter().filter(|plugin| plugin.kind == *kind && named(plugin)) {
            found.extend(secrets::passwords(&config, &plugin.config, prefix));
        }
    }
    let found: Vec<String> = found.into_iter().map(str::to_owned).collect();
    resolved.with_passwords(found.iter().map(String::as_str))
}

/// A failure that shows no secret.
pub(crate) fn hidden(resolved: &Resolved, mut failure: Failure) -> Failure {
    failure.message = resolved.hide(&failure.message);
    for text in failure.causes.iter_mut().chain(&mut failure.at) {
        *text = resolved.hide(text);
    }
    failure
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_failure_shows_no_secret() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("f");
        std::fs::write(&file, "p=topsecret").unwrap();
        let properties = [("config.providers", "f"), ("config.providers.f.class", "File")];
        let properties = properties.map(|(key, value)| (key.to_owned(), Some(value.to_owned())));
        let providers = Arc::new(Providers::of_worker(&properties.into()).unwrap());
        let reference = format!("${{f:{}:p}}", file.display());
        let config = ConfigMap::from([("password".to_owned(), Some(reference))]);
        let resolved = resolve(&providers, &config).await.unwrap();
        assert_eq!(resolved.config["password"].as_deref(), Some("topsecret"));
        let failure = Failure {
            causes: vec!["E: topsecret".to_owned()],
            at: Some("topsecret".to_owned()),
            ..Failure::new(ErrorKind::Fatal, "", "login with topsecret refused")
        };
        assert!(!hidden(&resolved, failure).trace().contains("topsecret"));

        std::fs::remove_file(&file).unwrap();
        let failure = resolve(&providers, &config).await.unwrap_err();
        assert!(failure.message.contains("needed for configuration password"), "{failure}");
    }
}
