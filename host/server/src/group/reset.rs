//! `millstream group reset-offsets`: where offsets would go is a plain function; then they are shown, and set if asked.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::{SystemTime, UNIX_EPOCH},
};

use millstream_client::{
    Admin,
    admin::{OffsetAndMetadata, OffsetSpec},
    config::IsolationLevel,
};
use millstream_record::{ErrorChain, TopicName};
use serde_json::{Value, json};

use super::args::ResetOffsets;
use crate::{
    exit::{Failure, USAGE},
    kafka_tools::{PATIENCE, failed},
    output::{Output, print, print_json, table},
    topic::{name, partition_counts},
};

type Partition = (TopicName, i32);

/// Where offsets are to go.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Target {
    Earliest,
    Latest,
    Current,
    Offset(i64),
    Shift(i64),
    /// The first record of this time or later.
    Time(i64),
}

/// What is known of one partition.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
struct Known {
    committed: Option<i64>,
    first: i64,
    end: i64,
    /// The first record of the time that is asked for; `None` if there is none.
    at_time: Option<i64>,
}

impl Target {
    fn of(reset: &ResetOffsets) -> Result<Self, Failure> {
        let since = |span: crate::moment::Span| -> Result<i64, Failure> {
            let now = SystemTime::now().duration_since(UNIX_EPOCH);
            let now = now.map_err(|error| Failure::new(USAGE, format!("read the clock: {error}")))?;
            Ok(i64::try_from(now.saturating_sub(span.0).as_millis()).unwrap_or(i64::MAX))
        };
        Ok(match reset {
            ResetOffsets { to_earliest: true, .. } => Self::Earliest,
            ResetOffsets { to_latest: true, .. } => Self::Latest,
            ResetOffsets { to_offset: Some(offset), .. } => Self::Offset(*offset),
            ResetOffsets { shift_by: Some(records), .. } => Self::Shift(*records),
            ResetOffsets { to_datetime: Some(moment), .. } => Self::Time(moment.0),
            ResetOffsets { by_duration: Some(span), .. } => Self::Time(since(*span)?),
            _ => Self::Current,
        })
    }

    /// The new offset, within what the partition has; `None` where there is nothing to shift.
    fn choose(self, at: Known) -> Option<i64> {
        let offset = match self {
            Self::Earliest => at.first,
            Self::Latest => at.end,
            Self::Current => at.committed.unwrap_or(at.end),
            Self::Offset(offset) => offset,
            Self::Shift(records) => at.committed?.saturating_add(records),
            Self::Time(_) => at.at_time.unwrap_or(at.end),
        };
        Some(offset.clamp(at.first, at.end))
    }
}

pub async fn run(reset: ResetOffsets) -> Result<(), Failure> {
    let admin = reset.connection.admin(PATIENCE).await?;
    let group = &reset.group;
    let described = admin.describe_group(group).await.map_err(failed)?;
    if !described.members.is_empty() {
        let message = format!(
            "reset offsets of group {group}: it is {} and has {} member(s); stop them first",
            described.state,
            described.members.len()
        );
        return Err(Failure::new(USAGE, message));
    }
    let committed = admin.list_group_offsets(group, None).await.map_err(failed)?;
    let partitions = match reset.all_topics {
        true => committed.keys().cloned().collect(),
        false => chosen(&admin, &reset.topics).await?,
    };
    if partitions.is_empty() {
        return Err(Failure::new(USAGE, format!("reset offsets of group {group}: it has no committed offsets")));
    }
    let target = Target::of(&reset)?;
    let listed = async |spec| -> Result<BTreeMap<Partition, Option<i64>>, Failure> {
        let asked: Vec<_> = partitions.iter().map(|(topic, at): &Partition| (topic.clone(), *at, spec)).collect();
        let listed = admin.list_offsets(&asked, IsolationLevel::ReadUncommitted).await.map_err(failed)?;
        Ok(listed.into_iter().map(|(partition, listed)| (partition, listed.offset)).collect())
    };
    let (first, end) = (listed(OffsetSpec::Earliest).await?, listed(OffsetSpec::Latest).await?);
    let at_time = match target {
        Target::Time(millis) => listed(OffsetSpec::At(millis)).await?,
        _ => BTreeMap::new(),
    };
    let mut planned = Vec::new();
    for partition in &partitions {
        let (Some(Some(first)), Some(Some(end))) = (first.get(partition), end.get(partition)) else {
            let (topic, number) = partition;
            return Err(Failure::new(USAGE, format!("nobody says where {topic}-{number} begins and ends")));
        };
        let known = Known {
            committed: committed.get(partition).map(|at| at.offset),
            first: *first,
            end: *end,
            at_time: at_time.get(partition).copied().flatten(),
        };
        let Some(offset) = target.choose(known) else {
            let (topic, number) = partition;
            let message = format!("group {group} has no committed offset of {topic}-{number} that could be shifted");
            return Err(Failure::new(USAGE, message));
        };
        planned.push((partition.clone(), known.committed, offset));
    }
    if reset.execute {
        execute(&admin, group, &planned).await?;
    }
    show(&reset, &planned)
}

