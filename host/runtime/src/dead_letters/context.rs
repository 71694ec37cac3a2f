//! What a dead letter's headers say: Connect's own, and ours for whoever wants to replay it.

use millstream_config::{ConfigMap, may_be_secret, secrets};
use millstream_connector::{PluginInfo, TaskId};

use crate::{record_headers::push_header, report::Report};

/// Which headers the letters of a task get.
#[derive(Clone, Debug)]
pub(crate) struct Context {
    pub(crate) task: TaskId,
    /// Whether Connect's are written.
    pub(crate) connect: bool,
    /// Whether ours are, and what they say of the connector.
    pub(crate) own: Option<Provenance>,
}

/// What worked on the record.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Provenance {
    /// Class and version of the connector.
    plugin: String,
    /// What it is made of, see [`PluginInfo::digest`].
    digest: String,
    /// Names the configuration.
    config: String,
}

/// What is said of the record itself. What is not known is left out.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct About<'a> {
    /// The topic that it came from, or was to go to.
    pub(crate) topic: Option<&'a str>,
    pub(crate) partition: Option<i32>,
    pub(crate) offset: Option<i64>,
    pub(crate) timestamp_ms: Option<i64>,
    /// Further headers of ours, named without their prefix.
    pub(crate) own: &'a [(&'a str, &'a str)],
}

impl Provenance {
    /// Of a connector and the [`hash`] of its configuration.
    pub(crate) fn of(plugin: &PluginInfo, config: u64) -> Self {
        Self {
            plugin: format!("{} {}", plugin.class, plugin.version),
            digest: plugin.digest.clone(),
            config: format!("{config:016x}"),
        }
    }
}

/// Names a configuration before its variables are resolved: FNV-1a, 64 bits wide, over keys and values in the order of
/// the keys, each with a zero byte behind it. What may be secret is left out, as nobody is to try values against it.
pub(crate) fn hash(config: &ConfigMap) -> u64 {
    let shown = |key: &str, value| if may_be_secret(key, value) { "" } else { value };
    let texts = config.iter().flat_map(|(key, value)| [key.as_str(), shown(key, value.as_deref().unwrap_or(""))]);
    let bytes = texts.flat_map(|text| text.bytes().chain([0]));
    bytes.fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}

impl Context {
    /// Appends headers of a letter: how many, and the one with the stack trace, which comes last and may be left out.
    pub(crate) fn write(&self, out: &mut Vec<u8>, about: &About<'_>, report: &Report<'_>) -> (u32, Option<Vec<u8>>) {
        let mut count = 0;
        let mut header = |prefix: &str, name: &str, value: &str| {
            push_header(out, format!("{prefix}.errors.{name}").as_bytes(), Some(value.as_bytes()));
            count += 1;
        };
        let number = |number: Option<i64>| number.map(|number| number.to_string());
        if let Some(own) = &self.own {
            let timestamp = number(about.timestamp_ms);
            let of_record = timestamp.iter().map(|timestamp| ("timestamp", timestamp.as_str()));
            let of_connector = [("plugin", &own.plugin), ("plugin.digest", &own.digest), ("config.hash", &own.config)];
            let of_connector = of_connector.into_iter().map(|(name, value)| (name, value.as_str()));
            for (name, value) in about.own.iter().copied().chain(of_record).chain(of_connector) {
                header("__millstream", name, value);
            }
        }
        if !self.connect && self.own.is_none() {
            return (0, None);
        }
        let number_of = self.task.number.to_string();
        let connector = Some(self.task.connector.as_str());
        let message = secrets::hide(connector, &report.failure.message);
        for (name, value) in [
            ("topic", about.topic.map(str::to_owned)),
            ("partition", number(about.partition.map(i64::from))),
            ("offset", number(about.offset)),
        ] {
            if let Some(value) = value {
                header("__connect", name, &value);
            }
        }
        for (name, value) in [
            ("connector.name", self.task.connector.as_str()),
            ("task.id", &number_of),
            ("stage", report.stage.name()),
            ("class.name", report.class),
            ("exception.class.name", &report.failure.class),
            ("exception.message", &message),
        ] {
            header("__connect", name, value);
        }
        let (mut header, trace) = (Vec::new(), report.failure.trace());
        let trace = secrets::hide(connector, &trace);
        push_header(&mut header, b"__connect.errors.exception.stacktrace", Some(trace.as_bytes()));
        (count, Some(header))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_configuration_is_told_from_every_other_one() {
        let config = |pairs: &[(&str, Option<&str>)]| -> ConfigMap {
            pairs.iter().map(|(key, value)| ((*key).to_owned(), value.map(str::to_owned))).collect()
        };
        let one = hash(&config(&[("a", Some("b")), ("c", Some("d"))]));
        assert_eq!(one, hash(&config(&[("c", Some("d")), ("a", Some("b"))])));
        for other in [&[("a", Some("bc")), ("d", None)][..], &[("a", Some("b"))], &[]] {
            assert_ne!(one, hash(&config(other)), "{other:?}");
        }
        let secret = |value| hash(&config(&[("a.password", Some(value))]));
        assert_eq!(secret("one"), secret("two"));
        // It stands in letters, which outlive this program.
        assert_eq!(one, 0xcb77_c06e_7189_0621);
    }
}
