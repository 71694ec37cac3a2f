//! Reading an object of a scenario file member by member, so that none is overlooked and each complaint has a place.

use std::cell::RefCell;
use std::collections::BTreeSet;

use serde_json::{Map, Value as Json};

use crate::page::Path;

/// What is wrong with a part of a file.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Fault {
    /// Which part.
    pub at: Path,
    /// What is wrong with it, and what is expected.
    pub message: String,
}

/// An object that is being read.
pub struct Members<'j> {
    members: &'j Map<String, Json>,
    at: Path,
    asked: RefCell<BTreeSet<&'static str>>,
}

impl<'j> Members<'j> {
    /// # Errors
    ///
    /// It is no object; `what` says what it should have been.
    pub fn of(json: &'j Json, at: Path, what: &str) -> Result<Self, Fault> {
        match json {
            Json::Object(members) => Ok(Self { members, at, asked: RefCell::default() }),
            other => Err(Fault { at, message: format!("{what} has to be an object, and is {other}") }),
        }
    }

    /// Where a member stands.
    pub fn at(&self, name: &str) -> Path {
        self.at.member(name)
    }

    /// A complaint about a member.
    pub fn fault(&self, name: &str, message: impl Into<String>) -> Fault {
        Fault { at: self.at(name), message: format!("{name}: {}", message.into()) }
    }

    /// A member; a null counts as none.
    pub fn get(&self, name: &'static str) -> Option<&'j Json> {
        self.asked.borrow_mut().insert(name);
        self.members.get(name).filter(|json| !json.is_null())
    }

    fn read<T>(
        &self,
        name: &'static str,
        what: &str,
        read: impl FnOnce(&'j Json) -> Option<T>,
    ) -> Result<Option<T>, Fault> {
        match self.get(name) {
            None => Ok(None),
            Some(json) => read(json).map(Some).ok_or_else(|| self.fault(name, format!("{json} is no {what}"))),
        }
    }

    /// A text.
    ///
    /// # Errors
    ///
    /// It is something else, as below.
    pub fn text(&self, name: &'static str) -> Result<Option<&'j str>, Fault> {
        self.read(name, "text", Json::as_str)
    }

    /// A text that must be there.
    ///
    /// # Errors
    ///
    /// It is not.
    pub fn required(&self, name: &'static str) -> Result<&'j str, Fault> {
        let missing =
            || Fault { at: self.at.clone(), message: format!("there is no member {name:?}, which is needed") };
        self.text(name)?.ok_or_else(missing)
    }

    /// A whole number that is not negative.
    ///
    /// # Errors
    ///
    /// As above.
    pub fn number<T: TryFrom<u64>>(&self, name: &'static str) -> Result<Option<T>, Fault> {
        self.read(name, "whole number within its limits", |json| T::try_from(json.as_u64()?).ok())
    }

    /// `true` or `false`; false if it is missing.
    ///
    /// # Errors
    ///
    /// As above.
    pub fn flag(&self, name: &'static str) -> Result<bool, Fault> {
        Ok(self.read(name, "true or false", Json::as_bool)?.unwrap_or(false))
    }

    /// An object.
    ///
    /// # Errors
    ///
    /// As above.
    pub fn object(&self, name: &'static str) -> Result<Option<&'j Map<String, Json>>, Fault> {
        self.read(name, "object", Json::as_object)
    }

    /// The items of a list; none if it is missing.
    ///
    /// # Errors
    ///
    /// As above.
    pub fn list(&self, name: &'static str) -> Result<&'j [Json], Fault> {
        Ok(self.read(name, "list", Json::as_array)?.map_or(&[], Vec::as_slice))
    }

    /// A list whose items are read one by one.
    ///
    /// # Errors
    ///
    /// What `item` says of one.
    pub fn each<T>(
        &self,
        name: &'static str,
        mut item: impl FnMut(&'j Json) -> Result<T, String>,
    ) -> Result<Vec<T>, Fault> {
        let read = |(index, json): (usize, &'j Json)| {
            item(json).map_err(|message| Fault { at: self.at(name).item(index), message })
        };
        self.list(name)?.iter().enumerate().map(read).collect()
    }

    /// To be called when all that is known was asked for.
    ///
    /// # Errors
    ///
    /// There is a member that nobody has asked for.
    pub fn end(self) -> Result<(), Fault> {
        let asked = self.asked.into_inner();
        match self.members.keys().find(|name| !asked.contains(name.as_str())) {
            None => Ok(()),
            Some(unknown) => Err(Fault {
                at: self.at.member(unknown),
                message: format!(
                    "there is no member {unknown:?} here; there are {}",
                    asked.into_iter().collect::<Vec<_>>().join(", ")
                ),
            }),
        }
    }
}
