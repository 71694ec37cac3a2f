//! Operations on texts.

use millstream_record::batch::Kind;
use sha2::{Digest, Sha256, Sha512};

use crate::build::Build;
use crate::build::{map, map_every, schemaless};
use crate::cells::{Cell, Cells, common_rows, text, wanted};
use crate::error::{Result, bad_row, misuse};
use crate::session::{Bounds, Session};
use crate::types::hex;

/// Rows between two looks at the clock where one row may take long.
const SLOW: usize = 16;

impl Session {
    fn text_map(
        &mut self,
        column: u32,
        kind: Kind,
        every: usize,
        bounds: &Bounds,
        each: impl Fn(usize, &str, &mut Build) -> Result<()>,
    ) -> Result<u32> {
        let held = self.column(column)?;
        let made = map_every([&*held], kind, bounds, every, |row, [cell], build| match cell {
            Cell::Text(text) => each(row, text, build),
            other => Err(wanted(row, other, "a text")),
        })?;
        self.hold(made, bounds)
    }

    /// In upper case.
    ///
    /// # Errors
    ///
    /// No such column; values that are no texts: also of all others here.
    pub fn upper(&mut self, column: u32, bounds: &Bounds) -> Result<u32> {
        self.text_map(column, Kind::String, 1024, bounds, |_, text, build| {
            build.text(&text.to_uppercase());
            Ok(())
        })
    }

    /// In lower case.
    ///
    /// # Errors
    ///
    /// As [`Session::upper`].
    pub fn lower(&mut self, column: u32, bounds: &Bounds) -> Result<u32> {
        self.text_map(column, Kind::String, 1024, bounds, |_, text, build| {
            build.text(&text.to_lowercase());
            Ok(())
        })
    }

    /// Without white space at both ends.
    ///
    /// # Errors
    ///
    /// As [`Session::upper`].
    pub fn trim(&mut self, column: u32, bounds: &Bounds) -> Result<u32> {
        self.text_map(column, Kind::String, 1024, bounds, |_, text, build| {
            build.text(text.trim());
            Ok(())
        })
    }

    /// Some of the characters.
    ///
    /// # Errors
    ///
    /// As [`Session::upper`].
    pub fn substring(&mut self, column: u32, start: u32, count: Option<u32>, bounds: &Bounds) -> Result<u32> {
        self.text_map(column, Kind::String, 1024, bounds, |_, text, build| {
            let from = text.char_indices().nth(start as usize).map_or(text.len(), |(at, _)| at);
            let rest = &text[from..];
            let to = count.and_then(|count| rest.char_indices().nth(count as usize)).map_or(rest.len(), |(at, _)| at);
            build.text(&rest[..to]);
            Ok(())
        })
    }

    /// How many characters.
    ///
    /// # Errors
    ///
    /// As [`Session::upper`].
    pub fn characters(&mut self, column: u32, bounds: &Bounds) -> Result<u32> {
        self.text_map(column, Kind::Int64, 1024, bounds, |_, text, build| {
            build.int(text.chars().count() as i64);
            Ok(())
        })
    }

    /// Texts one behind the other.
    ///
    /// # Errors
    ///
    /// As [`Session::upper`]; no columns, or such as do not go together; a result larger than a batch may be.
    pub fn concat(&mut self, columns: &[u32], separator: &str, bounds: &Bounds) -> Result<u32> {
        let columns = self.columns(columns)?;
        if columns.is_empty() {
            return Err(misuse("concat: there are no columns"));
        }
        let held: Vec<_> = columns.iter().map(|held| &**held).collect();
        let rows = common_rows(&held)?;
        let cells: Vec<Cells<'_>> = held.iter().map(|held| Cells::new(held)).collect();
        let mut build = Build::new();
        let (mut joined, mut total) = (String::new(), 0);
        for row in 0..rows.unwrap_or(1) as usize {
            if row % 1024 == 0 {
                bounds.check()?;
            }
            joined.clear();
            let mut missing = None;
            for (at, cells) in cells.iter().enumerate() {
                let cell = cells.get(row);
                match text(row, cell)? {
                    Some(text) => {
                        if 0 < at {
                            joined.push_str(separator);
                        }
                        joined.push_str(text);
                    }
                    None if missing != Some(Cell::Null) => missing = Some(cell),
                    None => {}
                }
            }
            self.grown(&mut total, joined.len())?;
            match missing {
                Some(cell) => build.missing(cell),
                None => build.text(&joined),
            }
        }
        let made = build.finish(Kind::String, rows, schemaless(&held));
        self.hold(made, bounds)
    }

