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

/// Such rows of one file, each with its position behind it.
pub fn placed(rows: impl IntoIterator<Item = (String, u64)>, file: &str) -> Table<'static> {
    let (texts, positions): (Vec<String>, Vec<u64>) = rows.into_iter().unzip();
    let mut table = lines(texts);
    let object = |column: Column<'static>, name: &'static str| {
        let mut object = Column::new(Kind::Object, table.rows, Vec::new());
        object.children = vec![column.named(name)];
        object
    };
    let files = object(Column::constant_str(table.rows, file), "file");
    let positions = object(Column::int64s(Kind::Int64, positions.into_iter().map(|position| position as i64)), "position");
    table.set(Role::SOURCE_PARTITION, files);
    table.set(Role::SOURCE_OFFSET, positions);
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
