//! JSON without an envelope, for columns that are no messages: a text with the values of all rows, and back.

use std::sync::Arc;

use millstream_connector::Failure;
use millstream_record::{
    Schema,
    batch::{CannotEncode, Column, ColumnBuilder, SchemaTable, UnionBuilder},
};

use super::{
    cannot_decode,
    decode::{self, CannotDecode, Filled},
    encode::{self, Plan},
    malformed,
    node::Node,
    scan::Scanner,
    schema,
};
use crate::{ReadLimits, trees::data};

/// As a column's values are written: numbers as numbers, nulls as they are.
const WRITE: encode::Settings = encode::Settings { numeric_decimals: true, replace_null: false };

/// A column made ready for writing its rows as JSON.
pub struct JsonRows<'t, 'a>(Plan<'t, 'a>);

impl<'t, 'a> JsonRows<'t, 'a> {
    /// Of a column and its schema.
    ///
    /// # Errors
    ///
    /// A column that does not go with the schema.
    pub fn new(column: &'t Column<'a>, schema: Option<&'t Arc<Schema>>) -> Result<Self, Failure> {
        Plan::new(column, schema, &WRITE).map(Self)
    }

    /// Appends the value of a row.
    ///
    /// # Errors
    ///
    /// A value that has no JSON, such as a date without a schema; what was appended is of no use then.
    pub fn write(&self, row: usize, schemas: &SchemaTable<'_>, out: &mut Vec<u8>) -> Result<(), Failure> {
        self.0.write(row, &WRITE, schemas, out)
    }
}

/// Appends a text as JSON.
pub fn write_json_text(text: &str, out: &mut Vec<u8>) {
    encode::write_text(text, out);
}

/// Reads a schema in the form that it has in an envelope; `null` is none.
///
/// # Errors
///
/// A text that is no JSON or no schema.
pub fn read_json_schema(text: &str, limits: ReadLimits) -> Result<Option<Arc<Schema>>, Failure> {
    let mut scanner = Scanner::new(text, limits);
    let node = Node::read(&mut scanner, 0).and_then(|node| ended(&mut scanner).map(|()| node));
    let schema = schema::read(&node.map_err(|error| malformed(error, text))?)?.map(Arc::new);
    Ok(schema.map(|schema| millstream_record::batch::intern(&schema).unwrap_or(schema)))
}

/// A schema in the form that it has in an envelope.
///
/// # Errors
///
/// A default that its own schema cannot write.
pub fn write_json_schema(schema: &Schema, out: &mut Vec<u8>) -> Result<(), Failure> {
    schema::write(schema, &WRITE, out)
}

/// Reads the elements of an array, each under the schema that `schema_of` has for its number. Those that do not go with
/// theirs are null, and `failed` hears of them. Returns how many there are.
///
/// # Errors
///
/// A text that is no JSON array, more elements than `most`, or one schema too many.
pub fn read_json_array(
    text: &str,
    most: usize,
    limits: ReadLimits,
    schema_of: &dyn Fn(usize) -> Option<Arc<Schema>>,
    out: &mut UnionBuilder,
    failed: &mut dyn FnMut(usize, Failure),
) -> Result<usize, Failure> {
    let mut scanner = Scanner::new(text, limits);
    let no_json = |error| malformed(error, text);
    scanner.expect(b'[', "an array was expected").map_err(no_json)?;
    let mut count = 0;
    if !scanner.accept(b']') {
        loop {
            if count == most {
                return Err(data(format!("the JSON array has more than {most} elements")));
            }
            let schema = schema_of(count);
            let builder = out.row(schema.as_ref()).ok_or_else(|| data(CannotEncode::TooManySchemas.to_string()))?;
            if let Err(failure) = read_value(&mut scanner, schema.as_ref(), builder, 1)? {
                failed(count, failure);
            }
            count += 1;
            if !scanner.more(b']').map_err(no_json)? {
                break;
            }
        }
    }
    ended(&mut scanner).map_err(no_json)?;
    Ok(count)
}

