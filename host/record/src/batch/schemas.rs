//! The schemas of a batch, and the cache that spares parsing them for every batch.

use std::{
    borrow::Cow,
    collections::HashMap,
    sync::{Arc, Mutex, OnceLock},
};

use super::{
    layout::NO_SCHEMA_16,
    schema_codec,
    variant::{CannotEncode, SchemaNumbers},
};
use crate::{Schema, SchemaType};

/// Schemas kept parsed; when there are more, the cache starts anew.
const MAX_CACHED: usize = 4096;

#[derive(Default)]
struct Cache {
    by_bytes: HashMap<Arc<[u8]>, Known>,
    /// Schemas by the numbers that the host of this plugin gave them.
    by_number: HashMap<u32, Known>,
    /// Schemas by the numbers that this process gave them.
    by_own_number: HashMap<u32, Known>,
    /// Encoded forms of schemas that were met as values, by address; the `Arc` keeps the address taken.
    by_address: HashMap<usize, Known>,
    newest: u32,
}

/// A schema, its bytes and the number this process gave it.
#[derive(Clone)]
struct Known {
    number: u32,
    bytes: Arc<[u8]>,
    schema: Arc<Schema>,
}

fn cache() -> std::sync::MutexGuard<'static, Cache> {
    static CACHE: OnceLock<Mutex<Cache>> = OnceLock::new();
    // A panic while the lock was held leaves at worst an entry missing.
    CACHE.get_or_init(Mutex::default).lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}

impl Cache {
    fn insert(&mut self, bytes: &[u8], schema: Arc<Schema>) -> Known {
        if MAX_CACHED <= self.by_bytes.len() {
            // Numbers go on counting, so that none ever means two schemas.
            *self = Self { newest: self.newest, ..Self::default() };
        }
        self.newest += 1;
        let known = Known { number: self.newest, bytes: bytes.into(), schema };
        self.by_bytes.insert(Arc::clone(&known.bytes), known.clone());
        self.by_own_number.insert(known.number, known.clone());
        known
    }

    fn of_bytes(&mut self, bytes: &[u8]) -> Result<Known, schema_codec::InvalidSchemaBytes> {
        match self.by_bytes.get(bytes) {
            Some(known) => Ok(known.clone()),
            None => {
                let schema = Arc::new(schema_codec::decode(bytes)?);
                Ok(self.insert(bytes, schema))
            }
        }
    }

    /// The schema of bytes that somebody gives a number. The number is not believed, but if it is this process's own, one
    /// comparison of bytes replaces hashing them.
    fn of_hint(&mut self, number: u32, bytes: &[u8]) -> Result<Known, schema_codec::InvalidSchemaBytes> {
        match self.by_own_number.get(&number) {
            Some(known) if *known.bytes == *bytes => Ok(known.clone()),
            _ => self.of_bytes(bytes),
        }
    }

    fn of_schema(&mut self, schema: &Arc<Schema>) -> Result<Known, CannotEncode> {
        let address = Arc::as_ptr(schema) as usize;
        if let Some(known) = self.by_address.get(&address).filter(|known| Arc::ptr_eq(&known.schema, schema)) {
            return Ok(known.clone());
        }
        let mut bytes = Vec::new();
        schema_codec::encode(schema, &mut bytes)?;
        let known = match self.by_bytes.get(bytes.as_slice()) {
            Some(known) => known.clone(),
            None => self.insert(&bytes, Arc::clone(schema)),
        };
        if MAX_CACHED <= self.by_address.len() {
            self.by_address.clear();
        }
        self.by_address.insert(address, Known { schema: Arc::clone(schema), ..known.clone() });
        Ok(known)
    }
}

/// The canonical copy of a schema: equal schemas give the same `Arc`, so that comparing addresses
/// is enough afterwards.
///
/// # Errors
///
/// A schema that no batch can carry.
pub fn intern(schema: &Arc<Schema>) -> Result<Arc<Schema>, CannotEncode> {
    let known = cache().of_schema(schema)?;
    let canonical = cache().by_bytes.get(&*known.bytes).map(|known| Arc::clone(&known.schema));
    Ok(canonical.unwrap_or(known.schema))
}

