//! What a guest imports to reach files, and how it sees their failures.

use millstream_connector::{ErrorKind, Failure};
use millstream_record::ErrorChain as Causes;

use super::FileError;

pub(super) const INTERFACES: [&str; 1] = ["host-files"];

impl From<FileError> for Failure {
    /// What Connect's users know as an `IOException`, or a denial.
    fn from(error: FileError) -> Self {
        let kind = match &error {
            FileError::NotGranted { .. } | FileError::WrongAccess { .. } => ErrorKind::Fatal,
            FileError::NoValue { .. } | FileError::NotAllowed { .. } => ErrorKind::Config,
            FileError::Open { .. } | FileError::Operation { .. } => ErrorKind::Retriable,
        };
        let source = std::error::Error::source(&error);
        let causes = source.map(|source| Causes(source).to_string()).into_iter().collect();
        Self { causes, ..Self::new(kind, "java.io.IOException", error.to_string()) }
    }
}
