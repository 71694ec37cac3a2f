//! The batch: what each step costs per record, by batch size and form, natively and through a guest.

mod steps;

use clap::Args;

use crate::{
    forms::Form,
    guests::Guests,
    measure::{Cost, Effort, Work, measure},
    peer::{self, Peer, PeerWork},
    table::{Table, verdict},
};
use steps::Step;

/// Records of a batch.
const SIZES: [usize; 4] = [1, 10, 100, THOUSAND];
const THOUSAND: usize = 1000;

/// What is measured, and how long.
#[derive(Args, Clone, Debug, Default)]
pub struct Options {
    #[command(flatten)]
    effort: Effort,
    /// Only steps whose name contains this
    #[arg(long)]
    only: Option<String>,
    /// Only batches of so many records, for a profiler: prints that column alone
    #[arg(long)]
    size: Option<usize>,
}

/// Measures and prints.
pub fn run(options: &Options) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        let guests = Guests::prepare().await;
        let sizes = options.size.map_or(SIZES.to_vec(), |size| vec![size]);
        let wanted = |step: &Step| options.only.as_ref().is_none_or(|only| step.name().contains(only.as_str()));
        let (mut cases, mut works) = (Vec::new(), Vec::new());
        for step in Step::ALL.into_iter().filter(wanted) {
            for form in Form::ALL.into_iter().filter(|&form| step.has(form)) {
                cases.push((step, form));
                for &size in &sizes {
                    works.push(step.work(&guests, form, size).await);
                }
            }
        }
        // The machine the targets come from, and this one as it is at the moment, by the same work.
        let messages = Form::Shredded.messages(THOUSAND);
        works.push(Work::Peer(PeerWork::decode(&Peer::start(&messages))));
        let mut costs = measure(&mut works, options.effort).await;
        let peer = costs.pop().expect("the peer's is the last").nanos / THOUSAND as f64;
        match options.size {
            None => print(&cases, &costs, peer),
            Some(size) => print_size(&cases, &costs, size),
        }
    });
}

/// Prints what one size of batch costs.
fn print_size(cases: &[(Step, Form)], costs: &[Cost], size: usize) {
    let mut table = Table::new(&["step", "form", "ns per batch", "ns per record", "allocations"]);
    for ((step, form), cost) in cases.iter().zip(costs) {
        let per_record = cost.nanos / size as f64;
        let cells = [step.name().to_owned(), form.name().to_owned(), format!("{:.0}", cost.nanos)];
        let cells = cells.into_iter().chain([format!("{per_record:.1}"), cost.allocations.to_string()]);
        table.row(cells.collect());
    }
    table.print();
}

/// Prints steps over forms, each with its costs by size.
fn print(cases: &[(Step, Form)], costs: &[Cost], peer_nanos: f64) {
    println!("Processor time per record in ns, medians; allocations of the host per batch of 1,000.");
    println!("Validation has a target of its own: those of guests are for what the rest takes.");
    let scale = peer::scale(peer_nanos);
    let mut table = Table::new(&[
        "step",
        "form",
        "1",
        "10",
        "100",
        "1,000",
        "less validation",
        "target at 1,000",
        "scaled",
        "",
        "allocations",
    ]);
    let of_thousand = |step: Step, form: Form| {
        let at = cases.iter().position(|case| *case == (step, form))?;
        Some(costs[(at + 1) * SIZES.len() - 1].nanos / SIZES[SIZES.len() - 1] as f64)
    };
    // The measured validation begins with a copy of the bytes, which no guest's answer takes.
    let validation = |form| Some(of_thousand(Step::Validate, form)? - of_thousand(Step::Copy, form)?);
    let mut of_one = Table::new(&["one-row batch, ns", "form", "measured", "target", "scaled", ""]);
    for ((step, form), costs) in cases.iter().zip(costs.chunks(SIZES.len())) {
        let per_record: Vec<f64> = costs.iter().zip(SIZES).map(|(cost, size)| cost.nanos / size as f64).collect();
        let [one, .., thousand] = per_record[..] else { unreachable!("there are several sizes") };
        let allocations = costs.last().expect("a cost per size").allocations;
        let mut cells = vec![step.name().to_owned(), form.name().to_owned()];
        cells.extend(per_record.iter().map(|nanos| format!("{nanos:.1}")));
        let less = if step.is_validated() { validation(*form).map(|validation| thousand - validation) } else { None };
        cells.push(less.map(|less| format!("{less:.1}")).unwrap_or_default());
        let target = step.target(*form);
        cells.push(target.map(|target| format!("{target}")).unwrap_or_default());
        let measured = if step.is_validated() { less } else { Some(thousand) };
        let scaled = target.map(|target| target * scale);
        cells.push(scaled.map(|scaled| format!("{scaled:.1}")).unwrap_or_default());
        let met = scaled.zip(measured).map(|(scaled, measured)| verdict(measured <= scaled).to_owned());
        cells.push(met.unwrap_or_default());
        cells.push(allocations.to_string());
        table.row(cells);
        if let Some(target) = step.target_of_one() {
            of_one.row(vec![
                step.name().to_owned(),
                form.name().to_owned(),
                format!("{one:.0}"),
                target.to_string(),
                format!("{:.0}", target * scale),
                verdict(one <= target * scale).to_owned(),
            ]);
        }
    }
    table.print();
    of_one.print();
}
