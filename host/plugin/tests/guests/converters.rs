//! Converters that come as plugins.

use millstream_connector::{ByteColumn, ConverterRole, InputRow, PluginError, Plugins, RowInput};
use millstream_record::Value;
use millstream_record::batch::{Batch, Column, HeadersBuilder, Role, SchemaTable, Side, Table, UnionBuilder};

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
    let mut converter =
        plugins.converter(&"OddConverter".into(), &task(), ConverterRole::Value, &settings).await.unwrap();
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
        let mut converter =
            plugins.converter(&"OddConverter".into(), &task(), ConverterRole::Value, &settings).await.unwrap();
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

/// Records with these headers each.
fn with_headers(rows: &[&[(&str, Value)]]) -> Batch {
    let mut table = Table::new(rows.len() as u32);
    table.set(Role::TOPIC, Column::constant_str(rows.len() as u32, "lines"));
    let mut headers = HeadersBuilder::default();
    for row in rows {
        row.iter().for_each(|(key, value)| headers.push(key, None, value, &mut table.schemas).unwrap());
        headers.end_row();
    }
    table.set(Role::HEADERS, headers.finish().unwrap());
    table.into_batch()
}

fn headers(batch: &Batch) -> Vec<Vec<(String, Value)>> {
    let table = batch.open();
    let of_row = |row: usize| {
        let column = table.get(Role::HEADERS).filter(|_| table.is_selected(row));
        let headers = column.into_iter().flat_map(|column| column.headers(row));
        headers.map(|header| (header.key.to_owned(), header.datum(&table.schemas).1)).collect()
    };
    (0..table.rows as usize).map(of_row).collect()
}

fn bytes(text: &str) -> Value {
    Value::Bytes(text.into())
}

#[tokio::test]
async fn headers_of_a_whole_batch_become_bytes_and_bytes_become_headers() {
    let plugins = plugins().await;
    let mut converter = plugins
        .header_converter(&"OddHeaderConverter".into(), &task(), &config(&[("behaviour", "good")]))
        .await
        .unwrap();
    let data = with_headers(&[&[("a", "x".into()), ("a", Value::Null)], &[], &[("b", Value::Int8(7))]]);
    let outcome = converter.from_connect(&data).await.unwrap();
    assert_eq!(outcome.errors.iter().map(|error| error.row).collect::<Vec<_>>(), [2]);
    let expected = vec![vec![("a".to_owned(), bytes("<x>")), ("a".to_owned(), Value::Null)], vec![], vec![]];
    assert_eq!(headers(&outcome.batch), expected);

    let consumed = with_headers(&[&[("a", bytes("<x>")), ("b", Value::Null)], &[("c", bytes("bare"))]]);
    let outcome = converter.to_connect(&consumed).await.unwrap();
    assert_eq!(outcome.errors[0].row, 1);
    assert_eq!(outcome.errors[0].failure.message, "no marked text");
    let expected = vec![vec![("a".to_owned(), "x".into()), ("b".to_owned(), Value::Null)], vec![]];
    assert_eq!(headers(&outcome.batch), expected);
}

#[tokio::test]
async fn a_header_converter_that_breaks_or_changes_which_headers_there_are_is_replaced() {
    let plugins = plugins().await;
    let (data, consumed) = (with_headers(&[&[("a", "x".into())]]), with_headers(&[&[("a", bytes("<x>"))]]));
    for (behaviour, part) in [
        ("panic", "odd on purpose"),
        ("loop", "ran longer than 300 ms"),
        ("rename", "changed which headers row 0 has"),
        ("text", "into something else than bytes"),
    ] {
        let settings = config(&[("behaviour", behaviour)]);
        let mut converter = plugins.header_converter(&"OddHeaderConverter".into(), &task(), &settings).await.unwrap();
        // Which is allowed where bytes become data.
        if behaviour != "text" {
            expect_broken(converter.to_connect(&consumed).await, behaviour, part);
        }
        expect_broken(converter.from_connect(&data).await, behaviour, part);
    }
    assert!(
        plugins.header_converter(&"OddConverter".into(), &task(), &config(&[("behaviour", "good")])).await.is_err()
    );
}

#[track_caller]
fn expect_broken<T: std::fmt::Debug>(outcome: Result<T, PluginError>, behaviour: &str, part: &str) {
    match outcome {
        Err(PluginError::Broken { reason, .. }) => assert!(reason.contains(part), "{behaviour}: {reason}"),
        other => panic!("{behaviour}: {other:?}"),
    }
}
