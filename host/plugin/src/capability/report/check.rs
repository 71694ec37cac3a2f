//! Whether a value names a topic.

use millstream_config::ConfigMap;
use millstream_record::TopicName;

use crate::capability::value_of;

/// The topic that a value names; `${connector}` stands for the connector's name.
///
/// # Errors
///
/// Why it names none: the end of a sentence about the value.
pub(super) fn topic(value: &str, config: &ConfigMap) -> Result<TopicName, String> {
    let connector = value_of(config, "name").unwrap_or_default();
    TopicName::parse(&value.replace("${connector}", connector)).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_names_a_topic_of_the_connector() {
        let config = ConfigMap::from([("name".to_owned(), Some("orders".to_owned()))]);
        assert_eq!(topic("${connector}-errors", &config).unwrap().to_string(), "orders-errors");
        assert!(topic("a b", &config).is_err());
    }
}
