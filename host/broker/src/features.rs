//! Features of the cluster (KIP-584): what the broker can do, and at which level it does it.
//!
//! The levels are kept in a file of the data folder, so that a level which was lowered for the sake of a client stays.

use std::{
    collections::BTreeMap,
    io,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use millstream_disk::Disk;

use crate::{
    changes::{Changes, Interrupted},
    storage::read_text,
};

const FILE: &str = "features";
const EPOCH: &str = "epoch";

/// Whether groups of the consumer protocol are served (KIP-848): 0 for no, 1 for yes.
pub const GROUP_VERSION: &str = "group.version";

/// Which generation of transactions clients are to speak (KIP-890): 0 and 1 the first, 2 the second.
pub const TRANSACTION_VERSION: &str = "transaction.version";

/// A feature.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Feature {
    /// Kafka's name for it.
    pub name: &'static str,
    /// Lowest level.
    pub min: i16,
    /// Highest level, which is in effect unless another was chosen.
    pub max: i16,
}

/// What there is, in the order of names.
pub const FEATURES: &[Feature] =
    &[Feature { name: GROUP_VERSION, min: 0, max: 1 }, Feature { name: TRANSACTION_VERSION, min: 0, max: 2 }];

/// The levels in effect.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Levels {
    /// Counts changes; clients go by the newest they have seen.
    pub epoch: i64,
    /// By name; a level of 0 switches a feature off.
    chosen: BTreeMap<String, i16>,
}

impl Levels {
    /// The level of a feature; 0 for one that is unknown.
    pub fn of(&self, name: &str) -> i16 {
        let known = FEATURES.iter().find(|feature| feature.name == name);
        known.map_or(0, |feature| self.chosen.get(name).copied().unwrap_or(feature.max))
    }

    fn parse(text: &str) -> Option<Self> {
        let mut levels = Self::default();
        for line in text.lines() {
            let (name, number) = line.split_once('=')?;
            if name == EPOCH {
                levels.epoch = number.parse().ok()?;
            } else {
                levels.chosen.insert(name.to_owned(), number.parse().ok()?);
            }
        }
        // A level of another release is none that can be kept to.
        let fits = |(name, level): (&String, &i16)| {
            FEATURES.iter().any(|feature| feature.name == name && (feature.min..=feature.max).contains(level))
        };
        levels.chosen.iter().all(fits).then_some(levels)
    }

    fn to_text(&self) -> String {
        let lines = self.chosen.iter().map(|(name, level)| format!("{name}={level}\n"));
        std::iter::once(format!("{EPOCH}={}\n", self.epoch)).chain(lines).collect()
    }
}

/// A level that is asked for.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Update {
    /// Of which feature.
    pub name: String,
    /// The level.
    pub level: i16,
    /// Whether it may be lower than the present one.
    pub may_lower: bool,
}

/// Why a level is refused.
#[derive(Debug, thiserror::Error)]
pub enum RefuseUpdate {
    /// There is no such feature.
    #[error("the feature '{name}' is not known here")]
    Unknown {
        /// The name.
        name: String,
    },
    /// It has no such level.
    #[error("the feature '{name}' has the levels {min} to {max}, and not {level}")]
    OutOfRange {
        /// The name.
        name: String,
        /// The level asked for.
        level: i16,
        /// The lowest.
        min: i16,
        /// The highest.
        max: i16,
    },
    /// It would go down, and nobody said that it may.
    #[error("the feature '{name}' has level {present}, and is lowered to {level} only by a safe or unsafe downgrade")]
    Lowered {
        /// The name.
        name: String,
        /// The level asked for.
        level: i16,
        /// The level in effect.
        present: i16,
    },
    /// The file cannot be written; the levels stay.
    #[error("write {}", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The change ended in a panic.
    #[error("change the features")]
    Interrupted {
        /// How it ended.
        #[from]
        source: Interrupted,
    },
}

/// Why the levels are not known.
#[derive(Debug, thiserror::Error)]
pub enum OpenFeaturesError {
    /// The file cannot be read.
    #[error("read {}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// It holds something else than levels that this release has.
    #[error("{} does not hold levels of features that are known here; correct it, or remove it for the defaults", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
    },
}

/// The features of one broker.
#[derive(Debug)]
pub struct Features {
    disk: Arc<dyn Disk>,
    path: PathBuf,
    changes: Changes,
    /// Replaced as a whole.
    levels: Arc<Mutex<Levels>>,
    /// Held while a change is written and shown.
    changing: Arc<tokio::sync::Mutex<()>>,
}

impl Features {
    /// Reads the levels. Blocks.
    ///
    /// # Errors
    ///
    /// They cannot be read, or are none.
    pub fn open(disk: &Arc<dyn Disk>, data_dir: &Path, changes: Changes) -> Result<Self, OpenFeaturesError> {
        let path = data_dir.join(FILE);
        let text = match read_text(&**disk, &path) {
            Ok(text) => text,
            Err(source) => return Err(OpenFeaturesError::Read { path, source }),
        };
        let levels = match text.as_deref().map(Levels::parse) {
            None => Levels::default(),
            Some(Some(levels)) => levels,
            Some(None) => return Err(OpenFeaturesError::Damaged { path }),
        };
        Ok(Self {
            disk: Arc::clone(disk),
            path,
            changes,
            levels: Arc::new(Mutex::new(levels)),
            changing: Arc::default(),
        })
    }

