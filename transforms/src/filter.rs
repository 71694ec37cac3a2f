//! Filter: drops every record it is applied to; meant to be used with a predicate.

use millstream_sdk::{Info, Records, Result, Transform};

/// The transform.
pub struct Filter;

impl Transform for Filter {
    const INFO: Info = Info::new("org.apache.kafka.connect.transforms.Filter")
        .version(crate::KAFKA_VERSION)
        .doc("Drops records. Without a predicate it drops all of them.");
    type Config = ();

    fn configure(_: ()) -> Result<Self> {
        Ok(Self)
    }

    fn apply(&mut self, records: &mut Records<'_>) -> Result<()> {
        let active = records.active();
        records.filter_all(active.into_iter().map(|row| row as usize));
        Ok(())
    }
}
