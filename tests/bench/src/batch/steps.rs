//! The steps of a record's way that are measured.

use std::hint::black_box;

use millstream_connector::Link;
use millstream_record::batch::{Batch, Column, Kind, Limits, VariantRef};

use crate::{
    forms::Form,
    guests::{Guests, link, native_chain, smt},
    json::{Encoder, decode},
    measure::Work,
};

/// A step.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Step {
    /// JSON to a batch.
    Decode,
    /// A batch to JSON.
    Encode,
    /// Checking a batch as it is checked behind each guest, a copy of its bytes included.
    Validate,
    /// The copy alone that `Validate` begins with, to be subtracted.
    Copy,
    /// Adding up one field.
    Read,
    /// Opening and writing.
    Identity,
    /// Masking one field and leaving out another.
    Edit,
    /// The same in a guest, validation and outcome check included.
    GuestLook,
    /// As above.
    GuestRead,
    /// As above.
    GuestIdentity,
    /// As above, in one transform.
    GuestEdit,
    /// As above, with two of the bundled transforms.
    GuestTwo,
    /// Masking, leaving out and inserting, with the bundled transforms.
    GuestChain,
}

impl Step {
    /// All, in the order of the table.
    pub const ALL: [Self; 13] = [
        Self::Decode,
        Self::Encode,
        Self::Copy,
        Self::Validate,
        Self::Read,
        Self::Identity,
        Self::Edit,
        Self::GuestLook,
        Self::GuestRead,
        Self::GuestIdentity,
        Self::GuestEdit,
        Self::GuestTwo,
        Self::GuestChain,
    ];

    /// Name in tables.
    pub fn name(self) -> &'static str {
        match self {
            Self::Decode => "JSON to batch",
            Self::Encode => "batch to JSON",
            Self::Copy => "copy of the bytes",
            Self::Validate => "validate, copy included",
            Self::Read => "read one field",
            Self::Identity => "identity",
            Self::Edit => "replace + drop",
            Self::GuestLook => "guest: look",
            Self::GuestRead => "guest: read one field",
            Self::GuestIdentity => "guest: identity",
            Self::GuestEdit => "guest: replace + drop",
            Self::GuestTwo => "guest: MaskField, ReplaceField",
            Self::GuestChain => "guest: chain of three",
        }
    }

    /// Whether its cost has the validation of what a guest made in it.
    pub fn is_validated(self) -> bool {
        matches!(self, Self::GuestIdentity | Self::GuestEdit | Self::GuestTwo | Self::GuestChain)
    }

    /// Whether the form can be measured.
    pub fn has(self, form: Form) -> bool {
        // No decoder makes variants of records with one shape.
        !(self == Self::Decode && form == Form::Variant)
    }

    /// The most that a record may cost in a batch of 1,000, in ns.
    pub fn target(self, form: Form) -> Option<f64> {
        let columns = matches!(form, Form::Schema | Form::Shredded);
        match (self, form) {
            (Self::GuestIdentity, Form::Mixed) => None,
            (Self::GuestIdentity, _) => Some(15.0),
            (Self::Validate, _) if columns => Some(8.0),
            (Self::Validate, Form::Variant) => Some(80.0),
            (Self::GuestEdit, _) if columns => Some(20.0),
            (Self::GuestEdit, Form::Variant) => Some(120.0),
            _ => None,
        }
    }

    /// The most that a batch of one record may cost, in ns.
    pub fn target_of_one(self) -> Option<f64> {
        (self == Self::GuestChain).then_some(2000.0)
    }

    fn links(self) -> Vec<Link> {
        let mask = || smt("MaskField$Value", &[("fields", "status"), ("replacement", "done")]);
        let drop = || smt("ReplaceField$Value", &[("exclude", "internal_note")]);
        let insert = || smt("InsertField$Value", &[("static.field", "origin"), ("static.value", "bench")]);
        match self {
            Self::GuestLook => vec![link("org.millstream.measure.Look", &[])],
            Self::GuestRead => vec![link("org.millstream.measure.ReadField", &[])],
            Self::GuestIdentity => vec![link("org.millstream.measure.Identity", &[])],
            Self::GuestEdit => vec![link("org.millstream.measure.ReplaceAndDrop", &[])],
            Self::GuestChain => vec![mask(), drop(), insert()],
            _ => vec![mask(), drop()],
        }
    }

    /// Makes a step ready.
    pub async fn work(self, guests: &Guests, form: Form, size: usize) -> Work {
        let batch = form.batch(size);
        let native = |work: Box<dyn FnMut()>| Work::Native(work);
        match self {
            Self::Decode => {
                let (mut converter, messages) = (form.converter(), form.messages(size));
                native(Box::new(move || drop(black_box(decode(&mut *converter, &messages)))))
            }
            Self::Encode => {
                let mut encoder = Encoder::new(form.converter());
                native(Box::new(move || {
                    black_box(encoder.encode(&batch));
                }))
            }
            Self::Copy => native(Box::new(move || drop(black_box(batch.as_bytes().to_vec())))),
            Self::Validate => native(Box::new(move || {
                let bytes = batch.as_bytes().to_vec();
                drop(black_box(Batch::validate(bytes, &Limits::DEFAULT).expect("a valid batch")));
            })),
            Self::Read => native(Box::new(move || {
                let table = batch.open();
                black_box(table.values.blocks.iter().map(|block| sum(&block.column)).fold(0, i64::wrapping_add));
            })),
            Self::Identity => native(Box::new(move || drop(black_box(batch.open().write())))),
            Self::Edit => {
                let mut chain = native_chain(&self.links());
                native(Box::new(move || {
                    let (changed, errors) = chain.apply(batch.open(), None).expect("it is applied");
                    // A mask refuses a tombstone, as Connect's does.
                    assert!(errors.is_empty() || form == Form::Mixed);
                    drop(black_box(changed.expect("it was changed").write()));
                }))
            }
            _ => Work::Guest(guests.chain(&self.links()).await, batch),
        }
    }
}

fn sum(column: &Column<'_>) -> i64 {
    let rows = 0..column.rows as usize;
    if column.kind == Kind::Variant {
        return rows.map(|row| of_variant(column, row)).fold(0, i64::wrapping_add);
    }
    let Some(field) = column.child("id") else { return 0 };
    rows.filter(|&row| !column.is_null(row) && !field.is_null(row))
        .map(|row| field.int64(row))
        .fold(0, i64::wrapping_add)
}

fn of_variant(column: &Column<'_>, row: usize) -> i64 {
    let VariantRef::Object(entries) = column.variant(row).read() else { return 0 };
    for (name, value) in entries {
        if let (true, VariantRef::Int64(number)) = (name.resolve(&|id| column.variant_name(id)) == "id", value.read()) {
            return number;
        }
    }
    0
}
