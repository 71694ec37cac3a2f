//! The host's functions as a component calls them.

use crate::{
    Error, RequestedEnd, Result, RowError, TopicOffset, TopicPartition, TopicReport, TransactionEnd,
    batch::Batch,
    bindings::{
        host_connector, host_files, host_lease, host_log, host_metrics, host_report, host_sink, host_source, host_sql,
        host_transaction, host_wait,
    },
    convert::{join, raised_row_error, split},
    logging::Level,
    metrics::Progress,
    sql::{Done, Parameter, from_host},
};

pub(crate) use crate::http_imports::{RequestHandle, start_request};

fn level(level: Level) -> host_log::Level {
    match level {
        Level::Trace => host_log::Level::Trace,
        Level::Debug => host_log::Level::Debug,
        Level::Info => host_log::Level::Info,
        Level::Warn => host_log::Level::Warn,
        Level::Error => host_log::Level::Error,
    }
}

pub(crate) fn log_enabled(of: Level) -> bool {
    host_log::enabled(level(of))
}

pub(crate) fn log(of: Level, message: &str) {
    host_log::log(level(of), message);
}

pub(crate) fn declare_metric(name: &str, is_counter: bool, help: &str) -> Result<()> {
    let kind = if is_counter { host_metrics::MetricKind::Counter } else { host_metrics::MetricKind::Gauge };
    Ok(host_metrics::declare(name, kind, help)?)
}

pub(crate) fn count(name: &str, more: f64) -> Result<()> {
    Ok(host_metrics::count(name, more)?)
}

pub(crate) fn gauge(name: &str, value: f64) -> Result<()> {
    Ok(host_metrics::gauge(name, value)?)
}

pub(crate) fn report_progress(what: &str, now: Option<&Progress>) -> Result<()> {
    let now = now.map(|Progress { done, total, unit }| host_metrics::Progress {
        done: *done,
        total: *total,
        unit: unit.clone(),
    });
    Ok(host_metrics::report_progress(what, now.as_ref())?)
}

pub(crate) fn wait(ms: u32) -> bool {
    host_wait::wait(ms)
}

pub(crate) fn rest(ms: u32) {
    host_wait::rest(ms);
}

pub(crate) fn read_offsets(partitions: &[String]) -> Result<Vec<Option<String>>> {
    host_source::read_offsets(partitions).map_err(Error::from)
}

pub(crate) fn ends_transactions() -> bool {
    host_transaction::available()
}

pub(crate) fn set_transaction_boundaries(ends: &[RequestedEnd]) {
    let boundary = |&RequestedEnd { behind, end }: &RequestedEnd| {
        let ending = match end {
            TransactionEnd::Commit => host_transaction::Ending::Commit,
            TransactionEnd::Abort => host_transaction::Ending::Abort,
        };
        host_transaction::Boundary { behind, ending }
    };
    host_transaction::set_boundaries(&ends.iter().map(boundary).collect::<Vec<_>>());
}

pub(crate) fn obtain_lease() -> Result<u64> {
    Ok(join(host_lease::obtain()?))
}

pub(crate) fn confirm_lease(epoch: u64) -> Result<()> {
    Ok(host_lease::confirm(split(epoch))?)
}

pub(crate) fn kept_keys() -> Result<Vec<String>> {
    Ok(host_lease::keys()?)
}

pub(crate) fn read_kept(keys: &[String]) -> Result<Vec<Option<Vec<u8>>>> {
    Ok(host_lease::read(keys)?)
}

pub(crate) fn write_kept(epoch: u64, changes: Vec<(String, Option<Vec<u8>>)>) -> Result<()> {
    let changes: Vec<_> = changes.into_iter().map(|(key, value)| host_lease::KeyChange { key, value }).collect();
    Ok(host_lease::write(split(epoch), &changes)?)
}

pub(crate) fn request_task_reconfiguration() {
    host_connector::request_task_reconfiguration();
}

pub(crate) fn raise_error(error: Error) {
    host_connector::raise_error(&error.into());
}

pub(crate) fn assignment() -> Vec<TopicPartition> {
    host_sink::assignment().into_iter().map(TopicPartition::from).collect()
}

pub(crate) fn seek(offsets: &[TopicOffset]) {
    host_sink::seek(&offsets.iter().cloned().map(Into::into).collect::<Vec<_>>());
}

pub(crate) fn pause(partitions: &[TopicPartition]) -> Result<()> {
    host_sink::pause(&partitions.iter().cloned().map(Into::into).collect::<Vec<_>>()).map_err(Error::from)
}

pub(crate) fn resume(partitions: &[TopicPartition]) -> Result<()> {
    host_sink::resume(&partitions.iter().cloned().map(Into::into).collect::<Vec<_>>()).map_err(Error::from)
}

pub(crate) fn timeout(ms: u32) {
    host_sink::timeout(ms);
}

pub(crate) fn request_commit() {
    host_sink::request_commit();
}

