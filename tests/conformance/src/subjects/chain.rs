//! Whole chains, as a connector configures them: the configuration is validated as on creation, the chain is built and
//! its errors are judged as in a task.

use millstream_config::{ClientRules, ConfigMap, OverridePolicy, PluginKind, connector_config_def, validate_connector};
use millstream_connector::{Failure, LinkedTransforms};
use millstream_runtime::error_policy::{ErrorPolicy, Verdict};
use millstream_runtime::transform_chain;
use serde_json::Value as Json;

use super::{config, reported, thrown, transform};
use crate::Runner;
use crate::cases::Case;
use crate::compare::{Thrown, simple};
use crate::record::{Ending, Record, batch, endings};

const CONFIG_EXCEPTION: &str = "org.apache.kafka.common.config.ConfigException";
const CONNECT_EXCEPTION: &str = "org.apache.kafka.connect.errors.ConnectException";

/// What becomes of a connector's configuration on its way to a chain.
pub enum Built {
    /// The connector is not created; what is wrong with its keys.
    Refused(Vec<String>),
    /// The task does not start.
    Failed(Failure),
    /// The chain, if there are transforms, and what happens to records that fail in it.
    Chain(Option<Box<dyn LinkedTransforms>>, ErrorPolicy),
}

/// Creates a connector and starts the chain of a task.
pub async fn build(runner: &Runner, mut config: ConfigMap, sink: bool) -> Result<Built, String> {
    let (kind, class, topics) = match sink {
        true => (PluginKind::Sink, "FileStreamSink", "topics"),
        false => (PluginKind::Source, "FileStreamSource", "topic"),
    };
    for (key, value) in [("name", "c"), ("connector.class", class), (topics, "t")] {
        config.entry(key.to_owned()).or_insert_with(|| Some(value.to_owned()));
    }
    let infos = validate_connector(&config, &runner.directory, &[], &ClientRules::alone(OverridePolicy::All))
        .map_err(|error| format!("validate the configuration: {error}"))?;
    if 0 < infos.error_count {
        return Ok(Built::Refused(infos.configs.into_iter().flat_map(|info| info.value.errors).collect()));
    }
    let parsed = match connector_config_def(kind, None, &config, &runner.directory).parse(&config) {
        Ok(parsed) => parsed,
        Err(error) => return Ok(Built::Refused(vec![error.message().to_owned()])),
    };
    Ok(match transform_chain(&runner.plugins, &runner.task, &parsed).await {
        Ok(chain) => Built::Chain(chain, ErrorPolicy::read(&parsed)),
        Err(failure) => Built::Failed(failure),
    })
}

/// A chain.
pub async fn chain(runner: &Runner, case: &Case) -> Result<(), String> {
    let expect = case.expect();
    let input = Record::read(case.get("input"))?;
    let (mut chain, policy) = match build(runner, config(case.get("config")), input.is_sink()).await? {
        Built::Refused(errors) => return Thrown::configure(CONFIG_EXCEPTION, errors.join("; ")).check(expect),
        Built::Failed(failure) => return thrown("configure", &failure).check(expect),
        Built::Chain(None, _) => return transform::check(&Ending::Record(Box::new(input)), expect),
        Built::Chain(Some(chain), policy) => (chain, policy),
    };
    let outcome = match chain.apply(&batch(&[input])?).await {
        Ok(outcome) => outcome,
        Err(error) => return reported("apply", error)?.check(expect),
    };
    let ending = endings(&outcome, 1).pop().unwrap_or(Ending::Dropped);
    let Ending::Failed(failure) = &ending else {
        if expect.get("tolerated").is_some() {
            return Err(format!("nothing failed\nexpected {expect}"));
        }
        return transform::check(&ending, expect);
    };
    match policy.without_retry() {
        Verdict::Tolerate => check_tolerated(failure, expect),
        _ => Thrown::apply(CONNECT_EXCEPTION, format!("{}: {}", failure.class, failure.message)).check(expect),
    }
}

fn check_tolerated(failure: &Failure, expect: &Json) -> Result<(), String> {
    let found = format!("found a tolerated {}: {}", failure.class, failure.message);
    match expect.get("tolerated").and_then(Json::as_str) {
        Some(class) if !class.ends_with("Exception") || !FAMILIES.contains(&class) => Ok(()),
        Some(class) if class == simple(&failure.class) => Ok(()),
        _ => Err(format!("{found}\nexpected {expect}")),
    }
}

/// Exceptions that are Connect's own.
const FAMILIES: [&str; 3] = ["ConfigException", "ConnectException", "DataException"];
