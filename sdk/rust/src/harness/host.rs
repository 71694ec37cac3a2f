//! The host's functions as a native plugin finds them: each acts on the harness of the thread.

use std::time::Duration;

use super::{FakeLease, State, files::Open, with_state};
use crate::{
    Error, RequestedEnd, Result, RowError, TopicOffset, TopicPartition, TopicReport, lease::LOST, logging::Level,
    metrics::Progress,
};

pub(crate) use super::{
    database::{DatabaseHandle, RowsHandle, StatementHandle},
    files::FileHandle,
    server::{RequestHandle, start_request},
};

pub(crate) fn log_enabled(_: Level) -> bool {
    true
}

pub(crate) fn log(level: Level, message: &str) {
    with_state(|state| state.log.push((level, message.to_owned())));
}

pub(crate) fn declare_metric(name: &str, _: bool, _: &str) -> Result<()> {
    with_state(|state| {
        state.metrics.entry(name.to_owned()).or_default();
    });
    Ok(())
}

pub(crate) fn count(name: &str, more: f64) -> Result<()> {
    if !(more.is_finite() && 0.0 <= more) {
        return Err(Error::fatal(format!("{more} is not a finite number of at least 0")));
    }
    with_state(|state| *state.metrics.entry(name.to_owned()).or_default() += more);
    Ok(())
}

pub(crate) fn gauge(name: &str, value: f64) -> Result<()> {
    if !value.is_finite() {
        return Err(Error::fatal(format!("{value} is not a finite number")));
    }
    with_state(|state| state.metrics.insert(name.to_owned(), value));
    Ok(())
}

pub(crate) fn report_progress(what: &str, now: Option<&Progress>) -> Result<()> {
    with_state(|state| match now {
        Some(now) => drop(state.progress.insert(what.to_owned(), now.clone())),
        None => drop(state.progress.remove(what)),
    });
    Ok(())
}

pub(crate) fn wait(ms: u32) -> bool {
    with_state(|state| {
        state.waits.push(Duration::from_millis(ms.into()));
        state.stopping
    })
}

pub(crate) fn rest(ms: u32) {
    with_state(|state| state.rests.push(Duration::from_millis(ms.into())));
}

pub(crate) fn open_file(key: &str) -> Result<Option<Open>> {
    with_state(|state| state.files.get(key).map(|file| file.open()).transpose())
}

pub(crate) fn read_offsets(partitions: &[String]) -> Result<Vec<Option<String>>> {
    with_state(|state| Ok(partitions.iter().map(|partition| state.offsets.get(partition).cloned()).collect()))
}

pub(crate) fn ends_transactions() -> bool {
    with_state(|state| state.ends_transactions)
}

pub(crate) fn set_transaction_boundaries(ends: &[RequestedEnd]) {
    with_state(|state| state.transaction_ends.extend_from_slice(ends));
}

fn check_lease(lease: &FakeLease, epoch: u64) -> Result<()> {
    if lease.held == Some(epoch) && lease.epoch == epoch {
        return Ok(());
    }
    let text = format!("the task does not own the lease in epoch {epoch}: epoch {} is the last", lease.epoch);
    Err(Error::fatal(text).class(LOST))
}

pub(crate) fn obtain_lease() -> Result<u64> {
    with_state(|State { lease, .. }| {
        if lease.held != Some(lease.epoch) {
            lease.epoch += 1;
            lease.held = Some(lease.epoch);
        }
        Ok(lease.epoch)
    })
}

pub(crate) fn confirm_lease(epoch: u64) -> Result<()> {
    with_state(|state| check_lease(&state.lease, epoch))
}

pub(crate) fn kept_keys() -> Result<Vec<String>> {
    with_state(|state| Ok(state.lease.kept.keys().cloned().collect()))
}

pub(crate) fn read_kept(keys: &[String]) -> Result<Vec<Option<Vec<u8>>>> {
    with_state(|state| Ok(keys.iter().map(|key| state.lease.kept.get(key).cloned()).collect()))
}

pub(crate) fn write_kept(epoch: u64, changes: Vec<(String, Option<Vec<u8>>)>) -> Result<()> {
    with_state(|State { lease, .. }| {
        check_lease(lease, epoch)?;
        for (key, value) in changes {
            match value {
                Some(value) => drop(lease.kept.insert(key, value)),
                None => drop(lease.kept.remove(&key)),
            }
        }
        Ok(())
    })
}

pub(crate) fn request_task_reconfiguration() {
    with_state(|state| state.connector.reconfigurations += 1);
}

pub(crate) fn raise_error(error: Error) {
    with_state(|state| state.connector.errors.push(error));
}

pub(crate) fn assignment() -> Vec<TopicPartition> {
    with_state(|state| state.assignment.clone())
}

pub(crate) fn seek(offsets: &[TopicOffset]) {
    with_state(|state| state.sink.seeks.push(offsets.to_vec()));
}

fn check_assigned(assignment: &[TopicPartition], partitions: &[TopicPartition]) -> Result<()> {
    match partitions.iter().find(|partition| !assignment.contains(partition)) {
        None => Ok(()),
        Some(partition) => {
            let TopicPartition { topic, partition } = partition;
            let error = Error::fatal(format!("partition {topic}-{partition} is not assigned to this task"));
            Err(error.class("org.apache.kafka.connect.errors.IllegalWorkerStateException"))
        }
    }
}

pub(crate) fn pause(partitions: &[TopicPartition]) -> Result<()> {
    with_state(|state| {
        check_assigned(&state.assignment, partitions)?;
        state.sink.paused.extend_from_slice(partitions);
        Ok(())
    })
}

pub(crate) fn resume(partitions: &[TopicPartition]) -> Result<()> {
    with_state(|state| {
        check_assigned(&state.assignment, partitions)?;
        state.sink.paused.retain(|paused| !partitions.contains(paused));
        Ok(())
    })
}

pub(crate) fn timeout(ms: u32) {
    with_state(|state| state.sink.timeout = Some(Duration::from_millis(ms.into())));
}

pub(crate) fn request_commit() {
    with_state(|state| state.sink.commits += 1);
}

pub(crate) fn report(errors: &[RowError]) -> Result<()> {
    with_state(|state| match &state.refuse_reports {
        Some(error) => Err(error.clone()),
        None => {
            state.sink.reported.extend_from_slice(errors);
            Ok(())
        }
    })
}

pub(crate) fn write_reports(key: &str, reports: Vec<TopicReport>) -> Result<()> {
    with_state(|state| {
        state.sink.written.extend(reports.into_iter().map(|report| (key.to_owned(), report)));
        Ok(())
    })
}
