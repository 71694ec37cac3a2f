//! The JSON converter, without schemas, beside serde_json's `Value`.

use std::hint::black_box;

use serde_json::Value;

use super::{FORMS, Options, RECORDS, per_record};
use crate::{
    forms::Form,
    json::{self, Encoder, Messages, decode},
    measure::{Work, measure},
    peer::{Peer, PeerWork},
    table::{Table, verdict},
};

/// Measures and prints.
pub async fn run(options: &Options) {
    let messages = Form::Shredded.messages(RECORDS);
    let values: Vec<Value> = messages.texts().map(value).collect();
    let peer = Peer::start(&messages);
    let mut works = vec![
        Work::Peer(PeerWork::encode(&peer)),
        encode_by_own_serde(values.clone()),
        Work::Peer(PeerWork::decode(&peer)),
        decode_by_own_serde(Form::Shredded.messages(RECORDS)),
        decode_by_converter(messages),
    ];
    let baselines = works.len() - 1;
    works.extend(FORMS.map(|form| encode_by_converter(form, &values)));
    let costs = measure(&mut works, options.effort).await;
    let nanos: Vec<f64> = costs.iter().map(|cost| per_record(cost.nanos)).collect();

    println!(
        "JSON without schemas. serde_json is that with default features, in a process of its own, measured in the"
    );
    println!(
        "same rounds: Value from bytes with a drop, Value to memory that is kept. The workspace builds serde_json"
    );
    println!(
        "with arbitrary_precision (numbers are texts), float_roundtrip and preserve_order, which costs it much more;"
    );
    println!("that one is shown too, without a target.\n");
    let headings =
        ["JSON", "form", "converter", "serde_json", "faster by", "target", "", "workspace's serde_json", "faster by"];
    let mut table = Table::new(&[&headings[..], &["allocations per batch"]].concat());
    let mut row = |name: &str, form: Form, at: usize, plain: f64, own: f64, target: f64| {
        let ours = nanos[at];
        table.row(vec![
            name.to_owned(),
            form.name().to_owned(),
            format!("{ours:.1}"),
            format!("{plain:.1}"),
            format!("{:.2}×", plain / ours),
            format!("{target}×"),
            verdict(target <= plain / ours).to_owned(),
            format!("{own:.1}"),
            format!("{:.2}×", own / ours),
            costs[at].allocations.to_string(),
        ]);
    };
    for (at, form) in (baselines + 1..).zip(FORMS) {
        let target = if form == Form::Variant { 1.2 } else { 1.5 };
        row("encode", form, at, nanos[0], nanos[1], target);
    }
    row("decode", Form::Shredded, baselines, nanos[2], nanos[3], 2.5);
    table.print();
}

fn value(text: &[u8]) -> Value {
    serde_json::from_slice(text).expect("a message is JSON")
}

fn encode_by_own_serde(values: Vec<Value>) -> Work {
    let mut out = Vec::new();
    Work::Native(Box::new(move || {
        out.clear();
        values.iter().for_each(|value| serde_json::to_writer(&mut out, value).expect("memory takes all"));
        black_box(&out);
    }))
}

fn decode_by_own_serde(messages: Messages) -> Work {
    Work::Native(Box::new(move || messages.texts().for_each(|text| drop(black_box(value(text))))))
}

/// Encoding, once it has been seen to give these values.
fn encode_by_converter(form: Form, expected: &[Value]) -> Work {
    let (batch, mut encoder) = (form.batch(RECORDS), Encoder::new(json::converter(false)));
    let encoded = encoder.encode(&batch);
    assert_eq!(encoded.len(), expected.len());
    for (row, expected) in expected.iter().enumerate() {
        assert_eq!(encoded.get(row).map(value).as_ref(), Some(expected), "{}, row {row}", form.name());
    }
    Work::Native(Box::new(move || {
        black_box(encoder.encode(&batch));
    }))
}

fn decode_by_converter(messages: Messages) -> Work {
    let mut converter = json::converter(false);
    Work::Native(Box::new(move || drop(black_box(decode(&mut *converter, &messages)))))
}
