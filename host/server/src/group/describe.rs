//! `millstream group describe`.

use std::collections::{BTreeMap, BTreeSet};

use millstream_client::{
    Admin,
    admin::{GroupDescription, MemberDescription, OffsetSpec},
    config::IsolationLevel,
};
use millstream_record::{ErrorChain, TopicName};
use serde_json::{Value, json};

use crate::{
    exit::{Failure, USAGE},
    kafka_tools::failed,
    output::{Output, print, print_json, table},
};

type Partition = (TopicName, i32);

pub async fn run(admin: &Admin, groups: &[String], members: bool, output: Output) -> Result<(), Failure> {
    let (mut text, mut entries) = (String::new(), Vec::new());
    for group in groups {
        let described = admin.describe_group(group).await.map_err(failed)?;
        if described.state == "Dead" {
            return Err(Failure::new(USAGE, format!("describe group {group}: there is none of this id")));
        }
        if !text.is_empty() {
            text.push('\n');
        }
        if members {
            text.push_str(&members_text(&described)?);
            entries.push(members_json(&described)?);
        } else {
            let offsets = offsets(admin, &described).await?;
            text.push_str(&offsets_text(&described, &offsets));
            entries.push(offsets_json(&described, &offsets));
        }
    }
    match output {
        Output::Text => print(&text),
        Output::Json => print_json(&json!(entries)),
    }
}

/// The partitions that a member is assigned; none where its group is not one of consumers.
fn assigned(group: &GroupDescription, member: &MemberDescription) -> Result<BTreeSet<Partition>, Failure> {
    if group.protocol_type != "consumer" {
        return Ok(BTreeSet::new());
    }
    let malformed = |error| Failure::new(USAGE, format!("member {}: {}", member.member_id, ErrorChain(&error)));
    member.assigned_partitions().map_err(malformed)
}

/// How a group stands at one partition.
struct Standing<'a> {
    partition: Partition,
    committed: Option<i64>,
    end: Option<i64>,
    member: Option<&'a MemberDescription>,
}

impl Standing<'_> {
    fn lag(&self) -> Option<i64> {
        Some((self.end? - self.committed?).max(0))
    }
}

async fn offsets<'a>(admin: &Admin, group: &'a GroupDescription) -> Result<Vec<Standing<'a>>, Failure> {
    let committed = admin.list_group_offsets(&group.group_id, None).await.map_err(failed)?;
    let mut owners: BTreeMap<Partition, &MemberDescription> = BTreeMap::new();
    for member in &group.members {
        owners.extend(assigned(group, member)?.into_iter().map(|partition| (partition, member)));
    }
    let all: BTreeSet<Partition> = committed.keys().chain(owners.keys()).cloned().collect();
    let ends = ends(admin, &all).await?;
    let standing = |partition: Partition| Standing {
        committed: committed.get(&partition).map(|at| at.offset),
        end: ends.get(&partition).copied(),
        member: owners.get(&partition).copied(),
        partition,
    };
    Ok(all.into_iter().map(standing).collect())
}

/// Where partitions end; those of topics that are gone are left out.
async fn ends(admin: &Admin, partitions: &BTreeSet<Partition>) -> Result<BTreeMap<Partition, i64>, Failure> {
    let topics: BTreeSet<TopicName> = partitions.iter().map(|(topic, _)| topic.clone()).collect();
    let topics: Vec<TopicName> = topics.into_iter().collect();
    let described = admin.describe_topics(&topics).await.map_err(failed)?;
    let is_there = |(topic, partition): &&Partition| {
        let described = described.get(topic).and_then(|result| result.as_ref().ok());
        described.is_some_and(|topic| usize::try_from(*partition).is_ok_and(|at| at < topic.topic.partitions.len()))
    };
    let asked: Vec<_> = partitions
        .iter()
        .filter(is_there)
        .map(|(topic, partition)| (topic.clone(), *partition, OffsetSpec::Latest))
        .collect();
    let listed = admin.list_offsets(&asked, IsolationLevel::ReadUncommitted).await.map_err(failed)?;
    Ok(listed.into_iter().filter_map(|(partition, listed)| Some((partition, listed.offset?))).collect())
}

fn offsets_text(group: &GroupDescription, offsets: &[Standing<'_>]) -> String {
    let number = |number: Option<i64>| number.map_or("-".to_owned(), |number| number.to_string());
    let row = |at: &Standing<'_>| {
        let of =
            |what: fn(&MemberDescription) -> &String| at.member.map_or("-".to_owned(), |member| what(member).clone());
        vec![
            group.group_id.clone(),
            at.partition.0.to_string(),
            at.partition.1.to_string(),
            number(at.committed),
            number(at.end),
            number(at.lag()),
            of(|member| &member.member_id),
            of(|member| &member.host),
            of(|member| &member.client_id),
        ]
    };
    let headings =
        ["GROUP", "TOPIC", "PARTITION", "CURRENT-OFFSET", "LOG-END-OFFSET", "LAG", "CONSUMER-ID", "HOST", "CLIENT-ID"];
    let rows: Vec<_> = offsets.iter().map(row).collect();
    format!(
        "Group {} is {} and has {} member(s).\n{}",
        group.group_id,
        group.state,
        group.members.len(),
        table(&headings, &rows)
    )
}

fn offsets_json(group: &GroupDescription, offsets: &[Standing<'_>]) -> Value {
    let entry = |at: &Standing<'_>| {
        json!({
            "topic": at.partition.0.as_str(),
            "partition": at.partition.1,
            "offset": at.committed,
            "end_offset": at.end,
            "lag": at.lag(),
            "member": at.member.map(|member| &member.member_id),
            "host": at.member.map(|member| &member.host),
            "client_id": at.member.map(|member| &member.client_id),
        })
    };
    json!({
        "group": group.group_id,
        "state": group.state,
        "type": group.protocol_type,
        "protocol": group.protocol,
        "offsets": offsets.iter().map(entry).collect::<Vec<_>>(),
    })
}

fn members_text(group: &GroupDescription) -> Result<String, Failure> {
    let mut rows = Vec::new();
    for member in &group.members {
        let assigned = assigned(group, member)?;
        let list: Vec<String> = assigned.iter().map(|(topic, partition)| format!("{topic}-{partition}")).collect();
        rows.push(vec![
            group.group_id.clone(),
            member.member_id.clone(),
            member.group_instance_id.clone().unwrap_or_else(|| "-".to_owned()),
            member.host.clone(),
            member.client_id.clone(),
            assigned.len().to_string(),
            if list.is_empty() { "-".to_owned() } else { list.join(",") },
        ]);
    }
    let headings = ["GROUP", "CONSUMER-ID", "GROUP-INSTANCE-ID", "HOST", "CLIENT-ID", "#PARTITIONS", "ASSIGNMENT"];
    Ok(format!("Group {} is {}.\n{}", group.group_id, group.state, table(&headings, &rows)))
}

fn members_json(group: &GroupDescription) -> Result<Value, Failure> {
    let mut members = Vec::new();
    for member in &group.members {
        let assigned = assigned(group, member)?;
        let assigned: Vec<Value> = assigned
            .iter()
            .map(|(topic, partition)| json!({"topic": topic.as_str(), "partition": partition}))
            .collect();
        members.push(json!({
            "member": member.member_id,
            "instance": member.group_instance_id,
            "host": member.host,
            "client_id": member.client_id,
            "assignment": assigned,
        }));
    }
    Ok(json!({
        "group": group.group_id,
        "state": group.state,
        "type": group.protocol_type,
        "protocol": group.protocol,
        "members": members,
    }))
}
