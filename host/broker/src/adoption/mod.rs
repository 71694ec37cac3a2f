//! Taking partitions of another data folder, Apache Kafka's above all, into one that has topics of its own already.
//!
//! What is in their files is looked at first, and only what can be served as it is is taken. The files are copied, unless
//! they are below the data folder already, where a broker would have moved them aside. (A data folder as a whole, without a
//! catalogue, needs none of this: a broker serves it as it is.)

mod files;
mod plan;

use std::{
    io,
    path::{Path, PathBuf},
    sync::Arc,
};

use millstream_disk::Disk;
use millstream_log::checkpoint::CheckpointError;
use uuid::Uuid;

pub use self::plan::{AdoptablePartition, Settings, Unadoptable};
use crate::{
    checkpoints::Checkpoints,
    recovery::parse_folder,
    storage::{
        catalogue::{Catalogue, CatalogueError},
        data_dir::{LOCK, OpenDataDirError},
    },
};

/// What is to be taken, and where to.
#[derive(Clone, Debug)]
pub struct Adoption {
    /// The broker's data folder, which no broker may be using.
    pub data_dir: PathBuf,
    /// Folders of partitions, or of their data folders: then all partitions in them.
    pub sources: Vec<PathBuf>,
    /// Settings for topics that are not there yet, over those that are found.
    pub settings: Vec<(String, String)>,
    /// Whether to do it.
    pub apply: bool,
}

/// Why nothing could be taken.
#[derive(Debug, thiserror::Error)]
pub enum AdoptError {
    /// The folder cannot be used, or a broker uses it.
    #[error("open the data folder to take partitions into it")]
    Open {
        /// Why.
        source: OpenDataDirError,
    },
    /// A folder could not be listed.
    #[error("list {}", dir.display())]
    List {
        /// The folder.
        dir: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// There is nothing to take.
    #[error(
        "there is no partition in {}: name the folder of one, such as orders-0, or a data folder (log.dirs) with some",
        dir.display()
    )]
    NoPartition {
        /// The folder.
        dir: PathBuf,
    },
    /// The data folder has partitions and no catalogue.
    #[error(
        "{} has partitions and no catalogue of its topics yet: start a broker on it once (log.dirs), which serves what is \
         there, and take others in afterwards",
        dir.display()
    )]
    NoCatalogue {
        /// The data folder.
        dir: PathBuf,
    },
    /// A setting is none.
    #[error("{setting}: {reason}")]
    Setting {
        /// As it was given.
        setting: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The topics could not be read or written.
    #[error("use the catalogue of the data folder")]
    Catalogue {
        /// Why.
        source: CatalogueError,
    },
    /// The checkpoints could not be read or written.
    #[error("use the checkpoints of the data folder")]
    Checkpoints {
        /// Why.
        source: CheckpointError,
    },
}

/// One partition, and what becomes of it.
#[derive(Debug)]
pub struct AdoptedPartition {
    /// Where it was found.
    pub from: PathBuf,
    /// The name of its folder in the data folder; as it was found where it has none.
    pub partition: String,
    /// What is there to be served, or why it is not. An error concerns this partition alone, of which nothing stays then.
    pub verdict: Result<AdoptablePartition, Unadoptable>,
    /// What is served of it from now on, where it was taken.
    pub served: Option<Served>,
}

/// What is served of a partition that was taken.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Served {
    /// The first offset that may be read.
    pub start: i64,
    /// The offset behind the last record.
    pub end: i64,
    /// Where readers of committed records wait for the end of a transaction, which nobody here will write.
    pub open_transaction_at: Option<i64>,
}

