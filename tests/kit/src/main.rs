//! Runs the kit's scenarios with one component: for those who write a guest.
//!
//!     cargo run -p kit -- sdk/go/kit/build/kit.wasm --only panic

use std::{path::PathBuf, process::ExitCode};

use clap::Parser;
use kit::scenario_files;
use millstream_record::ErrorChain;
use millstream_scenario::Mode;

/// Runs scenarios with a component.
#[derive(Debug, Parser)]
struct Arguments {
    /// The component
    component: PathBuf,
    /// Files with scenarios; those of the kit if not given
    files: Vec<PathBuf>,
    /// Run only scenarios whose name contains this
    #[arg(long)]
    only: Option<String>,
    /// Write what comes into the files
    #[arg(long)]
    update: bool,
    /// Most rounds of a step that is repeated
    #[arg(long)]
    calls: Option<u32>,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    match run(Arguments::parse()).await {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(8),
        Err(message) => {
            eprintln!("kit: {message}");
            ExitCode::FAILURE
        }
    }
}

/// Whether all came as expected.
async fn run(arguments: Arguments) -> Result<bool, String> {
    let engine = kit::engine(&arguments.component, arguments.calls).await;
    let engine = engine.map_err(|error| ErrorChain(&error).to_string())?;
    let files = if arguments.files.is_empty() { scenario_files() } else { arguments.files };
    let mode = if arguments.update { Mode::Update } else { Mode::Check };
    let only = arguments.only.as_deref();
    let (mut total, mut failed) = (0, 0);
    for file in files {
        let report = engine.run_file(&file, mode, &|name| only.is_none_or(|only| name.contains(only))).await;
        let report = report.map_err(|error| ErrorChain(&error).to_string())?;
        for scenario in report.scenarios {
            total += 1;
            match scenario.difference {
                None => println!("ok     {} ({} ms)", scenario.name, scenario.took.as_millis()),
                Some(difference) => {
                    failed += 1;
                    let place = format!("{}:{}", file.display(), difference.line);
                    let text = difference.text.replace('\n', "\n       ");
                    println!("FAILS  {}\n       {place}: {}\n       {text}", scenario.name, difference.step);
                }
            }
        }
    }
    println!("{} of {total} scenarios came as expected", total - failed);
    Ok(failed == 0)
}