/// A schema of a batch.
#[derive(Clone, Debug)]
pub struct SchemaEntry<'a> {
    /// What the host calls the schema; 0 if the writer was no host.
    pub number: u32,
    /// In the batch's own encoding; read when the schema is first asked for.
    pub bytes: Cow<'a, [u8]>,
    parsed: OnceLock<Arc<Schema>>,
}

/// The schemas of a batch, each named by its place.
#[derive(Clone, Debug, Default)]
pub struct SchemaTable<'a> {
    entries: Vec<SchemaEntry<'a>>,
}

impl<'a> SchemaTable<'a> {
    /// Appends a schema that was read from a batch; parses it when it is first asked for.
    pub(super) fn push_bytes(&mut self, number: u32, bytes: &'a [u8]) {
        self.entries.push(SchemaEntry { number, bytes: Cow::Borrowed(bytes), parsed: OnceLock::new() });
    }

    /// Parses and numbers every schema now, refusing damaged ones with their places.
    pub(super) fn check(&mut self) -> Result<(), (usize, schema_codec::InvalidSchemaBytes)> {
        if self.entries.is_empty() {
            return Ok(());
        }
        let mut cache = cache();
        for (place, entry) in self.entries.iter_mut().enumerate() {
            let known = cache.of_hint(entry.number, &entry.bytes).map_err(|invalid| (place, invalid))?;
            entry.number = known.number;
            entry.parsed = OnceLock::from(known.schema);
        }
        Ok(())
    }

    /// The entries in order.
    pub fn entries(&self) -> &[SchemaEntry<'a>] {
        &self.entries
    }

    /// The schema at a place of a table that was [checked](Self::check) as a whole.
    pub(super) fn checked(&self, place: u16) -> &Arc<Schema> {
        self.entries[usize::from(place)].parsed.get().expect("every schema was parsed")
    }

    /// The schema at a place; an empty struct if there is none, which no validated batch can ask for.
    pub fn get(&self, place: u16) -> Arc<Schema> {
        let Some(entry) = self.entries.get(usize::from(place)) else {
            return Arc::new(Schema::new(SchemaType::Struct(Vec::new())));
        };
        Arc::clone(entry.parsed.get_or_init(|| {
            if entry.number != 0
                && let Some(known) = cache().by_number.get(&entry.number)
            {
                return Arc::clone(&known.schema);
            }
            let known = cache().of_bytes(&entry.bytes);
            match known {
                Ok(known) => {
                    if entry.number != 0 {
                        let mut cache = cache();
                        if MAX_CACHED <= cache.by_number.len() {
                            cache.by_number.clear();
                        }
                        cache.by_number.insert(entry.number, known.clone());
                    }
                    known.schema
                }
                Err(_) => Arc::new(Schema::new(SchemaType::Struct(Vec::new()))),
            }
        }))
    }

    /// The place of a schema, which is added if it is new.
    ///
    /// # Errors
    ///
    /// A schema that cannot be encoded, or one too many (65,534 fit).
    pub fn place(&mut self, schema: &Arc<Schema>) -> Result<u16, CannotEncode> {
        let same = |entry: &SchemaEntry<'_>| entry.parsed.get().is_some_and(|parsed| Arc::ptr_eq(parsed, schema));
        if let Some(place) = self.entries.iter().position(same) {
            return Ok(place as u16);
        }
        let known = cache().of_schema(schema)?;
        if let Some(place) = self.entries.iter().position(|entry| *entry.bytes == *known.bytes) {
            return Ok(place as u16);
        }
        let place = u16::try_from(self.entries.len()).ok().filter(|&place| place < NO_SCHEMA_16);
        let place = place.ok_or(CannotEncode::TooManySchemas)?;
        self.entries.push(SchemaEntry {
            number: known.number,
            bytes: Cow::Owned(known.bytes.to_vec()),
            parsed: OnceLock::from(known.schema),
        });
        Ok(place)
    }

    /// Detaches the table from the batch it was read from.
    pub fn into_owned(self) -> SchemaTable<'static> {
        let owned = |entry: SchemaEntry<'a>| SchemaEntry {
            number: entry.number,
            bytes: Cow::Owned(entry.bytes.into_owned()),
            parsed: entry.parsed,
        };
        SchemaTable { entries: self.entries.into_iter().map(owned).collect() }
    }
}

impl SchemaNumbers for SchemaTable<'_> {
    fn number(&mut self, schema: &Arc<Schema>) -> Option<u16> {
        self.place(schema).ok()
    }
}