    /// Counts what an operation makes against what a batch may have.
    fn grown(&self, total: &mut usize, more: usize) -> Result<()> {
        *total += more;
        let most = self.limits.max_bytes as usize;
        if *total <= most {
            return Ok(());
        }
        Err(misuse(format!("the texts are larger together than the {most} bytes of a batch (plugin.batch.max.bytes)")))
    }

    /// Replaces what a pattern finds.
    ///
    /// # Errors
    ///
    /// As [`Session::upper`]; no pattern, or a replacement that names groups it does not have.
    pub fn replace(
        &mut self,
        column: u32,
        pattern: &str,
        replacement: &str,
        all: bool,
        bounds: &Bounds,
    ) -> Result<u32> {
        let pattern = self.pattern(pattern)?;
        let held = self.column(column)?;
        let mut total = 0;
        let made = map_every([&*held], Kind::String, bounds, SLOW, |row, [cell], build| {
            let Cell::Text(text) = cell else { return Err(wanted(row, cell, "a text")) };
            let replaced = match all {
                true => pattern.replace_all(text, replacement),
                false => pattern.replace_first(text, replacement),
            };
            let replaced = replaced.map_err(|error| bad_row(row, error.message()))?;
            self.grown(&mut total, replaced.len())?;
            build.text(&replaced);
            Ok(())
        })?;
        self.hold(made, bounds)
    }

    /// What a group of a pattern found first.
    ///
    /// # Errors
    ///
    /// As [`Session::upper`]; no pattern, or a group that it does not have.
    pub fn extract(&mut self, column: u32, pattern: &str, group: u32, bounds: &Bounds) -> Result<u32> {
        let compiled = self.pattern(pattern)?;
        if compiled.group_count() < group as usize {
            return Err(misuse(format!("{pattern:?} has {} groups, and no group {group}", compiled.group_count())));
        }
        self.text_map(column, Kind::String, SLOW, bounds, |row, text, build| {
            let found = compiled.find(text).map_err(|error| bad_row(row, error.message()))?;
            match found.and_then(|groups| groups[group as usize]) {
                Some((start, end)) => build.text(&text[start..end]),
                None => build.null(),
            }
            Ok(())
        })
    }

    /// Where a pattern finds something.
    ///
    /// # Errors
    ///
    /// As [`Session::upper`]; no pattern.
    pub fn matches(&mut self, column: u32, pattern: &str, bounds: &Bounds) -> Result<u32> {
        let pattern = self.pattern(pattern)?;
        self.text_map(column, Kind::Bool, SLOW, bounds, |row, text, build| {
            build.boolean(pattern.find(text).map_err(|error| bad_row(row, error.message()))?.is_some());
            Ok(())
        })
    }

    /// Where a text has another in it.
    ///
    /// # Errors
    ///
    /// As [`Session::upper`].
    pub fn contains(&mut self, column: u32, part: u32, bounds: &Bounds) -> Result<u32> {
        let (held, part) = (self.column(column)?, self.column(part)?);
        let made = map([&*held, &*part], Kind::Bool, bounds, |row, cells, build| match cells {
            [Cell::Text(text), Cell::Text(part)] => {
                build.boolean(text.contains(part));
                Ok(())
            }
            [Cell::Text(_), other] | [other, _] => Err(wanted(row, other, "a text")),
        })?;
        self.hold(made, bounds)
    }

    /// A digest of texts or bytes.
    ///
    /// # Errors
    ///
    /// No such column or algorithm; values of other types.
    pub fn hash(&mut self, column: u32, algorithm: &str, bounds: &Bounds) -> Result<u32> {
        let digest: fn(&[u8]) -> String = match algorithm {
            "sha-256" => |bytes| hex(&Sha256::digest(bytes)),
            "sha-512" => |bytes| hex(&Sha512::digest(bytes)),
            other => return Err(misuse(format!("there is no digest {other}: there are sha-256 and sha-512"))),
        };
        let held = self.column(column)?;
        let made = map_every([&*held], Kind::String, bounds, 256, |row, [cell], build| {
            build.text(&match cell {
                Cell::Text(text) => digest(text.as_bytes()),
                Cell::Bytes(bytes) => digest(bytes),
                other => return Err(wanted(row, other, "a text or bytes")),
            });
            Ok(())
        })?;
        self.hold(made, bounds)
    }
}
