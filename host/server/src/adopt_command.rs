//! `millstream broker adopt`: partitions of another data folder, Apache Kafka's above all, are served beside what is there.

use millstream_broker::{AdoptablePartition, AdoptedPartition, Adoption, Settings, adopt};
use millstream_record::ErrorChain;

use crate::{
    exit::{Failure, SETUP, USAGE},
    output::print,
};

/// Runs the command. Blocks.
///
/// # Errors
///
/// Nothing could be taken, or not all that was named.
pub fn run(adoption: &Adoption) -> Result<(), Failure> {
    let found = adopt(&millstream_disk::real(), adoption).map_err(|error| Failure::of(SETUP, &error))?;
    let refused = found.iter().filter(|partition| partition.verdict.is_err()).count();
    let mut text = String::new();
    for partition in &found {
        match &partition.verdict {
            Ok(found) => text.push_str(&told(partition, found)),
            Err(refusal) => {
                text.push_str(&format!("{}: NOT TAKEN: {}\n", partition.from.display(), ErrorChain(refusal)))
            }
        }
    }
    let (sound, dir) = (found.len() - refused, adoption.data_dir.display());
    if found.is_empty() {
        text.push_str(&format!("{dir}: there is nothing to take: all that was found is served here already\n"));
    } else if adoption.apply {
        text.push_str(&format!("{dir}: {sound} partitions taken, {refused} not\n"));
    } else {
        text.push_str(&format!("{dir}: {sound} partitions can be taken, {refused} not\n"));
        text.push_str("Nothing was changed. The same with --apply takes those that can be.\n");
    }
    print(&text)?;
    match refused {
        0 => Ok(()),
        count => Err(Failure::new(USAGE, format!("{count} partition(s) cannot be served as they are"))),
    }
}

fn told(AdoptedPartition { from, partition, served, .. }: &AdoptedPartition, found: &AdoptablePartition) -> String {
    let mut text = format!("{partition}: from {}, {} bytes", from.display(), found.bytes);
    if let Some(served) = served {
        text.push_str(&format!(", offsets {} to {}", served.start, served.end));
    }
    let set: Vec<String> = found.overrides.iter().map(|(key, value)| format!("{key}={value}")).collect();
    let set = if set.is_empty() { "none of its own".to_owned() } else { set.join(", ") };
    let topic = match found.settings {
        Settings::Here => "the topic is there, and its settings stay".to_owned(),
        Settings::Found => format!("new topic with the settings that Kafka's metadata log tells: {set}"),
        Settings::Unknown => {
            format!(
                "new topic, whose settings are not known (it keeps all records unless --config says otherwise): {set}"
            )
        }
    };
    text.push_str(&format!("; {topic}; {} partitions\n", found.partitions));
    if let Some(offset) = served.and_then(|served| served.open_transaction_at) {
        text.push_str(&format!(
            "  From offset {offset} on there are records of a transaction whose end is not in these files: readers of \
             committed records wait there. `kafka-transactions.sh abort --topic {} --partition {} --start-offset {offset}` \
             ends it.\n",
            found.topic, found.index
        ));
    }
    text
}
