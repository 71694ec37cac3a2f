//! A chain of three, alone and with what a source task does next.

use millstream_connector::Link;

use super::{FORMS, Options, RECORDS, per_record};
use crate::{
    forms::Form,
    guests::{Guests, smt},
    json::{self, Encoder},
    measure::{Work, measure},
    peer::{self, Peer, PeerWork},
    table::{Table, verdict},
};

/// Hoist, insert and replace.
fn links() -> [Link; 3] {
    [
        smt("HoistField$Value", &[("field", "order")]),
        smt("InsertField$Value", &[("static.field", "origin"), ("static.value", "bench")]),
        smt("ReplaceField$Value", &[("renames", "origin:source")]),
    ]
}

/// The most that a record may cost, in ns: the chain, and the chain with JSON.
fn targets(form: Form) -> (f64, f64) {
    if form == Form::Variant { (220.0, 450.0) } else { (30.0, 260.0) }
}

/// Measures and prints.
pub async fn run(guests: &Guests, options: &Options) {
    let mut works = Vec::new();
    for form in FORMS {
        let batch = form.batch(RECORDS);
        let mut chain = guests.chain(&links()).await;
        let outcome = chain.apply(&batch).await.expect("the guest works");
        assert!(outcome.errors.is_empty(), "{:?}", outcome.errors);
        works.push(Work::Guest(chain, batch.clone()));
        works.push(Work::GuestToJson(guests.chain(&links()).await, batch, Encoder::new(json::converter(false))));
    }
    works.push(Work::Peer(PeerWork::decode(&Peer::start(&Form::Shredded.messages(RECORDS)))));
    let mut costs = measure(&mut works, options.effort).await;
    let peer_nanos = per_record(costs.pop().expect("the peer's is the last").nanos);
    println!(
        "HoistField, InsertField, ReplaceField in Wasm. Both figures include validation and the check of outcomes."
    );
    let scale = peer::scale(peer_nanos);
    let headings = ["chain of three", "form", "Wasm", "target", "scaled", "", "allocations of the host per batch"];
    let mut table = Table::new(&headings);
    for (form, costs) in FORMS.into_iter().zip(costs.chunks(2)) {
        let (alone, with_json) = targets(form);
        for (name, cost, target) in [("chain", costs[0], alone), ("chain, JSON encode", costs[1], with_json)] {
            let nanos = per_record(cost.nanos);
            table.row(vec![
                name.to_owned(),
                form.name().to_owned(),
                format!("{nanos:.1}"),
                target.to_string(),
                format!("{:.1}", target * scale),
                verdict(nanos <= target * scale).to_owned(),
                cost.allocations.to_string(),
            ]);
        }
    }
    table.print();
}