/// Reads a text that is one value, and appends it. Whatever is wrong with it is the inner result, and null is appended.
///
/// # Errors
///
/// None at present: the outer result is for what concerns the whole column.
pub fn read_json(
    text: &str,
    schema: Option<&Arc<Schema>>,
    limits: ReadLimits,
    out: &mut ColumnBuilder,
) -> Result<(), Failure> {
    let rows = out.rows();
    let mut scanner = Scanner::new(text, limits);
    let read = match read_value(&mut scanner, schema, out, 0) {
        Ok(read) => read.and_then(|()| ended(&mut scanner).map_err(|error| malformed(error, text))),
        Err(failure) => Err(failure),
    };
    if read.is_err() {
        out.truncate(rows);
        out.abandon();
        out.push_null();
    }
    read
}

/// Appends the next value. One that is JSON and does not go with its schema is stepped over: null is appended.
fn read_value(
    scanner: &mut Scanner<'_>,
    schema: Option<&Arc<Schema>>,
    out: &mut ColumnBuilder,
    depth: usize,
) -> Result<Result<(), Failure>, Failure> {
    let text = scanner.whole();
    let Some(schema) = schema else {
        return match decode::schemaless(scanner, out, depth) {
            Ok(()) => Ok(Ok(())),
            Err(error) => Err(malformed(error, text)),
        };
    };
    let (begin, rows) = (scanner.position(), out.rows());
    let filled = Filled::new(scanner.limits().filled_max_bytes);
    let settings = decode::Settings { replace_null: false, filled: &filled };
    match decode::typed(scanner, schema, out, settings, depth) {
        Ok(()) => Ok(Ok(())),
        Err(error @ CannotDecode::Malformed(_)) => Err(cannot_decode(error, text)),
        Err(CannotDecode::Data(failure)) => {
            scanner.set_position(begin);
            scanner.skip(depth).map_err(|error| malformed(error, text))?;
            out.truncate(rows);
            out.abandon();
            out.push_null();
            Ok(Err(failure))
        }
    }
}

fn ended(scanner: &mut Scanner<'_>) -> Result<(), super::Malformed> {
    if scanner.peek() == 0 && scanner.rest().is_empty() { Ok(()) } else { scanner.fail("the end was expected") }
}

#[cfg(test)]
mod tests {
    use millstream_record::{SchemaType, Value};

    use super::*;

    #[test]
    fn an_array_is_read_element_by_element_and_what_does_not_fit_is_null() {
        let schema = Arc::new(Schema::new(SchemaType::Boolean));
        let mut out = UnionBuilder::default();
        let mut failed = Vec::new();
        let text = r#" [true, {"a": [1]}, "no" , 3 ] "#;
        let schema_of = |row: usize| (row != 1).then(|| Arc::clone(&schema));
        let read = read_json_array(text, 9, ReadLimits::DEFAULT, &schema_of, &mut out, &mut |row, _| failed.push(row));
        assert_eq!(read, Ok(4));
        let mut schemas = SchemaTable::default();
        let union = out.finish(&mut schemas).expect("fits");
        assert_eq!(union.tags.as_deref(), Some(&[0, 1, 0, 0][..]));
        assert_eq!(union.blocks[0].column.value(0, Some(&schema), &schemas), Value::Boolean(true));
        for (text, most, says) in [
            ("{}", 9, "an array was expected"),
            ("[1", 9, "closing bracket"),
            ("[1] 2", 9, "the end was expected"),
            ("[1,2]", 1, "more than 1 elements"),
        ] {
            let failure = read_json_array(
                text,
                most,
                ReadLimits::DEFAULT,
                &|_| None,
                &mut UnionBuilder::default(),
                &mut |_, failure| panic!("{failure}"),
            )
            .expect_err("refused");
            assert!(
                failure.message.contains(says) || failure.causes.iter().any(|cause| cause.contains(says)),
                "{failure:?}"
            );
        }
    }

    #[test]
    fn a_text_that_is_no_json_is_null_and_says_why() {
        let mut out = ColumnBuilder::new();
        assert!(read_json("[1, {\"a\":", None, ReadLimits::DEFAULT, &mut out).is_err());
        assert!(read_json("{\"a\": 1} x", None, ReadLimits::DEFAULT, &mut out).is_err());
        assert_eq!(read_json("{\"a\": 1}", None, ReadLimits::DEFAULT, &mut out), Ok(()));
        let column = out.finish();
        assert_eq!((column.rows, column.is_null(0), column.is_null(1), column.is_null(2)), (3, true, true, false));
    }
}
