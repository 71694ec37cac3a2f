//! Settings that were changed while the broker runs, in memory and in the file `dynamic-configs`: of the broker, and of
//! subscriptions to clients' metrics.
//!
//! Which keys may be changed, and to what, is decided in `api::configs`. Settings of topics stand in the catalogue.

use std::{
    collections::BTreeMap,
    path::Path,
    sync::{Arc, PoisonError, RwLock},
};

use millstream_disk::Disk;

use crate::{
    config::layers::{Layers, Pairs},
    security::line_file::{LineFile, LineFileError},
};

const FILE: &str = "dynamic-configs";

/// Most settings of all kinds together.
pub const MOST: usize = 10_000;

// What a line is about.
const OWN: &str = "broker";
const ALL: &str = "brokers";
const CLIENT_METRICS: &str = "client-metrics";

/// What was changed.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Altered {
    /// For this broker.
    pub own: Pairs,
    /// For every broker of the cluster, which is this one.
    pub all: Pairs,
    /// By the subscription's name; never empty.
    pub client_metrics: BTreeMap<String, Pairs>,
}

impl Altered {
    /// How many settings.
    pub fn len(&self) -> usize {
        self.own.len() + self.all.len() + self.client_metrics.values().map(Pairs::len).sum::<usize>()
    }

    fn parse(lines: Vec<Vec<String>>) -> Option<Self> {
        let mut altered = Self::default();
        for line in lines {
            let [about, name, key, value] = <[String; 4]>::try_from(line).ok()?;
            let pairs = match about.as_str() {
                OWN => &mut altered.own,
                ALL => &mut altered.all,
                CLIENT_METRICS => altered.client_metrics.entry(name).or_default(),
                _ => return None,
            };
            pairs.insert(key, value);
        }
        Some(altered)
    }

    fn lines(&self) -> Vec<Vec<String>> {
        let of = |about: &str, name: &str, pairs: &Pairs| -> Vec<Vec<String>> {
            let line = |(key, value): (&String, &String)| [about, name, key, value].map(str::to_owned).to_vec();
            pairs.iter().map(line).collect()
        };
        let metrics = self.client_metrics.iter().flat_map(|(name, pairs)| of(CLIENT_METRICS, name, pairs));
        of(OWN, "", &self.own).into_iter().chain(of(ALL, "", &self.all)).chain(metrics).collect()
    }
}

/// What is in effect.
#[derive(Clone, Debug)]
struct State {
    altered: Arc<Altered>,
    layers: Arc<Layers>,
}

/// The changes, and what they stand over.
#[derive(Debug)]
pub struct Dynamic {
    file: LineFile,
    given: Pairs,
    /// Replaced as a whole.
    state: RwLock<State>,
    /// Held by who changes.
    changing: tokio::sync::Mutex<()>,
}

impl Dynamic {
    /// Reads the changes, which stand over what the broker's file says. Blocks.
    ///
    /// # Errors
    ///
    /// The file cannot be read, or is damaged.
    pub fn open(disk: &Arc<dyn Disk>, dir: &Path, given: &Pairs) -> Result<Self, LineFileError> {
        let file = LineFile::new(disk, dir, FILE);
        let altered = Altered::parse(file.read()?).ok_or_else(|| file.damaged("a line is no setting"))?;
        let state = RwLock::new(State::of(altered, given));
        Ok(Self { file, given: given.clone(), state, changing: tokio::sync::Mutex::default() })
    }

    /// The broker's settings as of now.
    pub fn layers(&self) -> Arc<Layers> {
        Arc::clone(&self.state.read().unwrap_or_else(PoisonError::into_inner).layers)
    }

    /// What was changed, as of now.
    pub fn altered(&self) -> Arc<Altered> {
        Arc::clone(&self.state.read().unwrap_or_else(PoisonError::into_inner).altered)
    }

    /// Changes settings; durable and in effect on return. To be run to its end.
    ///
    /// # Errors
    ///
    /// Nothing has changed in memory, though the file may have the new content; or, as the inner error, `change` refused
    /// to.
    pub async fn change<R>(
        &self,
        change: impl FnOnce(&mut Altered) -> Result<(), R>,
    ) -> Result<Result<(), R>, LineFileError> {
        let _one = self.changing.lock().await;
        let mut altered = Altered::clone(&self.altered());
        if let Err(refused) = change(&mut altered) {
            return Ok(Err(refused));
        }
        self.file.write_elsewhere(altered.lines()).await?;
        *self.state.write().unwrap_or_else(PoisonError::into_inner) = State::of(altered, &self.given);
        Ok(Ok(()))
    }
}

impl State {
    fn of(altered: Altered, given: &Pairs) -> Self {
        let layers = Layers::new(altered.own.clone(), altered.all.clone(), given.clone());
        Self { altered: Arc::new(altered), layers: Arc::new(layers) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::layers::Source;

    #[tokio::test]
    async fn changes_stand_over_the_file_and_outlive_the_process() {
        let folder = tempfile::tempdir().unwrap();
        let disk = millstream_disk::real();
        let given = Pairs::from([("a".to_owned(), "1".to_owned())]);
        let dynamic = Dynamic::open(&disk, folder.path(), &given).unwrap();
        assert_eq!(dynamic.layers().get("a"), Some(("1", Source::Broker)));
        let changed = dynamic.change(|altered| {
            altered.own.insert("a".to_owned(), "2\t".to_owned());
            altered.all.insert("b".to_owned(), "3".to_owned());
            altered.client_metrics.entry("m".to_owned()).or_default().insert("c".to_owned(), "4\n".to_owned());
            Ok::<(), ()>(())
        });
        assert_eq!(changed.await.unwrap(), Ok(()));
        let refused = dynamic.change(|altered| {
            altered.own.clear();
            Err("no")
        });
        assert_eq!(refused.await.unwrap(), Err("no"));
        let again = Dynamic::open(&disk, folder.path(), &given).unwrap();
        assert_eq!(again.altered(), dynamic.altered());
        assert_eq!(again.altered().len(), 3);
        for dynamic in [dynamic, again] {
            assert_eq!(dynamic.layers().get("a"), Some(("2\t", Source::OwnBroker)));
            assert_eq!(dynamic.layers().get("b"), Some(("3", Source::AllBrokers)));
        }
    }

    #[test]
    fn a_file_that_holds_something_else_is_said_to_be_damaged() {
        let folder = tempfile::tempdir().unwrap();
        let disk = millstream_disk::real();
        for line in [vec!["nobody", "", "k", "v"], vec!["broker", "", "k"]] {
            let lines = [line.into_iter().map(str::to_owned).collect()];
            LineFile::new(&disk, folder.path(), FILE).write(&lines).unwrap();
            let error = Dynamic::open(&disk, folder.path(), &Pairs::new()).unwrap_err();
            assert!(matches!(error, LineFileError::Damaged { .. }));
        }
    }
}
