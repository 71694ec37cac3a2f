//! Transforms and JSON: each of Connect's transforms natively and in a guest, a chain with and without what
//! follows it, and JSON beside serde_json.

mod chain;
mod each;
mod versus;

use clap::Args;

use crate::{forms::Form, guests::Guests, measure::Effort};

/// Records of a batch.
const RECORDS: usize = 1000;

/// Forms that batches of one shape have.
const FORMS: [Form; 3] = [Form::Schema, Form::Shredded, Form::Variant];

/// What is measured, and how long.
#[derive(Args, Clone, Debug)]
pub struct Options {
    #[command(flatten)]
    effort: Effort,
    /// Only transforms whose name contains this; "chain" and "JSON" are the other tables
    #[arg(long)]
    only: Option<String>,
}

impl Options {
    fn wants(&self, name: &str) -> bool {
        self.only.as_ref().is_none_or(|only| name.contains(only.as_str()))
    }
}

/// Measures and prints.
pub fn run(options: &Options) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        println!("Processor time per record in ns, medians, in batches of {RECORDS}.\n");
        let guests = Guests::prepare().await;
        each::run(&guests, options).await;
        if options.wants("chain") {
            chain::run(&guests, options).await;
        }
        if options.wants("JSON") {
            versus::run(options).await;
        }
    });
}

/// Nanoseconds of a record, given those of a batch.
fn per_record(nanos: f64) -> f64 {
    nanos / RECORDS as f64
}
