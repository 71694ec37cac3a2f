//! Files that configuration keys name. A plugin never sees a path of its own choosing: it names a key, and
//! the host opens what the user configured there, in the way that the key's definition says, inside what
//! the worker allows.

mod check;
mod declare;
mod growth;
mod link;
mod standard_input;
mod state;

pub(super) use check::is_below;
pub(crate) use growth::Growth;
pub use state::OpenFile;
pub(crate) use state::{FileError, Files};

use super::{Capability, Declare};

pub(super) const CAPABILITY: Capability = Capability {
    declare: Some(Declare { word: declare::WORD, read: declare::read }),
    want: None,
    link: &link::INTERFACES,
};
