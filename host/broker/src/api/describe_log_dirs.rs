//! DescribeLogDirs: the one data folder and what each partition takes up in it.

use millstream_wire::protocol::messages::{
    DescribeLogDirsRequest, DescribeLogDirsResponse,
    describe_log_dirs_response::{DescribeLogDirsPartition, DescribeLogDirsResult, DescribeLogDirsTopic},
};

use super::{Call, name_of, text};

/// Bytes of the volume with the data folder: all, and those that are left to this process; -1 where that is not known.
fn volume(call: &Call<'_>) -> (i64, i64) {
    let Ok(volume) = rustix::fs::statvfs(&call.node.config.data_dir) else { return (-1, -1) };
    let bytes = |blocks: u64| i64::try_from(blocks.saturating_mul(volume.f_frsize)).unwrap_or(i64::MAX);
    (bytes(volume.f_blocks), bytes(volume.f_bavail))
}

pub fn handle(call: &Call<'_>, request: DescribeLogDirsRequest) -> DescribeLogDirsResponse {
    let mut topics = Vec::new();
    for topic in call.node.topics.all() {
        let wanted = match &request.topics {
            None => None,
            Some(asked) => match asked.iter().find(|it| it.topic.as_str() == topic.name.as_str()) {
                Some(it) => Some(&it.partitions),
                None => continue,
            },
        };
        let partitions = topic
            .partitions
            .iter()
            .filter(|partition| wanted.is_none_or(|asked| asked.contains(&partition.index())))
            .map(|partition| {
                DescribeLogDirsPartition::default()
                    .with_partition_index(partition.index())
                    .with_partition_size(i64::try_from(partition.size_bytes()).unwrap_or(i64::MAX))
            });
        topics.push(
            DescribeLogDirsTopic::default().with_name(name_of(&topic.name)).with_partitions(partitions.collect()),
        );
    }
    let dir = text(call.node.config.data_dir.display().to_string());
    let (total, usable) = volume(call);
    let result = DescribeLogDirsResult::default()
        .with_log_dir(dir)
        .with_topics(topics)
        .with_total_bytes(total)
        .with_usable_bytes(usable);
    DescribeLogDirsResponse::default().with_results(vec![result])
}
