//! Batches as a hostile plugin might hand them over.

use millstream_connector::{ByteColumn, ConverterRole};
use millstream_record::batch::{Batch, Limits, Role, Side, Table};

use super::support::ready;

/// Converters that write every kind of value, each with its configuration.
const CONVERTERS: [(&str, &[(&str, &str)]); 4] = [
    ("org.apache.kafka.connect.json.JsonConverter", &[("schemas.enable", "true")]),
    ("org.apache.kafka.connect.json.JsonConverter", &[("schemas.enable", "false"), ("decimal.format", "NUMERIC")]),
    ("org.apache.kafka.connect.storage.StringConverter", &[]),
    ("org.apache.kafka.connect.converters.ByteArrayConverter", &[]),
];

/// Limits under which one input takes milliseconds at most.
pub const LIMITS: Limits =
    Limits { max_rows: 4096, max_bytes: 1 << 20, max_columns: 2048, max_expanded_bytes: 1 << 20 };

/// Takes bytes as they might come from a hostile plugin. True if they are a batch; then every view has read all of it,
/// every converter has written all of it, and what was written from it is a batch with the same rows.
pub fn batch(bytes: &[u8]) -> bool {
    let Ok(batch) = Batch::validate(bytes.to_vec(), &LIMITS) else { return false };
    let table = batch.open();
    read_everything(&table);
    write_everything(&batch);
    let again = Batch::validate(table.write(), &Limits::DEFAULT).expect("what was written from a batch is a batch");
    assert_eq!(again.rows(), batch.rows());
    let rows = table.rows;
    let odd: Vec<u32> = (0..rows).filter(|row| row % 2 == 1).collect();
    let taken = Batch::validate(table.take(&odd).write(), &Limits::DEFAULT).expect("chosen rows are a batch");
    assert_eq!(taken.rows() as usize, odd.len());
    let mut split = again.open();
    for side in [Side::Key, Side::Value] {
        for block in 0..split.side(side).blocks.len() {
            // None means that there are too many blocks already.
            let _ = split.side_mut(side).split(block, &|row| row % 3 == 0, rows as usize);
        }
    }
    split.deselect((0..rows as usize).filter(|row| row % 5 == 0));
    Batch::validate(split.write(), &Limits::DEFAULT).expect("a batch whose blocks were split is a batch");
    true
}

fn read_everything(table: &Table<'_>) -> usize {
    let mut seen = table.selected();
    for side in [Side::Key, Side::Value] {
        seen += table.data(side).iter().map(|(_, value)| value.java_class().len()).sum::<usize>();
        seen += table.side(side).places(table.rows as usize).flatten().map(|place| place.row).sum::<usize>();
    }
    for (role, column) in &table.envelope {
        for row in 0..table.rows as usize {
            seen += usize::from(column.is_present(row)) + usize::from(column.is_null(row));
            seen += column.value(row, None, &table.schemas).java_class().len();
            for header in column.headers(row) {
                seen += header.key.len() + header.datum(&table.schemas).1.java_class().len();
            }
            if [Role::TOPIC, Role::ORIGINAL_TOPIC].contains(role) && !column.is_null(row) {
                seen += column.str(row).len();
            }
            seen += table.integer(*role, row).is_some_and(|number| number < 0) as usize;
            seen += usize::from(table.is_selected(row)) + table.topic(row).map_or(0, str::len);
        }
    }
    seen
}

fn write_everything(batch: &Batch) {
    for (class, settings) in CONVERTERS {
        let config = settings.iter().map(|(key, value)| ((*key).to_owned(), Some((*value).to_owned()))).collect();
        for (role, side) in [(ConverterRole::Key, Side::Key), (ConverterRole::Value, Side::Value)] {
            let mut converter =
                millstream_convert::native(class, role, &config).expect("a known class").expect("a good configuration");
            let (mut bytes, mut errors) = (ByteColumn::default(), Vec::new());
            ready(converter.from_connect(batch, side, &mut bytes, &mut errors))
                .expect("native converters do not break");
            assert_eq!(bytes.len(), batch.rows() as usize, "{class} writes a row for each");
            assert!(errors.iter().all(|error| error.row < batch.rows()));
        }
    }
}
