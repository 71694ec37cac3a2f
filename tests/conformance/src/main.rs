//! `conformance DIR`: reads a folder of cases and says which of them hold.

#![deny(unsafe_code)]

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;
use conformance::{NotYet, Runner, report};

/// Runs conformance cases through the components that records go through.
#[derive(Parser)]
struct Arguments {
    /// Folder with the cases, in any depth.
    folder: PathBuf,
    /// List of files, a line each, that need not hold yet. One that holds wholly is an error.
    #[arg(long, value_name = "FILE")]
    not_yet: Option<PathBuf>,
    /// Shows for each failed case what was expected and what was found.
    #[arg(long, short)]
    verbose: bool,
    /// Only cases whose `file:name` contains this text.
    #[arg(long, value_name = "TEXT")]
    only: Option<String>,
}

#[tokio::main]
async fn main() -> ExitCode {
    let arguments = Arguments::parse();
    match run(&arguments).await {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("{}", millstream_record::ErrorChain(&*error));
            ExitCode::FAILURE
        }
    }
}

async fn run(arguments: &Arguments) -> Result<bool, Box<dyn std::error::Error>> {
    let not_yet = arguments.not_yet.as_deref().map(NotYet::read).transpose()?.unwrap_or_default();
    let runner = Runner::start().await?;
    let results = runner.run(&arguments.folder, arguments.only.as_deref()).await?;
    print!("{}", report::text(&results, &not_yet, arguments.verbose));
    Ok(report::verdict(&results, &not_yet).is_empty())
}
