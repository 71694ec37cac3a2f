//! The batch: what each step costs per record, by batch size and form, natively and through a guest.

mod forms;
mod steps;

use std::{
    future::Future,
    pin::pin,
    task::{Context, Poll, Waker},
    time::Duration,
};

use clap::Args;

use crate::{
    counting::allocations,
    table::{Table, verdict},
    thread_clock::busy,
};
use forms::Form;
use steps::{Step, Steps};

/// Records of a batch.
const SIZES: [usize; 4] = [1, 10, 100, 1000];

/// What is measured, and how long.
#[derive(Args, Clone, Debug)]
pub struct Options {
    /// Rounds, of which the median counts
    #[arg(long, default_value_t = 9)]
    rounds: usize,
    /// Processor time of one measurement in a round, in milliseconds
    #[arg(long, default_value_t = 4)]
    slice_ms: u64,
    /// Only steps whose name contains this
    #[arg(long)]
    only: Option<String>,
}

impl Default for Options {
    fn default() -> Self {
        Self { rounds: 9, slice_ms: 4, only: None }
    }
}

/// One measurement: a step over a batch of a form and size.
struct Case {
    step: Step,
    form: Form,
    size: usize,
    work: steps::Work,
    /// Runs that take about a slice.
    runs: u32,
    nanos_per_run: Vec<f64>,
    allocations_per_run: u64,
}

/// Measures and prints.
pub fn run(options: &Options) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let steps = runtime.block_on(Steps::prepare());
    let wanted = |step: &Step| options.only.as_ref().is_none_or(|only| step.name().contains(only.as_str()));
    let mut cases = Vec::new();
    for step in Step::ALL.into_iter().filter(wanted) {
        for form in Form::ALL.into_iter().filter(|&form| step.has(form)) {
            for size in SIZES {
                let work = runtime.block_on(steps.work(step, form, size));
                cases.push(Case { step, form, size, work, runs: 1, nanos_per_run: Vec::new(), allocations_per_run: 0 });
            }
        }
    }
    let slice = Duration::from_millis(options.slice_ms);
    runtime.block_on(async {
        for case in &mut cases {
            // Caches and scratch memory are filled first.
            case.work.run(3).await;
            let before = allocations();
            case.work.run(1).await;
            case.allocations_per_run = allocations() - before;
            loop {
                let begin = busy();
                case.work.run(case.runs).await;
                if slice <= busy() - begin {
                    break;
                }
                case.runs *= 2;
            }
        }
        // Rounds are interleaved, so that a disturbance hits all alike.
        for _ in 0..options.rounds {
            for case in &mut cases {
                let begin = busy();
                case.work.run(case.runs).await;
                case.nanos_per_run.push((busy() - begin).as_nanos() as f64 / f64::from(case.runs));
            }
        }
    });
    print(&cases);
}

fn median(nanos: &[f64]) -> f64 {
    let mut sorted = nanos.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted[sorted.len() / 2]
}

fn print(cases: &[Case]) {
    println!("Processor time per record in ns, medians; allocations of the host per batch of 1,000.\n");
    let mut table = Table::new(&["step", "form", "1", "10", "100", "1,000", "target at 1,000", "", "allocations"]);
    let mut of_one = Table::new(&["one-row batch, ns", "form", "measured", "target", ""]);
    for group in cases.chunks(SIZES.len()) {
        let per_record = |case: &Case| median(&case.nanos_per_run) / case.size as f64;
        let Case { step, form, allocations_per_run, .. } = group.last().expect("a case per size");
        let thousand = per_record(group.last().expect("a case per size"));
        let mut cells = vec![step.name().to_owned(), form.name().to_owned()];
        cells.extend(group.iter().map(|case| format!("{:.1}", per_record(case))));
        let target = step.target(*form);
        cells.push(target.map(|target| format!("{target}")).unwrap_or_default());
        cells.push(target.map(|target| verdict(thousand <= target).to_owned()).unwrap_or_default());
        cells.push(allocations_per_run.to_string());
        table.row(cells);
        if let Some(target) = step.target_of_one() {
            let one = per_record(&group[0]);
            of_one.row(vec![
                step.name().to_owned(),
                form.name().to_owned(),
                format!("{one:.0}"),
                target.to_string(),
                verdict(one <= target).to_owned(),
            ]);
        }
    }
    table.print();
    of_one.print();
}

/// The value of a future that waits for nothing.
fn ready<T>(future: impl Future<Output = T>) -> T {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(value) => value,
        Poll::Pending => unreachable!("native converters compute and never wait"),
    }
}
