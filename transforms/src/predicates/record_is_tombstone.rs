//! RecordIsTombstone: records whose value is null.

use millstream_sdk::{Info, Predicate, Result, Verdict, batch::Table};

/// The predicate.
pub struct RecordIsTombstone;

impl Predicate for RecordIsTombstone {
    const INFO: Info = Info::new("org.apache.kafka.connect.transforms.predicates.RecordIsTombstone")
        .version(crate::KAFKA_VERSION)
        .doc("Holds for records whose value is null.");
    type Config = ();

    fn configure(_: ()) -> Result<Self> {
        Ok(Self)
    }

    fn test(&mut self, records: &Table<'_>, verdict: &mut Verdict) -> Result<()> {
        let values = &records.values;
        for (row, place) in values.places(records.rows as usize).enumerate() {
            verdict.set(row, place.is_none_or(|place| values.blocks[place.block].column.is_null(place.row)));
        }
        Ok(())
    }
}
