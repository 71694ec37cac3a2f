//! Settings of single groups, in the file `group-configs` of the data folder.

use std::{
    collections::BTreeMap,
    path::Path,
    sync::{Arc, PoisonError, RwLock},
};

use millstream_disk::Disk;

use crate::{
    config::group::{OwnSettings, read},
    security::line_file::{LineFile, LineFileError},
};

const FILE: &str = "group-configs";

/// What is set, by group.
pub type All = BTreeMap<String, OwnSettings>;

/// Settings of groups.
#[derive(Debug)]
pub struct GroupConfigs {
    file: LineFile,
    /// Replaced as a whole.
    all: RwLock<Arc<All>>,
    /// Held by who changes.
    changing: tokio::sync::Mutex<()>,
}

impl GroupConfigs {
    /// Reads the settings. Blocks.
    ///
    /// # Errors
    ///
    /// The file cannot be read, or is damaged.
    pub fn open(disk: &Arc<dyn Disk>, dir: &Path) -> Result<Self, LineFileError> {
        let file = LineFile::new(disk, dir, FILE);
        let mut all = All::new();
        for line in file.read()? {
            let [group, key, value] =
                <[String; 3]>::try_from(line).map_err(|_| file.damaged("a line is no setting"))?;
            let value = read(&key, &value).map_err(|_| file.damaged("a setting is none of a group"))?;
            all.entry(group).or_default().insert(key, value);
        }
        Ok(Self { file, all: RwLock::new(Arc::new(all)), changing: tokio::sync::Mutex::default() })
    }

    /// What is set now.
    pub fn all(&self) -> Arc<All> {
        Arc::clone(&self.all.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// What is set for one group; nothing for one that has no settings.
    pub fn of(&self, group: &str) -> OwnSettings {
        self.all().get(group).cloned().unwrap_or_default()
    }

    /// Changes what is set for one group: durable on return, with what it has become, and with `None` where `change`
    /// refused. To be run to its end.
    ///
    /// # Errors
    ///
    /// Nothing has changed in memory; the file may have the new content.
    pub async fn change<E>(
        &self,
        group: &str,
        change: impl FnOnce(&OwnSettings) -> Result<OwnSettings, E>,
    ) -> Result<Result<OwnSettings, E>, LineFileError> {
        let _one = self.changing.lock().await;
        let own = match change(&self.of(group)) {
            Ok(own) => own,
            Err(refused) => return Ok(Err(refused)),
        };
        let mut all = All::clone(&self.all());
        if own.is_empty() {
            all.remove(group);
        } else {
            all.insert(group.to_owned(), own.clone());
        }
        let lines = all
            .iter()
            .flat_map(|(group, own)| own.iter().map(|(key, value)| vec![group.clone(), key.clone(), value.clone()]));
        self.file.write_elsewhere(lines.collect()).await?;
        *self.all.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(all);
        Ok(Ok(own))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn settings_outlive_the_process_and_a_refused_change_changes_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let disk = millstream_disk::real();
        let configs = GroupConfigs::open(&disk, folder.path()).unwrap();
        let set = |value: &'static str| {
            move |before: &OwnSettings| {
                let mut own = before.clone();
                own.insert("consumer.session.timeout.ms".to_owned(), value.to_owned());
                Ok::<_, ()>(own)
            }
        };
        let own = configs.change("g\t1", set("50000")).await.unwrap().unwrap();
        assert_eq!(configs.change("g\t1", |_| Err("no")).await.unwrap(), Err("no"));
        for configs in [&configs, &GroupConfigs::open(&disk, folder.path()).unwrap()] {
            assert_eq!(configs.of("g\t1"), own);
            assert_eq!(configs.of("other"), OwnSettings::new());
        }
        configs.change("g\t1", |_| Ok::<_, ()>(OwnSettings::new())).await.unwrap().unwrap();
        assert!(configs.all().is_empty() && GroupConfigs::open(&disk, folder.path()).unwrap().all().is_empty());
        std::fs::write(folder.path().join(FILE), "nonsense").unwrap();
        assert!(matches!(GroupConfigs::open(&disk, folder.path()), Err(LineFileError::Damaged { .. })));
    }
}
