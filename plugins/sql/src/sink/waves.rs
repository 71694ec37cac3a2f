//! Divides a batch into runs: rows of one table and one shape, which one statement writes or deletes.
//!
//! Records of one key keep their order. Others need not, so that a batch with tombstones or several schemas in turn is still
//! written in few statements: a run takes rows as long as no other run of the same wave has their keys.

use std::{
    collections::{HashMap, hash_map::RandomState},
    hash::{BuildHasher, Hash, Hasher},
};

use millstream_sdk::batch::{Column, Kind, Place, Role, Side, Table};

/// What runs are told apart by, within a table.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct Shape {
    /// Block of the keys; none for records without.
    pub key: Option<usize>,
    /// Block of the values; none for rows that are deleted.
    pub value: Option<usize>,
}

/// Rows of one table for one statement.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Run {
    /// Number of the table.
    pub table: usize,
    pub shape: Shape,
    /// In the batch's order.
    pub rows: Vec<u32>,
}

/// A row that is to be written or deleted.
#[derive(Clone, Copy, Debug)]
pub struct Item {
    pub row: u32,
    /// Number of its table, in the order in which tables were seen.
    pub table: usize,
    pub shape: Shape,
    /// Stands for the row's key; the same for equal keys. Zero for all where keys do not matter.
    pub key_hash: u64,
}

/// The runs in the order in which they are to be carried out: by tables as they were seen first, then by waves.
pub fn runs(items: &[Item], keys_matter: bool) -> Vec<Run> {
    let tables = items.iter().map(|item| item.table + 1).max().unwrap_or_default();
    let mut runs = Vec::new();
    for table in 0..tables {
        let mut wave = Wave { by_shape: HashMap::new(), holder: HashMap::new() };
        for item in items.iter().filter(|item| item.table == table) {
            let at = wave.by_shape.get(&item.shape).copied();
            if keys_matter && wave.holder.get(&item.key_hash).is_some_and(|holder| Some(*holder) != at) {
                wave = Wave { by_shape: HashMap::new(), holder: HashMap::new() };
            }
            let at = *wave.by_shape.entry(item.shape).or_insert_with(|| {
                runs.push(Run { table, shape: item.shape, rows: Vec::new() });
                runs.len() - 1
            });
            if keys_matter {
                wave.holder.insert(item.key_hash, at);
            }
            runs[at].rows.push(item.row);
        }
    }
    runs
}

struct Wave {
    by_shape: HashMap<Shape, usize>,
    /// The run that has a key.
    holder: HashMap<u64, usize>,
}

/// A bitmap of rows.
pub fn bitmap(rows: &[u32], of: u32) -> Vec<u8> {
    let mut bits = vec![0_u8; (of as usize).div_ceil(8)];
    rows.iter().for_each(|&row| bits[row as usize / 8] |= 1 << (row % 8));
    bits
}

/// Where a row's key or value stands, if it is not null.
pub fn filled(table: &Table<'_>, side: Side, place: Option<Place>) -> Option<Place> {
    place.filter(|place| !table.side(side).blocks[place.block].column.is_null(place.row))
}

/// Hashes keys, differently in each task.
#[derive(Clone, Debug, Default)]
pub struct KeyHash(RandomState);

impl KeyHash {
    /// Of some columns' values in a row. Equal values have the same hash, whatever the width of their numbers.
    pub fn of<'c, 'a: 'c>(&self, cells: impl Iterator<Item = (&'c Column<'a>, usize)>) -> u64 {
        let mut hasher = self.0.build_hasher();
        for (column, row) in cells {
            if column.is_null(row) {
                0_u8.hash(&mut hasher);
                continue;
            }
            match column.kind {
                Kind::Bool => i64::from(column.boolean(row)).hash(&mut hasher),
                Kind::Float32 => f64::from(column.float32(row)).to_bits().hash(&mut hasher),
                Kind::Float64 => column.float64(row).to_bits().hash(&mut hasher),
                Kind::String | Kind::Bytes => column.bytes(row).hash(&mut hasher),
                _ => match column.integer(row) {
                    Some(number) => number.hash(&mut hasher),
                    // Two of these may be equal and look different: they all count as the same.
                    None => 1_u8.hash(&mut hasher),
                },
            }
        }
        hasher.finish()
    }
}

