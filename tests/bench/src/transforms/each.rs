//! Each transform of Connect, as users configure it.

use std::hint::black_box;

use millstream_connector::{Condition, Link};
use millstream_record::batch::{Batch, Limits};

use super::{FORMS, Options, RECORDS, per_record};
use crate::{
    forms::Form,
    guests::{Guests, native_chain, smt},
    measure::{Work, measure},
    table::Table,
};

/// A transform with what its records have been through before.
struct Case {
    /// Name in the table.
    name: &'static str,
    link: Link,
    before: Vec<Link>,
}

impl Case {
    fn new(name: &'static str, settings: &[(&str, &str)]) -> Self {
        let class = name.split(' ').next().expect("a name has a first word");
        Self { name, link: smt(class, settings), before: Vec::new() }
    }

    fn after(self, before: Vec<Link>) -> Self {
        Self { before, ..self }
    }

    fn only_if(mut self, predicate: &str) -> Self {
        let class = format!("org.apache.kafka.connect.transforms.predicates.{predicate}");
        self.link.condition = Some(Condition { class: class.into(), config: [].into_iter().collect(), negate: false });
        self
    }

    fn has(&self, form: Form) -> bool {
        // Connect's refuses records without a schema.
        !(self.name.starts_with("SetSchemaMetadata") && form != Form::Schema)
    }

    fn batch(&self, form: Form) -> Batch {
        let batch = form.batch(RECORDS);
        if self.before.is_empty() { batch } else { applied(&self.before, &batch) }
    }
}

/// All transforms, by name.
fn cases() -> Vec<Case> {
    let header = |name: &str| smt("InsertHeader", &[("header", name), ("value.literal", "bench")]);
    let inserted =
        [("static.field", "origin"), ("static.value", "bench"), ("topic.field", "topic"), ("timestamp.field", "at")];
    let moved = [("fields", "customer,city"), ("headers", "customer,city"), ("operation", "move")];
    let text = [("field", "created"), ("target.type", "string"), ("format", "yyyy-MM-dd'T'HH:mm:ss.SSS")];
    vec![
        Case::new("Cast$Value", &[("spec", "items:int8,id:string")]),
        Case::new("DropHeaders", &[("headers", "origin")]).after(vec![header("origin"), header("trace")]),
        Case::new("ExtractField$Value", &[("field", "customer")]),
        Case::new("Filter", &[]).only_if("RecordIsTombstone"),
        Case::new("Flatten$Value", &[("delimiter", "_")]).after(vec![smt("HoistField$Value", &[("field", "order")])]),
        Case::new("HeaderFrom$Value", &moved),
        Case::new("HoistField$Value", &[("field", "order")]),
        Case::new("InsertField$Value", &inserted),
        Case::new("InsertHeader", &[("header", "origin"), ("value.literal", "bench")]),
        Case::new("MaskField$Value", &[("fields", "customer"), ("replacement", "***")]),
        Case::new("RegexRouter", &[("regex", "(.*)"), ("replacement", "archive-$1")]),
        Case::new("ReplaceField$Value", &[("exclude", "internal_note"), ("renames", "customer:client")]),
        Case::new("SetSchemaMetadata$Value", &[("schema.name", "org.example.Sale"), ("schema.version", "2")]),
        Case::new("TimestampConverter$Value", &[("field", "created"), ("target.type", "Timestamp")]),
        Case::new("TimestampConverter$Value to text", &text),
        Case::new("TimestampRouter", &[("topic.format", "${topic}-${timestamp}"), ("timestamp.format", "yyyyMMdd")]),
        Case::new("ValueToKey", &[("fields", "id")]),
    ]
}

/// Measures each natively and in a guest, over each form.
pub async fn run(guests: &Guests, options: &Options) {
    let cases: Vec<Case> = cases().into_iter().filter(|case| options.wants(case.name)).collect();
    let (mut rows, mut works) = (Vec::new(), Vec::new());
    for case in &cases {
        for form in FORMS.into_iter().filter(|&form| case.has(form)) {
            let (links, batch) = (std::slice::from_ref(&case.link), case.batch(form));
            let mut guest = guests.chain(links).await;
            let outcome = guest.apply(&batch).await.expect("the guest works");
            assert!(outcome.errors.is_empty(), "{} over {}: {:?}", case.name, form.name(), outcome.errors);
            let native = applied(links, &batch);
            // The guest may have left what it did not change where it was.
            let made = outcome.batch.open().write();
            assert!(native.as_bytes() == made, "{}: the guest does something else", case.name);
            let (mut native, own) = (native_chain(links), batch.clone());
            rows.push((case.name, form));
            works.push(Work::Native(Box::new(move || {
                let (changed, errors) = native.apply(own.open(), None).expect("it is applied");
                assert!(errors.is_empty());
                drop(black_box(changed.map(|table| table.write())));
            })));
            works.push(Work::Guest(guest, batch));
        }
    }
    if rows.is_empty() {
        return;
    }
    let costs = measure(&mut works, options.effort).await;
    println!("Native is the transform alone; Wasm includes the call, validation and the check of outcomes.\n");
    let headings = ["transform", "form", "native", "Wasm", "allocations per batch, native", "Wasm, of the host"];
    let mut table = Table::new(&headings);
    for ((name, form), costs) in rows.into_iter().zip(costs.chunks(2)) {
        table.row(vec![
            name.to_owned(),
            form.name().to_owned(),
            format!("{:.1}", per_record(costs[0].nanos)),
            format!("{:.1}", per_record(costs[1].nanos)),
            costs[0].allocations.to_string(),
            costs[1].allocations.to_string(),
        ]);
    }
    table.print();
}

/// What a chain makes of a batch, natively.
fn applied(links: &[Link], batch: &Batch) -> Batch {
    let mut chain = native_chain(links);
    let (changed, errors) = chain.apply(batch.open(), None).expect("it is applied");
    assert!(errors.is_empty(), "{errors:?}");
    let Some(table) = changed else { return batch.clone() };
    Batch::validate(table.write(), &Limits::DEFAULT).expect("transforms write valid batches")
}
