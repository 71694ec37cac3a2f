//! `millstream connector`: a worker's connectors from the command line, over the REST API that ours and Kafka Connect's share.

mod args;
mod change;
mod diagnosis;
mod diff;
pub mod documents;
mod edit;
mod logs;
mod offsets;
mod replay;
mod show;
mod state;

use serde_json::Value;

pub use args::{ConnectorArgs, Form};
pub use change::config_map;

use crate::{
    exit::Failure,
    output::{print, print_json},
    yaml,
};
use args::ConnectorCommand;
use change::Restart;
use state::Goal;

/// Runs one of the commands.
pub async fn run(arguments: ConnectorArgs) -> Result<(), Failure> {
    let worker = arguments.worker.worker()?;
    match arguments.command {
        ConnectorCommand::List { output } => show::list(&worker, output).await,
        ConnectorCommand::Status { name, output } => show::status(&worker, &name, output).await,
        ConnectorCommand::Describe { name, output } => show::describe(&worker, &name, output).await,
        ConnectorCommand::Create { files, wait } => change::create(&worker, &files, wait).await,
        ConnectorCommand::Apply { files, dry_run, wait } => change::apply(&worker, &files, dry_run, wait).await,
        ConnectorCommand::Diff { files } => change::differences(&worker, &files).await,
        ConnectorCommand::Edit { name, wait } => edit::run(&worker, &name, wait).await,
        ConnectorCommand::Pause { names, wait } => {
            change::set_state(&worker, &names.names, "pause", "Paused", Goal::Paused, wait).await
        }
        ConnectorCommand::Resume { names, wait } => {
            change::set_state(&worker, &names.names, "resume", "Resumed", Goal::Running, wait).await
        }
        ConnectorCommand::Stop { names, wait } => {
            change::set_state(&worker, &names.names, "stop", "Stopped", Goal::Stopped, wait).await
        }
        ConnectorCommand::Restart { name, task, only_failed, without_tasks, wait } => {
            change::restart(&worker, &name, &Restart { task, only_failed, without_tasks }, wait).await
        }
        ConnectorCommand::Offsets(command) => offsets::run(&worker, command).await,
        ConnectorCommand::Topics { name, reset, output } => show::topics(&worker, &name, reset, output).await,
        ConnectorCommand::Logs(arguments) => logs::run(&worker, &arguments).await,
        ConnectorCommand::Replay(arguments) => replay::run(&worker, arguments).await,
        ConnectorCommand::Delete { names, if_exists, wait } => {
            change::delete(&worker, &names.names, if_exists, wait).await
        }
    }
}

/// Prints a document for programs.
///
/// # Errors
///
/// Standard output cannot be written.
pub fn print_form(value: &Value, form: Form) -> Result<(), Failure> {
    match form {
        Form::Yaml => print(&yaml::to_yaml(value)),
        Form::Json | Form::Text => print_json(value),
    }
}