/// Looks at every byte of the partitions and takes those that can be served as they are, if `apply` says so. Blocks for as
/// long as that takes.
///
/// # Errors
///
/// The folder is in use or cannot be used, there is nothing to take, or what was taken cannot be written down: then it is
/// moved aside by the next start, and can be taken from there again.
pub fn adopt(disk: &Arc<dyn Disk>, adoption: &Adoption) -> Result<Vec<AdoptedPartition>, AdoptError> {
    let dir = adoption.data_dir.as_path();
    let in_use = |source| AdoptError::Open { source };
    // Nothing is made where there is nothing.
    disk.read_dir(dir).map_err(|source| AdoptError::List { dir: dir.to_owned(), source })?;
    let lock = dir.join(LOCK);
    let locked = disk
        .lock(&lock)
        .map_err(|source| in_use(OpenDataDirError::File { path: lock, source }))?
        .ok_or_else(|| in_use(OpenDataDirError::InUse { path: dir.to_owned() }))?;
    let mut catalogue = match Catalogue::load(&**disk, dir).map_err(|source| AdoptError::Catalogue { source })? {
        Some(catalogue) => catalogue,
        None if names(disk, dir)?.iter().any(|name| parse_folder(name).is_some()) => {
            return Err(AdoptError::NoCatalogue { dir: dir.to_owned() });
        }
        None => Catalogue::default(),
    };
    let checkpoints = Checkpoints::load(disk, dir).map_err(|source| AdoptError::Checkpoints { source })?;
    let settings = plan::check_settings(&adoption.settings)?;
    let mut adopted = Vec::new();
    for (source, is_alone) in sources(disk, adoption)? {
        let found = plan::look(disk, dir, &source, &catalogue, &settings);
        let (partition, mut verdict) = match found {
            Ok(found) => (found.folder(), Ok(found)),
            // Of a whole folder, what is here already or nobody's is no news.
            Err((_, Unadoptable::Served { .. } | Unadoptable::NoPartition)) if !is_alone => continue,
            Err((name, refusal)) => (name, Err(refusal)),
        };
        let mut served = None;
        if let Ok(found) = &verdict {
            if adoption.apply {
                match files::take(disk, dir, &source, found) {
                    Ok(taken) => {
                        let entry = found.checkpointed(taken.end);
                        checkpoints
                            .adopted(&found.topic, found.index, entry)
                            .map_err(|source| AdoptError::Checkpoints { source })?;
                        found.enter(&mut catalogue);
                        catalogue.store(&**disk, dir).map_err(|source| AdoptError::Catalogue { source })?;
                        served = Some(taken);
                    }
                    Err(refusal) => verdict = Err(refusal),
                }
            } else {
                // The next of its topics is judged with this one there.
                found.enter(&mut catalogue);
            }
        }
        adopted.push(AdoptedPartition { from: source, partition, verdict, served });
    }
    drop(locked);
    Ok(adopted)
}

/// The folders of partitions that were named, and whether each was named itself.
fn sources(disk: &Arc<dyn Disk>, adoption: &Adoption) -> Result<Vec<(PathBuf, bool)>, AdoptError> {
    let mut found = Vec::new();
    for source in &adoption.sources {
        let inside = names(disk, source)?;
        if inside.iter().any(|name| name.ends_with(".log")) {
            found.push((source.clone(), true));
            continue;
        }
        let partitions = inside.iter().filter(|name| plan::parse(name).is_some()).map(|name| source.join(name));
        let before = found.len();
        found.extend(partitions.filter(|path| disk.metadata(path).is_ok_and(|it| it.is_dir)).map(|path| (path, false)));
        if found.len() == before {
            return Err(AdoptError::NoPartition { dir: source.clone() });
        }
    }
    Ok(found)
}

fn names(disk: &Arc<dyn Disk>, dir: &Path) -> Result<Vec<String>, AdoptError> {
    let names = disk.read_dir(dir).map_err(|source| AdoptError::List { dir: dir.to_owned(), source })?;
    Ok(names.into_iter().filter_map(|name| name.into_string().ok()).collect())
}

/// The name of a folder that the next start removes, unless it was given another name before.
fn passing_name(folder: &str) -> String {
    format!("{folder}.{}-delete", Uuid::new_v4().simple())
}
