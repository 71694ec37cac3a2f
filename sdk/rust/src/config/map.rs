//! A configuration as the user wrote it.

/// Keys and values in the order given. A key may be present without a value.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct ConfigMap(Vec<(String, Option<String>)>);

impl ConfigMap {
    /// No keys.
    pub fn new() -> Self {
        Self::default()
    }

    /// The value of a key, if it is present and has one.
    pub fn get(&self, key: &str) -> Option<&str> {
        self.entry(key).flatten()
    }

    /// `None` if the key is absent, `Some(None)` if it is present without a value.
    pub fn entry(&self, key: &str) -> Option<Option<&str>> {
        self.0.iter().find(|(name, _)| name == key).map(|(_, value)| value.as_deref())
    }

    /// Sets a key, in its place if it is there already.
    pub fn set(&mut self, key: impl Into<String>, value: impl Into<Option<String>>) {
        let (key, value) = (key.into(), value.into());
        match self.0.iter_mut().find(|(name, _)| *name == key) {
            Some(entry) => entry.1 = value,
            None => self.0.push((key, value)),
        }
    }

    /// The same configuration with one key more.
    #[must_use]
    pub fn with(mut self, key: impl Into<String>, value: impl Into<String>) -> Self {
        self.set(key, Some(value.into()));
        self
    }

    /// All keys with their values.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&str, Option<&str>)> {
        self.0.iter().map(|(key, value)| (key.as_str(), value.as_deref()))
    }

    /// The keys that begin with a prefix, without it: `producer.` gives the producer's own keys.
    pub fn with_prefix(&self, prefix: &str) -> ConfigMap {
        let stripped =
            |(key, value): &(String, Option<String>)| Some((key.strip_prefix(prefix)?.to_owned(), value.clone()));
        Self(self.0.iter().filter_map(stripped).collect())
    }

    /// As the contract passes it.
    pub fn into_entries(self) -> Vec<(String, Option<String>)> {
        self.0
    }
}

impl From<Vec<(String, Option<String>)>> for ConfigMap {
    fn from(entries: Vec<(String, Option<String>)>) -> Self {
        Self(entries)
    }
}

impl<const N: usize> From<[(&str, &str); N]> for ConfigMap {
    fn from(entries: [(&str, &str); N]) -> Self {
        Self(entries.iter().map(|&(key, value)| (key.to_owned(), Some(value.to_owned()))).collect())
    }
}
