//! Why a broker does not start: its listeners and its data folder both have a say.

use std::{io, path::PathBuf};

use millstream_log::checkpoint::CheckpointError;

use crate::{
    config::listener::Endpoint,
    features::OpenFeaturesError,
    security::{authorizer::OpenAuthorizerError, line_file::LineFileError, listener::InvalidSecurity},
    storage::{catalogue::CatalogueError, data_dir::OpenDataDirError},
};

/// Why a broker did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartBrokerError {
    /// The data folder cannot be used.
    #[error("open the broker's data folder")]
    DataDir {
        /// Why.
        #[from]
        source: OpenDataDirError,
    },
    /// The topics cannot be read.
    #[error("load the topics")]
    Catalogue {
        /// Why.
        #[from]
        source: CatalogueError,
    },
    /// The levels of the cluster's features are not known.
    #[error("read the levels of the cluster's features")]
    Features {
        /// Why.
        #[from]
        source: OpenFeaturesError,
    },
    /// A listener's port is taken.
    #[error("listen on {endpoint}: another program uses this port; stop it, or choose another port (listeners)")]
    PortInUse {
        /// The listener.
        endpoint: Endpoint,
        /// What the system said.
        source: io::Error,
    },
    /// A listener's address does not exist, or may not be used.
    #[error("listen on {endpoint} (listeners)")]
    Listen {
        /// The listener.
        endpoint: Endpoint,
        /// What the system said.
        source: io::Error,
    },
    /// What the keys say of TLS, SASL or access.
    #[error("set up the security of the listeners")]
    Security {
        /// What is wrong.
        #[from]
        source: InvalidSecurity,
    },
    /// Access rules.
    #[error("read the access rules")]
    Authorizer {
        /// Why.
        #[from]
        source: OpenAuthorizerError,
    },
    /// Users, quotas or settings of groups cannot be read.
    #[error("read users and quotas")]
    SecurityFile {
        /// Why.
        #[from]
        source: LineFileError,
    },
    /// The checkpoints or a partition's id cannot be read.
    #[error("read what the data folder says of its partitions")]
    Checkpoint {
        /// Why.
        #[from]
        source: CheckpointError,
    },
    /// The data folder cannot be listed.
    #[error("list the data folder {}", path.display())]
    List {
        /// The folder.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The thread that recovers ended early.
    #[error("recover the data folder")]
    Interrupted {
        /// How it ended.
        source: io::Error,
    },
}