pub(crate) fn report(errors: &[RowError]) -> Result<()> {
    let errors: Vec<_> = errors.iter().map(|error| crate::convert::row_error(error.clone(), 0)).collect();
    host_sink::report(&errors).map_err(Error::from)
}

pub(crate) fn write_reports(key: &str, reports: Vec<TopicReport>) -> Result<()> {
    let lower = |TopicReport { key, value, headers }| host_report::Report { key, value, headers };
    host_report::write(key, &reports.into_iter().map(lower).collect::<Vec<_>>()).map_err(Error::from)
}

#[derive(Debug)]
pub(crate) struct FileHandle(host_files::File);

impl FileHandle {
    pub(crate) fn open(key: &str) -> Result<Option<Self>> {
        Ok(host_files::File::open(key)?.map(Self))
    }

    pub(crate) fn read(&mut self, max: u32) -> Result<Vec<u8>> {
        Ok(self.0.read(max)?)
    }

    pub(crate) fn size(&self) -> Result<Option<u64>> {
        Ok(self.0.size()?.map(join))
    }

    pub(crate) fn seek(&mut self, position: u64) -> Result<()> {
        Ok(self.0.seek(split(position))?)
    }

    pub(crate) fn write(&mut self, bytes: &[u8]) -> Result<()> {
        Ok(self.0.write(bytes)?)
    }

    pub(crate) fn truncate(&mut self, length: u64) -> Result<()> {
        Ok(self.0.truncate(split(length))?)
    }

    pub(crate) fn sync(&mut self) -> Result<()> {
        Ok(self.0.sync()?)
    }

    pub(crate) fn ends_rest(&self) -> bool {
        self.0.ends_rest()
    }
}

#[derive(Debug)]
pub(crate) struct DatabaseHandle(host_sql::Database);

#[derive(Debug)]
pub(crate) struct RowsHandle(host_sql::Rows);

#[derive(Debug)]
pub(crate) struct StatementHandle(host_sql::Statement);

fn lowered(parameters: &[Parameter]) -> Vec<host_sql::Parameter> {
    let lower =
        |Parameter { kind, value }: &Parameter| host_sql::Parameter { kind: kind.clone(), value: value.clone() };
    parameters.iter().map(lower).collect()
}

impl DatabaseHandle {
    pub(crate) fn open(key: &str, options: &str) -> Result<Self> {
        Ok(Self(host_sql::Database::open(key, options)?))
    }

    pub(crate) fn about(&self) -> Result<String> {
        Ok(self.0.about()?)
    }

    pub(crate) fn now(&self) -> Result<String> {
        Ok(self.0.now()?)
    }

    pub(crate) fn tables(&self, filter: &str) -> Result<String> {
        Ok(self.0.tables(filter)?)
    }

    pub(crate) fn table(&self, name: &str) -> Result<Option<String>> {
        Ok(self.0.table(name)?)
    }

    pub(crate) fn check(&self, sql: &str) -> Result<String> {
        Ok(self.0.check(sql)?)
    }

    pub(crate) fn query(&self, sql: &str, parameters: &[Parameter], options: &str) -> Result<RowsHandle> {
        Ok(RowsHandle(self.0.query(sql, &lowered(parameters), options)?))
    }

    pub(crate) fn execute(&self, sql: &str, parameters: &[Parameter]) -> Result<u64> {
        Ok(join(self.0.execute(sql, &lowered(parameters))?))
    }

    pub(crate) fn prepare(&self, sql: &str, bindings: &str) -> Result<StatementHandle> {
        Ok(StatementHandle(self.0.prepare(sql, bindings)?))
    }

    pub(crate) fn begin(&self) -> Result<()> {
        Ok(self.0.begin()?)
    }

    pub(crate) fn commit(&self) -> Result<()> {
        Ok(self.0.commit()?)
    }

    pub(crate) fn rollback(&self) -> Result<()> {
        Ok(self.0.rollback()?)
    }

    pub(crate) fn listen(&self, channel: &str) -> Result<()> {
        Ok(self.0.listen(channel)?)
    }

    pub(crate) fn notifications(&self) -> Result<Vec<String>> {
        Ok(self.0.notifications()?)
    }

    pub(crate) fn ends_rest(&self) -> bool {
        self.0.ends_rest()
    }
}

impl RowsHandle {
    pub(crate) fn next(&mut self, max_rows: u32, max_bytes: u32) -> Result<Option<Batch>> {
        Ok(self.0.next(max_rows, max_bytes)?.map(from_host))
    }
}

impl StatementHandle {
    pub(crate) fn run(&mut self, records: Option<&[u8]>, only: Option<&[u8]>) -> Result<Done> {
        let host_sql::Done { changed, errors } = self.0.run(records, only)?;
        Ok(Done { changed: join(changed), errors: errors.into_iter().map(raised_row_error).collect() })
    }
}
