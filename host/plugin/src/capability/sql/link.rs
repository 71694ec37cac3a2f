//! What a guest imports to reach databases, and how it sees their failures.

use millstream_connector::Failure;

use super::SqlError;

pub(super) const INTERFACES: [&str; 1] = ["host-sql"];

impl From<SqlError> for Failure {
    fn from(error: SqlError) -> Self {
        let SqlError { kind, class, message, causes, .. } = error;
        Self { causes, ..Self::new(kind, class, message) }
    }
}
