//! How the process ends: Kafka Connect's exit codes, and errors as one line with their causes.

use std::{error::Error, fmt::Display, process::ExitCode};

use millstream_record::ErrorChain;

/// Wrong usage, or the end of a run that failed.
pub const USAGE: u8 = 1;
/// The configuration or what it leads to could not be set up.
pub const SETUP: u8 = 2;
/// The worker did not start, or a connector given on the command line could not be created.
pub const START: u8 = 3;

/// What was asked for is not there.
pub const NOT_FOUND: u8 = 4;
/// The worker refuses: the message is its own.
pub const REFUSED: u8 = 5;
/// There is no worker there, or no answer.
pub const UNREACHABLE: u8 = 6;
/// What was waited for has not come in time.
pub const NOT_YET: u8 = 7;
/// Nothing went wrong, and the answer is no: files differ from what runs, or would not work.
pub const NO: u8 = 8;

/// The codes of commands that ask a worker, for their help.
pub const CODES: &str =
    "Exit codes: 0 done; 1 wrong usage, or a file or terminal that cannot be read; 4 not found; 5 refused by the
worker; 6 no worker reached; 7 not there within the time of --wait; 8 the answer is no (diff, migrate, config check).";

/// Why the process ends early.
#[derive(Debug)]
pub struct Failure {
    /// Exit code.
    pub code: u8,
    /// What to print, causes included.
    pub message: String,
}

impl Failure {
    /// A failure in our own words.
    pub fn new(code: u8, message: impl Display) -> Self {
        Self { code, message: message.to_string() }
    }

    /// A failure with the errors that led to it.
    pub fn of(code: u8, error: &(dyn Error + 'static)) -> Self {
        Self { code, message: ErrorChain(error).to_string() }
    }

    /// Prints the failure and gives the exit code.
    pub fn report(&self) -> ExitCode {
        eprintln!("millstream: {}", self.message);
        ExitCode::from(self.code)
    }
}
