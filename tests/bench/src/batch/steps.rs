//! The steps of a record's way that are measured.

use std::{hint::black_box, path::PathBuf};

use millstream_config::ConfigMap;
use millstream_connector::{ByteColumn, Chain, Converter, Link, Plugins, TaskId};
use millstream_plugin::{PluginLimits, WasmPlugins, guest_build::GuestBuild};
use millstream_record::batch::{Batch, Column, Kind, Limits, Side, VariantRef};
use millstream_transforms::MillstreamComponent;

use super::{
    forms::{Form, Messages, decode},
    ready,
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
    /// As above, with the bundled transforms.
    GuestEdit,
    /// Masking, leaving out and inserting, with the bundled transforms.
    GuestChain,
}

impl Step {
    /// All, in the order of the table.
    pub const ALL: [Self; 12] = [
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
            Self::GuestChain => "guest: chain of three",
        }
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
        let link = |class: &str, settings: &[(&str, &str)]| Link {
            class: class.to_owned(),
            config: settings.iter().map(|(key, value)| ((*key).to_owned(), Some((*value).to_owned()))).collect(),
            condition: None,
        };
        let mask = || {
            link(
                "org.apache.kafka.connect.transforms.MaskField$Value",
                &[("fields", "status"), ("replacement", "done")],
            )
        };
        let drop = || link("org.apache.kafka.connect.transforms.ReplaceField$Value", &[("exclude", "internal_note")]);
        let insert = || {
            let settings = [("static.field", "origin"), ("static.value", "bench")];
            link("org.apache.kafka.connect.transforms.InsertField$Value", &settings)
        };
        match self {
            Self::GuestLook => vec![link("org.millstream.measure.Look", &[])],
            Self::GuestRead => vec![link("org.millstream.measure.ReadField", &[])],
            Self::GuestIdentity => vec![link("org.millstream.measure.Identity", &[])],
            Self::GuestChain => vec![mask(), drop(), insert()],
            _ => vec![mask(), drop()],
        }
    }
}

/// A step made ready over one batch.
pub enum Work {
    /// Something that does not wait.
    Native(Box<dyn FnMut()>),
    /// A chain in a guest.
    Guest(Box<dyn Chain>, Batch),
}

impl Work {
    /// Does it so many times.
    pub async fn run(&mut self, times: u32) {
        match self {
            Self::Native(work) => (0..times).for_each(|_| work()),
            Self::Guest(chain, batch) => {
                for _ in 0..times {
                    black_box(chain.apply(batch).await.expect("the guest works"));
                }
            }
        }
    }
}

/// The guests that steps run in.
pub struct Steps {
    plugins: WasmPlugins,
}

impl Steps {
    /// Builds and loads the guests.
    pub async fn prepare() -> Self {
        let root = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../..");
        let target = std::env::current_exe().expect("a program knows its own path");
        let target = target.ancestors().find(|folder| folder.join("CACHEDIR.TAG").exists());
        let target = target.expect("cargo builds below a target folder").to_owned();
        let built = |folder: PathBuf, packages: &[&str], target_dir: &str| {
            let packages = packages.iter().map(|&package| package.to_owned()).collect();
            let build = GuestBuild { folder, packages, target_dir: target.join(target_dir), locked: false };
            build.run().unwrap_or_else(|error| panic!("{error}"))
        };
        let folder = target.join("bench-plugins");
        std::fs::create_dir_all(&folder).expect("the target folder can be written");
        let guests = [
            (built(root.join("tests/guests/measure"), &[], "bench-guests"), "measure.wasm"),
            (built(root, &["millstream-transforms"], "guests"), "millstream_transforms.wasm"),
        ];
        for (from, name) in guests {
            std::fs::copy(from.join(name), folder.join(name)).expect("the component was built");
        }
        let limits = PluginLimits { cache_dir: Some(target.join("bench-cache")), ..PluginLimits::default() };
        let plugins = WasmPlugins::start(limits, &[folder], &[]).await.expect("the plugins start");
        assert!(plugins.problems().is_empty(), "{:?}", plugins.problems());
        Self { plugins }
    }

    /// Makes a step ready.
    pub async fn work(&self, step: Step, form: Form, size: usize) -> Work {
        let batch = form.batch(size);
        let native = |work: Box<dyn FnMut()>| Work::Native(work);
        match step {
            Step::Decode => {
                let (mut converter, messages) = (form.converter(), form.messages(size));
                native(Box::new(move || drop(black_box(read(&mut *converter, &messages)))))
            }
            Step::Encode => {
                let (mut converter, mut out, mut errors) = (form.converter(), ByteColumn::default(), Vec::new());
                native(Box::new(move || {
                    out.clear();
                    ready(converter.from_connect(&batch, Side::Value, &mut out, &mut errors)).expect("it writes");
                    assert!(errors.is_empty());
                    black_box(&out);
                }))
            }
            Step::Copy => native(Box::new(move || drop(black_box(batch.as_bytes().to_vec())))),
            Step::Validate => native(Box::new(move || {
                let bytes = batch.as_bytes().to_vec();
                drop(black_box(Batch::validate(bytes, &Limits::DEFAULT).expect("a valid batch")));
            })),
            Step::Read => native(Box::new(move || {
                let table = batch.open();
                black_box(table.values.blocks.iter().map(|block| sum(&block.column)).fold(0, i64::wrapping_add));
            })),
            Step::Identity => native(Box::new(move || drop(black_box(batch.open().write())))),
            Step::Edit => {
                let spec = |link: Link| millstream_sdk::LinkSpec {
                    class: link.class,
                    config: settings(&link.config),
                    condition: None,
                };
                let specs: Vec<_> = step.links().into_iter().map(spec).collect();
                let chain = millstream_sdk::Chain::create::<MillstreamComponent>(&specs);
                let mut chain = chain.unwrap_or_else(|(link, error)| panic!("link {link}: {error}"));
                native(Box::new(move || {
                    let (changed, errors) = chain.apply(batch.open(), None).expect("it is applied");
                    // A mask refuses a tombstone, as Connect's does.
                    assert!(errors.is_empty() || form == Form::Mixed);
                    drop(black_box(changed.expect("it was changed").write()));
                }))
            }
            _ => {
                let task = TaskId { connector: "bench".into(), number: 0 };
                let chain = self.plugins.chain(&task, &step.links()).await;
                let chain = chain.unwrap_or_else(|(link, error)| panic!("link {link}: {error}"));
                Work::Guest(chain, batch)
            }
        }
    }
}

fn settings(config: &ConfigMap) -> millstream_sdk::config::ConfigMap {
    let pairs: Vec<(String, Option<String>)> = config.iter().map(|(key, value)| (key.clone(), value.clone())).collect();
    pairs.into()
}

fn read(converter: &mut dyn Converter, messages: &Messages) -> Batch {
    decode(converter, messages)
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
