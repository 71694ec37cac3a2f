//! Converters that come as plugins.

use millstream_connector::{ByteColumn, ConverterRole, InputRow, PluginError, Plugins, RowInput};
use millstream_record::batch::{SchemaTable, Side, Table, UnionBuilder};

use crate::support::{config, lines, plugins, task};

struct Rows(Vec<Option<&'static [u8]>>);

impl RowInput for Rows {
    fn len(&self) -> usize {
        self.0.len()
    }
    fn row(&self, at: usize) -> InputRow<'_> {
        InputRow { bytes: self.0[at] }
    }
}

#[tokio::test]
async fn bytes_become_data_and_data_becomes_bytes() {
    let plugins = plugins().await;
    let settings = config(&[("behaviour", "good")]);
    let mut converter = plugins.converter("OddConverter", &task(), ConverterRole::Value, &settings).await.unwrap();
    let input = Rows(vec![Some(b"one"), None, Some(b"\xff"), Some(b"four")]);
    let (mut schemas, mut out, mut errors) = (SchemaTable::default(), UnionBuilder::default(), Vec::new());
    let taken = converter.to_connect("topic", &input, &mut schemas, &mut out, &mut errors).await.unwrap();
    assert_eq!(taken, 4);
    assert_eq!(errors.iter().map(|error| error.row).collect::<Vec<_>>(), [2]);
    let mut table = Table::new(4);
    table.values = out.finish(&mut schemas).unwrap();
    table.schemas = schemas;
    let batch = table.into_batch();
    let values: Vec<String> = batch.open().data(Side::Value).iter().map(|(_, value)| format!("{value:?}")).collect();
    assert_eq!(values, [r#"String("one")"#, "Null", "Null", r#"String("four")"#]);

    let mut bytes = ByteColumn::default();
    let mut errors = Vec::new();
    converter.from_connect(&lines(&["a", "bc"]), Side::Value, &mut bytes, &mut errors).await.unwrap();
    assert_eq!((bytes.get(0), bytes.get(1)), (Some(&b"a"[..]), Some(&b"bc"[..])));
    assert!(errors.is_empty());
}

#[tokio::test]
async fn a_converter_that_breaks_or_leaves_rows_out_is_replaced() {
    let plugins = plugins().await;
    for (behaviour, part) in
        [("panic", "odd on purpose"), ("loop", "ran longer than 300 ms"), ("filter", "left out 1 rows")]
    {
        let settings = config(&[("behaviour", behaviour)]);
        let mut converter = plugins.converter("OddConverter", &task(), ConverterRole::Value, &settings).await.unwrap();
        let (mut schemas, mut out, mut errors) = (SchemaTable::default(), UnionBuilder::default(), Vec::new());
        let input = Rows(vec![Some(b"one"), Some(b"two")]);
        let mut bytes = ByteColumn::default();
        let results = [
            converter.to_connect("topic", &input, &mut schemas, &mut out, &mut errors).await.map(|_| ()),
            converter.from_connect(&lines(&["a", "b"]), Side::Value, &mut bytes, &mut errors).await,
        ];
        // The second call goes to a new instance: it fails for the same reason, not for the first fault.
        for result in results {
            match result {
                Err(PluginError::Broken { reason, .. }) => assert!(reason.contains(part), "{behaviour}: {reason}"),
                other => panic!("{behaviour}: {other:?}"),
            }
        }
        assert!(bytes.is_empty() && out.rows() == 0 && errors.is_empty(), "{behaviour}");
    }
}
