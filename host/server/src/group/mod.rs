//! `millstream group`: what Kafka's `kafka-consumer-groups` does.

mod args;
mod describe;
mod reset;

use millstream_record::ErrorChain;
use serde_json::json;

pub use args::GroupCommand;

use crate::{
    exit::{Failure, USAGE},
    kafka_tools::{PATIENCE, failed},
    output::{Output, print, print_json, table},
};

/// Runs one of the commands.
pub async fn run(command: GroupCommand) -> Result<(), Failure> {
    match command {
        GroupCommand::List { connection, output } => {
            let mut groups = connection.admin(PATIENCE).await?.list_groups().await.map_err(failed)?;
            groups.sort_by(|one, two| one.group_id.cmp(&two.group_id));
            match output {
                Output::Text => {
                    let row = |group: millstream_client::admin::GroupListing| {
                        vec![group.group_id, group.protocol_type, group.state]
                    };
                    print(&table(&["GROUP", "TYPE", "STATE"], &groups.into_iter().map(row).collect::<Vec<_>>()))
                }
                Output::Json => {
                    let entry = |group: &millstream_client::admin::GroupListing| json!({"group": group.group_id, "type": group.protocol_type, "state": group.state});
                    print_json(&json!(groups.iter().map(entry).collect::<Vec<_>>()))
                }
            }
        }
        GroupCommand::Describe { connection, groups, members, output } => {
            describe::run(&connection.admin(PATIENCE).await?, &groups, members, output).await
        }
        GroupCommand::ResetOffsets(reset) => reset::run(reset).await,
        GroupCommand::Delete { connection, groups } => {
            let results = connection.admin(PATIENCE).await?.delete_groups(&groups).await.map_err(failed)?;
            let mut refused = Vec::new();
            for (group, result) in results {
                match result {
                    Ok(()) => print(&format!("Deleted group {group}.\n"))?,
                    Err(error) => refused.push(format!("delete group {group}: {}", ErrorChain(&error))),
                }
            }
            if refused.is_empty() { Ok(()) } else { Err(Failure::new(USAGE, refused.join("; "))) }
        }
    }
}
