//! The kinds of records, as tables of fields.

use std::sync::Arc;

use millstream_sdk::{Field, Schema, SchemaType};

/// A kind of records.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Quickstart {
    /// What shops sell.
    Orders,
    /// Who registers.
    Users,
    /// Who looks at which page.
    Pageviews,
    /// Who buys and sells which share.
    StockTrades,
}

/// How the values of a field are made.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Values {
    /// 32-bit integers, one more for each record.
    Count,
    /// 64-bit integers that grow by `step` for each record.
    Steps { start: i64, step: i64 },
    /// 32-bit integers between both bounds.
    Int { min: i32, max: i32 },
    /// 64-bit integers between both bounds.
    Long { min: i64, max: i64 },
    /// Doubles from `min` up to, but without, `max`.
    Double { min: f64, max: f64 },
    /// One of these texts.
    Words(&'static [&'static str]),
    /// A text with a number behind it, between both bounds.
    Numbered { prefix: &'static str, min: u16, max: u16 },
    /// A struct.
    Struct { name: &'static str, fields: &'static [FieldSpec] },
}

/// A field.
#[derive(Clone, Copy, Debug)]
pub(crate) struct FieldSpec {
    pub(crate) name: &'static str,
    pub(crate) values: Values,
}

const fn field(name: &'static str, values: Values) -> FieldSpec {
    FieldSpec { name, values }
}

const USER: Values = Values::Numbered { prefix: "User_", min: 1, max: 9 };

const ADDRESS: &[FieldSpec] = &[
    field("city", Values::Numbered { prefix: "City_", min: 1, max: 99 }),
    field("state", Values::Numbered { prefix: "State_", min: 1, max: 99 }),
    field("zipcode", Values::Int { min: 10_000, max: 99_999 }),
];

const ORDERS: &[FieldSpec] = &[
    field("ordertime", Values::Long { min: 1_487_715_775_521, max: 1_519_273_364_600 }),
    field("orderid", Values::Count),
    field("itemid", Values::Numbered { prefix: "Item_", min: 1, max: 999 }),
    field("orderunits", Values::Double { min: 0.1, max: 10.0 }),
    field("address", Values::Struct { name: "address", fields: ADDRESS }),
];

const USERS: &[FieldSpec] = &[
    field("registertime", Values::Long { min: 1_487_715_775_521, max: 1_519_273_364_600 }),
    field("userid", USER),
    field("regionid", Values::Numbered { prefix: "Region_", min: 1, max: 9 }),
    field("gender", Values::Words(&["MALE", "FEMALE", "OTHER"])),
];

const PAGEVIEWS: &[FieldSpec] = &[
    field("viewtime", Values::Steps { start: 1, step: 10 }),
    field("userid", USER),
    field("pageid", Values::Numbered { prefix: "Page_", min: 10, max: 99 }),
];

const STOCK_TRADES: &[FieldSpec] = &[
    field("side", Values::Words(&["BUY", "SELL"])),
    field("quantity", Values::Int { min: 1, max: 5000 }),
    field("symbol", Values::Words(&["ZBZX", "ZJZZT", "ZTEST", "ZVV", "ZVZZT", "ZWZZT", "ZXZZT"])),
    field("price", Values::Int { min: 5, max: 1000 }),
    field("account", Values::Words(&["ABC123", "LMN456", "XYZ789"])),
    field("userid", USER),
];

impl Quickstart {
    /// Every kind, by the name it has in configurations.
    pub const NAMES: [(&'static str, Self); 4] = [
        ("orders", Self::Orders),
        ("users", Self::Users),
        ("pageviews", Self::Pageviews),
        ("stock_trades", Self::StockTrades),
    ];

    /// The kind of that name, in any case.
    pub fn of_name(name: &str) -> Option<Self> {
        Self::NAMES.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, kind)| *kind)
    }

    /// Its name in configurations, schemas and source partitions.
    pub fn name(self) -> &'static str {
        let (name, _) = Self::NAMES.iter().find(|(_, kind)| *kind == self).expect("every kind has a name");
        name
    }

    pub(crate) fn fields(self) -> &'static [FieldSpec] {
        match self {
            Self::Orders => ORDERS,
            Self::Users => USERS,
            Self::Pageviews => PAGEVIEWS,
            Self::StockTrades => STOCK_TRADES,
        }
    }

    /// The field whose value is the record's key, too.
    pub(crate) fn key_field(self) -> usize {
        let key = match self {
            Self::Orders => "orderid",
            Self::Users => "userid",
            Self::Pageviews => "viewtime",
            Self::StockTrades => "symbol",
        };
        self.fields().iter().position(|field| field.name == key).expect("the key is one of the fields")
    }

    /// The schema of the records' values.
    pub fn schema(self) -> Arc<Schema> {
        struct_schema(&format!("datagen.{}", self.name()), self.fields())
    }
}

fn struct_schema(name: &str, fields: &[FieldSpec]) -> Arc<Schema> {
    let field = |field: &FieldSpec| Field { name: field.name.to_owned(), schema: field.values.schema(name) };
    let schema = Schema::structure(fields.iter().map(field).collect()).expect("field names differ");
    Arc::new(schema.named(name))
}

impl Values {
    /// The schema of a field in a struct of that name.
    fn schema(self, parent: &str) -> Arc<Schema> {
        let kind = match self {
            Self::Count | Self::Int { .. } => SchemaType::Int32,
            Self::Steps { .. } | Self::Long { .. } => SchemaType::Int64,
            Self::Double { .. } => SchemaType::Float64,
            Self::Words(_) | Self::Numbered { .. } => SchemaType::String,
            Self::Struct { name, fields } => return struct_schema(&format!("{parent}.{name}"), fields),
        };
        Arc::new(Schema::new(kind))
    }
}
