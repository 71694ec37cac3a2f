//! Columns of made-up values.

use std::ops::Range;

use millstream_sdk::batch::{Column, Kind};

use crate::quickstart::{FieldSpec, Values};

/// A field ready to make columns: its words are written out.
#[derive(Debug)]
pub(crate) struct FieldMaker {
    name: &'static str,
    values: Maker,
    /// Tells the random numbers of this field from those of every other.
    stream: u64,
}

#[derive(Debug)]
enum Maker {
    Count,
    Steps { start: i64, step: i64 },
    Int { min: i32, max: i32 },
    Long { min: i64, max: i64 },
    Double { min: f64, max: f64 },
    Words(Vec<String>),
    Struct(Vec<FieldMaker>),
}

impl FieldMaker {
    /// Makers of these fields, whose random numbers all come from one seed.
    pub(crate) fn all(fields: &[FieldSpec], seed: u64) -> Vec<Self> {
        (1..).zip(fields).map(|(number, field)| Self::new(field, mix(seed ^ mix(number)))).collect()
    }

    fn new(field: &FieldSpec, stream: u64) -> Self {
        let values = match field.values {
            Values::Count => Maker::Count,
            Values::Steps { start, step } => Maker::Steps { start, step },
            Values::Int { min, max } => Maker::Int { min, max },
            Values::Long { min, max } => Maker::Long { min, max },
            Values::Double { min, max } => Maker::Double { min, max },
            Values::Words(words) => Maker::Words(words.iter().map(|&word| word.to_owned()).collect()),
            Values::Numbered { prefix, min, max } => {
                Maker::Words((min..=max).map(|number| format!("{prefix}{number}")).collect())
            }
            Values::Struct { fields, .. } => Maker::Struct(Self::all(fields, stream)),
        };
        Self { name: field.name, values, stream }
    }

    /// The values of some records, given by their numbers.
    pub(crate) fn column(&self, records: Range<u64>) -> Column<'static> {
        let rows = (records.end - records.start) as u32;
        let column = match &self.values {
            Maker::Count => fixed(Kind::Int32, records.map(|record| (record as i32).to_le_bytes())),
            Maker::Steps { start, step } => {
                let value = |record: u64| start.wrapping_add(step.wrapping_mul(record as i64));
                fixed(Kind::Int64, records.map(|record| value(record).to_le_bytes()))
            }
            Maker::Int { min, max } => {
                let span = (i64::from(*max) - i64::from(*min) + 1) as u64;
                let value = |record| (i64::from(*min) + self.below(record, span) as i64) as i32;
                fixed(Kind::Int32, records.map(|record| value(record).to_le_bytes()))
            }
            Maker::Long { min, max } => {
                let span = (max - min + 1) as u64;
                let value = |record| min + self.below(record, span) as i64;
                fixed(Kind::Int64, records.map(|record| value(record).to_le_bytes()))
            }
            Maker::Double { min, max } => {
                // 53 random bits make a number from 0 up to, but without, 1.
                let unit = |record| (self.random(record) >> 11) as f64 / (1_u64 << 53) as f64;
                fixed(Kind::Float64, records.map(|record| (min + unit(record) * (max - min)).to_le_bytes()))
            }
            Maker::Words(words) => {
                let word = |record| words[self.below(record, words.len() as u64) as usize].as_str();
                Column::strings(records.map(word))
            }
            Maker::Struct(fields) => {
                let children = fields.iter().map(|field| field.column(records.clone())).collect();
                Column::new(Kind::Struct, rows, Vec::new()).with_children(children)
            }
        };
        column.named(self.name)
    }

    fn random(&self, record: u64) -> u64 {
        mix(self.stream.wrapping_add(record.wrapping_mul(0x9e37_79b9_7f4a_7c15)))
    }

    /// A number from 0 up to, but without, `limit`.
    fn below(&self, record: u64, limit: u64) -> u64 {
        ((u128::from(self.random(record)) * u128::from(limit)) >> 64) as u64
    }
}

fn fixed<const N: usize>(kind: Kind, values: impl Iterator<Item = [u8; N]>) -> Column<'static> {
    let data: Vec<u8> = values.flatten().collect();
    Column::new(kind, (data.len() / N) as u32, data)
}

/// Spreads a number over all bits, so that neighbours have nothing in common (the finaliser of
/// SplitMix64).
pub(crate) fn mix(number: u64) -> u64 {
    let number = (number ^ (number >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let number = (number ^ (number >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    number ^ (number >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Quickstart;

    #[test]
    fn a_record_does_not_depend_on_the_batch_it_is_in() {
        for (_, kind) in Quickstart::NAMES {
            for field in FieldMaker::all(kind.fields(), 7) {
                let whole = field.column(0..100);
                let part = field.column(40..60);
                let taken = whole.take(&(40..60).collect::<Vec<u32>>());
                assert_eq!(format!("{part:?}"), format!("{taken:?}"));
            }
        }
    }

    #[test]
    fn values_stay_within_their_bounds_and_reach_them() {
        let spec = FieldSpec { name: "n", values: Values::Int { min: -2, max: 2 } };
        let column = FieldMaker::new(&spec, 1).column(0..1000);
        let values: std::collections::BTreeSet<i32> = (0..1000).map(|row| column.int32(row)).collect();
        assert_eq!(values.into_iter().collect::<Vec<_>>(), [-2, -1, 0, 1, 2]);
        let spec = FieldSpec { name: "d", values: Values::Double { min: 0.1, max: 10.0 } };
        let column = FieldMaker::new(&spec, 1).column(0..1000);
        assert!((0..1000).all(|row| (0.1..10.0).contains(&column.float64(row))));
    }
}
