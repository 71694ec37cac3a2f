//! `millstream broker repair`: what of damaged partitions cannot be kept, and setting it aside.

use std::path::Path;

use millstream_broker::{RepairedPartition, repair};
use millstream_record::ErrorChain;

use crate::exit::{Failure, SETUP, USAGE};

/// Runs the command. Blocks.
pub fn run(data_dir: &Path, apply: bool, partitions: &[String]) -> Result<(), Failure> {
    let found =
        repair(&millstream_disk::real(), data_dir, partitions, apply).map_err(|error| Failure::of(SETUP, &error))?;
    let failed = found.iter().filter(|partition| partition.plan.is_err()).count();
    let damaged = found.iter().filter(|partition| matches!(partition.plan, Ok(Some(_)))).count();
    found.iter().for_each(print_partition);
    println!("{}: {} partitions, {damaged} damaged", data_dir.display(), found.len());
    if 0 < damaged && !apply {
        println!("Nothing was changed. The same with --apply sets aside what is to be cut, and cuts it.");
    }
    if 0 < failed {
        return Err(Failure::new(USAGE, format!("{failed} partitions could not be repaired")));
    }
    Ok(())
}

fn print_partition(RepairedPartition { partition, plan, set_aside }: &RepairedPartition) {
    let plan = match plan {
        Ok(None) => return,
        Ok(Some(plan)) => plan,
        Err(error) => {
            eprintln!("{partition}: {}", ErrorChain(error));
            return;
        }
    };
    println!("{partition}: {} bytes are damaged", plan.bytes());
    for file in &plan.files {
        for cut in &file.cuts {
            println!(
                "  {}: bytes {} to {} of {}; batches in them, as far as can be told: {}, records: {}",
                name(&file.file),
                cut.from,
                cut.to,
                file.len,
                cut.batches,
                cut.records
            );
        }
    }
    for (from, to) in &plan.holes {
        println!("  offsets {from} to {} have no record", to.get() - 1);
    }
    println!("  the log goes on at offset {}", plan.end);
    for path in set_aside {
        println!("  set aside: {}", path.display());
    }
}

fn name(path: &Path) -> std::borrow::Cow<'_, str> {
    path.file_name().unwrap_or_default().to_string_lossy()
}
