//! Batches, good and bad.

use millstream_record::batch::{Batch, Column, ColumnBuilder, Kind, Limits, Role, Table, Union};

/// Reads what the host passed.
pub fn received(bytes: Vec<u8>) -> Batch {
    Batch::validate(bytes, &Limits::DEFAULT).expect("the host passes valid batches")
}

/// Rows of one topic with these texts as values.
pub fn lines(texts: impl IntoIterator<Item = String>) -> Table<'static> {
    let mut column = ColumnBuilder::new();
    let mut rows = 0;
    for text in texts {
        column.push_str(&text);
        rows += 1;
    }
    let mut table = Table::new(rows);
    table.set(Role::TOPIC, Column::constant_str(rows, "lines"));
    table.values = Union::single(None, column.finish());
    table
}

/// The column of origins with these numbers.
pub fn origins(numbers: &[i32]) -> Column<'static> {
    let bytes: Vec<u8> = numbers.iter().flat_map(|number| number.to_le_bytes()).collect();
    Column::new(Kind::Int32, numbers.len() as u32, bytes)
}

/// Two columns whose buffers are the same bytes.
pub fn overlapping() -> Vec<u8> {
    let mut table = lines(["a".into(), "b".into()]);
    table.set(Role::TIMESTAMP, Column::int64s(Kind::Int64, [1, 2]));
    table.set(Role::OFFSET, Column::int64s(Kind::Int64, [3, 4]));
    let mut bytes = table.write();
    let directory = word(&bytes, 16);
    let nodes = word(&bytes, 12);
    let node = |role: Role| {
        let at = |node: usize| directory + node * 40;
        at((0..nodes).find(|&node| bytes[at(node) + 2] == role.0).expect("it was set above"))
    };
    let (from, to) = (node(Role::TIMESTAMP), node(Role::OFFSET));
    let buffer = bytes[from + 28..from + 32].to_vec();
    bytes[to + 28..to + 32].copy_from_slice(&buffer);
    bytes
}

/// A batch that claims billions of rows.
pub fn huge() -> Vec<u8> {
    let mut bytes = lines(["a".into()]).write();
    bytes[8..12].copy_from_slice(&u32::MAX.to_le_bytes());
    bytes
}

fn word(bytes: &[u8], at: usize) -> usize {
    u32::from_le_bytes(bytes[at..at + 4].try_into().expect("four bytes")) as usize
}
