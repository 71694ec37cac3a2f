//! Reading configuration files.

use std::path::Path;

use crate::exit::{Failure, SETUP};

/// A file's bytes.
pub fn read_file(path: &Path) -> Result<Vec<u8>, Failure> {
    std::fs::read(path).map_err(|error| {
        let hint = match error.kind() {
            std::io::ErrorKind::NotFound => "; check the path",
            std::io::ErrorKind::PermissionDenied => "; allow this user to read it",
            _ => "",
        };
        Failure::new(SETUP, format!("read {}: {error}{hint}", path.display()))
    })
}

/// The keys of a properties file in order.
pub fn read_properties(path: &Path) -> Result<Vec<(String, String)>, Failure> {
    let bytes = read_file(path)?;
    millstream_config::parse_properties(&bytes)
        .map_err(|error| Failure::new(SETUP, format!("read {}: {error}", path.display())))
}