/// The partitions that `topic` or `topic:0,2` name.
async fn chosen(admin: &Admin, topics: &[String]) -> Result<BTreeSet<Partition>, Failure> {
    let mut chosen = BTreeSet::new();
    for text in topics {
        let (topic, numbers) = text.split_once(':').map_or((text.as_str(), None), |(topic, rest)| (topic, Some(rest)));
        let topic = name(topic)?;
        let count = partition_counts(admin, std::slice::from_ref(&topic)).await?.remove(&topic).unwrap_or(0);
        let Some(numbers) = numbers else {
            chosen.extend((0..count).map(|partition| (topic.clone(), partition)));
            continue;
        };
        for number in numbers.split(',') {
            let number = number.trim().parse().ok().filter(|number| (0..count).contains(number));
            let wanted =
                || Failure::new(USAGE, format!("--topic {text}: topic {topic} has partitions 0 to {}", count - 1));
            chosen.insert((topic.clone(), number.ok_or_else(wanted)?));
        }
    }
    Ok(chosen)
}

async fn execute(admin: &Admin, group: &str, planned: &[(Partition, Option<i64>, i64)]) -> Result<(), Failure> {
    let offsets: Vec<_> = planned
        .iter()
        .map(|((topic, partition), _, offset)| (topic.clone(), *partition, OffsetAndMetadata::new(*offset)))
        .collect();
    let results = admin.alter_group_offsets(group, &offsets).await.map_err(failed)?;
    let refused: Vec<String> = results
        .into_iter()
        .filter_map(|((topic, partition), result)| Some(format!("{topic}-{partition}: {}", ErrorChain(&result.err()?))))
        .collect();
    match refused.is_empty() {
        true => Ok(()),
        false => Err(Failure::new(USAGE, format!("set the offsets of group {group}: {}", refused.join("; ")))),
    }
}

fn show(reset: &ResetOffsets, planned: &[(Partition, Option<i64>, i64)]) -> Result<(), Failure> {
    match reset.output {
        Output::Text => {
            let row = |((topic, partition), _, offset): &(Partition, Option<i64>, i64)| {
                vec![reset.group.clone(), topic.to_string(), partition.to_string(), offset.to_string()]
            };
            let rows: Vec<_> = planned.iter().map(row).collect();
            print(&table(&["GROUP", "TOPIC", "PARTITION", "NEW-OFFSET"], &rows))?;
            if !reset.execute {
                print("Nothing was changed. The same with --execute sets these offsets.\n")?;
            }
            Ok(())
        }
        Output::Json => {
            let entry = |((topic, partition), before, offset): &(Partition, Option<i64>, i64)| json!({"topic": topic.as_str(), "partition": partition, "offset": before, "new_offset": offset});
            let entries: Vec<Value> = planned.iter().map(entry).collect();
            print_json(&json!({"group": reset.group, "executed": reset.execute, "offsets": entries}))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn offsets_go_where_they_are_told_but_never_out_of_the_partition() {
        let at = Known { committed: Some(50), first: 10, end: 100, at_time: Some(70) };
        for (target, offset) in [
            (Target::Earliest, Some(10)),
            (Target::Latest, Some(100)),
            (Target::Current, Some(50)),
            (Target::Offset(42), Some(42)),
            (Target::Offset(5), Some(10)),
            (Target::Offset(500), Some(100)),
            (Target::Shift(-20), Some(30)),
            (Target::Shift(-100), Some(10)),
            (Target::Shift(i64::MAX), Some(100)),
            (Target::Time(0), Some(70)),
        ] {
            assert_eq!(target.choose(at), offset, "{target:?}");
        }
        let fresh = Known { committed: None, at_time: None, ..at };
        for (target, offset) in [(Target::Current, Some(100)), (Target::Shift(1), None), (Target::Time(0), Some(100))] {
            assert_eq!(target.choose(fresh), offset, "{target:?}");
        }
    }
}