/// Where records come from: topic, partition and offset before any transform.
pub struct Coordinates<'t, 'a>(pub &'t Table<'a>);

impl Coordinates<'_, '_> {
    /// Of a row.
    pub fn of(&self, row: usize) -> (&str, i64, i64) {
        let table = self.0;
        let topics = table.get(Role::ORIGINAL_TOPIC).filter(|topics| !topics.is_null(row));
        let topic = topics.map(|topics| topics.str(row)).or_else(|| table.topic(row)).unwrap_or_default();
        let number =
            |original, own| table.integer(original, row).or_else(|| table.integer(own, row)).unwrap_or_default();
        (topic, number(Role::ORIGINAL_PARTITION, Role::PARTITION), number(Role::ORIGINAL_OFFSET, Role::OFFSET))
    }

    /// For messages.
    pub fn shown(&self, row: usize) -> String {
        let (topic, partition, offset) = self.of(row);
        let timestamp = self.0.integer(Role::TIMESTAMP, row).map_or_else(|| "null".to_owned(), |ms| ms.to_string());
        format!("(topic='{topic}',partition={partition},offset={offset},timestamp={timestamp})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WRITE: Shape = Shape { key: Some(0), value: Some(0) };
    const NEWER: Shape = Shape { key: Some(0), value: Some(1) };
    const DELETE: Shape = Shape { key: Some(0), value: None };

    fn planned(items: &[(usize, Shape, u64)], keys_matter: bool) -> Vec<(usize, Shape, Vec<u32>)> {
        let items: Vec<Item> =
            (0..).zip(items).map(|(row, &(table, shape, key_hash))| Item { row, table, shape, key_hash }).collect();
        runs(&items, keys_matter).into_iter().map(|run| (run.table, run.shape, run.rows)).collect()
    }

    #[test]
    fn deletions_and_writes_of_different_keys_need_two_statements_however_they_alternate() {
        let items = [(0, WRITE, 1), (0, DELETE, 2), (0, WRITE, 3), (0, DELETE, 4), (0, WRITE, 1)];
        assert_eq!(planned(&items, true), [(0, WRITE, vec![0, 2, 4]), (0, DELETE, vec![1, 3])]);
    }

    #[test]
    fn records_of_one_key_keep_their_order() {
        let items = [(0, WRITE, 1), (0, DELETE, 1), (0, WRITE, 2), (0, WRITE, 1), (0, NEWER, 2)];
        assert_eq!(
            planned(&items, true),
            [(0, WRITE, vec![0]), (0, DELETE, vec![1]), (0, WRITE, vec![2]), (0, WRITE, vec![3]), (0, NEWER, vec![4])]
        );
    }

    #[test]
    fn tables_come_in_the_order_in_which_they_were_seen() {
        let items = [(0, WRITE, 1), (1, WRITE, 1), (0, NEWER, 1), (1, WRITE, 1), (0, WRITE, 9)];
        assert_eq!(planned(&items, false), [(0, WRITE, vec![0, 4]), (0, NEWER, vec![2]), (1, WRITE, vec![1, 3])]);
    }

    #[test]
    fn a_bitmap_has_the_rows() {
        assert_eq!(bitmap(&[0, 3, 8], 10), [0b1001, 0b1]);
    }

    /// Whatever comes: carried out run by run, each key sees its records in their order.
    #[test]
    fn no_order_of_a_key_is_ever_changed() {
        let mut seed = 7_u64;
        let mut random = |below: u64| {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (seed >> 33) % below
        };
        for _ in 0..300 {
            let items: Vec<Item> = (0..40)
                .map(|row| Item {
                    row,
                    table: random(2) as usize,
                    shape: [WRITE, NEWER, DELETE][random(3) as usize],
                    key_hash: random(6),
                })
                .collect();
            let runs = runs(&items, true);
            let order: Vec<u32> = runs.iter().flat_map(|run| run.rows.clone()).collect();
            assert_eq!(order.len(), items.len());
            for table in 0..2 {
                for key in 0..6 {
                    let is = |row: &u32| {
                        let item = items[*row as usize];
                        item.table == table && item.key_hash == key
                    };
                    assert!(order.iter().copied().filter(is).is_sorted());
                }
            }
        }
    }
}