    /// What is in effect.
    pub fn levels(&self) -> Levels {
        lock(&self.levels).clone()
    }

    /// Changes levels: all of them, or none. Durable and in effect when this returns; nothing is changed if
    /// `validate_only`.
    ///
    /// # Errors
    ///
    /// The first that is refused.
    pub async fn update(&self, updates: Vec<Update>, validate_only: bool) -> Result<Levels, RefuseUpdate> {
        let (disk, path, levels) = (Arc::clone(&self.disk), self.path.clone(), Arc::clone(&self.levels));
        let changing = Arc::clone(&self.changing);
        let changed = self.changes.run("changing the features", async move {
            let _changing = changing.lock().await;
            let before = lock(&levels).clone();
            let next = changed(&before, &updates)?;
            if validate_only || next == before {
                return Ok(before);
            }
            let (text, to) = (next.to_text(), path.clone());
            let written = tokio::task::spawn_blocking(move || disk.replace(&to, text.as_bytes())).await;
            let written = written.unwrap_or_else(|error| Err(io::Error::other(error)));
            written.map_err(|source| RefuseUpdate::Write { path, source })?;
            lock(&levels).clone_from(&next);
            Ok(next)
        });
        changed.await?
    }
}

fn lock(levels: &Mutex<Levels>) -> MutexGuard<'_, Levels> {
    // Replaced as a whole.
    levels.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The levels after these updates.
fn changed(before: &Levels, updates: &[Update]) -> Result<Levels, RefuseUpdate> {
    let mut next = before.clone();
    for Update { name, level, may_lower } in updates {
        let feature = FEATURES.iter().find(|feature| feature.name == name);
        let feature = feature.ok_or_else(|| RefuseUpdate::Unknown { name: name.clone() })?;
        let Feature { min, max, .. } = *feature;
        if !(min..=max).contains(level) {
            return Err(RefuseUpdate::OutOfRange { name: name.clone(), level: *level, min, max });
        }
        let present = before.of(name);
        if *level < present && !may_lower {
            return Err(RefuseUpdate::Lowered { name: name.clone(), level: *level, present });
        }
        if *level != present {
            next.chosen.insert(name.clone(), *level);
        }
    }
    if next != *before {
        next.epoch += 1;
    }
    Ok(next)
}

#[cfg(test)]
mod tests {
    use tokio_util::task::TaskTracker;

    use super::*;

    fn open(dir: &Path) -> Result<Features, OpenFeaturesError> {
        Features::open(&millstream_disk::real(), dir, Changes::new(TaskTracker::new(), Arc::default()))
    }

    fn to(level: i16, may_lower: bool) -> Vec<Update> {
        vec![Update { name: TRANSACTION_VERSION.to_owned(), level, may_lower }]
    }

    #[tokio::test]
    async fn a_level_that_was_chosen_stays_over_a_restart() {
        let dir = tempfile::tempdir().unwrap();
        let features = open(dir.path()).unwrap();
        assert_eq!((features.levels().of(TRANSACTION_VERSION), features.levels().epoch), (2, 0));
        assert!(matches!(features.update(to(1, false), false).await, Err(RefuseUpdate::Lowered { .. })));
        features.update(to(1, true), true).await.unwrap();
        assert_eq!(features.levels(), Levels::default(), "it was to be validated only");
        features.update(to(1, true), false).await.unwrap();
        for features in [features, open(dir.path()).unwrap()] {
            assert_eq!((features.levels().of(TRANSACTION_VERSION), features.levels().epoch), (1, 1));
        }
        let features = open(dir.path()).unwrap();
        features.update(to(2, false), false).await.unwrap();
        assert_eq!(features.update(to(2, false), false).await.unwrap().epoch, 2, "nothing was changed again");
    }

    #[tokio::test]
    async fn levels_and_features_that_there_are_not_are_refused() {
        let dir = tempfile::tempdir().unwrap();
        let features = open(dir.path()).unwrap();
        assert!(matches!(features.update(to(3, true), false).await, Err(RefuseUpdate::OutOfRange { max: 2, .. })));
        let unknown = vec![Update { name: "time.travel".to_owned(), level: 1, may_lower: true }];
        assert!(matches!(features.update(unknown, false).await, Err(RefuseUpdate::Unknown { .. })));
        assert_eq!(features.levels(), Levels::default());
        for text in ["transaction.version=3\n", "x", "time.travel=1\n"] {
            std::fs::write(dir.path().join(FILE), text).unwrap();
            assert!(matches!(open(dir.path()), Err(OpenFeaturesError::Damaged { .. })), "{text}");
        }
    }
}
